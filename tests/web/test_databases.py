"""What could depend on the database behind the API: the same answers on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.errors import Unavailable
from optimizer.storage.store import Store


def test_nul_in_any_field_is_one_clear_client_error(service: Any) -> None:
    before = service.counts()
    at = "2026-01-01T00:00:00Z"
    bodies: list[tuple[str, Any]] = [
        ("/v1/decisions", {"campaign": "win\0back", "recipient": "ann"}),
        ("/v1/decisions", {"campaign": "winback", "recipient": "a\0nn"}),
        ("/v1/decisions", {"campaign": "winback", "recipient": "ann", "request_id": "\0"}),
        ("/v1/decisions", {"campaign": "winback", "recipient": "ann", "attributes": {"country": "U\0S"}}),
        ("/v1/decisions", {"campaign": "winback", "recipient": "ann", "attributes": {"co\0untry": "US"}}),
        ("/v1/decisions", {"campaign": "winback", "recipient": "ann", "exclude": ["\0"]}),
        ("/v1/outcomes", {"event_id": "e\0", "decision_id": "d", "kind": "purchase", "occurred_at": at}),
        ("/v1/outcomes", {"event_id": "e", "decision_id": "d\0", "kind": "purchase", "occurred_at": at}),
        ("/v1/outcomes", {"event_id": "e", "decision_id": "d", "kind": "p\0", "occurred_at": at}),
        ("/v1/outcomes", {"event_id": "e", "decision_id": "d", "kind": "p", "value": "1\0", "occurred_at": at}),
    ]
    for path, body in bodies:
        answer = service.client.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    put = service.client.put("/v1/recipients/ann", json={"attributes": {"country": "U\0S"}})
    assert put.status_code == 422
    assert service.client.get("/v1/recipients/a%00nn").status_code == 422
    assert service.counts() == before


def test_learning_over_http_changes_what_is_served(service: Any) -> None:
    at = service.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "a"}).json()["decided_at"]
    body = {"campaign": "winback", "request_id": "b", "recipients": [{"recipient": f"p{n}"} for n in range(300)]}
    decisions = service.client.post("/v1/decisions/batch", json=body).json()["decisions"]
    events = [
        {"event_id": f"e{n}", "decision_id": d["decision_id"], "kind": "purchase", "occurred_at": at}
        for n, d in enumerate(decisions)
        if d["variant"] == "hello"
    ]
    statuses = service.client.post("/v1/outcomes", json={"outcomes": events}).json()["outcomes"]
    assert {one["status"] for one in statuses} == {"accepted"}
    learned = service.client.post("/v1/campaigns/winback/learn")
    assert learned.json()["snapshot"] == "winback:2", learned.text
    body = {"campaign": "winback", "request_id": "c", "recipients": [{"recipient": f"q{n}"} for n in range(200)]}
    after = service.client.post("/v1/decisions/batch", json=body).json()["decisions"]
    learning = [d["variant"] for d in after if d["group"] == "learning"]
    assert learning.count("hello") > 0.8 * len(learning)
    report = service.client.get("/v1/campaigns/winback/report")
    assert report.status_code == 200
    assert report.json()["outcomes"] == {"purchase": len(events)}
    assert service.house().verify().clean


def test_a_ledger_that_cannot_be_written_sends_nothing_refuses_outcomes_and_nothing_is_half_written(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = {"event_id": "e", "decision_id": "d", "kind": "clicked", "occurred_at": "2026-09-21T12:00:00Z"}
    before = service.counts()

    def refuse(_store: Store, **_: Any) -> Any:
        raise Unavailable("the ledger cannot take writes now", 3)

    with monkeypatch.context() as away:
        for name in ("writing", "begin", "begin_if_free"):
            away.setattr(Store, name, refuse)
        decided = service.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "ann"})
        refused = service.client.post("/v1/outcomes", json=outcome)
    assert (decided.status_code, decided.headers["retry-after"]) == (200, "3")
    assert decided.json()["reason"] == "ledger_unavailable"
    assert decided.json()["decision_id"] is decided.json()["variant"] is None
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "3")
    assert refused.headers["content-type"] == "application/problem+json"
    assert {**service.counts(), "leases": 0} == {**before, "leases": 0}
    assert service.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "ann"}).status_code == 200


def test_a_defect_is_a_500_problem_that_tells_no_secrets(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from optimizer.services.decisions import deciding

    def broken(*_arguments: Any) -> Any:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(deciding, "choose_in_turn", broken)
    answer = service.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "ann"})
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret detail" not in answer.text
    monkeypatch.undo()
    assert service.client.post("/v1/decisions", json={"campaign": "winback", "recipient": "ann"}).status_code == 200
