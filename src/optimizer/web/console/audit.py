"""Who changed what, when and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from optimizer.services.auditing import audit_page, trail
from optimizer.web.console.forms import HOME
from optimizer.web.console.readings import reading, slow_reading
from optimizer.web.console.shell import Viewing, page

router = APIRouter()
_PATH = f"{HOME}/audit"
AT_ONCE = 5_000  # entries whose chain is followed while somebody waits for the page


@router.get("/audit")
async def trail_page(
    request: Request,
    viewer: Viewing,
    campaign: Annotated[str, Query(max_length=64)] = "",
    actor: Annotated[str, Query(max_length=1_000)] = "",
    action: Annotated[str, Query(max_length=100)] = "",
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """The trail, newest first, and whether it is as it was written."""
    filters = {"campaign": campaign, "actor": actor, "action": action}
    found = await reading(request, audit_page, campaign or None, actor or None, action or None, before)
    follow = reading if found.value.entries <= AT_ONCE else slow_reading
    checked = await follow(request, trail)
    older = found.value.next_before
    return await page(
        request,
        "audit.html.j2",
        as_of=found.as_of,
        viewer=viewer,
        shown=found.value,
        checked=checked,
        filters=filters,
        campaigns=_options(found.value.campaigns),
        actors=_options(found.value.actors),
        actions=_options(found.value.actions),
        filtered=any(filters.values()),
        newest=_url(filters) if before is not None else None,
        older=None if older is None else _url({**filters, "before": str(older)}),
    )


def _options(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def _url(query: dict[str, str]) -> str:
    said = urlencode({name: value for name, value in query.items() if value})
    return f"{_PATH}?{said}" if said else _PATH
