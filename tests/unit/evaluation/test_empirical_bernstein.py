"""Empirical Bernstein intervals against arithmetic by hand, and what must hold for any numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.evaluation.empirical_bernstein import empirical_bernstein

UNIT = (0.0, 1.0)
unit_values = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=50)


def test_the_reach_is_that_of_the_theorem() -> None:
    # log(80) = 4.3820266; sqrt(2 * .01 * 4.3820266 / 1000) = .00936165; 7 * 4.3820266 / (3 * 999) = .01023498
    found = empirical_bernstein(1_000, 0.5, 0.01, UNIT, 0.95)
    assert found.high - 0.5 == pytest.approx(0.00936165 + 0.01023498, abs=2e-8)
    assert 0.5 - found.low == pytest.approx(0.00936165 + 0.01023498, abs=2e-8)


def test_values_in_other_units_have_the_same_interval_in_those_units() -> None:
    unit = empirical_bernstein(1_000, 0.3, 0.02, UNIT)
    scaled = empirical_bernstein(1_000, -2.0 + 10.0 * 0.3, 100.0 * 0.02, (-2.0, 8.0))
    assert scaled.low == pytest.approx(-2.0 + 10.0 * unit.low)
    assert scaled.high == pytest.approx(-2.0 + 10.0 * unit.high)


def test_many_means_at_once_are_as_each_alone() -> None:
    n, means, variances = np.array([2, 50, 9_000]), np.array([0.1, 0.5, 0.9]), np.array([0.0, 0.2, 0.01])
    together = empirical_bernstein(n[:, None], means, variances, UNIT)
    assert together.low.shape == (3, 3)
    for row in range(3):
        for column in range(3):
            alone = empirical_bernstein(n[row], means[column], variances[column], UNIT)
            assert together.low[row, column] == alone.low
            assert together.high[row, column] == alone.high


def test_one_value_says_nothing() -> None:
    found = empirical_bernstein([0, 1], [0.0, 3.0], [np.nan, np.nan], (-1.0, 5.0))
    assert found.low.tolist() == [-1.0, -1.0]
    assert found.high.tolist() == [5.0, 5.0]


@given(unit_values, st.integers(2, 100))
def test_intervals_contain_the_mean_and_narrow_with_rows(values: list[float], times: int) -> None:
    mean, variance = float(np.mean(values)), float(np.var(values, ddof=1))
    few = empirical_bernstein(len(values), mean, variance, UNIT)
    many = empirical_bernstein(len(values) * times, mean, variance, UNIT)
    assert 0.0 <= few.low <= many.low <= mean <= many.high <= few.high <= 1.0


@given(st.floats(0.5, 0.94), st.floats(0.0, 0.25))
def test_surer_intervals_are_wider(level: float, variance: float) -> None:
    wide = empirical_bernstein(10_000, 0.5, variance, UNIT, 0.95)
    narrow = empirical_bernstein(10_000, 0.5, variance, UNIT, level)
    assert wide.low < narrow.low
    assert narrow.high < wide.high


@pytest.mark.parametrize(
    ("mean", "value_range", "level", "place"),
    [(0.5, (0.0, 1.0), 1.0, "level"), (0.5, (1.0, 1.0), 0.95, "value_range"), (1.5, (0.0, 1.0), 0.95, "mean")],
)
def test_what_cannot_be_is_refused(mean: float, value_range: tuple[float, float], level: float, place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place}: found .*; allowed"):
        empirical_bernstein(10, mean, 0.1, value_range, level)
