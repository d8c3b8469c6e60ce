"""Whoever decides by a bundle decides what the service decides, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.made_apart import (
    apart_of,
    attributes_at_random,
    bundle_of,
    files_at_random,
    made_by,
    uploaded,
)

from optimizer.client import Decision, LocalClient, Recipient, Source
from optimizer.domain.controls import Controls, Status
from optimizer.domain.instants import DAY
from optimizer.policy.draw import recipient_keys
from optimizer.services.live import DOCUMENTS
from optimizer.services.recipients.profiles import put_profile
from optimizer.storage.controls import EVERY_CHANNEL, Suppression
from optimizer.storage.recipients import Profile

N = 60


def steer(house: Any, chance: Random) -> None:
    """Approve, pause, pin and suppress as chance has it."""
    live = house.deployment.live
    for message in ("greeting", "offer", "plain"):
        if chance.random() < 0.7:
            house.approve("first", message)
    with house.deployment.store.writing(alone=True) as ledger:
        tactic = live.at(ledger).tactics["first"]
        names = tactic.variant_ids
        controls = ledger.controls.all().get("first", Controls())
        if chance.random() < 0.5:
            controls = Controls(
                status=chance.choice([Status.RUNNING] * 4 + [Status.PAUSED, Status.STOPPED]),
                paused={name: "why" for name in names if chance.random() < 0.2},
                pinned=chance.choice([None, None, None, *names]),
                stage=chance.choice([0, 1]),
                stage_since=house.now,
                reviewed_at=house.now - chance.choice([0, 3 * DAY, 10 * DAY]),
            )
            ledger.controls.put("first", controls)
            ledger.revisions.bump(DOCUMENTS)
        persons = recipient_keys(live.secret, [f"person-{n}" for n in range(5)])
        ledger.suppressions.add([Suppression(key, EVERY_CHANNEL, house.now - DAY, "test") for key in persons])
        for n in range(3, 9):
            put_profile(ledger, live, f"person-{n}", Profile({}, {tactic.campaign.channel: n % 2 == 0}), house.now)


def learned(house: Any) -> None:
    found = house.decide(*(house.request(f"early-{n}", campaign="first") for n in range(40)))
    house.record(*(house.report(one.decision.decision_id, "purchase") for one in found[:12]))
    house.later(2 * DAY)
    house.learn("first")


def asked_at_random(house: Any, chance: Random, request_id: str, names: tuple[str, ...]) -> list[Any]:
    return [
        house.request(
            f"person-{n}",
            request_id,
            "first",
            attributes=attributes_at_random(chance),
            excluded=tuple(name for name in names if chance.random() < 0.1),
            deferred=chance.random() < 0.3,
        )
        for n in range(N)
    ]


@pytest.fixture
def new_house(
    deploy: Callable[..., Any], new_database: Callable[[str], str], make_house: Callable[..., Any]
) -> Callable[[], Any]:
    """Makes a house with nothing in force."""
    return lambda: make_house(deploy(new_database("sqlite")))


@settings(max_examples=4)
@given(seed=st.integers(0, 2**32))
def test_every_decision_apart_is_the_service_s_and_every_upload_is_accepted(
    seed: int, new_house: Callable[[], Any]
) -> None:
    decide_both_ways(seed, new_house())


@pytest.mark.slow
@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_the_same_for_many_more_campaigns(seed: int, new_house: Callable[[], Any]) -> None:
    decide_both_ways(seed, new_house())


def decide_both_ways(seed: int, house: Any) -> None:
    chance, files = Random(seed), files_at_random(seed)
    house.apply(files)
    if chance.random() < 0.5:
        learned(house)
    steer(house, chance)
    bundle = bundle_of(house, "first")
    apart = apart_of(house, bundle)
    asked = asked_at_random(house, chance, "both", apart.tactic.variant_ids)
    for claim, answer in zip(made_by(apart, asked, house.now), house.decide(*asked), strict=True):
        right = answer.decision
        found = (claim.decision_id, claim.variant_id, claim.propensity, claim.segment_id, claim.group, claim.reason)
        assert found == (
            right.decision_id,
            right.variant_id,
            right.propensity,
            right.segment_id,
            right.group,
            right.reason,
        )
    again = asked_at_random(house, chance, "apart", apart.tactic.variant_ids)
    verdicts = uploaded(house, bundle, made_by(apart, again, house.now), "first")
    assert {one.verdict for one in verdicts} == {"accepted"}, verdicts
    assert house.verify().clean
    for one, answer in zip(verdicts, house.decide(*again), strict=True):
        assert answer.decision.decision_id == one.decision_id


@pytest.mark.slow
def test_ten_thousand_random_requests_come_out_the_same_over_http(site: Any, tmp_path: Any) -> None:
    chance = Random(7)
    asked = [
        Recipient(
            f"customer-{chance.randrange(5_000)}",
            {
                name: value
                for name, value in {
                    "days": chance.choice([None, chance.randrange(400)]),
                    "country": chance.choice(["US", "GB", None]),
                    "vip": chance.choice([True, False, None]),
                }.items()
                if value is not None or chance.random() < 0.5
            },
            tuple(name for name in ("hello", "ten-percent", "new-arrivals", "unknown") if chance.random() < 0.1),
            request_id=f"r{n}",
        )
        for n in range(10_000)
    ]
    with LocalClient(["winback"], site.url, site.key, spool=tmp_path / "spool") as client:
        assert client.reasons() == {"winback": None}
        here = client.decide_many("winback", asked).decisions
        items = [
            {"recipient": o.id, "attributes": o.attributes, "exclude": o.exclude, "request_id": o.request_id}
            for o in asked
        ]
        there = []
        for start in range(0, len(items), 1_000):
            body = {"campaign": "winback", "recipients": items[start : start + 1_000]}
            there += site.client.post("/v1/decisions/batch", json=body).json()["decisions"]
        assert {one["variant"] for one in there} == {"hello", "ten-percent", "new-arrivals", None}
        assert {one["group"] for one in there} == {"learning", "campaign_holdout", "strategy_holdout"}
        for mine, right in zip(here, there, strict=True):
            assert isinstance(mine, Decision)
            assert mine.source is Source.LOCAL
            for name in ("decision_id", "variant", "propensity", "segment", "group", "reason", "snapshot", "chosen_by"):
                assert getattr(mine, name) == right[name], (mine, right)
        assert client.flush(60)
        # Decided by both: whoever wrote it first, it is written once, and the same.
        assert set(client.delivery.delivered) <= {"accepted", "duplicate"}, client.delivery
        assert sum(client.delivery.delivered.values()) == 10_000
