"""One campaign: what it does and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from optimizer.insights.campaign_words import WAITS
from optimizer.services.reports.dossier import dossier
from optimizer.services.reports.illustrating import illustrated
from optimizer.services.reports.leaderboards import Sort, leaderboard, shortened
from optimizer.storage.readings import day_of
from optimizer.web.console.readings import reading, slow_reading
from optimizer.web.console.shell import Viewing, page
from optimizer.web.routes.campaigns import CampaignId

router = APIRouter()


@router.get("/campaigns/{campaign_id}")
async def campaign(
    campaign_id: CampaignId,
    request: Request,
    viewer: Viewing,
    sort: Annotated[str, Query(max_length=20)] = Sort.DOCUMENTS,
    rows: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Everything about one campaign."""
    found = await reading(request, dossier, campaign_id)
    drawn = await slow_reading(request, illustrated, campaign_id)
    about = found.value
    order = Sort(sort) if sort in set(Sort) else Sort.DOCUMENTS
    board = leaderboard(about.report, about.numbers, about.may_be_chosen, order)
    return await page(
        request,
        "campaign.html.j2",
        as_of=found.as_of,
        viewer=viewer,
        about=about,
        drawn=None if drawn is None else drawn.value,
        pictures={} if drawn is None else drawn.value.pictures,
        board=board if rows == "all" else shortened(board),
        sort=order,
        sorts=list(Sort),
        waits=WAITS,
        day_of=day_of,
    )
