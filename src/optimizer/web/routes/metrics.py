"""`GET /metrics`: the figures of this service for Prometheus."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from optimizer.services.keys.api_keys import Scope
from optimizer.web.problems import PROBLEMS
from optimizer.web.routes.scraping import Scraping
from optimizer.web.security import requires

EXAMPLE = '# TYPE optimizer_decisions_total counter\noptimizer_decisions_total{campaign="winback"} 12.0\n'


def router(*, anyone: bool) -> APIRouter:
    """The route; `anyone` may read it, or only whoever has a key with scope `analyse`."""
    made = APIRouter(tags=["health"])
    guard = [] if anyone else [Depends(requires(Scope.ANALYSE))]
    refused = () if anyone else (401, 403, 429, 503)
    refusals: dict[int | str, dict[str, Any]] = {status: PROBLEMS[status] for status in refused}

    @made.get(
        "/metrics",
        dependencies=guard,
        response_class=Response,
        responses={200: {"content": {"text/plain": {"example": EXAMPLE}}}, **refusals},
    )
    async def metrics(request: Request) -> Response:
        """Everything this service measures, in the text format of Prometheus or in OpenMetrics.

        It holds ids of campaigns, variants and segments, and what is left of budgets; nothing about any recipient.
        While the ledger is out of reach, what is read from it is left out.
        """
        scraping: Scraping = request.app.state.scraping
        text, media_type = await scraping.text(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": media_type})

    return made
