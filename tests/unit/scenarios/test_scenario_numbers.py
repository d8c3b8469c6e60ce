import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from optimizer.scenarios.measuring import curve, measured, measured_counts, reached, relative, thinned
from optimizer.scenarios.result import Measured


def test_the_interval_of_a_mean_is_students() -> None:
    values = [3.0, 5.0, 4.0, 9.0]
    found = measured(values)
    expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.standard_error == pytest.approx(np.std(values, ddof=1) / 2)


def test_one_replication_has_a_mean_and_no_error() -> None:
    assert measured([3.0]) == Measured(3.0, None, None, None)
    assert measured([3.0, np.nan]) == Measured(3.0)
    with pytest.raises(ValueError, match="values: found none"):
        measured([np.nan])


def test_a_count_that_a_replication_lacks_is_zero_there() -> None:
    found = measured_counts([{"a": 2, "b": 1}, {"a": 4}])
    assert (found["a"].mean, found["b"].mean) == (3.0, 0.5)


def test_half_of_the_replications_have_reached_it_by_the_median() -> None:
    found = reached([1.0, None, 3.0, None, 5.0])
    assert (found.share, found.median, found.low, found.high) == (0.6, 5.0, 1.0, None)
    assert reached([None, None]).median is None


def test_a_curve_leaves_out_what_no_replication_knows() -> None:
    values = np.array([[np.nan, 1.0, 2.0], [np.nan, np.nan, 4.0]])
    found = curve([0.0, 1.0, 2.0], values)
    assert found is not None
    assert (found.at, found.mean) == ((1.0, 2.0), (1.0, 3.0))
    assert found.low[1] == pytest.approx(2.1)
    assert found.high[1] == pytest.approx(3.9)
    assert curve([0.0], np.array([[np.nan]])) is None


@given(st.integers(1, 5_000), st.integers(2, 300))
def test_thinning_keeps_the_ends_and_no_more_than_asked(n: int, most: int) -> None:
    kept = thinned(n, most)
    assert kept[0] == 0
    assert kept[-1] == n - 1
    assert len(kept) == min(n, most) or len(kept) <= most
    assert (np.diff(kept) > 0).all()


def test_a_difference_from_nothing_has_no_share() -> None:
    assert relative(Measured(2.0), 8.0) == 0.25
    assert relative(Measured(2.0), 0.0) is None
