from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.policy.allocation import LATTICE, allocation, priced_allocation
from optimizer.policy.exploration import Exploration, in_force, shares, top_two_shares

ROUNDING = 2.0**-31

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@st.composite
def situations(draw: st.DrawFn) -> tuple[Floats, float, Bools, Floats, Floats | None]:
    """P(best) of 1 to 8 arms, P(withhold), which are eligible (one at least), their trials, and shares before."""
    n_arms = draw(st.integers(1, 8))
    some = st.just(0.0) | st.floats(1e-15, 1)
    wins = np.array(draw(st.lists(some, min_size=n_arms, max_size=n_arms)))
    eligible = np.array(draw(st.lists(st.booleans(), min_size=n_arms, max_size=n_arms)))
    eligible[draw(st.integers(0, n_arms - 1))] = True
    wins[~eligible] = 0.0
    if wins.sum() == 0:
        wins[np.flatnonzero(eligible)[0]] = 1.0
    trials = np.array(draw(st.lists(st.integers(0, 300), min_size=n_arms, max_size=n_arms)), np.float64)
    was = np.array(draw(st.lists(some, min_size=n_arms, max_size=n_arms)))
    before = None if draw(st.booleans()) or was.sum() == 0 else was / was.sum()
    return wins / wins.sum(), draw(st.just(0.0) | st.floats(0, 0.999)), eligible, trials, before


explorations = st.builds(
    Exploration,
    top_two=st.just(1.0) | st.floats(0.01, 1),
    minimum_trials=st.just(0) | st.integers(0, 200),
    floor=st.floats(0, 0.5),
    cap=st.floats(0, 1),
    largest_change=st.just(1.0) | st.floats(0.001, 1),
)


def everyone(p: list[float], bounds: Exploration, trials: list[float] | None = None, before: list[float] | None = None):
    tried = np.array(trials or [0.0] * len(p))
    was = None if before is None else np.array(before)
    return shares(np.array(p), None, np.ones(len(p), np.bool_), tried, was, bounds)


class TestAnyBounds:
    @given(situations(), explorations)
    def test_shares_are_on_the_simplex_and_on_the_lattice(self, situation, bounds) -> None:
        p, withheld, eligible, trials, before = situation
        for q in (
            shares(p, None, eligible, trials, before, bounds),
            shares(p * (1 - withheld), withheld, eligible, trials, before, bounds),
        ):
            assert np.all(q >= 0)
            assert np.all(q[: len(p)][~eligible] == 0)
            assert np.all(q * LATTICE == np.rint(q * LATTICE))
            assert list(accumulate(q))[-1] == np.cumsum(q)[-1] == 1.0

    @given(situations(), explorations)
    def test_floor_and_cap_hold_where_the_shares_before_kept_them(self, situation, bounds) -> None:
        p, _, eligible, trials, before = situation
        n = eligible.sum()
        kept = None if before is None or not before[eligible].any() else before * eligible / before[eligible].sum()
        low, high = min(bounds.floor, 1 / n), max(bounds.cap, 1 / n)
        if kept is not None and bounds.largest_change < 1:
            low, high = min(low, kept[eligible].min()), max(high, kept.max())
        q = shares(p, None, eligible, trials, before, bounds)
        assert np.all(q[eligible] >= low - ROUNDING * n)
        assert np.all(q <= high + ROUNDING * n)

    @given(situations(), explorations)
    def test_of_what_is_sent_the_shares_are_those_without_a_price(self, situation, bounds) -> None:
        p, withheld, eligible, trials, before = situation
        priced = shares(p * (1 - withheld), withheld, eligible, trials, before, bounds)
        sent = priced[:-1] / priced[:-1].sum()
        slack = ROUNDING * len(p) / (1 - withheld)
        # Dividing P(best) by what is sent may move its last bit, and top-two divides by what is left of the leader.
        assert sent == pytest.approx(shares(p, None, eligible, trials, before, bounds), abs=slack + 1e-3)
        assert priced[-1] == pytest.approx(withheld, abs=ROUNDING)

    @given(situations(), st.floats(0, 0.5), st.floats(0, 1))
    def test_without_other_bounds_they_are_the_allocation_bit_for_bit(self, situation, floor, cap) -> None:
        p, withheld, eligible, trials, before = situation
        bounds = Exploration(floor=floor, cap=cap)
        assert (
            shares(p, None, eligible, trials, before, bounds).tolist() == allocation(p, eligible, floor, cap).tolist()
        )
        priced = shares(p * (1 - withheld), withheld, eligible, trials, before, bounds)
        assert priced.tolist() == priced_allocation(p * (1 - withheld), withheld, eligible, floor, cap).tolist()

    @given(st.lists(situations(), min_size=2, max_size=4), explorations)
    def test_rows_of_a_batch_do_not_touch_each_other(self, batch, bounds) -> None:
        n_arms = max(len(p) for p, *_ in batch)
        wide = [[np.pad(array, (0, n_arms - len(array))) for array in (p, e, t)] for p, _, e, t, _ in batch]
        p, eligible, trials = (np.array(column) for column in zip(*wide, strict=True))
        before = np.full(p.shape, 1 / n_arms)
        together = shares(p, None, eligible, trials, before, bounds)
        for row, *one in zip(together, p, eligible, trials, before, strict=True):
            alone = shares(one[0], None, *one[1:], bounds)
            assert row.tolist() == alone.tolist()

    def test_nobody_eligible_gets_a_row_of_zeros(self) -> None:
        bounds = Exploration(top_two=0.5, minimum_trials=9, floor=0.1, cap=0.5, largest_change=0.1)
        nobody, zeros = np.zeros(3, np.bool_), np.zeros(3)
        assert shares(zeros, None, nobody, zeros, None, bounds).tolist() == [0, 0, 0]
        assert shares(zeros, 0.0, nobody, zeros, np.full(3, 1 / 3), bounds).tolist() == [0, 0, 0, 0]

    def test_truncated_probabilities_are_refused(self) -> None:
        for bounds in (Exploration(), Exploration(top_two=0.5)):
            with pytest.raises(ValueError, match="recompute P"):
                shares(np.array([0.5, 0.3, 0.2]), None, np.array([True, True, False]), np.zeros(3), None, bounds)

    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ({"top_two": 0.0}, "top_two"),
            ({"largest_change": 0.0}, "largest_change"),
            ({"floor": 1.5}, "floor"),
            ({"minimum_trials": -1}, "minimum_trials"),
        ],
    )
    def test_bounds_outside_their_range_are_refused(self, wrong, named) -> None:
        with pytest.raises(ValueError, match=named):
            Exploration(**wrong)

    def test_arrays_that_do_not_fit_are_refused(self) -> None:
        p, all_of_them = np.array([0.5, 0.5]), np.ones(2, np.bool_)
        with pytest.raises(ValueError, match="trials: found"):
            shares(p, None, all_of_them, np.zeros(3), None, Exploration())
        with pytest.raises(ValueError, match="before: found"):
            shares(p, None, all_of_them, np.zeros(2), np.array([-0.5, 1.5]), Exploration())


class TestTopTwo:
    @given(situations(), st.floats(0.01, 1))
    def test_it_is_the_share_of_redrawing_until_another_arm_comes(self, situation, keep) -> None:
        p, _, eligible, _, _ = situation
        if p.max() > 1 - 1e-6:
            return
        expected = [
            p[a] * (keep + (1 - keep) * sum(p[i] / (1 - p[i]) for i in range(len(p)) if i != a and eligible[i]))
            for a in range(len(p))
        ]
        assert top_two_shares(p, eligible, keep) == pytest.approx(expected, abs=1e-5)

    def test_simulated_redraws_come_out_alike(self) -> None:
        p, keep, n = np.array([0.6, 0.3, 0.08, 0.02]), 0.4, 40_000
        rng = np.random.default_rng(7)
        first = rng.choice(4, n, p=p)
        kept = rng.random(n) < keep
        drawn = first.copy()
        while (again := ~kept & (drawn == first)).any():
            drawn[again] = rng.choice(4, again.sum(), p=p)
        expected = top_two_shares(p, np.ones(4, np.bool_), keep)
        error = np.sqrt(expected * (1 - expected) / n)
        assert np.all(np.abs(np.bincount(drawn) / n - expected) < 4 * error)

    def test_a_leader_that_is_certain_shares_with_all_its_rivals_alike(self) -> None:
        everyone = np.ones(4, np.bool_)
        assert top_two_shares(np.array([1.0, 0, 0, 0]), everyone, 0.5) == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])
        nearly = np.array([1.0 - 1e-15, 0.0, 0.0, 0.0])
        assert top_two_shares(nearly, everyone, 0.5) == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])

    def test_small_rivals_are_told_apart(self) -> None:
        p = np.array([1.0, 3e-8, 1e-8])
        assert top_two_shares(p / p.sum(), np.ones(3, np.bool_), 0.5) == pytest.approx([0.5, 0.375, 0.125], abs=1e-4)

    def test_an_arm_without_rival_keeps_everything(self) -> None:
        only = np.array([False, True, False])
        assert top_two_shares(np.array([0.0, 1.0, 0.0]), only, 0.3).tolist() == [0.0, 1.0, 0.0]


class TestMinimumTrials:
    def test_shares_are_equal_until_every_arm_has_the_minimum(self) -> None:
        bounds = Exploration(minimum_trials=100)
        p = [0.9, 0.1, 0.0]
        assert everyone(p, bounds, [130.0, 99.0, 100.0]).tolist() == everyone([1 / 3] * 3, bounds).tolist()
        assert everyone(p, bounds, [130.0, 100.0, 100.0]) == pytest.approx(p)

    def test_what_may_not_be_chosen_is_not_waited_for(self) -> None:
        p, eligible = np.array([0.9, 0.1, 0.0]), np.array([True, True, False])
        q = shares(p, None, eligible, np.array([200.0, 150.0, 0.0]), None, Exploration(minimum_trials=100))
        assert q == pytest.approx(p)

    def test_a_newcomer_gets_its_equal_share_and_the_others_what_is_known_of_them(self) -> None:
        bounds = Exploration(minimum_trials=100)
        q = everyone([0.6, 0.2, 0.0, 0.2], bounds, [5000.0, 4000.0, 3000.0, 10.0])
        assert q == pytest.approx([0.75 * 0.75, 0.75 * 0.25, 0.0, 0.25])

    def test_a_newcomer_that_looks_best_is_not_preferred_and_others_that_look_lost_share_the_rest(self) -> None:
        bounds = Exploration(minimum_trials=100)
        assert everyone([0.0, 0.0, 1.0], bounds, [900.0, 900.0, 10.0]) == pytest.approx([1 / 3] * 3)

    def test_of_rows_each_has_its_own_minimum(self) -> None:
        p, trials = np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([[100.0, 100.0], [100.0, 99.0]])
        q = shares(p, None, np.ones((2, 2), np.bool_), trials, None, Exploration(minimum_trials=100))
        assert q == pytest.approx(np.array([[0.9, 0.1], [0.5, 0.5]]))


class TestLargestChange:
    @given(situations(), explorations)
    def test_no_share_moves_by_more_than_it(self, situation, bounds) -> None:
        p, _, eligible, trials, before = situation
        q = shares(p, None, eligible, trials, before, bounds)
        was = eligible.astype(float) if before is None or not before[eligible].any() else before * eligible
        assert np.abs(q - was / was.sum()).max() <= bounds.largest_change + ROUNDING * len(p)

    @given(situations(), explorations)
    def test_the_goal_is_reached_in_as_few_steps_as_that_allows(self, situation, bounds) -> None:
        p, _, eligible, trials, before = situation
        if bounds.largest_change < 0.02:
            return
        goal = shares(p, None, eligible, trials, None, Exploration(*(getattr(bounds, n) for n in _GOAL)))
        q = before
        for _ in range(int(np.ceil((1 + ROUNDING) / bounds.largest_change)) + 1):
            q = shares(p, None, eligible, trials, q, bounds)
        assert q is not None
        assert q.tolist() == goal.tolist()

    def test_the_first_snapshot_starts_from_equal_shares(self) -> None:
        assert everyone([1.0, 0.0], Exploration(largest_change=0.1)) == pytest.approx([0.6, 0.4])

    def test_the_step_is_towards_the_goal(self) -> None:
        q = everyone([0.8, 0.2, 0.0], Exploration(largest_change=0.1), before=[0.4, 0.4, 0.2])
        assert q == pytest.approx([0.5, 0.35, 0.15])

    def test_a_newcomer_rises_from_nothing(self) -> None:
        q = everyone([0.5, 0.0, 0.5], Exploration(largest_change=0.1), before=[0.5, 0.5, 0.0])
        assert q == pytest.approx([0.5, 0.4, 0.1])

    def test_shares_of_what_may_not_be_chosen_go_to_the_others_first(self) -> None:
        p, eligible = np.array([0.5, 0.5, 0.0]), np.array([True, True, False])
        q = shares(p, None, eligible, np.zeros(3), np.array([0.6, 0.2, 0.2]), Exploration(largest_change=0.1))
        assert q == pytest.approx([0.65, 0.35, 0.0])


class TestInForce:
    def test_floor_and_cap_always_are(self) -> None:
        assert [name for name, _ in in_force(Exploration())] == ["floor", "cap"]

    def test_each_adds_to_those_before_it(self) -> None:
        bounds = Exploration(0.5, 10, 0.1, 0.8, 0.2)
        found = list(in_force(bounds))
        assert [name for name, _ in found] == ["top_two", "minimum_trials", "floor", "cap", "largest_change"]
        assert found[1][1] == Exploration(0.5, 10)
        assert found[-1][1] == bounds


_GOAL = ("top_two", "minimum_trials", "floor", "cap")
