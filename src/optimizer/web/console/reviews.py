"""What waits to be looked at: reviews, words to approve, and whether that is more than the team said it can do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from optimizer.services.oversight.reviewing import agenda
from optimizer.web.console.readings import reading
from optimizer.web.console.shell import Viewing, page

router = APIRouter()


@router.get("/reviews")
async def reviews_page(request: Request, viewer: Viewing) -> Response:
    """Reviews that are due, the soonest first, and words that nobody has approved."""
    found = await reading(request, agenda)
    return await page(request, "reviews.html.j2", as_of=found.as_of, viewer=viewer, agenda=found.value)
