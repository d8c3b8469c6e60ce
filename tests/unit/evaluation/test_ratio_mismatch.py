"""Sample-ratio mismatch against scipy, far tails included."""

from math import erfc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, chisquare

from optimizer.evaluation.ratio_mismatch import ratio_mismatch

counts_of_a_test = st.lists(st.integers(0, 5_000), min_size=2, max_size=8).filter(lambda counts: sum(counts) > 100)


@given(counts_of_a_test)
def test_an_equal_split_is_tested_as_scipy_does(counts: list[int]) -> None:
    found = ratio_mismatch(np.array([counts]), np.ones(len(counts)))
    expected = chisquare(counts)
    assert found.statistics[0] == pytest.approx(expected.statistic)
    assert found.p_values[0] == pytest.approx(expected.pvalue, rel=1e-9, abs=0.0)
    assert found.degrees[0] == len(counts) - 1


def test_unequal_shares_are_tested_in_their_proportion() -> None:
    counts, shares = np.array([[480, 330, 190]]), np.array([5.0, 3.0, 2.0])
    found = ratio_mismatch(counts, shares)
    assert found.statistics[0] == pytest.approx(20**2 / 500 + 30**2 / 300 + 10**2 / 200)  # 4.3
    assert found.p_values[0] == pytest.approx(np.exp(-4.3 / 2.0))  # chi-square with 2 degrees


def test_p_values_far_in_the_tail_are_not_zero() -> None:
    found = ratio_mismatch(np.array([[52_000, 48_000]]), np.array([1.0, 1.0]))
    assert found.statistics[0] == pytest.approx(160.0)
    assert found.p_values[0] == pytest.approx(erfc(80.0**0.5), rel=1e-9, abs=0.0)  # 1.13e-36


def test_many_tests_at_once_are_as_each_alone() -> None:
    counts = np.array([[500, 560, 0], [300, 300, 360], [7, 0, 0], [0, 0, 0]])
    shares = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = ratio_mismatch(counts, shares)
    assert found.degrees.tolist() == [1.0, 2.0, 0.0, 0.0]
    assert found.p_values[0] == pytest.approx(chisquare([500, 560]).pvalue)
    assert found.p_values[1] == pytest.approx(chisquare([300, 300, 360]).pvalue)
    assert found.p_values[2:].tolist() == [1.0, 1.0]
    assert found.together == pytest.approx(chi2.sf(found.statistics.sum(), 3))


def test_arms_that_are_rarely_expected_count_as_one() -> None:
    counts, shares = np.array([[900, 94, 1, 2, 3]]), np.array([0.9, 0.094, 0.003, 0.002, 0.001])
    found = ratio_mismatch(counts, shares)  # 3 + 2 + 1 expected: a cell of six
    assert found.degrees[0] == 2.0
    assert found.statistics[0] == pytest.approx(0.0)


def test_a_few_left_over_join_the_least_of_the_others() -> None:
    counts, shares = np.array([[890, 106, 4]]), np.array([0.9, 0.099, 0.001])
    found = ratio_mismatch(counts, shares)
    assert found.degrees[0] == 1.0
    assert found.statistics[0] == pytest.approx(10**2 / 900 + 10**2 / 100)


def test_too_few_to_compare_is_no_mismatch() -> None:
    found = ratio_mismatch(np.array([[4, 0]]), np.array([1.0, 1.0]))
    assert (found.degrees[0], found.p_values[0]) == (0.0, 1.0)


def test_what_has_no_share_but_was_shown_is_a_mismatch() -> None:
    found = ratio_mismatch(np.array([[500, 500, 1], [500, 500, 0]]), np.array([1.0, 1.0, 0.0]))
    assert found.p_values[0] == 0.0
    assert found.p_values[1] == 1.0


@given(counts_of_a_test, st.randoms())
def test_the_order_of_arms_makes_no_difference(counts: list[int], random: object) -> None:
    shares = np.arange(1.0, len(counts) + 1.0)
    order = np.argsort([random.random() for _ in counts])  # type: ignore[attr-defined]
    found = ratio_mismatch(np.array([counts, np.array(counts)[order]]), np.stack([shares, shares[order]]))
    assert found.p_values[0] == pytest.approx(found.p_values[1])


@pytest.mark.parametrize(
    ("counts", "shares", "place"),
    [([[-1, 5]], [1.0, 1.0], "counts"), ([[1, 5]], [1.0, np.nan], "shares"), ([[1, 5]], [0.0, 0.0], "shares")],
    ids=["negative", "nan", "none"],
)
def test_what_cannot_be_is_refused(counts: list[list[int]], shares: list[float], place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place}: found .*; allowed"):
        ratio_mismatch(np.array(counts), np.array(shares))
