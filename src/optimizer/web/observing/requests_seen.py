"""Every request has an id, is measured, and leaves a line in the log when it failed or took long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optimizer.errors import ConfigurationError
from optimizer.web.observing import telemetry
from optimizer.web.observing.request_ids import CURRENT, HEADER, request_id_of
from optimizer.web.observing.route_names import method_of, route_of

LEFT: Final = 499  # the caller went before there was an answer; no status of HTTP's own says so


class Observing:
    """Around an app: gives ids, measures, counts. What the app raises is counted as 500 and goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = request_id_of(scope["headers"])
        CURRENT.set(request_id)  # each request has a task of its own, and with it a context of its own
        status = LEFT

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], (HEADER, request_id.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return  # in the middle of its request; there is nobody to tell
        except Exception:
            status = 500
            raise
        finally:
            telemetry.request(route_of(scope), method_of(scope), status, time.perf_counter() - began)


def begin_tracing(app: Starlette) -> Callable[[], None]:
    """Make traces of everything the app answers and does, and give what ends that.

    Raises:
        ConfigurationError: the libraries for it are not installed.
    """
    try:
        from optimizer.web.observing.tracing import Traced, Tracing  # noqa: PLC0415 - an extra, and slow to import
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: found an endpoint but no {error.name}; allowed once "
            "`pip install optimizer[opentelemetry]` has been run, or without an endpoint"
        ) from None
    tracing = Tracing()
    telemetry.TRACERS.spans = tracing
    app.add_middleware(Traced, tracing=tracing)

    def end() -> None:
        telemetry.TRACERS.spans = None
        tracing.close()

    return end
