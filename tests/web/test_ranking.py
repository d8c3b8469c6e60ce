"""People ask what they may offer, and say what they chose, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.web.shapes.answers import DecisionOut
from optimizer.web.shapes.ranking_answers import RankingOut


def post(site: Any, path: str, **body: Any) -> Any:
    return site.client.post(f"/v1/decisions/{path}", json={"campaign": "winback", **body})


def somebody(site: Any) -> str:
    """A recipient who is in no holdout."""
    for n in range(100):
        if post(site, "rank", recipient=f"caller-{n}").json()["group"] == "learning":
            return f"caller-{n}"
    raise AssertionError("everyone is held out")


def test_a_ranking_has_the_shape_it_says_and_writes_nothing(site: Any) -> None:
    before = site.counts()
    answer = post(site, "rank", recipient="ann", request_id="call-1", exclude=["hello"], attributes={"days": 100})
    assert answer.status_code == 200, answer.text
    found = RankingOut.model_validate(answer.json())
    assert (found.request_id, found.segment) == ("call-1", "lapsed")
    assert {one.variant for one in found.variants} | {one.variant for one in found.removed} == {
        "ten-percent",
        "new-arrivals",
        "hello",
    }
    assert all(one.why for one in (*found.variants, *found.removed))
    assert site.counts() == before


def test_a_choice_is_recorded_explained_and_safe_to_repeat(site: Any) -> None:
    caller = somebody(site)
    ranking = post(site, "rank", recipient=caller).json()
    wish = {
        "recipient": caller,
        "request_id": ranking["request_id"],
        "variant": ranking["variants"][-1]["variant"],
        "actor": "agent-7",
    }
    answer = post(site, "chosen", **wish)
    assert answer.status_code == 200, answer.text
    decision = DecisionOut.model_validate(answer.json())
    assert (decision.variant, decision.chosen_by, decision.actor) == (wish["variant"], "human", "agent-7")
    assert (decision.group, decision.reason, decision.propensity) == ("chosen_by_people", "chosen_by_human", 1.0)
    assert post(site, "chosen", **wish).json() == answer.json()
    explained = site.client.get(f"/v1/decisions/{decision.decision_id}/explain").json()
    assert explained["recomputed"] == {"same": True}
    report = {
        "event_id": f"bought-{decision.decision_id}",
        "decision_id": decision.decision_id,
        "kind": "purchase",
        "occurred_at": answer.json()["decided_at"],
    }
    assert site.client.post("/v1/outcomes", json=report).json()["outcomes"][0]["status"] == "accepted"


def test_who_chose_is_by_default_the_key(site: Any) -> None:
    answer = post(site, "chosen", recipient=somebody(site), request_id="call-key", variant="hello")
    assert answer.json()["actor"] == "test"


@pytest.mark.parametrize(
    ("path", "body", "status", "detail"),
    [
        ("rank", {"recipient": "ann", "variant": "hello"}, 422, "/variant: found 'hello'; allowed no such key here"),
        ("rank", {"recipient": "ann", "campaign": "nonsense"}, 404, "campaign: found 'nonsense'; allowed"),
        ("rank", {"recipient": "ann", "attributes": {"colour": "red"}}, 422, "/attributes/colour"),
        ("chosen", {"recipient": "ann", "request_id": "c"}, 422, "/variant: found nothing; allowed a value"),
        ("chosen", {"recipient": "ann", "variant": "hello"}, 422, "/request_id: found nothing; allowed a value"),
        ("chosen", {"recipient": "ann", "request_id": "c", "variant": "helo"}, 422, "/variant: found 'helo'; allowed"),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_sentence_and_writes_nothing(
    site: Any, path: str, body: dict[str, Any], status: int, detail: str
) -> None:
    before = site.counts()
    answer = post(site, path, **body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"].startswith(detail)
    assert site.counts() == before


def test_an_excluded_variant_is_refused_with_the_rule(site: Any) -> None:
    answer = post(site, "chosen", recipient=somebody(site), request_id="call-x", variant="hello", exclude=["hello"])
    assert answer.status_code == 409
    assert "(excluded_by_caller); allowed ten-percent, new-arrivals" in answer.json()["detail"]
