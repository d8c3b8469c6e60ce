"""Standard errors are the textbook's; the bootstrap of blocks is the bootstrap."""

import numpy as np
import pytest

from optimizer.evaluation.bootstrap import percentile_interval, resampled_means
from optimizer.evaluation.normal import normal_interval, standard_error
from optimizer.evaluation.sums import Sums

RNG = np.random.default_rng


def row_sums(columns: np.ndarray, n_blocks: int) -> Sums:
    n = columns.shape[1]
    blocks = np.arange(n) if n <= n_blocks else RNG(9).integers(0, n_blocks, n)
    return Sums.of(columns, blocks, n_blocks, clustered=False)


def test_the_error_of_a_mean() -> None:
    values = RNG(1).exponential(size=(1, 30))
    found = standard_error(row_sums(values, 64), np.ones(1))
    assert found == pytest.approx(values.std(ddof=1) / np.sqrt(30), rel=1e-12)


def test_the_error_of_a_ratio_is_that_of_its_residuals() -> None:
    top, bottom = RNG(2).exponential(size=(2, 200))
    ratio = top.mean() / bottom.mean()
    gradient = np.array([1.0, -ratio]) / bottom.mean()
    expected = (top - ratio * bottom).std(ddof=1) / np.sqrt(200) / bottom.mean()
    assert standard_error(row_sums(np.stack([top, bottom]), 64), gradient) == pytest.approx(expected, rel=1e-12)


def test_copies_of_a_recipients_row_tell_nothing_new() -> None:
    once = RNG(3).exponential(size=(1, 50))
    alone = Sums.of(once, np.arange(50), 64, clustered=True)
    copied = Sums.of(np.tile(once, 7), np.tile(np.arange(50), 7), 64, clustered=True)
    error = standard_error(alone, np.ones(1))
    assert error == pytest.approx(once.std(ddof=1) / np.sqrt(50), rel=1e-12)
    assert standard_error(copied, np.ones(1)) == pytest.approx(error, rel=1e-12)
    means = [resampled_means(sums, 200, RNG(4)) for sums in (alone, copied)]
    np.testing.assert_allclose(means[0], means[1], rtol=1e-12)


@pytest.mark.parametrize("clustered", [False, True])
def test_one_row_has_no_error(clustered: bool) -> None:
    sums = Sums.of(np.ones((1, 1)), np.zeros(1, int), 4, clustered=clustered)
    assert np.isnan(standard_error(sums, np.ones(1)))


def test_a_normal_interval() -> None:
    low, high = normal_interval(10.0, 2.0, 0.95)
    assert (low, high) == pytest.approx((10 - 2 * 1.959963985, 10 + 2 * 1.959963985), abs=1e-8)


def test_a_short_log_is_resampled_row_by_row() -> None:
    """Every resample is a mean of as many rows, drawn with replacement; empty blocks are never drawn."""
    values = 10.0 ** np.arange(5)[None]
    means = resampled_means(row_sums(values, 4_096), 300, RNG(5))
    digits = [f"{round(5 * mean):05d}" for mean in means[:, 0].tolist()]
    assert all(sum(map(int, number)) == 5 for number in digits)
    assert len(set(digits)) > 60  # of the 126 that there are


@pytest.mark.parametrize(("n", "n_blocks"), [(400, 1_000), (20_000, 500)])
def test_resampled_means_spread_like_the_standard_error(n: int, n_blocks: int) -> None:
    columns = RNG(6).exponential(size=(2, n))
    sums = row_sums(columns, n_blocks)
    means = resampled_means(sums, 4_000, RNG(7))
    found = np.cov(means.T)
    expected = np.cov(columns) / n
    # A variance from 4,000 resamples has a relative error of sqrt(2 / 4,000) = 2.2 %, one from 500 blocks sqrt(2 / 500)
    # = 6.3 %; four of both together.
    tolerance = 4 * np.hypot(0.022, 0.063 if n > n_blocks else 0.0)
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=tolerance)
    centre = 5 * np.sqrt(np.diag(expected) / 4_000)
    assert (np.abs(means.mean(axis=0) - columns.mean(axis=1)) < centre).all()


def test_equal_seeds_resample_equally_and_whatever_the_slices() -> None:
    sums = row_sums(RNG(8).normal(size=(2, 100)), 128)
    first, again = resampled_means(sums, 130, RNG(10)), resampled_means(sums, 130, RNG(10))
    assert first.tobytes() == again.tobytes()
    np.testing.assert_allclose(resampled_means(sums, 65, RNG(10)), first[:65], rtol=1e-12)
    assert resampled_means(sums, 130, RNG(11)).tobytes() != first.tobytes()


def test_percentiles_leave_out_resamples_without_an_answer() -> None:
    values = np.append(np.arange(101.0), [np.nan] * 50)
    assert percentile_interval(values, 0.9) == pytest.approx((5.0, 95.0))
    assert np.isnan(percentile_interval(np.full(3, np.nan), 0.9)).all()
