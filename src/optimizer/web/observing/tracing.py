"""Traces for OpenTelemetry: a span for every request, transaction and learning.

Imported only where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector; else nobody pays for it. The SDK reads its other
settings (headers, sampler, service name) from its own variables. Spans name routes and campaigns' ids, never a path,
which may name a person.
"""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optimizer import __version__
from optimizer.deployment import now
from optimizer.web.observing.request_ids import CURRENT
from optimizer.web.observing.route_names import method_of, route_of

NANOSECONDS = 1_000_000_000
_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Makes spans and sends them to the collector, away from whoever waits for an answer."""

    def __init__(self) -> None:
        # What the environment says about the service wins over this.
        named = {"service.name": "optimizer", "service.version": __version__}
        self._provider = TracerProvider(resource=Resource(named).merge(OTELResourceDetector().detect()))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = self._provider.get_tracer("optimizer", __version__)

    def done(self, name: str, seconds: float, parts: dict[str, float], items: int = 1) -> None:
        """A span of something that has just ended.

        Args:
            name: what it was.
            seconds: how long it took.
            parts: of which it was made, in order: name and seconds.
            items: that it was about.
        """
        ends = now() * 1_000
        at = ends - int(seconds * NANOSECONDS)
        span = self.tracer.start_span(name, Context(), attributes={"optimizer.items": items}, start_time=at)
        for part, part_seconds in parts.items():
            inner = self.tracer.start_span(part, set_span_in_context(span, Context()), start_time=at)
            at += int(part_seconds * NANOSECONDS)
            inner.end(at)
        span.end(ends)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class Traced:
    """Around an app: a span for each request, within the caller's trace if its `traceparent` names one."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracer = tracing.tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = method_of(scope)
        caller = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in {b"traceparent", b"tracestate"}
        }
        context = _propagator.extract(caller, Context())
        status = 500  # unless the app says another one
        with self._tracer.start_as_current_span(
            method, context, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:

            async def watched(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, watched)
            finally:
                route = route_of(scope)
                span.update_name(f"{method} {route}")
                span.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": route,
                        "http.response.status_code": status,
                        "optimizer.request_id": CURRENT.get() or "",
                    }
                )
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR))
