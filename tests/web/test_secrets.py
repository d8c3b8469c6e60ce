"""Keys, the secret and recipient ids are in no answer, no log line and no byte of the ledger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from optimizer.deployment import Deployment
from optimizer.services.decisions import deciding
from optimizer.services.keys.api_keys import new_key

PERSON = "zoe.unmistakable@example.com"
WRONG_KEY = new_key("live", b"a wrong key of ours 1234")
VALUE = "country-nobody-lives-in"


def misuse(service: Any, note: Callable[..., Any], body: dict[str, Any], by_person: dict[str, Any]) -> None:
    """Ask for everything that is refused; `own` answers go to whoever sent what they repeat."""
    call = service.client
    for wrong in (service.key + "x", WRONG_KEY):
        with service.calling(**{"X-API-Key": wrong}) as stranger:
            note(stranger.get("/v1/campaigns"))
            note(stranger.get(f"/v1/recipients/{PERSON}"))
    with service.calling(**{"X-API-Key": service.key, "Authorization": f"Bearer {service.key}"}) as doubled:
        note(doubled.get("/v1/campaigns"))
    for bad in (
        {"recipient": f"{PERSON} {PERSON}"},
        {"recipient": [PERSON]},
        {"campaign": PERSON},
        {"attributes": {"country": [VALUE]}},
        {"attributes": {PERSON: VALUE}, "time_zone": VALUE},
        {"nobody": {"knows": [PERSON, service.key]}},
    ):
        note(call.post("/v1/decisions", json={**body, **bad}), own=True)
        item = {"recipient": PERSON, **bad}
        note(call.post("/v1/decisions/batch", json={"campaign": "winback", "recipients": [item]}), own=True)
    note(call.post("/v1/decisions", content=f'{{"recipient": "{PERSON}", '), own=True)
    note(call.post("/v1/outcomes", json={**by_person, "occurred_at": PERSON}), own=True)
    note(call.get(f"/v1/recipients/{PERSON}/{service.key}"))
    note(call.get("/v1/campaigns", params={"key": service.key, "recipient": PERSON}))
    note(call.get("/v1/campaigns", headers={"X-Request-ID": PERSON}))
    call.put(f"/v1/suppressions/{PERSON}", json={"note": "asked"})
    call.get(f"/v1/suppressions/{PERSON}")


@pytest.fixture
def said(
    deploy: Callable[..., Deployment],
    serve: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """Everything a service that was used, misused and broken wrote down: answers, logs, screen and files."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "uvicorn.access")  # as `optimizer serve` has it: paths name people
    for own_client in ("httpx", "httpcore"):
        caplog.set_level(logging.WARNING, own_client)
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
        misuse(service, note, {**body, "request_id": "misused"}, {**by_person, "occurred_at": at})

        def broken(*_arguments: Any) -> Any:
            raise ZeroDivisionError("on purpose")

        monkeypatch.setattr(deciding, "choose_in_turn", broken)
        assert note(call.post("/v1/decisions", json={**body, "request_id": "r2"})).status_code == 500
        monkeypatch.setattr("optimizer.web.routes.people.stored_profile", broken)
        assert note(call.get(f"/v1/recipients/{PERSON}"), own=True).status_code == 500
        monkeypatch.undo()
        with deployment.store.engine.begin() as connection:  # the database itself fails, in the middle of things
            connection.exec_driver_sql("ALTER TABLE outcomes RENAME TO elsewhere")
            connection.exec_driver_sql("ALTER TABLE recipients RENAME TO nowhere")
        event = {**event, "event_id": "e9", "occurred_at": at}
        assert note(call.post("/v1/outcomes", json=event)).status_code >= 500
        assert note(call.put(f"/v1/recipients/{PERSON}", json={"attributes": {"vip": True}})).status_code >= 500
        assert note(call.get(f"/v1/recipients/{PERSON}")).status_code >= 500
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
        for text in (said["key"], WRONG_KEY, said["secret"], PERSON):
            assert text not in said[name]
    assert VALUE not in said["logs"]
    assert "no such table: " in said["logs"], "the database's error must have been logged, or this test sees nothing"
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
