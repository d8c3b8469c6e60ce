"""Notices over HTTP: what was announced, what became of it, and sending again what was given up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from optimizer.deployment import now
from optimizer.domain.notices import Notice, NoticeKind
from optimizer.services.notices.announcing import announce
from optimizer.services.notices.delivering import Attempt, settle, take
from optimizer.web.shapes.notice_answers import NoticesOut

GONE = Attempt(delivered=False, trouble="answered 410", again=False)


@pytest.fixture
def told(sqlite_house: Any, serve: Any, files: Any, edited: Any) -> Iterator[Any]:
    """A served house whose strategy names a receiver that the environment does not know."""
    approval = "approval: {required: false}\n"
    notify = f"{approval}notify:\n  - {{id: ops, about: [proposal_made, segment_entered]}}\n"
    strategy = edited(files, "strategy.yaml", (approval, notify))
    announces = ("holdout: {share: 0.1}\n", "announce_segments: true\n")
    with serve(sqlite_house.deployment, edited(strategy, "campaigns/winback.yaml", announces)) as running:
        yield running


def notices(site: Any, **query: Any) -> Any:
    found = site.client.get("/v1/notices", params=query)
    assert found.status_code == 200, found.text
    NoticesOut.model_validate(found.json(), strict=False)
    return found.json()


def addressed(site: Any, n: int) -> Any:
    """The notices, once the serving process has addressed so many."""
    end = time.monotonic() + 20
    while sum(notices(site)["waiting"].values()) < n:
        assert time.monotonic() < end
        time.sleep(0.05)
    return notices(site)


def test_what_was_announced_is_shown_and_what_was_given_up_is_sent_again(told: Any) -> None:
    with told.deployment.store.writing() as ledger:
        announce(ledger, Notice(NoticeKind.PROPOSAL_MADE, "winback", {"because": "less is more"}, now()))
    (one,) = addressed(told, 1)["notices"]
    assert (one["kind"], one["campaign"], one["title"], one["sentence"]) == (
        "proposal_made",
        "winback",
        "A proposal waits for you: winback",
        "less is more",
    )
    (delivery,) = one["deliveries"]
    assert (delivery["receiver"], delivery["state"], delivery["attempts"]) == ("ops", "waiting", 0)
    with told.deployment.store.writing() as ledger:
        (letter,) = take(ledger, told.deployment.live, "ops", "test", now(), 1)
        settle(ledger, "ops", letter.due, GONE, now())
    found = notices(told, state="dead")
    assert found["dead"] == {"ops": 1}
    assert found["notices"][0]["deliveries"][0]["trouble"] == "answered 410"
    retry = {"notice_ids": [one["notice_id"]]}
    assert told.client.post("/v1/notices/retry", json=retry).json() == {"retried": 1}
    assert told.client.post("/v1/notices/retry", json={"all": True}).json() == {"retried": 0}
    assert notices(told, state="dead")["notices"] == []
    assert 'optimizer_notices{receiver="ops",state="waiting"} 1.0' in told.client.get("/metrics").text


def test_a_profile_that_is_put_announces_its_segment_and_shows_nobody_in_the_list(told: Any) -> None:
    for _ in range(2):
        assert told.client.put("/v1/recipients/ann-4711", json={"attributes": {"days": 200}}).status_code == 200
    found = addressed(told, 1)
    assert [one["kind"] for one in found["notices"]] == ["segment_entered"]
    assert found["notices"][0]["data"] == {"segment": "lapsed", "from": None}
    assert "ann-4711" not in str(found)
    kept = told.client.get("/v1/recipients/ann-4711/export").json()
    assert [(one["campaign"], one["segment"]) for one in kept["memberships"]] == [("winback", "lapsed")]
    assert [one["kind"] for one in kept["notices"]] == ["segment_entered"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"all": True, "notice_ids": ["0" * 32]}, 422),
        ({"notice_ids": ["0" * 32]}, 404),
        ({"notice_ids": ["nonsense"]}, 422),
        ({"notice_ids": [1]}, 422),
        ({"all": "yes"}, 422),
        ({"all": True, "receiver": "<script>"}, 422),
        ({"everything": True}, 422),
    ],
)
def test_a_wish_that_makes_no_sense_is_a_problem(site: Any, body: Any, status: int) -> None:
    answer = site.client.post("/v1/notices/retry", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["n=0", "n=1001", "state=lost", "n=x"])
def test_a_list_that_cannot_be_is_a_problem(site: Any, query: str) -> None:
    assert site.client.get(f"/v1/notices?{query}").status_code == 422
