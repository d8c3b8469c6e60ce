import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import chisquare

from optimizer.simulation.attribution import FROM_DECISION
from optimizer.simulation.patterns import OutcomeTable, OutcomeTree, checked_tree, drawn, frailty_levels

LEVELS = 9
PARENTS = (FROM_DECISION, 0, 1, FROM_DECISION)  # delivered, opened, clicked; unsubscribed
rate = st.floats(0.0, 1.0)


def still(n_kinds: int, n_earlier: int = 1, n_types: int = 1, n_arms: int = 0) -> np.ndarray:
    return np.zeros((n_kinds, n_earlier, n_types, n_arms + 1))


def tree(rates: list[float], frailties: tuple[float, ...], parents: tuple[int, ...] = PARENTS) -> OutcomeTree:
    shares = np.full((1, LEVELS), 1 / LEVELS)
    return OutcomeTree(parents, np.array(rates)[:, np.newaxis, np.newaxis], frailties, shares)


def mean_chances(outcomes: OutcomeTree, shifts: np.ndarray) -> np.ndarray:
    return np.einsum("ezaqp,zq->ezap", outcomes.chances(shifts), outcomes.shares)


@given(st.lists(rate, min_size=4, max_size=4), st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_the_rate_given_the_parent_is_the_given_one_whatever_the_frailty(
    rates: list[float], frail: list[float]
) -> None:
    outcomes = tree(rates, tuple(frail))
    chances = mean_chances(outcomes, still(4))[0, 0, 0]
    assert chances.sum() == pytest.approx(1.0)
    happens = chances @ outcomes.patterns
    reach = np.array([1.0, *happens])
    for kind, parent in enumerate(PARENTS):
        assert happens[kind] == pytest.approx(rates[kind] * reach[parent + 1], abs=1e-9)


def test_a_tree_has_only_what_its_parents_allow() -> None:
    patterns = tree([0.5] * 4, (0.0,) * 4).patterns
    assert len(patterns) == 8  # none, delivered, opened, clicked; each with and without an unsubscribe
    assert (patterns[:, 1] <= patterns[:, 0]).all()
    assert (patterns[:, 2] <= patterns[:, 1]).all()
    assert not patterns[-1].any()
    assert len(np.unique(patterns, axis=0)) == len(patterns)


def test_frailty_makes_kinds_go_together_or_against_each_other() -> None:
    def excess(one: float, other: float) -> float:
        """P(both) less the product of their chances."""
        outcomes = tree([0.2, 0.1], (one, other), (FROM_DECISION, FROM_DECISION))
        chances = mean_chances(outcomes, still(2))[0, 0, 0]
        both = outcomes.patterns.all(axis=1)
        return float(chances[both].sum() - 0.2 * 0.1)

    assert excess(0.0, 1.0) == pytest.approx(0.0, abs=1e-12)
    assert excess(1.0, 1.0) > excess(0.5, 0.5) > 0.003
    assert excess(1.0, -1.0) < excess(0.5, -0.5) < -0.003


def test_the_levels_of_frailty_have_the_spread_that_is_asked_for() -> None:
    outcomes = tree([0.3], (0.8,), (FROM_DECISION,))
    by_level = outcomes.chances(still(1))[0, 0, 0, :, 0]
    assert np.diff(by_level).min() > 0
    assert logit(by_level).std() == pytest.approx(0.8)
    assert frailty_levels(1).tolist() == [0.0]


@given(st.floats(0.01, 0.99), st.floats(-3.0, 3.0), st.floats(-2.0, 2.0))
def test_a_shift_moves_the_log_odds_of_the_rate(rate: float, shift: float, frailty: float) -> None:
    outcomes = tree([rate], (frailty,), (FROM_DECISION,))
    shifts = still(1, n_earlier=2)
    shifts[:, 1] = shift
    chances = mean_chances(outcomes, shifts)[:, 0, 0]
    assert chances[0] == pytest.approx([rate, 1 - rate])
    assert chances[1, 0] == pytest.approx(expit(logit(rate) + shift))


def test_certain_and_impossible_outcomes_stay_so() -> None:
    outcomes = tree([1.0, 0.0], (1.0, 1.0), (FROM_DECISION, FROM_DECISION))
    chances = mean_chances(outcomes, still(2) + 3.0)[0, 0, 0]
    certain = (outcomes.patterns == [True, False]).all(axis=1)
    assert chances[~certain].tolist() == [0.0, 0.0, 0.0]
    assert chances[certain] == pytest.approx([1.0])


SOME = np.array([[True, True], [True, False], [False, True], [False, False]])


@given(st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4), st.floats(-3, 3), st.floats(-3, 3))
def test_a_shift_of_a_table_moves_each_kind_given_the_kinds_before(
    parts: list[float], one: float, other: float
) -> None:
    found = np.array(parts) / sum(parts)
    table = OutcomeTable(SOME, found[np.newaxis, np.newaxis])
    shifts = still(2)
    shifts[0], shifts[1] = one, other
    moved = table.chances(shifts)[0, 0, 0, 0]
    assert moved.sum() == pytest.approx(1.0)
    assert logit(moved[:2].sum()) == pytest.approx(logit(found[:2].sum()) + one)
    for first in (slice(0, 2), slice(2, 4)):
        given_first = [float(chances[first][0] / chances[first].sum()) for chances in (found, moved)]
        assert logit(given_first[1]) == pytest.approx(logit(given_first[0]) + other)


def test_what_never_came_together_in_a_table_never_will() -> None:
    nested = OutcomeTable(SOME[[0, 1, 3]], np.array([[[0.1, 0.2, 0.7]]]))  # no second kind without the first
    assert nested.chances(still(2) + 1.0).sum() == pytest.approx(1.0)
    assert nested.chances(still(2)).ravel().tolist() == [0.1, 0.2, 0.7]


def test_patterns_are_drawn_as_often_as_their_chances_say() -> None:
    chances = np.array([0.1, 0.0, 0.25, 0.65])
    n = 100_000
    counts = np.bincount(drawn(np.tile(chances, (n, 1)), np.random.Generator(np.random.PCG64(4))), minlength=4)
    assert counts[1] == 0
    assert chisquare(counts[[0, 2, 3]], n * chances[[0, 2, 3]]).pvalue > 0.001


def test_a_parent_must_come_first() -> None:
    assert checked_tree(["a", "b", "c"], [None, "a", None]) == (FROM_DECISION, 0, FROM_DECISION)
    with pytest.raises(ValueError, match="a: found the parent b; allowed a kind before it: none: it is the first"):
        checked_tree(["a", "b"], ["b", None])
    with pytest.raises(ValueError, match="kinds: found a, a; allowed 1 to 10, each once"):
        checked_tree(["a", "a"], [None, None])
    with pytest.raises(ValueError, match="kinds: found none"):
        checked_tree([], [])
