"""Reports that cannot be used wait, are shown with the reason, and are judged again over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from optimizer.web.shapes.oversight_answers import QuarantineOut


def decided(site: Any, recipient: str) -> str:
    answer = site.client.post("/v1/decisions", json={"campaign": "winback", "recipient": recipient})
    found: str = answer.json()["decision_id"]
    return found


def reported(site: Any, event_id: str, **rest: Any) -> Any:
    body = {"event_id": event_id, "kind": "purchase", "occurred_at": datetime.now(UTC).isoformat(), **rest}
    return site.client.post("/v1/outcomes", json=body).json()["outcomes"][0]


def waiting(site: Any) -> dict[str, Any]:
    found = site.client.get("/v1/quarantine").json()
    QuarantineOut.model_validate(found, strict=False)
    return {one["report"]["event_id"]: one for one in found["reports"]}


def test_a_report_that_cannot_be_used_is_shown_with_its_reason_and_without_the_recipient(site: Any) -> None:
    assert reported(site, "q-early", recipient="quentin", campaign="winback", value="19.90")["status"] == "unknown"
    one = waiting(site)["q-early"]
    assert one["reason"].startswith("decision_id: found none of this recipient in campaign winback; allowed")
    assert (one["report"]["value"], one["report"]["campaign"], one["report"]["decision_id"]) == (19.9, "winback", None)
    assert "quentin" not in str(one)
    assert site.client.post("/v1/quarantine/retry", json={"event_ids": ["q-early"]}).json() == {
        "outcomes": [{"event_id": "q-early", "status": "unknown", "detail": one["reason"]}]
    }


def test_a_retry_records_what_can_be_used_now(site: Any) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()  # within the clocks' tolerance of now
    assert reported(site, "q-ron", recipient="ron", campaign="winback", occurred_at=soon)["status"] == "unknown"
    id_ = decided(site, "ron")
    answer = site.client.post("/v1/quarantine/retry", json={"all": True}).json()["outcomes"]
    assert {"event_id": "q-ron", "status": "accepted", "detail": None} in answer
    assert "q-ron" not in waiting(site)
    (outcome,) = site.client.get(f"/v1/decisions/{id_}").json()["outcomes"]
    assert (outcome["event_id"], outcome["machine"]) == ("q-ron", False)


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ({"value": "-5.00", "currency": "USD"}, "value: found -5.00 USD for purchase; allowed 0 or more"),
        ({"value": 5, "currency": "EUR"}, "currency: found EUR; allowed USD"),
        ({"occurred_at": "2199-01-01T00:00:00Z"}, "occurred_at: found 2199-01-01"),
    ],
)
def test_what_nobody_should_believe_is_rejected_with_one_sentence(site: Any, rest: Any, reason: str) -> None:
    event = f"q-{abs(hash(reason))}"
    found = reported(site, event, decision_id=decided(site, "una"), **rest)
    assert (found["status"], found["detail"][: len(reason)]) == ("rejected", reason)
    assert waiting(site)[event]["reason"] == found["detail"]


@pytest.mark.parametrize("value", ["NaN", "1e400", "Infinity", "ten", 1e12, True])
def test_a_value_that_is_no_amount_is_refused_at_the_door(site: Any, value: Any) -> None:
    body = {"event_id": "q-odd", "kind": "purchase", "occurred_at": datetime.now(UTC).isoformat(), "value": value}
    answer = site.client.post("/v1/outcomes", json=body | {"decision_id": "x"})
    assert answer.status_code == 422
    assert "/value" in answer.json()["detail"]
    assert "q-odd" not in waiting(site)


def test_a_machine_s_click_is_recorded_as_such(site: Any) -> None:
    id_ = decided(site, "rob")
    assert reported(site, "q-scan", kind="clicked", decision_id=id_, machine=True)["status"] == "accepted"
    (outcome,) = site.client.get(f"/v1/decisions/{id_}").json()["outcomes"]
    assert outcome["machine"] is True


@pytest.mark.parametrize("wish", [{}, {"event_ids": []}, {"event_ids": ["a"], "all": True}, {"all": "yes"}])
def test_a_retry_names_events_or_all(site: Any, wish: Any) -> None:
    assert site.client.post("/v1/quarantine/retry", json=wish).status_code == 422


def test_a_retry_of_what_does_not_wait_is_not_found(site: Any) -> None:
    answer = site.client.post("/v1/quarantine/retry", json={"event_ids": ["nobody-knows"]})
    assert answer.status_code == 404
    assert "allowed an event that waits in quarantine" in answer.json()["detail"]
