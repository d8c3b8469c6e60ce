"""Paths: traffic, spend under limits, rewards that are still to come, answers, and the scores they are held to."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from optimizer.insights.forecasting.answers import Beliefs, _looks, _roots, answered, prob_best, truths
from optimizer.insights.forecasting.daily import Daily
from optimizer.insights.forecasting.fans import expected, fan, when
from optimizer.insights.forecasting.rewards import Yield, earned, mean_rewards
from optimizer.insights.forecasting.scoring import crps, interval_score
from optimizer.insights.forecasting.spending import Ceiling, Costs, spent
from optimizer.insights.forecasting.tracking import record_words, track_record
from optimizer.insights.forecasting.traffic import expected_traffic, traffic
from optimizer.policy.exploration import Exploration
from optimizer.policy.prob_best import prob_best as exact_prob_best

MONDAY = 739_000 - (739_000 - 1) % 7


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def history(days: int, per_day: float = 100.0, weekend: float = 1.0, seed: int = 3) -> Daily:
    mean = np.where((np.arange(days) % 7) >= 5, weekend * per_day, per_day)
    return Daily(MONDAY, rng(seed).poisson(mean).astype(float), np.ones(days))


def width(days: int) -> float:
    known = traffic(history(days))
    assert known is not None
    one = expected(known.paths(7, 2_000, rng()).sum(axis=1))
    return one.high95 - one.low95


def test_short_histories_widen() -> None:
    assert width(3) > width(10) > width(60)


def test_a_quiet_weekend_is_expected_again() -> None:
    known = traffic(history(42, weekend=0.2))
    assert known is not None
    days = known.paths(7, 2_000, rng()).mean(axis=0)
    assert days[5:] == pytest.approx([20.0, 20.0], rel=0.35)
    assert days[:5] == pytest.approx([100.0] * 5, rel=0.15)


def test_days_that_say_nothing_change_nothing_but_how_sure_one_is() -> None:
    whole = history(35)
    gap = Daily(whole.first, np.where(np.arange(35) >= 28, 0.0, whole.counts), np.where(np.arange(35) >= 28, 0.0, 1.0))
    known, zero = traffic(gap), traffic(Daily(whole.first, gap.counts, np.ones(35)))
    assert known is not None
    assert zero is not None
    assert known.level == pytest.approx(100.0, rel=0.1)
    assert zero.level < 60.0


def test_half_a_day_counts_as_half_a_day() -> None:
    counts = np.array([50.0, *history(20).counts])
    known = traffic(Daily(MONDAY - 1, counts, np.array([0.5, *np.ones(20)])))
    assert known is not None
    assert known.level == pytest.approx(100.0, rel=0.1)


def test_nothing_is_known_of_no_day() -> None:
    assert traffic(Daily(MONDAY, np.zeros(0), np.zeros(0))) is None
    assert traffic(Daily(MONDAY, np.zeros(3), np.zeros(3))) is None


def test_a_campaign_without_any_decision_expects_few() -> None:
    known = traffic(Daily(MONDAY, np.zeros(20), np.ones(20)))
    assert known is not None
    assert expected(known.paths(7, 500, rng()).sum(axis=1)).high95 < 5.0


def test_what_people_expect_may_be_wrong_by_a_factor_of_two() -> None:
    one = expected(expected_traffic(MONDAY, 1_000.0).paths(7, 2_000, rng()).sum(axis=1))
    assert one.low80 < 3_500.0
    assert one.high95 > 14_000.0


def test_paths_are_the_same_for_the_same_seed() -> None:
    known = traffic(history(20))
    assert known is not None
    assert (known.paths(9, 50, rng(7)) == known.paths(9, 50, rng(7))).all()


NEVER = np.zeros(10, bool)


def test_a_limit_is_met_and_never_crossed() -> None:
    wanted = np.full((4, 10), 100.0)
    found = spent(wanted, Costs(0.5, 0.5, 7), [Ceiling(220.0, in_sends=False, used=20.0, renews=NEVER)])
    assert found.money.max() <= 200.0 + 1e-9
    assert found.sends.sum(axis=1).tolist() == [400.0] * 4
    assert found.exhausted.tolist() == [[4, 4, 4, 4]]


def test_a_daily_limit_makes_room_again_each_day() -> None:
    renews = np.arange(10) > 0
    found = spent(np.full((1, 10), 100.0), Costs(0.0, 0.0, 1), [Ceiling(60.0, in_sends=True, used=50.0, renews=renews)])
    assert found.sends[0].tolist() == [10.0] + [60.0] * 9
    assert found.exhausted[0, 0] == 0


def test_what_is_reserved_and_never_due_makes_room_again() -> None:
    found = spent(np.full((1, 10), 10.0), Costs(1.0, 0.0, 2), [Ceiling(20.0, in_sends=False, used=0.0, renews=NEVER)])
    assert found.sends[0].tolist() == [10.0] * 10
    stuck = spent(np.full((1, 10), 10.0), Costs(1.0, 1.0, 2), [Ceiling(20.0, in_sends=False, used=0.0, renews=NEVER)])
    assert stuck.sends[0].sum() == 20.0


def test_a_paced_budget_lasts_to_its_end() -> None:
    course = np.arange(1, 11) * 10.0
    ceiling = Ceiling(100.0, in_sends=False, used=0.0, renews=NEVER, course=course)
    found = spent(np.full((1, 10), 50.0), Costs(1.0, 1.0, 7), [ceiling])
    assert found.money[0] == pytest.approx(course)


def test_others_use_up_a_shared_limit_too() -> None:
    ceiling = Ceiling(100.0, in_sends=True, used=0.0, renews=NEVER, others=15.0)
    found = spent(np.full((1, 10), 10.0), Costs(0.0, 0.0, 1), [ceiling])
    assert found.sends[0].sum() == pytest.approx(40.0)


def test_expected_rewards_are_drawn_with_their_mean_and_interval() -> None:
    draws = mean_rewards(np.array([0.1]), np.array([0.08]), np.array([0.12]), 20_000, rng())
    assert draws.mean() == pytest.approx(0.1, rel=0.01)
    assert np.quantile(draws, (0.025, 0.975)) == pytest.approx([0.08, 0.12], abs=0.003)
    assert mean_rewards(np.array([-0.1]), np.array([-0.3]), np.array([0.1]), 5_000, rng()).mean() < 0.0


def test_rewards_come_in_lumps() -> None:
    many = np.full((5_000, 1), 1_000.0)
    few, large = (earned(many, Yield(np.full(5_000, 0.1), lump), rng())[:, 0] for lump in (1.0, 50.0))
    assert few.mean() == pytest.approx(100.0, rel=0.01)
    assert large.mean() == pytest.approx(100.0, rel=0.05)
    assert large.std() == pytest.approx(np.sqrt(50.0) * few.std(), rel=0.1)


def believed(mean: list[float], spread: float, **others: Any) -> Beliefs:
    """Rewards of 0 or 1 with a rate of about a tenth, and P(best) as it follows."""
    means, spreads = np.array(mean), np.full(len(mean), spread)
    p_best = prob_best(means[np.newaxis], spreads[np.newaxis])[0]
    return Beliefs(means, spreads, np.full(len(mean), 0.09), p_best, np.full(len(mean), 0.09 / spread**2), **others)


FLOOR = Exploration(floor=0.05)


def test_a_leader_far_ahead_is_known_soon_and_equals_are_not() -> None:
    trials = np.full((200, 60), 200.0)
    apart = replace(believed([0.1, 0.2], 0.02, bounds=FLOOR), p_best=np.array([0.5, 0.5]))
    assert np.median(answered(apart, trials, rng())) <= 2
    assert np.median(answered(believed([0.1, 0.1], 1e-4, bounds=FLOOR), trials, rng())) == 60
    assert (answered(believed([0.1], 0.02), trials, rng()) == 60).all()


def mean_day(beliefs: Beliefs, per_day: float = 100.0, days: int = 40) -> float:
    return float(np.mean(answered(beliefs, np.full((300, days), per_day), rng())))


def test_more_trials_bring_the_answer_sooner() -> None:
    beliefs = believed([0.1, 0.11], 0.02, bounds=FLOOR)
    assert mean_day(beliefs, 2_000.0) < mean_day(beliefs, 20.0) - 3.0


def test_outcomes_still_to_come_of_trials_made_bring_the_answer_sooner() -> None:
    coming = np.zeros((2, 40))
    coming[:, :3] = 3_000.0
    beliefs = believed([0.1, 0.11], 0.02, bounds=FLOOR)
    assert mean_day(replace(beliefs, coming=coming), 20.0) < mean_day(beliefs, 20.0) - 3.0


def test_a_policy_that_forgets_takes_equals_for_known_now_and_then() -> None:
    beliefs = believed([0.1, 0.1], 1e-3, bounds=FLOOR)
    assert mean_day(beliefs) == 40.0
    assert mean_day(replace(beliefs, kept=0.5)) < 30.0


def test_an_answer_is_played_under_the_bounds_that_people_asked_for() -> None:
    """A leader who is given everything hardly tells itself from its rival; one held back by a cap does."""
    beliefs = believed([0.1, 0.12], 0.014)
    held_back = mean_day(replace(beliefs, bounds=Exploration(cap=0.5)))
    assert held_back < mean_day(replace(beliefs, bounds=Exploration(floor=0.001))) - 0.5
    equal = mean_day(replace(beliefs, bounds=Exploration(floor=0.001, minimum_trials=1_000_000)))
    assert equal == held_back


def test_a_long_way_ahead_days_are_looked_at_together() -> None:
    beliefs = believed([0.1, 0.12], 0.02, bounds=FLOOR)
    long = answered(beliefs, np.full((400, 183), 60.0), rng())
    assert long.max() <= 183
    assert np.median(long) == pytest.approx(np.median(answered(beliefs, np.full((400, 28), 60.0), rng())), abs=6)
    assert len(_looks(183)) == 56
    assert _looks(183)[-1] == 182
    assert _looks(3) == [0, 1, 2]


def gaps(beliefs: Beliefs) -> NDArray[np.float64]:
    drawn = truths(beliefs, 40_000, rng())
    return np.asarray(drawn[:, 0] - drawn[:, 1])


def test_true_rewards_differ_less_than_beliefs_that_take_each_variant_on_its_own() -> None:
    near = believed([0.1, 0.11], 0.02)
    assert gaps(replace(near, pooled=True)).std() == pytest.approx(0.02 * np.sqrt(2.0), rel=0.03)
    assert 0.2 * 0.028 < gaps(near).std() < 0.8 * 0.028  # shrunk, but a few variants leave open by how much
    assert -0.01 < gaps(near).mean() < -0.001
    apart = believed([0.1, 0.3], 0.01)
    assert gaps(apart).mean() == pytest.approx(-0.2, abs=0.005)
    assert gaps(apart).std() == pytest.approx(0.01 * np.sqrt(2.0), rel=0.05)


def test_true_rewards_are_those_of_the_hierarchical_model() -> None:
    """The eight schools of BDA3, table 5.2, against Gaussian algebra for each of 2,000 equally likely scales."""
    means = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    spreads = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    schools = Beliefs(means, spreads, spreads**2, np.full(8, 0.125), np.ones(8), penalised=60.0)
    scale = 0.1 * (60.0 + np.average(means, weights=spreads**-2))
    weights, each = [], []
    for part in (np.arange(2_000) + 0.5) / 2_000:
        prior = (scale * np.tan(np.pi * part / 2.0)) ** 2 * np.eye(8) + 1e6  # a mean of which nothing is known
        seen = prior + np.diag(spreads**2)
        weights.append(multivariate_normal(np.zeros(8), seen).pdf(means))
        each.append(prior @ np.linalg.solve(seen, means))
    drawn = truths(schools, 40_000, rng())
    assert drawn.mean(axis=0) == pytest.approx(np.average(each, axis=0, weights=weights), abs=0.25)
    assert (drawn < 0.0).any()
    assert (truths(believed([0.01, 0.01], 0.02), 1_000, rng()) >= 0.0).all()


def test_p_best_of_rare_rewards_is_nearer_to_the_truth_by_cube_roots() -> None:
    alpha, beta = np.array([41.0, 2.0]), np.array([1_161.0, 71.0])
    exact = exact_prob_best(alpha, beta)[0]
    n = alpha + beta
    mean = (alpha / n)[np.newaxis]
    spread = np.sqrt(mean * (1.0 - mean) / (n + 1.0))
    by_roots, as_normal = prob_best(*_roots(mean, spread))[0, 0], prob_best(mean, spread)[0, 0]
    assert by_roots == pytest.approx(exact, abs=0.01)
    assert abs(by_roots - exact) < abs(as_normal - exact) / 2.0


def test_p_best_of_equals_is_shared_and_sums_to_one() -> None:
    found = prob_best(np.array([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1]]), np.full((2, 3), 0.05))
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert found[0] == pytest.approx([1 / 3] * 3, abs=0.01)
    assert found[1, 0] > 0.99


def test_the_day_something_happens_is_said_only_as_far_as_it_is_known() -> None:
    days = ("2026-12-01", "2026-12-02", "2026-12-03")
    found = when(days, np.array([0, 1, 1, 1, 1, 3, 3, 3, 3, 3]))
    assert (found.probability, found.early, found.median, found.late) == (0.5, "2026-12-01", "2026-12-02", None)
    assert when((), np.array([0])).probability == 0.0


def test_the_intervals_of_a_fan_lie_within_one_another() -> None:
    (one,) = fan(("2026-12-01",), rng().normal(size=(2_000, 1))).expected
    assert one.low95 < one.low80 < one.median < one.high80 < one.high95


def test_an_interval_score_is_its_width_until_it_misses() -> None:
    assert interval_score(1.0, 3.0, 2.0, 0.95) == 2.0
    assert interval_score(1.0, 3.0, 4.0, 0.8) == pytest.approx(2.0 + 10.0)


def test_the_crps_of_one_number_is_its_error_and_rewards_being_sharp() -> None:
    assert crps(np.array([3.0]), 5.0) == 2.0
    assert crps(rng().normal(0, 1, 4_000), 0.0) < crps(rng().normal(0, 3, 4_000), 0.0)
    assert crps(rng().normal(0, 1, 4_000), 0.0) == pytest.approx(0.2337, abs=0.01)  # (sqrt 2 - 1) / sqrt pi


def test_a_track_record_forecasts_each_week_from_the_days_before_it() -> None:
    steady = history(70)
    record = track_record(steady)
    assert len(record) == 9
    assert [one.came for one in record] == [steady.counts[n : n + 7].sum() for n in range(7, 70, 7)]
    assert sum(one.held95 for one in record) >= 8
    later = Daily(steady.first, np.where(np.arange(70) < 63, steady.counts, 900.0), steady.known)
    assert track_record(later)[:8] == record[:8]
    assert not track_record(later)[8].held95


def test_weeks_with_a_pause_are_not_held_against_anybody() -> None:
    steady = history(28)
    paused = Daily(steady.first, steady.counts, np.where(np.arange(28) == 16, 0.0, 1.0))
    assert len(track_record(paused)) == 2


def test_a_record_is_said_in_one_sentence() -> None:
    record = track_record(history(21))
    assert record_words(record).startswith("Of 2 weekly forecasts ")
    assert "no week yet" in record_words(())
