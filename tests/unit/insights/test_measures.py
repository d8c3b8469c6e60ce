"""Comparisons, trends, money and rates say what they know, and no more."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest

from optimizer.domain.instants import HOUR
from optimizer.evaluation.clusters import Clusters, design_effect
from optimizer.evaluation.rates import rate_interval
from optimizer.insights.measures.comparison import Comparison, Verdict, comparison
from optimizer.insights.measures.money import money
from optimizer.insights.measures.operations import delay_quantile, rates
from optimizer.insights.measures.trend import Course, Step, stretches, trend


def shares(*rows: tuple[float, float]) -> dict[int, tuple[float, float, float]]:
    return {day: (n, won, won) for day, (n, won) in enumerate(rows)}


def against(one: tuple[float, float], other: tuple[float, float] = (10_000, 1_000)) -> Comparison:
    found = comparison(shares(one), shares(other), against="the holdout", unit="share of trials", successes=True)
    assert found is not None
    return found


def test_a_difference_is_taken_within_strata_and_says_which_way_it_points() -> None:
    one, other = shares((900, 90), (100, 50)), shares((100, 5), (900, 360))
    found = comparison(one, other, against="the holdout", unit="share of trials", successes=True)
    assert found is not None
    assert found.mean < found.other_mean, "raw, it had the worse day"
    assert found.found.value == pytest.approx((90 * 0.05 + 90 * 0.1) / 180)
    assert against((10_000, 1_400)).verdict is Verdict.ABOVE
    assert against((10_000, 700)).verdict is Verdict.BELOW
    assert against((10_000, 1_010)).verdict is Verdict.OPEN


def test_too_little_is_said_to_be_too_little() -> None:
    early = against((50, 5))
    assert early.verdict is Verdict.EARLY
    assert isnan(early.low)
    assert early.seen == "too early: 5 of the 10 rewards it takes on each side"
    most = against((500, 480), (400, 398))
    assert most.seen == "too early: 2 of the 10 trials without a reward it takes on each side"
    assert comparison(shares((5, 1)), {9: (5.0, 1.0, 1.0)}, against="x", unit="USD", successes=False) is None


def test_a_rate_of_none_or_of_all_lies_within_its_interval() -> None:
    assert rate_interval(0, 1) == (0.0, pytest.approx(0.8419, abs=1e-4))
    assert rate_interval(4, 4) == (pytest.approx(0.4782, abs=1e-4), 1.0)
    assert rate_interval(0, 0) == pytest.approx((0.025, 0.975))
    assert rate_interval(3, 10) == pytest.approx((0.1093, 0.6097), abs=1e-4)
    (complained,) = rates(50, {}, {"complained": 0.003})
    assert (complained.low, complained.rate) == (0.0, 0.0)


def test_amounts_take_more_rewards_than_successes_do() -> None:
    one = {0: (1_000.0, 20.0 * 30, 20.0 * 900)}
    found = comparison(one, one, against="x", unit="USD", successes=False)
    assert found is not None
    assert (found.found.seen, found.found.enough, found.verdict) == (20.0, 30.0, Verdict.EARLY)


def test_trials_of_the_same_recipients_widen_the_interval_and_those_of_others_do_not() -> None:
    def of(n_people: float, each: float, rewards_squares: float) -> Clusters:
        n = n_people * each
        columns = (n, n_people * each**2, 0.1 * n * each, 0.1 * n, rewards_squares, 0.1 * n)
        return Clusters(*(np.array([column]) for column in columns))

    strangers = of(1_000, 1, 100)
    assert design_effect(strangers, strangers) == pytest.approx(1.0)
    all_or_nothing = of(100, 10, 10 * 100)  # a tenth of the people reward all ten messages
    assert design_effect(all_or_nothing, all_or_nothing) == pytest.approx(10.0)
    wide = comparison(shares((1e4, 1e3)), shares((1e4, 1e3)), against="x", unit="s", successes=True, design=4.0)
    plain = comparison(shares((1e4, 1e3)), shares((1e4, 1e3)), against="x", unit="s", successes=True)
    assert wide is not None
    assert plain is not None
    assert wide.high - wide.low == pytest.approx(2.0 * (plain.high - plain.low))


def steps(*won: float) -> list[Step]:
    places = [(0, 0), (1, 1), (2, 3), (4, 7), (8, None)]
    return [Step(*place, against((10_000, n))) for place, n in zip(places, won, strict=False)]


def test_an_effect_that_wears_off_fades_one_that_stays_does_not_and_harm_can_fade_too() -> None:
    assert trend(steps(1_900, 1_700, 1_500, 1_300, 1_100)).course is Course.FADES
    assert trend(steps(1_300, 1_310, 1_290, 1_300, 1_300)).course is Course.STEADY
    assert trend(steps(1_100, 1_300, 1_500, 1_700, 1_900)).course is Course.GROWS
    assert trend(steps(100, 300, 500, 700, 900)).course is Course.FADES
    assert trend(steps(1_900)).course is Course.EARLY


def test_stretches_double_and_leave_nothing_out() -> None:
    assert stretches(0, 8) == [(0, 0), (1, 1), (2, 3), (4, 7), (8, None)]
    assert stretches(1, 16) == [(1, 1), (2, 3), (4, 7), (8, 15), (16, None)]
    assert [step.label for step in steps(1, 1, 1, 1, 1)] == ["0", "1", "2 to 3", "4 to 7", "8 and later"]


def test_a_return_is_what_is_kept_for_each_unit_it_cost_more() -> None:
    one, other = {0: (1_000.0, 3_000.0, 12_000.0)}, {0: (1_000.0, 1_000.0, 4_000.0)}
    worth = comparison(one, other, against="x", unit="USD", successes=False)
    net = comparison({0: (1_000.0, 2_500.0, 9_000.0)}, other, against="x", unit="USD", successes=False)
    assert worth is not None
    assert net is not None
    found = money(worth, net, {0: (1_000.0, 500.0)}, {0: (1_000.0, 0.0)}, currency="USD", worth_of="rewards")
    assert found.gained.value == pytest.approx(2_000.0)
    assert found.kept.value == pytest.approx(1_500.0)
    assert found.roi is not None
    assert found.roi.value == pytest.approx(3.0)
    assert found.roi.low < 3.0 < found.roi.high
    free = money(worth, net, {0: (1_000.0, 500.0)}, {0: (1_000.0, 500.0)}, currency="USD", worth_of="rewards")
    assert free.roi is None, "control costs as much"


def test_rates_come_with_their_limits_and_watched_kinds_even_unheard_of() -> None:
    found = {
        one.kind: one for one in rates(1_000, {"delivered": 990, "purchase": 7}, {"complained": 0.001, "spam": 0.1})
    }
    assert list(found) == ["delivered", "complained", "spam"]
    assert found["complained"].n == 0
    assert 0.0 < found["complained"].high < 0.005
    assert rates(0, {}, {"complained": 0.001}) == ()


def test_half_of_the_rewards_came_within_the_bin_that_holds_the_middle_one() -> None:
    assert delay_quantile([], 0.5) is None
    late = delay_quantile([(0, 10), (40, 30)], 0.5)
    assert late is not None
    assert late > HOUR
