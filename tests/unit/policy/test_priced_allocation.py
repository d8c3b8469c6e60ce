from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.policy.allocation import LATTICE, allocation, priced_allocation

ROUNDING = 2.0**-31

bounds = st.floats(0, 1)
Row = tuple[NDArray[np.float64], float, NDArray[np.bool_]]


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """P(best) of 1 to 12 arms and of withhold, some zero, some arms not eligible; at least one eligible."""
    n_arms = draw(st.integers(1, 12))
    wins = np.array(draw(st.lists(st.just(0.0) | st.floats(1e-9, 1), min_size=n_arms, max_size=n_arms)))
    eligible = np.array(draw(st.lists(st.booleans(), min_size=n_arms, max_size=n_arms)))
    eligible[draw(st.integers(0, n_arms - 1))] = True
    wins[~eligible] = 0.0
    withheld = draw(st.sampled_from([0.0, 1e-12, 1.0]) | st.floats(0, 20))
    if wins.sum() == 0:
        withheld = 1.0
    total = wins.sum() + withheld
    return wins / total, withheld / total, eligible


class TestSimplex:
    @given(rows(), bounds, bounds)
    def test_a_priced_allocation_stays_on_the_simplex(self, row: Row, floor: float, cap: float) -> None:
        q = priced_allocation(*row, floor, cap)
        assert len(q) == len(row[0]) + 1
        assert np.all(q >= 0)
        assert np.all(q[:-1][~row[2]] == 0)
        assert np.all(q * LATTICE == np.rint(q * LATTICE))
        for order in (q, q[::-1], np.sort(q)):
            assert list(accumulate(order))[-1] == np.cumsum(order)[-1] == 1.0

    @given(rows(), bounds, bounds)
    def test_withhold_is_neither_floored_nor_capped(self, row: Row, floor: float, cap: float) -> None:
        assert priced_allocation(*row, floor, cap)[-1] == np.rint(row[1] * LATTICE) / LATTICE

    @given(rows(), bounds, bounds)
    def test_floor_and_cap_are_shares_of_what_is_sent(self, row: Row, floor: float, cap: float) -> None:
        p, withheld, eligible = row
        q, sent = priced_allocation(*row, floor, cap), 1 - np.rint(withheld * LATTICE) / LATTICE
        if sent > 1e-6:
            alone = allocation(np.where(eligible, p / p.sum(), 0.0), eligible, floor, cap)
            assert q[:-1] == pytest.approx(sent * alone, abs=ROUNDING * len(p))

    @given(rows(), bounds, bounds)
    def test_nothing_withheld_is_the_plain_allocation_bit_for_bit(self, row: Row, floor: float, cap: float) -> None:
        p, eligible = row[0], row[2]
        if p.sum() > 0:
            p = p / p.sum()
            plain = allocation(p, eligible, floor, cap)
            assert priced_allocation(p, 0.0, eligible, floor, cap).tobytes() == np.append(plain, 0.0).tobytes()

    @given(st.lists(rows(), min_size=1, max_size=4), bounds, bounds)
    def test_rows_of_a_batch_do_not_touch_each_other(self, batch: list[Row], floor: float, cap: float) -> None:
        n_arms = max(len(p) for p, _, _ in batch)
        p, eligible = np.zeros((len(batch), n_arms)), np.zeros((len(batch), n_arms), np.bool_)
        for i, (wins, _, mask) in enumerate(batch):
            p[i, : len(wins)], eligible[i, : len(wins)] = wins, mask
        withheld = np.array([w for _, w, _ in batch])
        together = priced_allocation(p, withheld, eligible, floor, cap)
        for i in range(len(batch)):
            assert together[i].tolist() == priced_allocation(p[i], withheld[i], eligible[i], floor, cap).tolist()


class TestEdges:
    def test_a_floor_does_not_send_what_is_withheld(self) -> None:
        q = priced_allocation(np.array([0.1, 0.0]), 0.9, np.ones(2, np.bool_), 0.2, 1.0)
        assert q == pytest.approx([0.08, 0.02, 0.9], abs=1e-9)

    def test_certain_withholding_sends_nothing_whatever_the_floor(self) -> None:
        q = priced_allocation(np.zeros(2), 1.0, np.ones(2, np.bool_), 0.5, 1.0)
        assert q.tolist() == [0, 0, 1]

    def test_a_chance_below_the_lattice_is_withheld(self) -> None:
        q = priced_allocation(np.array([1e-12, 0.0]), 1 - 1e-12, np.ones(2, np.bool_), 0.1, 1.0)
        assert q.tolist() == [0, 0, 1]

    def test_no_eligible_arm_gives_a_row_of_zeros(self) -> None:
        nobody = np.zeros((2, 2), np.bool_)
        assert priced_allocation(np.zeros((2, 2)), 0.0, nobody, 0.1, 0.5).tolist() == [[0, 0, 0]] * 2

    def test_the_caller_keeps_its_arrays(self) -> None:
        p = np.array([0.25, 0.25])
        priced_allocation(p, 0.5, np.ones(2, np.bool_), 0.1, 1.0)
        assert p.tolist() == [0.25, 0.25]

    @pytest.mark.parametrize(
        ("p", "withheld"), [([0.5, 0.5], 0.5), ([0.5, 0.2], 0.0), ([1.0, 0.5], -0.5), ([1.0, 0], np.nan)]
    )
    def test_arms_and_withhold_are_one_distribution(self, p: list[float], withheld: float) -> None:
        with pytest.raises(ValueError, match=r"p_best\[\]: found"):
            priced_allocation(np.array(p), withheld, np.ones(2, np.bool_), 0.0, 1.0)


def test_no_arm_goes_below_zero_where_almost_everything_is_withheld() -> None:
    eligible = np.array([1, 0, 0, 0, 1, 1, 1, 1, 1], dtype=bool)
    p_best = np.zeros(9)
    p_best[8] = 1e-9
    shares = priced_allocation(p_best, 1 - 1e-9, eligible, 0.0, 0.0)
    assert shares.min() >= 0.0
    assert shares.sum() == 1.0
