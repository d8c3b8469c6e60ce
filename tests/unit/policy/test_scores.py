from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, betaln, expit

from optimizer.policy.prob_best import prob_best, prob_best_above, tail_steps
from optimizer.policy.scores import prob_best_scored

parameters = st.floats(-2, 6).map(lambda power: 10.0**power)
arms = st.lists(st.tuples(parameters, parameters, st.floats(-0.5, 1)), min_size=1, max_size=6)


def scored(
    row: list[tuple[float, float, float]], scale: float = 1.0, *, withhold: bool
) -> tuple[NDArray[np.float64], float]:
    alpha, beta, offset = np.array(row).T
    return prob_best_scored(alpha, beta, scale, offset, withhold=withhold)


def below(alpha: float, beta: float, theta: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(theta <= 0.5, betainc(alpha, beta, theta.clip(0, 1)), 1 - betainc(beta, alpha, rest.clip(0, 1)))


def fine_rule(
    alpha: NDArray[np.float64], beta: NDArray[np.float64], bar: NDArray[np.float64], *, withhold: bool
) -> tuple[NDArray[np.float64], float]:
    """Brute force: thirty nodes between some thousand points, halving distances to wherever a rival begins or ends."""
    nodes, weights = np.polynomial.legendre.leggauss(30)
    ends = tail_steps(alpha, beta)
    wins = np.zeros(len(alpha))
    for arm in range(len(alpha)):
        gap = bar - bar[arm]
        thetas, rests = [expit(np.arange(-40, 40, 0.5))], [expit(-np.arange(-40, 40, 0.5))]
        for rival in range(len(alpha)):
            steps = np.concatenate([np.linspace(one, next_, 9) for one, next_ in pairwise(ends[rival])])
            halving = np.concatenate([[0.0], 2.0 ** -np.arange(52), -(2.0 ** -np.arange(52))])
            for point in (-gap[rival], 1 - gap[rival]):
                thetas.append(point + halving)
                rests.append(1 - point - halving)
            thetas.append(expit(steps) - gap[rival])
            rests.append(expit(-steps) + gap[rival])
        thetas.append(bar[[arm]])
        rests.append(1 - bar[[arm]])
        theta, rest = np.concatenate(thetas), np.concatenate(rests)
        inside = (theta > 0) & (rest > 0)
        own = np.concatenate([np.linspace(one, next_, 17) for one, next_ in pairwise(ends[arm])])
        edges = np.unique(np.append(np.log(theta[inside] / rest[inside]), own).clip(ends[arm, 0], ends[arm, -1]))
        half = np.diff(edges)[:, None] / 2
        x = (edges[:-1, None] + half * (1 + nodes)).ravel()
        log_density = -alpha[arm] * np.logaddexp(0, -x) - beta[arm] * np.logaddexp(0, x)
        product = np.exp(log_density - betaln(alpha[arm], beta[arm])) * (half * weights).ravel()
        product *= (expit(x) > bar[arm]) | (not withhold)
        for rival in set(range(len(alpha))) - {arm}:
            product *= below(alpha[rival], beta[rival], expit(x) + gap[rival], expit(-x) - gap[rival])
        wins[arm] = product.sum()
    return wins, float(below(alpha, beta, bar, 1 - bar).prod()) if withhold else 0.0


HARD = {
    "a price that cuts between arms": ([9, 30, 12], [291, 970, 488], [0.02, 0.03, 0.025]),
    "a sharp arm beside vague ones": ([500_000, 1, 2], [9_500_000, 1, 30], [0.01, 0.2, 0.03]),
    "parameters below one": ([0.05, 0.4, 0.9], [0.3, 0.2, 1.5], [0.1, -0.2, 0.3]),
    "a rival whose rate begins within a sharp arm": ([1000, 0.05], [9000, 3], [0.1, 0.0]),
    "ranges that do not meet": ([9000, 1000], [1000, 9000], [0.2, 0.0]),
    "some offsets alike": ([2, 3, 4, 0.6], [30, 40, 60, 9], [0.03, 0.03, 0.01, 0.01]),
    "thousands of trials": ([1210, 1150, 300], [38_800, 38_900, 9_800], [0.0291, 0.028, 0.0285]),
    "penalties of five and twenty": ([2400, 900, 150], [105, 41, 6], [25.001 / 26, 25.004 / 26, 25.01 / 26]),
}


class TestAccuracy:
    @pytest.mark.parametrize("withhold", [True, False])
    @pytest.mark.parametrize("case", HARD)
    def test_hard_cases_agree_with_a_fine_rule(self, case: str, withhold: bool) -> None:
        alpha, beta, bar = (np.array(column, np.float64) for column in HARD[case])
        wins, none = fine_rule(alpha, beta, bar, withhold=withhold)
        assert wins.sum() + none == pytest.approx(1, abs=1e-8)
        found, withheld = prob_best_scored(alpha, beta, 2.5, 2.5 * bar, withhold=withhold)
        assert found == pytest.approx(wins, abs=1e-8)
        assert withheld == pytest.approx(none, abs=1e-8)

    @given(parameters, parameters, st.floats(0.001, 0.999))
    def test_one_arm_is_sent_when_it_beats_nothing(self, alpha: float, beta: float, bar: float) -> None:
        _, withheld = scored([(alpha, beta, bar)], withhold=True)
        assert withheld == pytest.approx(float(betainc(alpha, beta, bar)), abs=1e-8)

    @given(st.floats(-0.999, 0.999))
    def test_two_flat_arms_win_by_the_area_of_a_triangle(self, gap: float) -> None:
        """P(theta_1 - gap > theta_2) for uniform rates: (1 - gap)^2 / 2 for a positive gap."""
        lead = (1 - gap) ** 2 / 2 if gap >= 0 else 1 - (1 + gap) ** 2 / 2
        assert scored([(1, 1, gap), (1, 1, 0.0)], withhold=False)[0] == pytest.approx([lead, 1 - lead], abs=1e-9)

    def test_arms_of_one_offset_race_also_below_the_smallest_float(self) -> None:
        """Arms Beta(a, 1) beat one another in proportion to a, and both of them a flat arm by a simple integral."""
        found, _ = scored([(0.002, 1, 0.0), (0.006, 1, 0.0), (1, 1, 0.5)], withhold=False)
        flat = 0.5**1.008 / 1.008
        assert found == pytest.approx([(1 - flat) / 4, (1 - flat) * 3 / 4, flat], abs=1e-8)

    @given(st.lists(st.tuples(parameters, parameters), min_size=2, max_size=5), st.floats(1e-3, 0.9))
    def test_equal_costs_computed_on_one_axis_agree_with_an_axis_for_each(self, row, bar: float) -> None:
        """An arm at one certain offset more, hopeless, turns the general rule on."""
        alpha, beta = np.array(row).T
        one, none = prob_best_above(alpha, beta, bar)
        hopeless = [*((a, b, bar) for a, b in row), (1.0, 1.0, 3.0)]
        many, withheld = scored(hopeless, withhold=True)
        assert many == pytest.approx(np.append(one, 0), abs=1e-7)
        assert withheld == pytest.approx(none, abs=1e-7)


class TestToday:
    @given(arms)
    def test_one_offset_and_no_withhold_is_today_s_answer_bit_for_bit(self, row) -> None:
        alpha, beta, offset = np.array(row).T
        found, withheld = prob_best_scored(alpha, beta, 7.0, np.full(len(row), offset[0]), withhold=False)
        assert found.tobytes() == prob_best(alpha, beta).tobytes()
        assert withheld == 0.0

    @given(arms)
    def test_a_price_of_zero_withholds_nothing_and_is_today_s_answer(self, row) -> None:
        alpha, beta, _ = np.array(row).T
        found, withheld = prob_best_scored(alpha, beta, 1.0, np.zeros(len(row)), withhold=True)
        assert found.tobytes() == prob_best(alpha, beta).tobytes()
        assert withheld == 0.0


class TestProperties:
    @given(arms, st.floats(-3, 3).map(lambda power: 10.0**power), st.booleans())
    def test_it_is_a_distribution(self, row, scale: float, withhold: bool) -> None:
        found, withheld = scored([(a, b, o * scale) for a, b, o in row], scale, withhold=withhold)
        assert np.all(found >= 0)
        assert withheld >= 0
        assert found.sum() + withheld == pytest.approx(1, abs=1e-12)

    @given(arms, st.floats(0, 1))
    def test_a_higher_offset_never_helps_an_arm_nor_hurts_another(self, row, more: float) -> None:
        before, nothing = scored(row, withhold=True)
        (alpha, beta, offset), *others = row
        after, withheld = scored([(alpha, beta, offset + more), *others], withhold=True)
        assert after[0] <= before[0] + 1e-7
        assert np.all(after[1:] >= before[1:] - 1e-7)
        assert withheld >= nothing - 1e-7

    @given(arms, st.floats(-6, 6).map(lambda power: 10.0**power), st.booleans())
    def test_the_unit_of_reward_does_not_matter(self, row, unit: float, withhold: bool) -> None:
        one, nothing = scored(row, withhold=withhold)
        other, withheld = scored([(a, b, o * unit) for a, b, o in row], unit, withhold=withhold)
        assert other == pytest.approx(one, abs=1e-7)
        assert withheld == pytest.approx(nothing, abs=1e-7)

    @given(arms)
    def test_arms_share_out_what_withhold_had(self, row) -> None:
        with_it, withheld = scored(row, withhold=True)
        without, _ = scored(row, withhold=False)
        assert np.all(with_it <= without + 1e-7)
        assert (without - with_it).sum() == pytest.approx(withheld, abs=1e-9)

    def test_an_arm_that_cannot_earn_its_price_is_never_sent(self) -> None:
        found, withheld = scored([(1.0, 1.0, 1.0), (5.0, 2.0, 1.5)], withhold=True)
        assert found.tolist() == [0, 0]
        assert withheld == 1.0

    def test_an_arm_that_is_paid_for_is_always_sent(self) -> None:
        assert scored([(0.5, 9.0, -0.1)], withhold=True) == (pytest.approx([1.0]), 0.0)


class TestRefusals:
    @pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
    def test_a_scale_is_positive(self, scale: float) -> None:
        with pytest.raises(ValueError, match="scale: found"):
            scored([(1.0, 1.0, 0.0)], scale, withhold=True)

    def test_offsets_are_numbers(self) -> None:
        with pytest.raises(ValueError, match="offset: found"):
            scored([(1.0, 1.0, np.nan)], withhold=True)

    def test_every_arm_has_an_offset(self) -> None:
        with pytest.raises(ValueError, match="found shapes"):
            prob_best_scored(np.ones(2), np.ones(2), 1.0, np.zeros(3), withhold=True)


def test_a_bar_below_every_arm_is_no_bar() -> None:
    alpha, beta = np.array([40.0, 50.0]), np.array([100.0, 100.0])
    low = float(betaincinv(40, 100, 1e-14))
    assert prob_best_above(alpha, beta, low)[0] == pytest.approx(prob_best(alpha, beta), abs=1e-9)
    assert prob_best_above(alpha, beta, 1.0) == (pytest.approx([0, 0]), 1.0)
