"""Traces reach a collector that speaks OpenTelemetry's protocol; nothing of it happens, or is imported, without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

from optimizer.deployment import Deployment
from optimizer.errors import ConfigurationError
from optimizer.settings import Settings
from optimizer.web.observing import requests_seen, telemetry

pytest.importorskip("opentelemetry.sdk", reason="an extra")
PERSON = "zoe.unmistakable"
DECISION = {"campaign": "winback", "recipient": PERSON, "attributes": {"days": 100}}
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[tuple[str, Queue[tuple[str, bytes]]]]:
    """A collector on this machine: its URL, and what it was sent."""
    received: Queue[tuple[str, bytes]] = Queue()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                raise AssertionError("not asked for")
            received.put((self.path, body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def spans(
    collector: tuple[str, Queue[tuple[str, bytes]]],
    workspace: Callable[..., Path],
    serve: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> list[Any]:
    """Every span of a service that was asked a few things and then stopped."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    url, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    deployment = Deployment(workspace(), Settings())
    try:
        with serve(deployment) as service:
            call = service.client
            call.post("/v1/decisions", json=DECISION, headers={"traceparent": CALLER, "X-Request-ID": "traced"})
            call.get(f"/v1/recipients/{PERSON}", params={"of": PERSON})
            call.get(f"/{PERSON}")
            call.post("/v1/campaigns/winback/learn")
    finally:
        deployment.close()
    assert telemetry.TRACERS.spans is None
    found: list[Any] = []
    while not received.empty():
        path, body = received.get()
        assert path == "/v1/traces"
        assert PERSON.encode() not in body
        assert service.key.encode() not in body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            assert names["service.name"] == "optimizer"
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_requests_transactions_and_learning_are_traced(spans: list[Any]) -> None:
    by_name: dict[str, list[Any]] = {}
    for span in spans:
        by_name.setdefault(span.name, []).append(span)
    (decided,) = by_name["POST /v1/decisions"]
    assert decided.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c", "the caller's trace goes on"
    assert decided.parent_span_id.hex() == "b7ad6b7169203331"
    told = attributes(decided)
    assert (told["http.response.status_code"], told["optimizer.request_id"]) == (200, "traced")
    assert decided.end_time_unix_nano > decided.start_time_unix_nano
    assert "GET /v1/recipients/{recipient}" in by_name
    assert "GET other" in by_name
    for transaction in by_name["transaction"]:
        inner = [span for span in spans if span.parent_span_id == transaction.span_id]
        assert sorted(span.name for span in inner) == ["commit", "work"]
        assert all(span.trace_id == transaction.trace_id for span in inner)
        assert attributes(transaction)["optimizer.items"] >= 1
    (asked_to_learn,) = by_name["POST /v1/campaigns/{campaign_id}/learn"]
    assert not asked_to_learn.parent_span_id


@pytest.mark.slow
def test_without_a_collector_nothing_of_it_is_imported() -> None:
    script = (
        "import sys, optimizer.web.app\n"
        "loaded = [name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))]\n"
        "assert loaded == [], loaded\n"
        "assert 'optimizer.web.observing.tracing' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_an_endpoint_without_the_libraries_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi import FastAPI

    monkeypatch.setitem(sys.modules, "optimizer.web.observing.tracing", None)
    with pytest.raises(ConfigurationError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT: found .*; allowed once `pip install"):
        requests_seen.begin_tracing(FastAPI())
