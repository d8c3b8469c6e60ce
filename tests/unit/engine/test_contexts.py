"""Contexts in the engine: declared attributes become features, fits happen when due, rows are one recipient's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optimizer.domain.delays import N_DELAYS, delay_bin
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.trials import Trials
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.contexts import TrialsNow
from optimizer.engine.describing import features_of
from optimizer.engine.learning import learn, next_snapshot
from optimizer.engine.steps import steps
from optimizer.engine.tactic import Tactic
from optimizer.policy.contextual import ContextualPosterior
from optimizer.strategy.audience import BooleanAttribute, CategoryAttribute, NumberAttribute, TextAttribute

MakeTactic = Callable[..., Tactic]
SEGMENTS, ARMS = 3, 3
EVERYTHING = np.ones(ARMS, np.bool_)
NOTHING = Evidence.none(SEGMENTS, ARMS)
BEGINS = 1_000 * DAY
DECLARED = {
    "newbie": BooleanAttribute(type="boolean"),
    "recency": NumberAttribute(type="number"),
    "country": CategoryAttribute(type="category", values=("US", "GB")),
    "illness": BooleanAttribute(type="boolean", sensitive=True),
    "name": TextAttribute(type="text"),
}


def contextual(make_tactic: MakeTactic, **policy: Any) -> Tactic:
    tactic = make_tactic(floor=0.03)
    wanted = {"model": "contextual", "attributes": ("recency", "newbie"), "refit": HOUR, "estimates_delay": False}
    changed = replace(tactic.policy, **(wanted | policy))
    features = features_of(DECLARED, changed)
    return replace(tactic, policy=changed, features=features, config_hash="contextual")


def tried(tactic: Tactic, n: int = 600, at: int = BEGINS) -> Trials:
    """The first arm earns from those who came recently, the second from the others."""
    rng = np.random.Generator(np.random.PCG64(4))
    recency, arms = rng.uniform(0.0, 100.0, n), rng.integers(0, ARMS, n)
    assert tactic.features is not None
    numbers = tactic.features.numbers([{"recency": one, "newbie": False} for one in recency.tolist()])
    best = np.where(recency < 50.0, 0, 1)
    rewarded = rng.random(n) < np.where(arms == best, 0.5, 0.05)
    return Trials(numbers, np.full(n, 2), arms, rewarded, np.full(n, at), np.ones(n), (SEGMENTS, ARMS))


def reader(tactic: Tactic, reads: list[int]) -> TrialsNow:
    def read() -> Trials:
        reads.append(1)
        return tried(tactic)

    return read


def table(tactic: Tactic, **changes: Any) -> AllocationTable:
    snapshot = learn(tactic, NOTHING, 1, BEGINS + DAY, lambda: tried(tactic))
    return AllocationTable(replace(snapshot, **changes))


def test_only_what_a_model_may_look_at_becomes_a_feature(make_tactic: MakeTactic) -> None:
    policy = contextual(make_tactic).policy
    names = ("country", "illness", "name", "newbie", "recency", "gone")
    found = features_of(DECLARED, replace(policy, attributes=names, interactions=(("country", "newbie"),)))
    assert found is not None
    assert [(one.name, one.kind, one.values) for one in found.described] == [
        ("country", "category", ("US", "GB")),
        ("newbie", "boolean", ()),
        ("recency", "number", ()),
    ]
    assert found.interactions == (("country", "newbie"),)
    assert features_of(DECLARED, replace(policy, model="beta_bernoulli")) is None


def test_a_fit_happens_once_refit_has_passed_and_not_before(make_tactic: MakeTactic) -> None:
    tactic, reads = contextual(make_tactic), list[int]()
    latest: Snapshot | None = None
    for minute in range(0, 181, 10):
        latest = next_snapshot(tactic, NOTHING, [], {}, latest, BEGINS + minute * MINUTE, reader(tactic, reads))
    assert latest is not None
    assert (len(reads), latest.number) == (4, 4)
    assert int(latest.belief.arrays["fitted_at"]) == BEGINS + 3 * HOUR
    changed = replace(tactic, config_hash="changed")
    assert next_snapshot(changed, NOTHING, [], {}, latest, BEGINS + 3 * HOUR, reader(tactic, reads)).number == 5
    assert len(reads) == 5


def test_without_trials_one_by_one_there_is_no_fit(make_tactic: MakeTactic) -> None:
    with pytest.raises(ValueError, match="winback: found no trials one by one"):
        learn(contextual(make_tactic), NOTHING, 1, BEGINS)


def test_each_recipient_has_shares_of_their_own(make_tactic: MakeTactic) -> None:
    rows = table(contextual(make_tactic))
    recent, stale = rows.row(2, EVERYTHING, {"recency": 5.0}), rows.row(2, EVERYTHING, {"recency": 95.0})
    assert (recent.leader, stale.leader) == (0, 1)
    assert recent.allocation[0] > 0.9
    assert stale.allocation[1] > 0.9
    typical = rows.row(2, EVERYTHING)
    assert typical is rows.row(2, EVERYTHING)
    assert max(typical.allocation) < 0.9
    assert recent.allocation.sum() == stale.allocation.sum() == 1.0
    assert min(recent.allocation) >= 0.03 - ARMS * 2.0**-32


@pytest.mark.parametrize("price", [None, 0.1])
def test_many_at_once_get_what_each_gets_alone(make_tactic: MakeTactic, price: float | None) -> None:
    costs = np.full((SEGMENTS, ARMS), 1.0)
    rows = table(contextual(make_tactic), price=price, costs=costs)
    rng = np.random.Generator(np.random.PCG64(5))
    attributes = [{"recency": float(one)} for one in rng.uniform(0.0, 100.0, 50)]
    segments, eligible = rng.integers(0, SEGMENTS, 50), rng.random((50, ARMS)) < 0.8
    shares, leaders = rows.rows(segments, eligible, attributes)
    assert shares.shape == (50, ARMS + (price is not None))
    for n in range(50):
        alone = rows.row(int(segments[n]), eligible[n], attributes[n])
        assert alone.drawn_from.tolist() == shares[n].tolist()
        assert alone.leader == leaders[n]
        assert (alone.leader == -1) == (not eligible[n].any())


def test_steps_say_how_the_shares_of_one_recipient_came_about(make_tactic: MakeTactic) -> None:
    rows = table(contextual(make_tactic), price=0.3, costs=np.full((SEGMENTS, ARMS), 1.0))
    recent = {"recency": 40.0}
    found = steps(rows, 2, {}, recent, drawn=True)
    assert [step.name for step in found] == ["posterior", "price", "floor", "cap"]
    row = rows.row(2, EVERYTHING, recent)
    assert list(found[-1].shares.values()) == row.allocation.tolist()
    assert 0.0 < found[-1].withheld == row.withheld < 1.0
    assert list(found[1].shares.values()) == row.p_best.tolist()
    mean, low, high = rows.expected(2, recent)
    assert mean.argmax() == 0
    assert ((low < mean) & (mean < high)).all()
    assert rows.expected(2)[0].tolist() == rows.posterior.mean[2].tolist()


def test_trials_too_young_to_be_rewarded_do_not_count_against_their_arm(make_tactic: MakeTactic) -> None:
    # Rewards come after two days, as a thousand of them have shown; the trials are a day old.
    tactic = contextual(make_tactic, estimates_delay=True)
    now = BEGINS + DAY
    hours = np.arange(BEGINS - 30 * DAY, BEGINS - 5 * DAY, DAY)
    each = np.full((SEGMENTS, ARMS, len(hours)), 100.0)
    delays = np.zeros((N_DELAYS, len(hours)))
    delays[delay_bin(2 * DAY)] = 40.0
    evidence = Evidence(hours, each, each / 10, each / 10, each / 10, delays=delays)
    young = replace(tried(tactic, at=BEGINS), rewarded=np.zeros(600, np.bool_))

    def believed(tactic: Tactic) -> float:
        posterior = AllocationTable(learn(tactic, evidence, 1, now, lambda: young)).posterior
        assert isinstance(posterior, ContextualPosterior)
        return float(posterior.mean[2].max())

    at_once = replace(tactic, policy=replace(tactic.policy, estimates_delay=False))
    assert believed(at_once) < 0.02
    assert believed(tactic) > 0.1
