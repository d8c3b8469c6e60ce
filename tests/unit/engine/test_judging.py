"""Judging, tallying and settling in columns gives what one decision at a time gives."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Decision
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR, MINUTE, Instant
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.domain.statistics import Tally
from optimizer.engine.assessment import assess, contributions
from optimizer.engine.choosing import NO_ARM, REASONS
from optimizer.engine.gathering import evidence_of
from optimizer.engine.hearing import traffic_of
from optimizer.engine.judging import NEVER, Made, assessments
from optimizer.engine.settling import Commitments, committed, due_so_far, released_together, settled_together
from optimizer.engine.spending import due, released, settled, used
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.engine.tallies import Tallies
from optimizer.guardrails.groups import GROUPS
from optimizer.strategy.money import DECISION
from optimizer.strategy.workspace import read_workspace

BEGINS: Instant = 1_790_000_000 * 1_000_000
KINDS = (
    "exposed",
    "delivered",
    "opened",
    "clicked",
    "visit",
    "unsubscribed",
    "withdrawn",
    "bounced",
    "purchase",
    "trapped",
)
N_SEGMENTS, N_ARMS = 2, 3


def tactic_at_random(chance: Random) -> Tactic:
    penalties = {kind: chance.choice([0.5, 3, 1000]) for kind in ("unsubscribed", "clicked") if chance.random() < 0.5}
    value = chance.choice(["first", "count", "amount"])
    limited = {"at_most": chance.choice(["5 USD", "9.99 USD"])} if value == "amount" and chance.random() < 0.5 else {}
    hygiene: dict[str, Any] = {"fastest": chance.choice(["PT1S", "PT2M", "PT1H"])} if chance.random() < 0.4 else {}
    hygiene |= {"honeypot": "trapped"} if chance.random() < 0.4 else {}
    hygiene |= {"machine_kinds": ["clicked", "visit"]} if hygiene and chance.random() < 0.3 else {}
    strategy = {
        "strategy": "acme",
        "currency": "USD",
        "time_zone": "UTC",
        "objectives": [
            {
                "id": "goal",
                "reward": {"outcome": chance.choice(["visit", "clicked"]), "value": value, **limited},
                "attribution_window": chance.choice(["PT1H", "P2D"]),
                "counts_from": chance.choice(["decision", "delivered", "opened"]),
                "penalties": penalties,
            }
        ],
        "hygiene": hygiene,
        "attributes": {"newbie": {"type": "boolean"}},
        "channels": {"email": chance.choice([{}, {"cost": "0.01 USD"}, {"cost": "0.02 USD per delivery"}])},
        "approval": {"required": False},
        "policy_defaults": {"model": "hurdle"} if value == "amount" else {},
    }
    costs = ("0.10 USD", "0.05 USD per click", "0.33 USD per purchase", "0.04 USD per open")
    messages = [
        {"id": name, "subject": name, **({"cost": chance.choice(costs)} if chance.random() < 0.7 else {})}
        for name in ("a", "b", "c")
    ]
    if penalties.keys() & {strategy["objectives"][0]["reward"]["outcome"]}:  # type: ignore[index]
        strategy["objectives"][0]["penalties"] = {}  # type: ignore[index]
    campaign: dict[str, Any] = {
        "campaign": "winback",
        "serves": "goal",
        "channel": "email",
        "messages": messages,
        "control": {"message": "c"},
        "segments": [{"id": "new", "when": {"newbie": True}}],
        "everyone_else": "include",
    }
    files = {"strategy.yaml": json.dumps(strategy), "campaigns/winback.yaml": json.dumps(campaign)}
    workspace = read_workspace(files)
    return compile_tactic(workspace.strategy, workspace.campaigns["winback"], 1, ())


def made_at_random(chance: Random, n: int) -> Made:
    """Decisions as the engine can make them, with outcomes around and after their windows."""
    rows = []
    for _ in range(n):
        kind = chance.choice(
            ["drawn", "drawn", "drawn", "withheld", "nothing", "holdout", "held on nothing", "outside"]
        )
        segment = -1 if kind == "outside" else chance.randrange(N_SEGMENTS)
        arm = chance.randrange(N_ARMS) if kind in {"drawn", "holdout"} else NO_ARM
        group = Group.CAMPAIGN_HOLDOUT if kind in {"holdout", "held on nothing"} else Group.LEARNING
        reason = {
            "drawn": Reason.EXPLOIT,
            "withheld": Reason.WITHHELD,
            "nothing": Reason.QUIET_HOURS,
            "outside": Reason.OUTSIDE_AUDIENCE,
        }.get(kind, Reason.HOLDOUT)
        at = BEGINS + chance.randrange(4) * HOUR + chance.randrange(30) * MINUTE
        came = [
            at + chance.choice([-5, -6, 0, 1, 59, 60, 61, 100, 2879, 2880, 2881, 4000]) * MINUTE
            if chance.random() < 0.35
            else NEVER
            for _ in KINDS
        ]
        amounts = [0, 1, 4_321_987, 9_990_000, 123_456_789_012, 10**15]
        values = [chance.choice(amounts) if at_ != NEVER else 0 for at_ in came]
        rows.append((segment, GROUPS.index(group), arm, REASONS.index(reason), at, came, values))
    return Made(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


def known_at(made: Made, now: Instant) -> Made:
    """The same without outcomes that come later than `now`."""
    known = made.occurred_at <= now
    came, values = np.where(known, made.occurred_at, NEVER), np.where(known, made.values, 0)
    return replace(made, occurred_at=came, values=values)


def decision_of(tactic: Tactic, made: Made, n: int) -> Decision:
    arm, segment = int(made.arms[n]), int(made.segments[n])
    return Decision(
        decision_id=str(n),
        campaign_id=tactic.campaign_id,
        recipient_key=str(n),
        request_id="r",
        strategy_version=1,
        segment_id=None if segment < 0 else tactic.rules.segment_ids[segment],
        group=GROUPS[made.groups[n]],
        variant_id=None if arm == NO_ARM else tactic.variant_ids[arm],
        content_hash=None if arm == NO_ARM else tactic.content_hashes[arm],
        propensity=None,
        reason=REASONS[made.reasons[n]],
        snapshot_id=None,
        decided_at=int(made.decided_at[n]),
        blocked={},
        deferred=False,
        attributes={},
        excluded=(),
    )


def outcomes_of(made: Made, n: int) -> list[Outcome]:
    came = zip(KINDS, made.occurred_at[n].tolist(), made.values[n].tolist(), strict=True)
    return [Outcome(kind, str(n), kind, value, None, at, at) for kind, at, value in came if at != NEVER]


seeds = st.integers(0, 2**32)


@given(seeds)
def test_many_decisions_are_judged_as_each_alone(seed: int) -> None:
    chance = Random(seed)
    tactic, made = tactic_at_random(chance), made_at_random(chance, 40)
    found = assessments(tactic.reward_rule, KINDS, made)
    for n in range(len(made)):
        alone = assess(tactic.reward_rule, decision_of(tactic, made, n), outcomes_of(made, n))
        assert (alone.exposed_at is not None) == found.exposed[n]
        assert alone.exposed_at is None or alone.exposed_at == found.exposed_at[n]
        assert (alone.closes_at, alone.rewarded, alone.earned, alone.reward, alone.withdrawn) == (
            found.closes_at[n],
            found.rewarded[n],
            found.earned[n],
            found.reward[n],
            found.withdrawn[n],
        )
        assert (NEVER if alone.rewarded_at is None else alone.rewarded_at) == found.rewarded_at[n]
        for kinds, columns in ((alone.counted, found.counted), (alone.machines, found.machines)):
            assert set(kinds) == {kind for kind, counts in zip(KINDS, columns[n], strict=True) if counts}


@given(seeds)
def test_tallies_are_the_sums_of_what_each_decision_contributes(seed: int) -> None:
    """Also after some decisions were judged anew, and when buckets are put together."""
    chance = Random(seed)
    tactic, made = tactic_at_random(chance), made_at_random(chance, 60)
    rule, tallies = tactic.reward_rule, Tallies(tactic, KINDS)
    early = known_at(made, BEGINS + 2 * HOUR)
    tallies.add(early, assessments(rule, KINDS, early))
    tallies.subtract(early, assessments(rule, KINDS, early))
    tallies.add(made, assessments(rule, KINDS, made))
    expected = Tally()
    for n in range(len(made)):
        expected.add(contributions(rule, decision_of(tactic, made, n), outcomes_of(made, n)))
    assert dict(tallies.cells()) == dict(expected.changes())

    edge = BEGINS - BEGINS % HOUR + 2 * HOUR
    merged, parts = Tally(), Tally()
    for cell, sums in tallies.cells([edge]):
        merged.add([(cell._replace(bucket=int(cell.bucket >= edge)), sums)])
    for cell, sums in expected.changes():
        parts.add([(cell._replace(bucket=int(cell.bucket >= edge)), sums)])
    assert dict(merged.changes()) == dict(parts.changes())
    assert len(list(tallies.cells([edge]))) == len(merged)


@given(seeds)
def test_evidence_of_what_is_new_adds_up_to_the_evidence_of_everything(seed: int) -> None:
    chance = Random(seed)
    tactic, made = tactic_at_random(chance), made_at_random(chance, 60)
    rule, tallies, news = tactic.reward_rule, Tallies(tactic, KINDS), Tallies(tactic, KINDS)
    total = Evidence.none(N_SEGMENTS, N_ARMS, len(rule.penalties))
    before = None
    for hours in (0, 1, 3, 100):
        known = known_at(made, BEGINS + hours * HOUR)
        for counted in (tallies, news):
            if before is not None:
                counted.subtract(before, assessments(rule, KINDS, before))
            counted.add(known, assessments(rule, KINDS, known))
        before = known
        total += evidence_of(tactic, news.cells())
        news.clear()
        everything = evidence_of(tactic, tallies.cells())
        for name in ("trials", "positives", "penalty_counts", "logs", "log_squares", "delays"):
            assert np.allclose(getattr(total, name).sum(axis=-1), getattr(everything, name).sum(axis=-1), rtol=1e-12)
            weights = total.weights(BEGINS + 10 * DAY, DAY), everything.weights(BEGINS + 10 * DAY, DAY)
            assert np.allclose(getattr(total, name) @ weights[0], getattr(everything, name) @ weights[1], rtol=1e-12)


def one_commitment(tactic: Tactic, decision: Decision, arm: int) -> Commitment:
    """As the service makes it of a decision."""
    most, at_once = int(tactic.most[arm]), tactic.costs[arm].get(DECISION, 0)
    closes_at = decision.decided_at + tactic.reward_rule.window
    return Commitment("", "", "", "email", decision.decided_at, None, most, at_once, most > at_once, closes_at)


@given(seeds)
def test_commitments_in_columns_go_the_way_of_each_alone(seed: int) -> None:
    """Settled when outcomes come, released when they mature, at instants in any rhythm."""
    chance = Random(seed)
    tactic = tactic_at_random(chance)
    made = replace(made_at_random(chance, 40), decided_at=np.full(40, BEGINS))
    rule = tactic.reward_rule
    together = committed(tactic, made.arms, BEGINS)
    decisions = [decision_of(tactic, made, n) for n in range(len(made))]
    alone = {
        n: one_commitment(tactic, decisions[n], int(arm)) for n, arm in enumerate(made.arms.tolist()) if arm != NO_ARM
    }
    for minutes in sorted(chance.choices([1, 59, 60, 61, 120, 121, 300, 2879, 2880, 2881, 4000, 5760], k=6)):
        now = BEGINS + minutes * MINUTE
        known = known_at(made, now)
        found = assessments(rule, KINDS, known)
        due_together = due_so_far(tactic.costs, KINDS, made.arms, found)
        together = released_together(settled_together(together, tactic.costs, KINDS, found), now)
        for n, commitment in alone.items():
            costs, judged = tactic.costs[int(made.arms[n])], assess(rule, decisions[n], outcomes_of(known, n))
            after = settled(commitment, costs, judged)
            alone[n] = released(after) if after.open and after.closes_at < now else after
            assert due(costs, judged) == due_together[n]
            assert tuple(used(alone[n])) == tuple(together.used[n])
            assert (alone[n].open, alone[n].settled, alone[n].withdrawn) == row(together, n)
            assert not alone[n].open or alone[n].closes_at == together.closes_at[n]
        assert not together.used[made.arms == NO_ARM].any()


def row(commitments: Commitments, n: int) -> tuple[bool, int, bool]:
    return bool(commitments.open[n]), int(commitments.settled[n]), bool(commitments.withdrawn[n])


@pytest.mark.parametrize("penalty", [1000, 999.999999])
def test_squares_of_the_largest_rewards_are_exact(penalty: float) -> None:
    """Three penalties of a thousand: their square is beyond 64 bits before it is divided."""
    made = made_at_random(Random(1), 1)
    tactic = tactic_at_random(Random(3))
    large = int(-3_000 * 1_000_000 * (penalty / 1000))
    tallies = Tallies(tactic, KINDS)
    found = assessments(tactic.reward_rule, KINDS, made)
    judged = replace(found, exposed_at=made.decided_at, reward=np.array([large]))
    tallies.add(made, judged)
    (sums,) = [sums for cell, sums in tallies.cells() if cell.metric.startswith("reward")]
    assert (sums.total, sums.squares) == (large, large**2 // 1_000_000)


@given(seeds)
def test_what_was_sent_is_told_together_as_it_is_told_apart(seed: int) -> None:
    chance = Random(seed)
    tactic, made = tactic_at_random(chance), made_at_random(chance, 60)
    tallies = Tallies(tactic, KINDS)
    early = known_at(made, BEGINS + 2 * HOUR)
    tallies.add(early, assessments(tactic.reward_rule, KINDS, early))
    tallies.subtract(early, assessments(tactic.reward_rule, KINDS, early))
    tallies.add(made, assessments(tactic.reward_rule, KINDS, made))
    apart, together = traffic_of(tactic, tallies.cells()), traffic_of(tactic, tallies.sent())
    for name in ("buckets", "sent", "answered", "rewarded", "delays"):
        assert np.array_equal(getattr(apart, name), getattr(together, name)), name
