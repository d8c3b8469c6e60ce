"""Every route, over a real connection, when all is well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from optimizer.web.shapes import answers, explanation_answers
from optimizer.web.shapes.report_answers import ReportOut

numbers = count(1)


def ago(seconds: float = 0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def decided(site: Any, **changes: Any) -> Any:
    """A decision of the learning group."""
    for _ in range(100):
        body = {"campaign": "winback", "recipient": f"routes-{next(numbers)}", "request_id": "r", **changes}
        answer = site.client.post("/v1/decisions", json=body)
        assert answer.status_code == 200, answer.text
        if answer.json()["group"] == "learning":
            return answer.json()
    raise AssertionError("nobody learns")


def test_a_decision_says_what_to_send_and_why(site: Any) -> None:
    decision = decided(site, attributes={"days": 100, "country": None})
    answers.DecisionOut.model_validate(decision, strict=False)
    assert decision["segment"] == "lapsed"
    assert decision["variant"] == decision["message"]["id"]
    assert decision["reason"] in {"exploit", "explore"}
    assert 0 < decision["propensity"] <= 1
    assert decision["snapshot"].startswith("winback:")
    assert decision["decided_at"].endswith("Z")
    window = datetime.fromisoformat(decision["expires_at"]) - datetime.fromisoformat(decision["decided_at"])
    assert window == timedelta(days=7)


def test_a_repeated_request_gets_the_same_bytes(site: Any) -> None:
    body = {"campaign": "newsletter", "recipient": f"routes-{next(numbers)}", "request_id": "r"}
    first = site.client.post("/v1/decisions", json=body)
    before = site.counts()
    assert site.client.post("/v1/decisions", json=body).content == first.content
    assert site.counts() == before


def test_without_a_request_id_every_call_is_a_new_decision(site: Any) -> None:
    body = {"campaign": "winback", "recipient": "forgetful"}
    ids = {site.client.post("/v1/decisions", json=body).json()["decision_id"] for _ in range(3)}
    assert len(ids) == 3


def test_nothing_to_send_is_an_answer_with_a_reason(site: Any) -> None:
    body = {"campaign": "members", "recipient": "stranger"}
    answer = site.client.post("/v1/decisions", json=body)
    assert answer.status_code == 200
    assert (answer.json()["variant"], answer.json()["reason"]) == (None, "outside_audience")


def test_an_excluded_variant_is_not_served(site: Any) -> None:
    assert decided(site, exclude=["ten-percent", "hello"])["variant"] == "new-arrivals"


@pytest.mark.parametrize(
    "recipient", ["a", "A.b_c:d@e+f=g/h~i|j-k", "x" * 128, "00000000-0000-0000-0000-000000000000", "ann@example.com"]
)
def test_recipient_ids_of_every_kind_of_system_are_taken(site: Any, recipient: str) -> None:
    answer = site.client.post("/v1/decisions", json={"campaign": "winback", "recipient": recipient})
    assert answer.status_code == 200


def test_a_batch_answers_each_recipient_in_order_and_may_be_sent_again(site: Any) -> None:
    body = {
        "campaign": "winback",
        "request_id": "blast-1",
        "recipients": [{"recipient": f"b{n}"} for n in range(2_500)],
    }
    first = site.client.post("/v1/decisions/batch", json=body)
    assert first.status_code == 200
    decisions = first.json()["decisions"]
    assert len(decisions) == 2_500
    answers.DecisionsOut.model_validate(first.json())
    before = site.counts()
    assert site.client.post("/v1/decisions/batch", json=body).content == first.content
    assert site.counts() == before
    one = {"campaign": "winback", "recipient": "b1234", "request_id": "blast-1"}
    assert site.client.post("/v1/decisions", json=one).json() == decisions[1234]


def test_a_batch_that_was_cut_short_resumes_with_the_same_ids(site: Any) -> None:
    recipients = [{"recipient": f"c{n}"} for n in range(20)]
    body = {"campaign": "winback", "request_id": "blast-2", "defer_exposure": True}
    head = site.client.post("/v1/decisions/batch", json={**body, "recipients": recipients[:8]}).json()["decisions"]
    whole = site.client.post("/v1/decisions/batch", json={**body, "recipients": recipients}).json()["decisions"]
    assert whole[:8] == head
    assert len({decision["decision_id"] for decision in whole}) == 20


def test_wrong_items_of_a_batch_get_their_own_problem_and_the_others_are_served(site: Any) -> None:
    items: list[Any] = [
        {"recipient": "d1"},
        {"recipient": ""},
        {"recipient": "d2", "attributes": {"shoe_size": 43}},
        {"recipient": "d3", "attributes": {"days": -1}},
        "d4",
        None,
        {"recipient": "d5", "unknown": 1},
        {},
        {"recipient": {"deep": [1]}},
        {"recipient": "d6", "exclude": ["not an id"]},
        {"recipient": "d7"},
    ]
    body = {"campaign": "winback", "request_id": "blast-3", "recipients": items}
    answer = site.client.post("/v1/decisions/batch", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()["decisions"]
    assert ["error" in item for item in found] == [False, *[True] * 9, False]
    for item in found[1:10]:
        assert item["error"]["status"] == 422
        assert item["error"]["errors"][0]["allowed"]
    assert found[2]["error"]["errors"][0]["pointer"] == "/attributes/shoe_size"
    assert found[6]["error"]["errors"][0]["pointer"] == "/unknown"
    assert found[7]["error"]["errors"][0]["pointer"] == "/recipient"


def test_a_batch_of_an_unknown_campaign_is_a_problem_of_every_item_or_of_the_whole(site: Any) -> None:
    body = {"campaign": "nonsense", "recipients": [{"recipient": "d1"}, {"recipient": "d2"}]}
    before = site.counts()
    answer = site.client.post("/v1/decisions/batch", json=body)
    if answer.status_code == 200:
        assert {item["error"]["status"] for item in answer.json()["decisions"]} == {404}
    else:
        assert answer.status_code == 404
    assert site.counts() == before


def test_an_exposure_makes_a_deferred_decision_a_trial_once(site: Any) -> None:
    id_ = decided(site, defer_exposure=True)["decision_id"]
    assert site.client.get(f"/v1/decisions/{id_}").json()["exposed_at"] is None
    first = site.client.post(f"/v1/decisions/{id_}/expose", json={"occurred_at": ago()})
    answers.StatusOut.model_validate(first.json())
    assert first.json()["status"] == "accepted"
    assert site.client.post(f"/v1/decisions/{id_}/expose").json()["status"] == "duplicate"
    assert site.client.get(f"/v1/decisions/{id_}").json()["exposed_at"] is not None


def test_an_outcome_is_accepted_and_shown_with_its_decision(site: Any) -> None:
    decision = decided(site)
    event = {
        "event_id": f"routes-{next(numbers)}",
        "decision_id": decision["decision_id"],
        "kind": "purchase",
        "value": "19.90",
        "currency": "USD",
        "occurred_at": ago(),
    }
    answer = site.client.post("/v1/outcomes", json=event)
    answers.OutcomesOut.model_validate(answer.json())
    assert answer.json() == {"outcomes": [{"event_id": event["event_id"], "status": "accepted", "detail": None}]}
    detail = site.client.get(f"/v1/decisions/{decision['decision_id']}").json()
    answers.DecisionDetail.model_validate(detail)
    assert detail["decision"] == decision
    assert detail["reward"] == 1.0
    assert detail["outcomes"][0]["value"] == 19.9


def test_many_outcomes_get_a_status_each_in_order(site: Any) -> None:
    id_ = decided(site)["decision_id"]
    name = f"routes-{next(numbers)}"
    good = {"event_id": name, "decision_id": id_, "kind": "opened", "occurred_at": ago()}
    events: list[Any] = [
        good,
        good,
        {**good, "event_id": f"{name}-u", "decision_id": "nobody"},
        {**good, "event_id": f"{name}-f", "occurred_at": ago(-3600)},
        {**good, "event_id": f"{name}-k", "kind": "Not A Kind"},
        {**good, "event_id": f"{name}-n", "occurred_at": "2026-01-01T00:00:00"},
        {**good, "event_id": f"{name}-v", "value": "a lot"},
        {**good, "event_id": f"{name}-e", "currency": "EUR", "value": 1},
        17,
        {},
    ]
    answer = site.client.post("/v1/outcomes", json={"outcomes": events})
    assert answer.status_code == 200, answer.text
    found = answer.json()["outcomes"]
    assert [one["status"] for one in found] == ["accepted", "duplicate", "unknown", *["rejected"] * 7]
    assert all(one["detail"] for one in found[2:])
    assert "allowed" in found[5]["detail"]


def test_an_outcome_may_name_recipient_and_campaign_instead(site: Any) -> None:
    recipient = f"routes-{next(numbers)}"
    site.client.post("/v1/decisions", json={"campaign": "winback", "recipient": recipient})
    event = {
        "event_id": recipient,
        "recipient": recipient,
        "campaign": "winback",
        "kind": "purchase",
        "occurred_at": ago(),
    }
    assert site.client.post("/v1/outcomes", json=event).json()["outcomes"][0]["status"] == "accepted"


def test_a_profile_is_stored_shown_and_used(site: Any) -> None:
    stored = site.client.put("/v1/recipients/ann@example.com", json={"attributes": {"days": 365, "vip": None}})
    assert stored.status_code == 200, stored.text
    answers.ProfileOut.model_validate(stored.json())
    shown = site.client.get("/v1/recipients/ann@example.com")
    kept = {"attributes": {"days": 365}, "consent": {}, "consent_texts": {}, "time_zone": None}
    found = shown.json()
    (said,) = found.pop("sources")["days"]
    assert found == {"recipient": "ann@example.com"} | kept
    assert (said["source"], said["value"], said["used"]) == ("api", 365, True)
    body = {"campaign": "winback", "recipient": "ann@example.com"}
    assert site.client.post("/v1/decisions", json=body).json()["segment"] == "lapsed"


def test_campaigns_are_listed_shown_and_reported(site: Any) -> None:
    listed = site.client.get("/v1/campaigns").json()
    answers.CampaignsOut.model_validate(listed)
    assert {campaign["campaign"] for campaign in listed["campaigns"]} == {"winback", "newsletter", "members"}
    one = site.client.get("/v1/campaigns/winback").json()
    answers.CampaignOut.model_validate(one)
    assert one["state"] == "live"
    allocation = site.client.get("/v1/campaigns/winback/allocation").json()
    answers.AllocationOut.model_validate(allocation)
    for segment in allocation["segments"]:
        assert sum(segment["allocation"].values()) == pytest.approx(1.0)
    report = site.client.get("/v1/campaigns/winback/report").json()
    ReportOut.model_validate(report)
    assert report["objective"] == "buy"


def test_learning_on_demand_answers_with_the_snapshot_in_force(site: Any) -> None:
    for _ in range(5):
        decided(site)
    learned = site.client.post("/v1/campaigns/winback/learn")
    assert learned.status_code == 200, learned.text
    answers.LearnedOut.model_validate(learned.json())
    assert decided(site)["snapshot"] == learned.json()["snapshot"]
    assert site.client.get("/v1/campaigns/winback/allocation").json()["snapshot"] == learned.json()["snapshot"]


def test_an_explanation_recomputes_the_decision(site: Any) -> None:
    decision = decided(site, exclude=["hello"])
    found = site.client.get(f"/v1/decisions/{decision['decision_id']}/explain").json()
    explanation_answers.ExplanationOut.model_validate(found)
    assert found["recomputed"] == {"same": True}
    assert found["removed"] == {"hello": "excluded_by_caller"}
    shares = {variant["variant_id"]: variant["allocation"] for variant in found["variants"]}
    assert shares[decision["variant"]] == decision["propensity"]
    assert shares["hello"] == 0
    assert 0 <= found["u"] < 1


def test_health_needs_no_key(site: Any) -> None:
    with site.calling() as anyone:
        assert anyone.get("/livez").json() == {"status": "ok"}
        assert anyone.get("/readyz").json() == {"status": "ok", "warnings": []}


def test_the_ledger_is_clean_after_all_of_this(site: Any) -> None:
    decided(site)
    assert site.house().verify().clean
