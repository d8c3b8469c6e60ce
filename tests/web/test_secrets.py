"""Keys, the secret and recipient ids are in no answer, no log line and no byte of the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment
from optimizer.services import deciding

PERSON = "zoe.unmistakable@example.com"


@pytest.fixture
def said(
    deploy: Callable[..., Deployment],
    serve: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """Everything a service that was used, misused and broken wrote down: answers, logs, screen and files."""
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.WARNING, "uvicorn.access")  # as `optimizer serve` has it: paths name people
    caplog.set_level(logging.WARNING, "httpx")  # that is this test's own client
    deployment = deploy(None)
    answers: list[str] = []
    with serve(deployment) as service:
        call = service.client

        def note(answer: Any, *, own: bool = False) -> Any:
            answers.append("" if own else answer.text)
            return answer

        body = {"campaign": "winback", "recipient": PERSON, "request_id": "r", "attributes": {"days": 100}}
        made = note(call.post("/v1/decisions", json=body)).json()
        note(call.post("/v1/decisions/batch", json={"campaign": "winback", "recipients": [{"recipient": PERSON}]}))
        note(call.put(f"/v1/recipients/{PERSON}", json={"attributes": {"vip": True}}), own=True)
        note(call.get(f"/v1/recipients/{PERSON}"), own=True)
        event = {"event_id": "e1", "decision_id": made["decision_id"], "kind": "purchase"}
        at = datetime.now(UTC).isoformat()
        note(call.post("/v1/outcomes", json={**event, "occurred_at": at}))
        by_person = {"event_id": "e2", "recipient": PERSON, "campaign": "winback", "kind": "purchase"}
        note(call.post("/v1/outcomes", json={**by_person, "occurred_at": at}))
        note(call.post("/v1/outcomes", json={**by_person, "event_id": "e3", "campaign": "other", "occurred_at": at}))
        note(call.post("/v1/outcomes", json={**by_person, "event_id": "e4", "occurred_at": "9999-01-01T00:00:00Z"}))
        note(call.get(f"/v1/decisions/{made['decision_id']}/explain"))
        note(call.get("/v1/campaigns/winback/report"))
        note(call.post("/v1/campaigns/winback/learn"))
        with service.calling(**{"X-API-Key": service.key + "x"}) as stranger:
            note(stranger.get("/v1/campaigns"))

        def broken(*_arguments: Any) -> Any:
            raise ZeroDivisionError("on purpose")

        monkeypatch.setattr(deciding, "choose_in_turn", broken)
        assert note(call.post("/v1/decisions", json={**body, "request_id": "r2"})).status_code == 500
        monkeypatch.setattr("optimizer.web.outcomes.stored_profile", broken)
        assert note(call.get(f"/v1/recipients/{PERSON}"), own=True).status_code == 500
        key = service.key
    screen = capfd.readouterr()
    files = {path.name: path.read_bytes() for path in (deployment.folder / ".optimizer").iterdir()}
    return {
        "key": key,
        "secret": (deployment.folder / ".optimizer" / "secret").read_text().strip(),
        "answers": "\n".join(answers),
        "logs": caplog.text + screen.out + screen.err,
        "files": files,
    }


def test_neither_answers_nor_logs_nor_the_ledger_hold_a_secret_or_a_person(said: dict[str, Any]) -> None:
    assert "on purpose" in said["logs"], "the defect must have been logged, or this test sees nothing"
    for name in ("answers", "logs"):
        assert said["key"] not in said[name]
        assert said["secret"] not in said[name]
        assert PERSON not in said[name]
    ledgers = {name: data for name, data in said["files"].items() if name.startswith("ledger.db")}
    assert ledgers
    for data in ledgers.values():
        for text in (said["key"], said["secret"], PERSON):
            assert text.encode() not in data
            assert text.encode("utf-16-le") not in data
    assert any(b"ten-percent" in data for data in ledgers.values()), "the ledger must be readable to this test"


def test_the_state_folder_is_for_its_owner_alone(deploy: Callable[..., Deployment]) -> None:
    state: Path = deploy(None).folder / ".optimizer"
    assert state.stat().st_mode & 0o077 == 0
    assert (state / "secret").stat().st_mode & 0o077 == 0
