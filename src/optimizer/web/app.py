"""The app factory: one process that serves one deployment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from starlette.types import Receive, Scope, Send

from optimizer import __version__
from optimizer.deployment import CLOCK, Deployment
from optimizer.web import problems, reference
from optimizer.web.background.keeper import Keeper
from optimizer.web.console import problem_pages, routes
from optimizer.web.console.aside import Aside
from optimizer.web.desk import Desk
from optimizer.web.escaped_slashes import EscapedSlashes
from optimizer.web.fast.express import DESK
from optimizer.web.fast.hot import HotRoutes
from optimizer.web.headers import SecurityHeaders
from optimizer.web.limits import BodyLimit
from optimizer.web.observing.fellow_workers import FellowWorkers
from optimizer.web.observing.requests_seen import Observing, begin_tracing
from optimizer.web.observing.telemetry import ACCESS_LOG
from optimizer.web.protocols import bundles, cloud_events, fetching, ofrep, tracking, webhooks
from optimizer.web.routes import (
    campaigns,
    decisions,
    exports,
    measurements,
    metrics,
    notices,
    outcomes,
    oversight,
    people,
    proposals,
    quarantine,
    ranking,
)
from optimizer.web.routes.scraping import Scraping
from optimizer.web.shapes.answers import HealthOut, ReadinessOut
from optimizer.web.shapes.rendering import json_answer

INTEGRATIONS = (ofrep, tracking, webhooks, fetching, cloud_events, bundles, notices, exports)
INSIGHTS = (measurements, proposals)
PATIENCE_SECONDS = 5.0  # with a database that says nothing

DESCRIPTION = """
Ask for the next variant, report what happened, see what was learned.

Every answer is durable before it leaves. Repeat any request with the same `request_id` or `event_id`: nothing changes
and you get the same answer. Errors are RFC 9457 problems that name place, value found and value allowed.
"""


class Service(FastAPI):
    """An app with the hot routes in front of all its middleware: to pass through that costs as much as to choose."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await HotRoutes(super().__call__)(scope, receive, send)


def create_app(deployment: Deployment, *, reads_aside: bool = False) -> FastAPI:
    """An ASGI app; its lifespan owns the writer and the keeper, and drains on shutdown.

    Args:
        deployment: what it serves.
        reads_aside: whether what the console shows is worked out in a process of its own; else in a thread.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Desk]]:
        deployment.store.expect_answers_within(PATIENCE_SECONDS)
        desk = Desk(deployment)
        app.state.desk = desk
        app.state.keeper = keeper = Keeper(desk, deployment, CLOCK)
        await keeper.begin()
        app.state.scraping = scraping = Scraping(desk, deployment)
        scraping.begin()
        try:
            yield {} if deployment.settings.traces_to else {DESK: desk}
        finally:
            if app.state.aside is not None:
                app.state.aside.end()
            await scraping.end()
            await keeper.end()
            await desk.close()
            await asyncio.to_thread(end_tracing)

    app = (FastAPI if deployment.settings.traces_to else Service)(
        title="optimizer",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,  # what it says is in `reference`, as is a page that needs nothing from anywhere else
        docs_url=None,
        redoc_url=None,
        # Its spans would name paths, and so people; see `tracing`.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.aside = Aside(deployment.folder, deployment.settings) if reads_aside else None
    ACCESS_LOG.share = deployment.settings.access_log_share
    FellowWorkers((), deployment.settings.metrics_folder).close()  # what is wrong with it is said before anything runs
    problems.install(app)
    problem_pages.install(app)
    app.add_middleware(EscapedSlashes)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Observing)
    end_tracing: Callable[[], None] = lambda: None  # noqa: E731
    if deployment.settings.traces_to:  # the last one added is the first one asked: spans are around the hot routes too
        app.add_middleware(HotRoutes)
        end_tracing = begin_tracing(app)
    app.include_router(metrics.router(anyone=deployment.settings.metrics_open))
    app.include_router(reference.router)
    for part in (ranking, decisions, outcomes, people, campaigns, oversight, quarantine, *INTEGRATIONS, *INSIGHTS):
        app.include_router(part.router)
    app.include_router(routes.router)

    @app.get("/livez", response_model=HealthOut, tags=["health"])
    async def livez() -> Any:
        """Whether the process answers."""
        return json_answer({"status": "ok"})

    @app.get("/readyz", response_model=ReadinessOut, tags=["health"], responses={503: problems.PROBLEMS[503]})
    async def readyz(request: Request) -> Any:
        """Whether the process may be sent requests: its ledger can be read and written, and it is not shutting down."""
        keeper: Keeper = request.app.state.keeper
        return json_answer({"status": "ok", "warnings": await keeper.ready()})

    return app
