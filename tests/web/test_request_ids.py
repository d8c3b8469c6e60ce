"""Ids of requests: taken or made, in every answer, in every line of the log, and nothing personal beside them."""

from __future__ import annotations

import io
import json
import logging
import math
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from optimizer.cli.logs import write_logs
from optimizer.deployment import Deployment
from optimizer.services.decisions import deciding
from optimizer.settings import Settings
from optimizer.web.observing import telemetry
from optimizer.web.observing.request_ids import request_id_of

DECISION = {"campaign": "winback", "recipient": "ann", "attributes": {"days": 100}}
ALLOWED = re.compile(r"[A-Za-z0-9._:-]{1,64}")


@given(st.binary(max_size=80))
def test_a_request_id_is_taken_if_it_is_an_identifier_and_made_otherwise(given_id: bytes) -> None:
    found = request_id_of([(b"host", b"x"), (b"x-request-id", given_id)])
    assert ALLOWED.fullmatch(found)
    if re.fullmatch(rb"[A-Za-z0-9._:-]{1,64}", given_id):
        assert found.encode() == given_id
    else:
        assert found.encode() != given_id


def test_ids_that_are_made_differ() -> None:
    assert len({request_id_of([]) for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/decisions", DECISION),
        ("POST", "/v1/decisions", {}),
        ("POST", "/v1/decisions/batch", {"campaign": "winback", "recipients": [{"recipient": "ann"}]}),
        ("POST", "/v1/outcomes", {"outcomes": []}),
        ("GET", "/v1/campaigns", None),
        ("GET", "/v1/campaigns/nothing", None),
        ("GET", "/no/such/place", None),
        ("DELETE", "/v1/decisions", None),
        ("GET", "/livez", None),
        ("GET", "/metrics", None),
        ("GET", "/openapi.json", None),
    ],
)
def test_every_answer_has_the_id_of_its_request(site: Any, method: str, path: str, body: Any) -> None:
    answer = site.client.request(method, path, json=body, headers={"X-Request-ID": "batch:7.of_9"})
    assert answer.headers.get_list("x-request-id") == ["batch:7.of_9"]
    if answer.status_code >= 400:
        assert answer.json()["instance"] == "urn:optimizer:request:batch:7.of_9"
    made = site.client.request(method, path, json=body, headers={"X-Request-ID": "not an identifier"})
    assert ALLOWED.fullmatch(made.headers["x-request-id"])
    assert "not an identifier" not in made.text


def test_answers_to_strangers_and_to_bodies_that_are_too_large_have_one_too(site: Any) -> None:
    with site.calling(**{"X-Request-ID": "mine"}) as stranger:
        answer = stranger.post("/v1/decisions", json=DECISION)
    assert (answer.status_code, answer.headers["x-request-id"]) == (401, "mine")
    answer = site.client.post("/v1/decisions", content=b"x" * 9_000_000, headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (413, "mine")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of the log since they were last asked for, as JSON objects."""
    root = logging.getLogger()
    before = root.handlers, root.level
    screen = io.StringIO()
    structlog.reset_defaults()
    with monkeypatch.context() as aside:
        aside.setattr(sys, "stderr", screen)
        write_logs(written="json")
    structlog.configure(cache_logger_on_first_use=False)  # or modules would go on writing to this test's screen

    read = 0

    def lines() -> list[dict[str, Any]]:
        nonlocal read
        written = screen.getvalue()[read:]
        read += len(written)
        return [json.loads(line) for line in written.splitlines()]

    yield lines
    root.handlers, root.level = before
    structlog.reset_defaults()


@pytest.fixture
def broken_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every decision meets a defect."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("on purpose")

    for name in ("choose_in_turn", "later_supplies", "commit_to"):
        if hasattr(deciding, name):
            monkeypatch.setattr(deciding, name, broken)


def test_a_defect_is_told_and_logged_under_the_same_id(
    tmp_path: Path,
    serve: Callable[..., Any],
    log: Callable[[], list[dict[str, Any]]],
    broken_choice: None,
) -> None:
    person = "zoe.unmistakable"
    deployment = Deployment(tmp_path, Settings())
    try:
        with serve(deployment) as service:
            body = {**DECISION, "recipient": person}
            answer = service.client.post("/v1/decisions", json=body, headers={"X-Request-ID": "d1"})
            service.client.get(f"/v1/recipients/{person}")
    finally:
        deployment.close()
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "d1")
    assert answer.json()["instance"] == "urn:optimizer:request:d1"
    lines = log()
    (told,) = [line for line in lines if line["event"] == "request failed"]
    assert (told["request_id"], told["route"], told["method"], told["status"]) == ("d1", "/v1/decisions", "POST", 500)
    traced = [line for line in lines if "on purpose" in line.get("exception", "")]
    assert traced
    assert {line.get("request_id") for line in traced} == {"d1"}
    assert person not in json.dumps(lines)
    assert service.key not in json.dumps(lines)


def test_only_failed_slow_and_picked_requests_leave_a_line(
    tmp_path: Path,
    serve: Callable[..., Any],
    log: Callable[[], list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told() -> list[dict[str, Any]]:
        """The lines about requests, once there are some: they are written when the answer has left."""
        until = time.monotonic() + 10
        while not (found := [line for line in log() if "route" in line]):
            assert time.monotonic() < until, "no line was left"
            time.sleep(0.01)
        return found

    deployment = Deployment(tmp_path, Settings())
    monkeypatch.setattr(telemetry, "SLOW_SECONDS", math.inf)  # whatever else a machine has to do
    try:
        with serve(deployment) as service:
            for n in range(5):
                service.client.post("/v1/decisions", json={**DECISION, "request_id": f"r{n}"})
                service.client.get("/v1/campaigns")
                service.client.get("/v1/campaigns/nothing")
            assert [line for line in log() if "route" in line] == []

            with monkeypatch.context() as hurried:
                hurried.setattr(telemetry, "SLOW_SECONDS", 0.0)
                service.client.get("/v1/campaigns/winback", headers={"X-Request-ID": "slow-one"})
                (slow,) = told()
            assert (slow["event"], slow["request_id"]) == ("slow request", "slow-one")
            assert slow["route"] == "/v1/campaigns/{campaign_id}"
            assert slow["milliseconds"] > 0

            monkeypatch.setattr(telemetry.ACCESS_LOG, "share", 1.0)
            service.client.get("/v1/campaigns", params={"secret": "hunter2"})
            (picked,) = told()
            assert (picked["event"], picked["status"], picked["level"]) == ("request", 200, "info")
            assert "hunter2" not in json.dumps(picked)
    finally:
        deployment.close()


def test_a_share_of_requests_is_picked_by_their_ids_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry.ACCESS_LOG, "share", 0.1)
    ids = [request_id_of([]) for _ in range(10_000)]
    picked = [one for one in ids if telemetry.ACCESS_LOG.picks(one)]
    assert 800 < len(picked) < 1_200
    assert picked == [one for one in ids if telemetry.ACCESS_LOG.picks(one)]


def test_the_share_of_the_settings_is_the_one_in_force(tmp_path: Path, serve: Callable[..., Any]) -> None:
    deployment = Deployment(tmp_path, Settings(access_log_share=0.25))
    try:
        with serve(deployment):
            assert telemetry.ACCESS_LOG.share == 0.25
    finally:
        deployment.close()
        telemetry.ACCESS_LOG.share = 0.0
