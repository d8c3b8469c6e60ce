"""Intervals of bounded means, diagnostics and a verdict come with an evaluation, wherever they may."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.betting import intervals_at_every_time
from optimizer.evaluation.bounded import value_ranges
from optimizer.evaluation.empirical_bernstein import empirical_bernstein
from optimizer.evaluation.evaluating import Settings, concluded, evaluate, sums_of
from optimizer.evaluation.targets import Logged, SegmentShares, always

N = 3_000
BOUNDED = Settings(
    bootstraps=20,
    intervals=("empirical_bernstein", "normal", "betting"),
    reward_range=(0.0, 1.0),
    largest_weight=4.0,
    weight_clip=1.5,
)
TARGET = {"target": SegmentShares(np.array([[0.2, 0.8]]))}


@pytest.fixture(scope="module")
def log() -> LoggedFeedback:
    """Clicks of 20 and 40 %; the second variant, which the target prefers, was shown with probability 1/5."""
    rng = np.random.default_rng(1)
    arms = (rng.random(N) < 0.2).astype(np.int64)
    propensities = np.where(arms == 1, 0.2, 0.8)
    rewards = (rng.random(N) < np.where(arms == 1, 0.4, 0.2)).astype(np.float64)
    return LoggedFeedback(("a", "b"), ("all",), arms, np.zeros(N, np.int64), propensities, rewards)


def weights(log: LoggedFeedback) -> np.ndarray:
    return np.where(log.arms == 1, 0.8, 0.2) / log.propensities


def test_bounded_means_have_intervals_of_bounded_means(log: LoggedFeedback) -> None:
    found = evaluate(log.chunks(700), TARGET, BOUNDED).judgements["target"].estimates
    for name, clip, highest in (("ips", inf, 4.0), ("clipped_ips", 1.5, 1.5)):
        values = np.minimum(weights(log), clip) * log.rewards
        bounds = empirical_bernstein(N, values.mean(), values.var(ddof=1), (0.0, highest))
        expected = (float(bounds.low), float(bounds.high))
        assert found[name].intervals["empirical_bernstein"] == pytest.approx(expected, rel=1e-9)
        lows, highs = intervals_at_every_time(values, (0.0, highest))
        assert found[name].intervals["betting"] == pytest.approx((lows[-1], highs[-1]), rel=1e-9)
    assert [*found["snips"].intervals] == ["normal"]


def test_they_are_wider_than_what_trusts_the_normal_law(log: LoggedFeedback) -> None:
    found = evaluate([log], TARGET, BOUNDED).judgements["target"].estimates["ips"].intervals
    width = {name: high - low for name, (low, high) in found.items()}
    assert 1.5 * width["normal"] < min(width["betting"], width["empirical_bernstein"])
    truth = 0.2 * 0.2 + 0.8 * 0.4
    assert all(low < truth < high for low, high in found.values())


def test_weights_without_end_have_no_bounds_but_clipped_ones() -> None:
    assert [*value_ranges(replace(BOUNDED, largest_weight=inf))] == ["clipped_ips"]
    assert value_ranges(replace(BOUNDED, weight_clip=9.0))["clipped_ips"] == (0.0, 4.0)
    assert value_ranges(replace(BOUNDED, reward_range=(-2.0, 1.0)))["ips"] == (-8.0, 4.0)
    assert [*value_ranges(replace(BOUNDED, weight_clip=0.0))] == ["ips"]
    assert value_ranges(Settings()) == {}


def test_a_weight_above_what_was_said_is_refused(log: LoggedFeedback) -> None:
    low = replace(BOUNDED, largest_weight=3.0, intervals=("empirical_bernstein",))
    with pytest.raises(ValueError, match="largest_weight: found an importance weight of 4 for target; allowed 3, as"):
        evaluate([log], TARGET, low)


@pytest.mark.parametrize("kind", ["empirical_bernstein", "betting"])
def test_rewards_beyond_what_was_said_are_refused(log: LoggedFeedback, kind: str) -> None:
    amounts, asked = replace(log, rewards=log.rewards * 19.5 - 5.0), replace(BOUNDED, intervals=(kind,))
    sentence = "reward_range: found rewards of -5 to 14.5; allowed 0 to 1, as the settings say"
    with pytest.raises(ValueError, match=sentence):
        evaluate([amounts], TARGET, asked)
    wide = replace(asked, reward_range=(-5.0, 14.5))
    low, high = evaluate([amounts], TARGET, wide).judgements["target"].estimates["ips"].intervals[kind]
    assert -20.0 <= low < high <= 58.0
    evaluate([amounts], TARGET, replace(BOUNDED, intervals=("normal",)))


def test_rows_of_recipients_have_no_interval_of_independent_rows(log: LoggedFeedback) -> None:
    known = replace(log, recipients=np.arange(N, dtype=np.uint64) // np.uint64(2))
    for kind in ("betting", "empirical_bernstein"):
        with pytest.raises(ValueError, match=f"intervals: found {kind}; allowed normal, bootstrap, where a log knows"):
            evaluate([known], TARGET, replace(BOUNDED, intervals=(kind,)))


def test_bets_follow_rows_in_their_order_and_so_are_no_sums(log: LoggedFeedback) -> None:
    partial = sums_of(log, TARGET, BOUNDED, None, 0)
    with pytest.raises(ValueError, match="intervals: found betting without bets"):
        concluded(partial, BOUNDED)
    alone = concluded(partial, replace(BOUNDED, intervals=("empirical_bernstein",))).judgements["target"]
    assert [*alone.estimates["ips"].intervals] == ["empirical_bernstein"]


def test_bounds_of_rewards_must_be_told() -> None:
    with pytest.raises(ValueError, match="reward_range: found none; allowed lowest and highest reward, for betting"):
        Settings(intervals=("normal", "betting"))


def test_a_judgement_says_what_the_log_is_worth_and_whether_to_believe_it(log: LoggedFeedback) -> None:
    found = evaluate(log.chunks(500), TARGET, Settings(bootstraps=20)).judgements["target"]
    w = weights(log)
    assert found.diagnostics.effective_sample_size == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-12)
    assert found.diagnostics.largest_weight == 4.0
    assert found.headline == "snips"
    assert found.verdict.word == "trust"


def test_a_log_that_hardly_shows_the_variant_is_refused(log: LoggedFeedback) -> None:
    few = log.taken(np.flatnonzero((log.arms == 0) | (np.arange(N) < 20)))
    found = evaluate([few], {"b": always(1, 1, 2)}, Settings(bootstraps=20)).judgements["b"]
    assert found.verdict.word == "refuse"
    assert found.verdict.reasons


def test_the_policy_of_the_log_is_always_believed(log: LoggedFeedback) -> None:
    found = evaluate([log], {"same": Logged()}, Settings(bootstraps=20)).judgements["same"]
    assert found.verdict.word == "trust"
    assert found.diagnostics.effective_sample_size == N


def test_estimates_that_are_biased_on_purpose_are_quoted_only_when_alone(log: LoggedFeedback) -> None:
    asked = Settings(bootstraps=20, estimators=("clipped_ips",))
    assert evaluate([log], TARGET, asked).judgements["target"].headline == "clipped_ips"
    asked = replace(asked, estimators=("clipped_ips", "ips"))
    assert evaluate([log], TARGET, asked).judgements["target"].headline == "ips"
