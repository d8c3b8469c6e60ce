"""Differences within strata: exact on small tables, and deaf to what only the strata differ in."""

from math import isnan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.evaluation.stratified import Side, stratified_difference


def successes(trials: list[float], positives: list[float]) -> Side:
    return Side(np.array(trials, float), np.array(positives, float), np.array(positives, float))


def test_berkeleys_admissions_reverse_within_departments() -> None:
    # Bickel, Hammel & O'Connell 1975, "Sex bias in graduate admissions", Science 187, table of the six departments.
    men = successes([825, 560, 325, 417, 191, 373], [512, 353, 120, 138, 53, 22])
    women = successes([108, 25, 593, 375, 393, 341], [89, 17, 202, 131, 94, 24])
    found = stratified_difference(men, women, successes=True)
    assert found.raw == pytest.approx(1198 / 2691 - 557 / 1835)
    assert found.value < 0 < found.raw
    assert found.misleads
    assert found.left_out == 0.0


def test_sato_s_variance_by_hand() -> None:
    one, other = successes([10, 20], [4, 5]), successes([15, 5], [3, 2])
    weights = np.array([10 * 15 / 25, 20 * 5 / 25])
    value = (weights * np.array([0.4 - 0.2, 0.25 - 0.4])).sum() / weights.sum()
    p = (100 * 3 - 225 * 4 + 150 * 5 / 2) / 625 + (400 * 2 - 25 * 5 + 100 * -15 / 2) / 625
    q = (4 * 12 + 3 * 6) / 50 + (5 * 3 + 2 * 15) / 50
    found = stratified_difference(one, other, successes=True)
    assert found.value == pytest.approx(value)
    assert found.standard_error == pytest.approx(sqrt(value * p + q) / weights.sum())


def test_of_one_large_stratum_both_variances_are_that_of_two_proportions() -> None:
    one, other = successes([10_000], [1_000]), successes([20_000], [1_600])
    expected = sqrt(0.1 * 0.9 / 10_000 + 0.08 * 0.92 / 20_000)
    for binary in (True, False):
        found = stratified_difference(one, other, successes=binary)
        assert found.value == pytest.approx(0.02)
        assert found.standard_error == pytest.approx(expected, rel=2e-3)


def test_a_side_that_only_fails_is_not_certain_to_fail() -> None:
    many, few = successes([300], [21]), successes([20], [0])
    found = stratified_difference(many, few, successes=True)
    alone = sqrt(0.07 * 0.93 / 300)
    assert found.value == pytest.approx(0.07)
    assert found.standard_error > 2.5 * alone
    mirrored = stratified_difference(successes([300], [279]), successes([20], [20]), successes=True)
    assert mirrored.standard_error == pytest.approx(found.standard_error)


def test_strata_with_one_side_empty_give_nothing_and_are_said() -> None:
    one, other = successes([10, 30, 0], [5, 30, 0]), successes([10, 0, 50], [2, 0, 50])
    found = stratified_difference(one, other, successes=True)
    assert found.value == pytest.approx(0.3)
    assert found.left_out == pytest.approx(80 / 100)
    nothing = stratified_difference(successes([3], [1]), successes([0], [0]), successes=True)
    assert (isnan(nothing.value), isnan(nothing.raw), nothing.left_out, nothing.misleads) == (True, True, 1.0, False)
    neither = stratified_difference(successes([], []), successes([], []), successes=True)
    assert (isnan(neither.value), neither.left_out) == (True, 0.0)


def test_amounts_by_hand() -> None:
    one = Side(np.array([3.0, 1.0]), np.array([6.0, 9.0]), np.array([14.0, 81.0]))  # 1, 2, 3 | 9
    other = Side(np.array([2.0, 2.0]), np.array([2.0, 12.0]), np.array([4.0, 104.0]))  # 0, 2 | 2, 10
    weights = np.array([6 / 5, 2 / 3])
    found = stratified_difference(one, other, successes=False)
    assert found.value == pytest.approx((weights * np.array([2 - 1, 9 - 6])).sum() / weights.sum())
    # The 9 alone takes the variance of 1, 2, 3, which is 1.
    variances = np.array([1 / 3 + 2 / 2, 1 / 1 + 32 / 2])
    assert found.standard_error == pytest.approx(sqrt((weights**2 * variances).sum()) / weights.sum())


counts = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=6)


@given(sizes=counts, levels=st.lists(st.integers(-5, 5), min_size=6, max_size=6), apart=st.integers(-4, 4))
def test_whatever_the_strata_add_and_however_they_are_mixed_a_constant_difference_is_found(
    sizes: list[tuple[int, int]], levels: list[int], apart: int
) -> None:
    base = np.array(levels[: len(sizes)], float)
    n1, n0 = np.array(sizes, float).T
    one = Side(n1, n1 * (base + apart), n1 * (base + apart) ** 2)
    other = Side(n0, n0 * base, n0 * base**2)
    assert stratified_difference(one, other, successes=False).value == pytest.approx(apart, abs=1e-9)


@given(sizes=counts, seed=st.integers(0, 100))
def test_the_sides_change_places_with_the_sign(sizes: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    n1, n0 = np.array(sizes, float).T
    one, other = (successes(list(n), list(rng.binomial(n.astype(int), 0.3))) for n in (n1, n0))
    there, back = (stratified_difference(*sides, successes=True) for sides in ((one, other), (other, one)))
    assert there.value == pytest.approx(-back.value)
    assert there.standard_error == pytest.approx(back.standard_error, nan_ok=True)
    assert there.left_out == back.left_out
