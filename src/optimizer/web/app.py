"""The app factory: one process that serves one deployment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from optimizer import __version__
from optimizer.deployment import Deployment
from optimizer.web import campaigns, decisions, outcomes, oversight, problems, quarantine, ranking
from optimizer.web.answers import HealthOut
from optimizer.web.desk import Desk
from optimizer.web.limits import BodyLimit
from optimizer.web.rendering import json_answer
from optimizer.web.security import TheDesk

DESCRIPTION = """
Ask for the next variant, report what happened, see what was learned.

Every answer is durable before it leaves. Repeat any request with the same `request_id` or `event_id`: nothing changes
and you get the same answer. Errors are RFC 9457 problems that name place, value found and value allowed.
"""


def create_app(deployment: Deployment) -> FastAPI:
    """An ASGI app; its lifespan owns the writer thread and the learner, and drains on shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        desk = Desk(deployment)
        app.state.desk = desk
        learner = asyncio.create_task(desk.keep_learning())
        try:
            yield
        finally:
            learner.cancel()
            await asyncio.wait([learner])
            await asyncio.to_thread(desk.close)

    app = FastAPI(
        title="optimizer",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    problems.install(app)
    app.add_middleware(BodyLimit)
    for part in (ranking, decisions, outcomes, campaigns, oversight, quarantine):
        app.include_router(part.router)

    @app.get("/livez", response_model=HealthOut, tags=["health"])
    async def livez() -> Any:
        """Whether the process answers."""
        return json_answer({"status": "ok"})

    @app.get("/readyz", response_model=HealthOut, tags=["health"], responses={503: problems.PROBLEMS[503]})
    async def readyz(desk: TheDesk) -> Any:
        """Whether the process can reach its ledger."""
        await desk.read(lambda ledger, live: live.at(ledger))
        return json_answer({"status": "ok"})

    return app
