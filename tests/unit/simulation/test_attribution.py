from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.stats import gamma

from optimizer.domain.decision import Decision
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.domain.micros import units
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.engine.assessment import RewardRule, assess
from optimizer.simulation.attribution import FROM_DECISION, Timing, worth
from optimizer.simulation.delays import ExponentialDelay, LogNormalDelay, NoDelay

RULE = RewardRule("o", "purchase", "first", DAY, "decision", (("unsubscribed", 300_000),))
FUNNEL = ("delivered", "opened", "clicked", "purchase", "unsubscribed")
ROOT = FROM_DECISION


def everything(n: int) -> np.ndarray:
    return np.array(list(product([True, False], repeat=n)))


def test_what_comes_at_once_earns_its_value_less_penalties() -> None:
    kinds = ("purchase", "unsubscribed")
    timing = Timing((ROOT, ROOT), [NoDelay(), NoDelay()])
    found = worth(RULE, kinds, everything(2), timing, sent=True)
    assert found.tolist() == pytest.approx([0.7, 1.0, -0.3, 0.0])


def test_an_amount_counts_to_the_cent_without_penalties_too() -> None:
    rule = replace(RULE, value="amount", penalties=())
    found = worth(rule, ("purchase",), np.array([[True]]), Timing((ROOT,), [NoDelay()]), sent=True, value=0.75)
    assert found.tolist() == [0.75]


def test_what_comes_after_the_window_earns_nothing_and_costs_nothing() -> None:
    timing = Timing((ROOT, ROOT), [ExponentialDelay(DAY), LogNormalDelay(2 * DAY, 1.0)])
    found = worth(RULE, ("purchase", "unsubscribed"), np.array([[True, False], [False, True]]), timing, sent=True)
    assert found.tolist() == pytest.approx([1 - np.exp(-1), -0.3 * 0.244109], abs=1e-6)  # Phi(-ln 2)


def test_each_rule_has_its_own_window_in_the_same_world() -> None:
    timing = Timing((ROOT,), [ExponentialDelay(DAY)])
    found = [
        float(worth(replace(RULE, window=days * DAY), ("purchase",), np.array([[True]]), timing, sent=True)[0])
        for days in (1, 3, 1)
    ]
    assert found == pytest.approx([1 - np.exp(-1), 1 - np.exp(-3), 1 - np.exp(-1)])


def test_delays_along_a_chain_add_up() -> None:
    """The sum of two exponential delays has the distribution function 1 - (a e^(-w/a) - b e^(-w/b)) / (a - b)."""
    a, b = 9 * HOUR, 20 * HOUR
    timing = Timing((ROOT, 0), [ExponentialDelay(a), ExponentialDelay(b)])
    found = worth(RULE, ("clicked", "purchase"), np.array([[True, True]]), timing, sent=True)
    w = DAY
    expected = 1 - (a * np.exp(-w / a) - b * np.exp(-w / b)) / (a - b)
    assert found[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("n", "tolerance"), [(2, 1e-6), (3, 1e-4), (4, 1e-4), (5, 1e-4), (6, 1e-4)])
@pytest.mark.parametrize("mean", [2 * HOUR, 8 * HOUR])
def test_delays_along_a_longer_chain_add_up_nearly(n: int, tolerance: float, mean: int) -> None:
    """Equal exponential delays add up to a gamma distribution."""
    kinds = (*(f"step {i}" for i in range(1, n)), "purchase")
    timing = Timing(tuple(range(-1, n - 1)), [ExponentialDelay(mean)] * n)
    found = worth(RULE, kinds, np.ones((1, n), np.bool_), timing, sent=True)
    assert found[0] == pytest.approx(gamma(n, scale=mean).cdf(DAY), abs=tolerance)


def test_the_window_begins_with_the_exposure_that_came_before() -> None:
    timing = Timing((ROOT, 0, 1), [LogNormalDelay(9 * HOUR, 2.0), NoDelay(), ExponentialDelay(DAY)])
    opened = replace(RULE, counts_from="opened")
    found = worth(
        opened, ("delivered", "opened", "purchase"), np.array([[True] * 3, [True, False, True]]), timing, sent=True
    )
    # However long delivery takes, a purchase has a day from the opening on; without an opening nothing counts.
    assert found.tolist() == pytest.approx([1 - np.exp(-1), 0.0], abs=1e-12)


def test_an_exposure_and_an_outcome_that_race_are_weighed_against_each_other() -> None:
    """P(X <= Y + w) of exponential delays X of mean a, Y of mean b is 1 - e^(-w/a) a / (a + b)."""
    a, b = 30 * HOUR, 50 * HOUR
    timing = Timing((ROOT, ROOT), [ExponentialDelay(b), ExponentialDelay(a)])
    rule = replace(RULE, counts_from="delivered")
    found = worth(rule, ("delivered", "purchase"), np.array([[True, True], [False, True]]), timing, sent=True)
    assert found[0] == pytest.approx(1 - np.exp(-DAY / a) * a / (a + b), abs=1e-6)
    assert found[1] == 0.0


def test_an_exposure_that_follows_the_outcome_never_shuts_it_out() -> None:
    timing = Timing((ROOT, 0), [ExponentialDelay(90 * DAY), ExponentialDelay(90 * DAY)])
    rule = replace(RULE, counts_from="opened")
    assert worth(rule, ("purchase", "opened"), np.array([[True, True]]), timing, sent=True).tolist() == [1.0]
    itself = replace(RULE, kind="opened", counts_from="opened")
    assert worth(itself, ("purchase", "opened"), np.array([[True, True]]), timing, sent=True).tolist() == [1.0]


def test_what_bounces_or_is_withdrawn_earns_nothing_unless_nothing_was_sent() -> None:
    for undone in ("bounced", "withdrawn"):
        timing = Timing((ROOT, ROOT), [NoDelay(), NoDelay()])
        both = np.array([[True, True]])
        assert worth(RULE, (undone, "purchase"), both, timing, sent=True).tolist() == [0.0]
        assert worth(RULE, (undone, "purchase"), both, timing, sent=False).tolist() == [1.0]


def test_nothing_sent_counts_from_the_decision_whatever_the_rule() -> None:
    timing = Timing((ROOT,), [ExponentialDelay(DAY)])
    rule = replace(RULE, counts_from="opened")
    assert worth(rule, ("purchase",), np.array([[True]]), timing, sent=False) == pytest.approx([1 - np.exp(-1)])


DECISION = Decision(
    decision_id="d",
    campaign_id="c",
    recipient_key="r",
    request_id="q",
    strategy_version=1,
    segment_id="s",
    group=Group.LEARNING,
    variant_id="v",
    content_hash="h",
    propensity=0.5,
    reason=Reason.EXPLOIT,
    snapshot_id="c:1",
    decided_at=1_000 * DAY,
    blocked={},
    deferred=False,
    attributes={},
    excluded=(),
)


@pytest.mark.parametrize("counts_from", ["decision", "delivered", "opened"])
@pytest.mark.parametrize("parents", [(ROOT, 0, 1, 2, 0), (ROOT, ROOT, ROOT, ROOT, ROOT)], ids=["funnel", "apart"])
def test_the_worth_of_outcomes_is_what_the_engine_judges_them_to_be(counts_from: str, parents: tuple[int, ...]) -> None:
    delays = [
        ExponentialDelay(10 * HOUR),
        LogNormalDelay(8 * HOUR, 1.0),
        ExponentialDelay(6 * HOUR),
        LogNormalDelay(12 * HOUR, 0.7),
        ExponentialDelay(DAY),
    ]
    timing = Timing(parents, delays)
    rule = replace(RULE, counts_from=counts_from)
    n = 1_500
    rng = np.random.Generator(np.random.PCG64(21))
    patterns = np.array([[True] * 5, [True, True, True, False, True]])
    if parents[1] == ROOT:
        patterns = np.vstack([patterns, [[False, True, False, True, True], [False, False, True, True, False]]])
    for pattern, expected in zip(patterns, worth(rule, FUNNEL, patterns, timing, sent=True), strict=True):
        after = timing.drawn(np.tile(pattern, (n, 1)), rng)
        rewards = np.array([judged(rule, pattern, times) for times in after])
        standard_error = rewards.std(ddof=1) / np.sqrt(n)
        assert abs(rewards.mean() - expected) <= 4 * standard_error + 1e-9


def judged(rule: RewardRule, pattern: np.ndarray, after: np.ndarray) -> float:
    at = DECISION.decided_at
    outcomes = [
        Outcome(f"e{kind}", "d", FUNNEL[kind], None, None, at + int(after[kind]), at + int(after[kind]))
        for kind in np.flatnonzero(pattern)
    ]
    return units(assess(rule, DECISION, outcomes).reward)


def test_a_kind_happens_no_sooner_than_the_one_it_follows() -> None:
    timing = Timing((ROOT, 0, 0), [ExponentialDelay(HOUR), NoDelay(), ExponentialDelay(MINUTE)])
    rng = np.random.Generator(np.random.PCG64(22))
    after = timing.drawn(np.tile([[True, True, True], [True, False, False]], (500, 1)), rng)
    assert (after[::2, 1] == after[::2, 0]).all()
    assert (after[::2, 2] >= after[::2, 0]).all()
    assert not after[1::2, 1:].any()
