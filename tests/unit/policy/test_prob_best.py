from itertools import combinations, pairwise
from math import exp, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, betaln, expit, logit

from optimizer.policy import prob_best as module
from optimizer.policy.prob_best import prob_best

Row = list[tuple[float, float]]

parameters = st.floats(-2, 6).map(lambda power: 10.0**power)
arms = st.lists(st.tuples(parameters, parameters), min_size=2, max_size=8)


def of(row: Row) -> NDArray[np.float64]:
    alpha, beta = np.array(row).T
    return prob_best(alpha, beta)


def log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def second_beats_first(a1: float, b1: float, a2: int, b2: float) -> float:
    """Miller 2015, "Formulas for Bayesian A/B testing", equation 6 (Cook 2005 gives it as a recurrence)."""
    return sum(exp(log_beta(a1 + i, b2 + b1) - log(b2 + i) - log_beta(1 + i, b2) - log_beta(a1, b1)) for i in range(a2))


def best_of_beta_one_b(b: list[float]) -> list[float]:
    """Arms Beta(1, b): 1 - theta is a power of a uniform, and the smallest wins; inclusion and exclusion."""
    return [
        sum(
            (-1) ** k * own / (own + sum(others))
            for k in range(len(b))
            for others in combinations(b[:i] + b[i + 1 :], k)
        )
        for i, own in enumerate(b)
    ]


def high_resolution(row: Row) -> NDArray[np.float64]:
    """Another rule: panels between quantiles, at most 4 wide, forty nodes, F the incomplete Beta function."""
    alpha, beta = (np.array(column)[:, None] for column in zip(*row, strict=True))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    q = np.array([1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
    with np.errstate(divide="ignore"):
        low, high = logit(betaincinv(alpha, beta, q)).ravel(), -logit(betaincinv(beta, alpha, q)).ravel()
    quantiles = np.unique(np.concatenate([low, high]).clip(-700.0, 700.0))
    edges = np.concatenate(
        [
            np.linspace(left, right, int(np.ceil((right - left) / 4)), endpoint=False)
            for left, right in pairwise(quantiles)
        ]
        + [quantiles[-1:]]
    )
    half = np.diff(edges)[:, None] / 2
    x, weight = (edges[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()
    density = np.exp(-alpha * np.logaddexp(0, -x) - beta * np.logaddexp(0, x) - betaln(alpha, beta))
    below = np.where(x < 0, betainc(alpha, beta, expit(x)), 1 - betainc(beta, alpha, expit(-x)))
    return np.array([weight @ (density[a] * np.delete(below, a, axis=0).prod(axis=0)) for a in range(len(row))])


class TestClosedForms:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ((1, 1), (1, 1)),
            ((2, 3), (4, 5)),
            ((120, 880), (140, 860)),
            ((0.5, 0.5), (3, 0.02)),
            ((3, 30), (1500, 28500)),
            ((0.01, 40), (1, 1)),
            ((500, 9.5e6), (520, 9.5e6)),
        ],
    )
    def test_two_arms_equal_the_finite_sum(self, first: tuple[float, float], second: tuple[int, float]) -> None:
        assert of([first, second])[1] == pytest.approx(second_beats_first(*first, *second), abs=1e-7)

    @pytest.mark.parametrize(
        "a",
        [
            [0.01, 0.01],
            [0.01, 5, 300],
            [0.02, 1e7],
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            [1e-8, 1e-6, 1e12],
            [1e-8, 1e-3, 1e-2],
        ],
    )
    def test_arms_of_second_parameter_one_win_in_proportion_to_the_first(self, a: list[float]) -> None:
        assert prob_best(a, np.ones(len(a))) == pytest.approx(np.array(a) / sum(a), abs=1e-9)

    @pytest.mark.parametrize("b", [[1, 1], [0.01, 0.5, 2], [0.01, 0.01, 1e7], [3, 40, 500, 6000]])
    def test_arms_of_first_parameter_one_equal_inclusion_and_exclusion(self, b: list[float]) -> None:
        assert prob_best(np.ones(len(b)), b) == pytest.approx(best_of_beta_one_b(b), abs=1e-9)

    @pytest.mark.parametrize("n_arms", [2, 3, 10, 50])
    @pytest.mark.parametrize("arm", [(1, 1), (0.01, 0.01), (0.01, 1e7), (1e7, 0.01), (5e5, 9.5e6), (2, 31)])
    def test_identical_arms_share_equally(self, arm: tuple[float, float], n_arms: int) -> None:
        assert of([arm] * n_arms) == pytest.approx(np.full(n_arms, 1 / n_arms), abs=1e-13)

    @pytest.mark.parametrize("beta", [1e9, 1e12])
    def test_rare_successes_race_like_gamma_variables(self, beta: float) -> None:
        """theta times beta tends to a Gamma variable, and G1 / (G1 + G2) is Beta(a1, a2); the gap is a / beta."""
        assert prob_best([40, 50], [beta, beta])[1] == pytest.approx(betainc(40, 50, 0.5), abs=1e-7)
        assert prob_best([1000, 1040], [beta, beta])[1] == pytest.approx(betainc(1000, 1040, 0.5), abs=2e-6)

    def test_a_single_arm_is_best_for_certain(self) -> None:
        assert prob_best([[3.0], [0.01]], [[4.0], [1e7]]).tolist() == [[1.0], [1.0]]

    def test_a_hopeless_arm_has_no_chance(self) -> None:
        assert of([(1e6, 1e6), (1e5, 9e5)]).tolist() == pytest.approx([1, 0], abs=1e-12)


@pytest.mark.parametrize(
    "row",
    [
        [(0.05, 0.05), (0.1, 3), (2, 0.06), (0.9, 0.9)],
        [(5e5, 9.5e6), (1, 1), (2, 30), (0.5, 12), (900, 18000)],
        [(3, 29), (16, 286), (151, 2851), (1511, 28491)],
        [(5e5 + 40 * i, 9.5e6) for i in range(6)],
        [(0.06, 1e7), (0.1, 1e5), (1, 1e6)],
        [(1e7, 0.06), (1e5, 0.2), (40, 0.05)],
        [(1, 1e6), (0.1, 0.06)],
        [(1 + i % 7, 30 + 11 * i) for i in range(50)],
    ],
)
def test_hard_cases_agree_with_a_high_resolution_rule(row: Row) -> None:
    reference = high_resolution(row)
    assert reference.sum() == pytest.approx(1, abs=2e-8)
    assert of(row) == pytest.approx(reference, abs=2e-8)


class TestProperties:
    @given(arms)
    def test_it_is_a_distribution(self, row: Row) -> None:
        best = of(row)
        assert np.all(best >= 0)
        assert best.sum() == pytest.approx(1, abs=1e-14)

    @given(arms, st.randoms(use_true_random=False))
    def test_order_of_arms_does_not_matter(self, row: Row, random: object) -> None:
        order = np.argsort([random.random() for _ in row])  # type: ignore[attr-defined]
        assert of([row[i] for i in order]) == pytest.approx(of(row)[order], abs=1e-10)

    @given(arms, st.floats(1, 1000))
    def test_more_successes_never_lower_an_arm_and_never_raise_another(self, row: Row, factor: float) -> None:
        (alpha, beta), *others = row
        change = of([(alpha * factor, beta), *others]) - of(row)
        assert change[0] >= -1e-8
        assert np.all(change[1:] <= 1e-8)

    @given(arms, st.floats(1, 1000))
    def test_more_failures_never_raise_an_arm(self, row: Row, factor: float) -> None:
        (alpha, beta), *others = row
        assert (of([(alpha, beta * factor), *others]) - of(row))[0] <= 1e-8

    @given(st.tuples(parameters, parameters), st.tuples(parameters, parameters))
    def test_negated_rewards_swap_two_arms(self, first: tuple[float, float], second: tuple[float, float]) -> None:
        assert of([first[::-1], second[::-1]]) == pytest.approx(of([first, second])[::-1], abs=1e-8)

    @given(arms)
    def test_the_best_of_negated_rewards_is_the_worst(self, row: Row) -> None:
        """P(arm 0 is worst) = 1 - P(it beats some arm), by inclusion and exclusion over P(best)."""
        row = row[:4]
        worst = sum(
            (-1) ** k * of([row[0], *others])[0] for k in range(len(row)) for others in combinations(row[1:], k)
        )
        assert of([(b, a) for a, b in row])[0] == pytest.approx(worst, abs=1e-7)

    @given(arms, parameters, parameters)
    def test_another_rival_never_helps(self, row: Row, alpha: float, beta: float) -> None:
        assert np.all(of([*row, (alpha, beta)])[:-1] <= of(row) + 1e-8)

    @pytest.mark.parametrize("row", [[(1, 1e6), (0.1, 0.01)], [(1e6, 1), (0.01, 0.1)], [(0.02, 0.01), (0.1, 30)]])
    def test_vague_arms_are_resolved_on_the_scale_of_the_logistic_function(self, row: Row) -> None:
        alpha, beta = np.array(row).T
        ends, log_norm = module.tail_steps(alpha, beta), module.betaln(alpha, beta)
        assert module._wins(alpha, beta, ends, log_norm).sum() == pytest.approx(1, abs=2e-8)

    @given(arms)
    def test_nothing_is_lost_before_renormalising(self, row: Row) -> None:
        """The wins integrate to one by themselves: the distribution of the maximum grows from 0 to 1."""
        alpha, beta = np.array(row).T
        ends, log_norm = module.tail_steps(alpha, beta), module.betaln(alpha, beta)
        assert module._wins(alpha, beta, ends, log_norm).sum() == pytest.approx(1, abs=1e-6)


class TestBatches:
    def test_a_row_does_not_depend_on_its_batch_to_the_last_bit(self) -> None:
        rng = np.random.Generator(np.random.PCG64(3))
        alpha, beta = 10 ** rng.uniform(-2, 6, (2, 7, 11, 5))
        together = prob_best(alpha, beta)
        for i, j in np.ndindex(7, 11):
            assert together[i, j].tobytes() == prob_best(alpha[i, j], beta[i, j]).tobytes()
        assert together[:, ::-2].tobytes() == prob_best(alpha[:, ::-2], beta[:, ::-2]).tobytes()
        assert together.tobytes() == prob_best(np.asfortranarray(alpha), np.asfortranarray(beta)).tobytes()

    def test_leading_axes_are_kept(self) -> None:
        assert prob_best(np.ones((2, 3, 4)), np.ones((2, 3, 4))).shape == (2, 3, 4)
        assert prob_best(np.ones((0, 4)), np.ones((0, 4))).shape == (0, 4)

    def test_the_caller_keeps_its_arrays(self) -> None:
        alpha, beta = np.array([3.0, 4.0]), np.array([5.0, 6.0])
        prob_best(alpha, beta)
        assert alpha.tolist() == [3, 4]
        assert beta.tolist() == [5, 6]

    def test_integers_are_welcome(self) -> None:
        assert prob_best([1, 2], [1, 1]) == pytest.approx([1 / 3, 2 / 3], abs=1e-12)


class TestRefusals:
    @pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, 1e-9, 1e13])
    def test_a_parameter_out_of_range_is_named(self, bad: float) -> None:
        beta = np.ones((2, 3))
        beta[1, 2] = bad
        with pytest.raises(ValueError, match=r"beta\[1, 2\]: found .*; allowed 1e-08 to 1e\+12"):
            prob_best(np.ones((2, 3)), beta)
        with pytest.raises(ValueError, match=r"alpha\[1, 2\]"):
            prob_best(beta, np.ones((2, 3)))

    @pytest.mark.parametrize(("first", "second"), [((2, 3), (3,)), ((), ()), ((0,), (0,)), ((4, 0), (4, 0))])
    def test_shapes_must_be_one_and_hold_an_arm(self, first: tuple[int, ...], second: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match=r"found shapes"):
            prob_best(np.ones(first), np.ones(second))
