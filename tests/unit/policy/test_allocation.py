from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.policy.allocation import LATTICE, allocation

ROUNDING = 2.0**-31

bounds = st.floats(0, 1)


@st.composite
def rows(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """P(best) of 1 to 12 arms, some not eligible, some of probability zero; at least one eligible."""
    n_arms = draw(st.integers(1, 12))
    wins = np.array(draw(st.lists(st.just(0.0) | st.floats(1e-9, 1), min_size=n_arms, max_size=n_arms)))
    eligible = np.array(draw(st.lists(st.booleans(), min_size=n_arms, max_size=n_arms)))
    eligible[draw(st.integers(0, n_arms - 1))] = True
    wins[~eligible] = 0.0
    if wins.sum() == 0:
        wins[np.flatnonzero(eligible)[0]] = 1.0
    return wins / wins.sum(), eligible


def everyone(p: list[float], floor: float = 0.0, cap: float = 1.0) -> NDArray[np.float64]:
    return allocation(np.array(p), np.ones(len(p), np.bool_), floor, cap)


class TestSimplex:
    @given(rows(), bounds, bounds)
    def test_a_floored_and_capped_allocation_stays_on_the_simplex(self, row, floor, cap) -> None:
        q = allocation(*row, floor, cap)
        assert np.all(q >= 0)
        assert np.all(q[~row[1]] == 0)
        assert np.all(q * LATTICE == np.rint(q * LATTICE))
        for order in (q, q[::-1], np.sort(q)):
            assert list(accumulate(order))[-1] == np.cumsum(order)[-1] == 1.0

    @given(rows(), bounds, bounds)
    def test_floor_and_cap_are_respected(self, row, floor, cap) -> None:
        q, eligible = allocation(*row, floor, cap), row[1]
        n = eligible.sum()
        assert np.all(q[eligible] >= min(floor, 1 / n) - ROUNDING * n)
        assert np.all(q <= max(cap, 1 / n) + ROUNDING * n)

    @given(rows(), bounds, bounds)
    def test_order_is_kept(self, row, floor, cap) -> None:
        p, eligible = row
        q = allocation(p, eligible, floor, cap)
        ascending = np.argsort(p[eligible], kind="stable")
        assert np.all(np.diff(q[eligible][ascending]) >= -ROUNDING * len(p))

    @given(rows(), bounds, bounds, st.randoms(use_true_random=False))
    def test_order_of_arms_does_not_matter(self, row, floor, cap, random) -> None:
        p, eligible = row
        order = np.argsort([random.random() for _ in p])
        assert allocation(p[order], eligible[order], floor, cap) == pytest.approx(
            allocation(p, eligible, floor, cap)[order], abs=ROUNDING * len(p)
        )

    @given(st.lists(st.tuples(rows(), st.booleans()), min_size=1, max_size=5), bounds, bounds)
    def test_rows_of_a_batch_do_not_touch_each_other(self, batch, floor, cap) -> None:
        n_arms = max(len(p) for (p, _), _ in batch)
        p, eligible = np.zeros((len(batch), n_arms)), np.zeros((len(batch), n_arms), np.bool_)
        for i, ((wins, mask), serves) in enumerate(batch):
            p[i, : len(wins)], eligible[i, : len(wins)] = wins, mask & serves
        together = allocation(p, eligible, floor, cap)
        for i in range(len(batch)):
            assert together[i].tolist() == allocation(p[i], eligible[i], floor, cap).tolist()

    def test_no_eligible_arm_gives_a_row_of_zeros(self) -> None:
        nobody = np.zeros((2, 3), np.bool_)
        assert allocation(np.zeros((2, 3)), nobody, 0.1, 0.5).tolist() == [[0, 0, 0], [0, 0, 0]]
        assert allocation(np.full((2, 3), np.nan), nobody, 0.1, 0.5).tolist() == [[0, 0, 0], [0, 0, 0]]


class TestFloor:
    @given(rows(), bounds)
    def test_the_floor_mixes_with_uniform(self, row, floor) -> None:
        p, eligible = row
        n = eligible.sum()
        f = min(floor, 1 / n)
        assert allocation(p, eligible, floor, 1.0)[eligible] == pytest.approx(
            (f + (1 - n * f) * p)[eligible], abs=ROUNDING * n
        )

    def test_arms_below_the_floor_keep_their_order_where_clipping_forgets_it(self) -> None:
        q = everyone([0.01, 0.03, 0.06, 0.9], floor=0.05)
        assert q == pytest.approx([0.058, 0.074, 0.098, 0.77], abs=1e-9)

    def test_a_floor_above_an_equal_share_makes_the_row_uniform(self) -> None:
        assert everyone([1, 0, 0, 0], floor=0.3).tolist() == [0.25] * 4

    def test_the_floor_counts_eligible_arms_only(self) -> None:
        q = allocation(np.array([0.0, 1.0, 0.0]), np.array([True, True, False]), 0.1, 1.0)
        assert q == pytest.approx([0.1, 0.9, 0], abs=1e-9)


class TestCap:
    def test_surplus_is_poured_evenly_also_on_arms_of_probability_zero(self) -> None:
        assert everyone([0.9, 0.1, 0, 0], cap=0.6) == pytest.approx([0.6, 0.2, 0.1, 0.1], abs=1e-9)

    def test_surplus_that_overflows_an_arm_flows_on(self) -> None:
        assert everyone([0.78, 0.2, 0.02, 0], cap=0.3) == pytest.approx([0.3, 0.3, 0.21, 0.19], abs=1e-9)

    def test_a_cap_that_nobody_reaches_changes_nothing(self) -> None:
        assert everyone([0.5, 0.25, 0.25], cap=0.5).tolist() == [0.5, 0.25, 0.25]

    def test_a_cap_below_an_equal_share_makes_the_row_uniform(self) -> None:
        assert everyone([1, 0, 0, 0], cap=0.1).tolist() == [0.25] * 4

    def test_a_single_eligible_arm_gets_all_whatever_the_cap(self) -> None:
        q = allocation(np.array([0.0, 1.0, 0.0]), np.array([False, True, False]), 0.1, 0.2)
        assert q.tolist() == [0, 1, 0]

    @given(rows(), bounds, bounds)
    def test_water_rises_equally_below_the_cap(self, row, floor, cap) -> None:
        """Every eligible arm is at the cap or has received the same amount: the condition of the optimum."""
        p, eligible = row
        n = eligible.sum()
        f, c = min(floor, 1 / n), max(cap, 1 / n)
        q, before = allocation(p, eligible, floor, cap)[eligible], (f + (1 - n * f) * p)[eligible]
        below = q < c - ROUNDING * n
        if below.any():
            received = (q - before)[below]
            assert np.ptp(received) <= ROUNDING * n
            assert received.min() >= -ROUNDING * n
            assert np.all(before[~below] + received.max() >= c - 2 * ROUNDING * n)


class TestLattice:
    def test_the_residual_goes_to_the_first_of_the_largest(self) -> None:
        third = 1431655765
        assert (everyone([1 / 3] * 3) * LATTICE).tolist() == [third + 1, third, third]

    def test_a_last_bit_of_p_best_does_not_show(self) -> None:
        p = np.array([0.123456789, 0.4, 0.476543211])
        assert everyone(np.nextafter(p, 1).tolist(), 0.02, 0.45).tolist() == everyone(p.tolist(), 0.02, 0.45).tolist()

    def test_many_small_arms_never_turn_the_largest_negative(self) -> None:
        n_arms = 5000
        p = np.full(n_arms, 0.6 / LATTICE)
        p[17] = 1 - p[0] * (n_arms - 1)
        q = everyone(p.tolist())
        assert q.min() == 1 / LATTICE
        assert q.sum() == 1.0
        assert q.argmax() == 17


class TestRefusals:
    @pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan, np.inf])
    def test_bounds_are_probabilities(self, bad: float) -> None:
        with pytest.raises(ValueError, match="floor: found"):
            everyone([0.5, 0.5], floor=bad)
        with pytest.raises(ValueError, match="cap: found"):
            everyone([0.5, 0.5], cap=bad)

    @pytest.mark.parametrize("bad", [[0.7, 0.2], [1.2, -0.2], [np.nan, 1.0], [np.inf, 0], [0, 0]])
    def test_p_best_is_a_distribution(self, bad: list[float]) -> None:
        p = np.array([[0.5, 0.5], bad])
        with pytest.raises(ValueError, match=r"p_best\[1\]: found"):
            allocation(p, np.ones((2, 2), np.bool_), 0.0, 1.0)

    def test_a_truncated_p_best_is_refused(self) -> None:
        with pytest.raises(ValueError, match="recompute"):
            allocation(np.array([0.5, 0.3, 0.2]), np.array([True, True, False]), 0.0, 1.0)

    def test_shapes_and_types_must_fit(self) -> None:
        for p, eligible in (
            (np.ones(2) / 2, np.ones(3, np.bool_)),
            (np.ones(()), np.ones((), np.bool_)),
            (np.ones((2, 0)), np.ones((2, 0), np.bool_)),
            (np.ones(2) / 2, np.ones(2)),
        ):
            with pytest.raises(ValueError, match="eligible: found"):
                allocation(p, eligible, 0.0, 1.0)
