"""Routes for analysts: the ledger as tables, a page at a time, as Parquet or as a JSON object a line."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Response

from optimizer.services.keys.api_keys import Scope
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.routes.export_formats import MEDIA_TYPES, Format
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.requests import IDENTIFIER_PATTERN

PAGE: Final = 2_000
LARGEST_PAGE: Final = 10_000
POINTS: Final = 100
MOST_POINTS: Final = 1_000
_TABLE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The table, or a page of it; `Link: <…>; rel=next` leads to the next page while there is one.",
        "content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()},
        "headers": {
            "Link": {"schema": {"type": "string"}, "description": "The next page."},
            "X-Decisions-Read": {"schema": {"type": "integer"}, "description": "Decisions read up to this page."},
            "X-Decisions-Total": {"schema": {"type": "integer"}, "description": "Decisions there are to read."},
        },
    }
}

router = APIRouter(
    prefix="/v1/export",
    tags=["export"],
    route_class=JsonRoute,
    default_response_class=Response,
    responses={**PROBLEMS, **_TABLE},
    dependencies=[Depends(requires(Scope.ANALYSE))],
)
CampaignId = Annotated[str, Path(pattern=IDENTIFIER_PATTERN, description="id of a campaign")]
AnyCampaign = Annotated[
    str | None, Query(pattern=IDENTIFIER_PATTERN, description="id of a campaign; all of them if left out")
]
Since = Annotated[
    str | None, Query(max_length=40, description="First day (UTC) or time of the decisions.", examples=["2026-12-01"])
]
Until = Annotated[
    str | None, Query(max_length=40, description="First day or time that is no longer wanted.", examples=["2026-12-02"])
]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Decisions looked at for one page, at most.")]
Points = Annotated[int, Query(ge=1, le=MOST_POINTS, description="Snapshots, at most.")]
Cursor = Annotated[str | None, Query(max_length=512, description="As the link to the next page has it.")]
Kind = Annotated[Format, Query(alias="format", description="`ndjson`, or `parquet` with typed columns.")]


@cache
def _pages() -> Any:
    return import_module("optimizer.web.routes.export_pages")  # when it is first needed, for what it says itself


ThePages = Annotated[Any, Depends(_pages)]  # in a thread, as FastAPI calls what may take long


@router.get("/campaigns")
async def export_campaigns(desk: TheDesk, pages: ThePages, kind: Kind = Format.NDJSON) -> Any:
    """A row for each campaign in force."""
    return await desk.read(pages.campaigns_page(kind))


@router.get("/allocation/{campaign_id}")
async def export_allocation(
    campaign_id: CampaignId, desk: TheDesk, pages: ThePages, points: Points = POINTS, kind: Kind = Format.NDJSON
) -> Any:
    """How the shares of each segment moved from snapshot to snapshot."""
    return await desk.read(pages.allocation_page(campaign_id, points, kind))


@router.get("/variants/{campaign_id}")
async def export_variants(campaign_id: CampaignId, desk: TheDesk, pages: ThePages, kind: Kind = Format.NDJSON) -> Any:
    """The report's variants: trials, rates, what is believed, and differences taken within days."""
    return await desk.read(pages.variants_page(campaign_id, kind))


@router.get("/groups/{campaign_id}")
async def export_groups(campaign_id: CampaignId, desk: TheDesk, pages: ThePages, kind: Kind = Format.NDJSON) -> Any:
    """The report's groups: the learning group beside the holdout, and its lift."""
    return await desk.read(pages.groups_page(campaign_id, kind))


@router.get("/decisions")
async def export_decisions(
    desk: TheDesk,
    pages: ThePages,
    campaign: AnyCampaign = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
    kind: Kind = Format.NDJSON,
) -> Any:
    """Decisions with what came of each, in order of campaign and time. Recipients are pseudonyms: keyed hashes."""
    asked = _asked(campaign=campaign, since=since, until=until, limit=limit, format=kind)
    return await desk.read(pages.walk_page("decisions", asked, cursor))


@router.get("/outcomes")
async def export_outcomes(
    desk: TheDesk,
    pages: ThePages,
    campaign: AnyCampaign = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = PAGE,
    cursor: Cursor = None,
    kind: Kind = Format.NDJSON,
) -> Any:
    """Outcomes of the decisions made in a period, whenever they came, and what each of them counted."""
    asked = _asked(campaign=campaign, since=since, until=until, limit=limit, format=kind)
    return await desk.read(pages.walk_page("outcomes", asked, cursor))


@router.get("/trials/{campaign_id}")
async def export_trials(
    campaign_id: CampaignId,
    desk: TheDesk,
    pages: ThePages,
    limit: Limit = PAGE,
    cursor: Cursor = None,
    kind: Kind = Format.NDJSON,
) -> Any:
    """Matured trials in the standard columns of a history, ready for off-policy evaluation, in order of a hash."""
    asked = _asked(limit=limit, format=kind)
    return await desk.read(pages.trials_page(campaign_id, asked, cursor))


def _asked(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}
