"""The delay curve: what is known of it, what is borrowed, and what must hold whatever was seen."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.domain.delays import DELAY_STARTS, N_DELAYS, delay_bin, delay_bins
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.policy import delay as module
from optimizer.policy.delay import DelayCurve, all_at_once, delay_curve
from optimizer.policy.delay_shapes import bin_edges, fitted_shape

WINDOW = 14 * DAY


def counted(delays: list[tuple[int, int]], n_buckets: int) -> NDArray[np.float64]:
    """Counts of delays, given as bucket and microseconds."""
    counts = np.zeros((N_DELAYS, n_buckets))
    for bucket, delay in delays:
        counts[delay_bin(delay), bucket] += 1
    return counts


def simulated(rng: np.random.Generator, hours: int, n: int, delays: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is seen at the end of so many hours of n rewards an hour."""
    made = np.repeat(np.arange(hours), n)
    ages = (hours - made - rng.random(len(made))) * HOUR
    seen = delays < ages
    counts = np.zeros((N_DELAYS, hours))
    np.add.at(counts, (delay_bins(delays[seen].astype(np.int64)), made[seen]), 1)
    return counts


def test_without_rewards_everything_is_taken_to_come_at_once() -> None:
    curve = delay_curve(np.zeros((N_DELAYS, 3)), np.arange(3) * HOUR, 3 * HOUR, WINDOW)
    assert curve.at_once
    assert (curve.share(np.array([0, MINUTE, DAY])) == 1.0).all()


def test_rewards_that_all_come_within_the_first_minute_leave_nothing_pending() -> None:
    counts = counted([(0, 0), (1, 30_000_000), (1, -5)], 2)
    assert delay_curve(counts, np.arange(2) * HOUR, 2 * HOUR, WINDOW).at_once
    assert (delay_curve(counts, np.arange(2) * HOUR, 2 * HOUR, WINDOW).of_buckets(np.arange(2), HOUR) == 1.0).all()


def test_without_rewards_the_median_people_name_is_that_of_an_exponential() -> None:
    curve = delay_curve(np.zeros((N_DELAYS, 0)), np.zeros(0, np.int64), 0, 100 * DAY, 2 * DAY)
    assert curve.share(np.array([2 * DAY]))[0] == pytest.approx(0.5, abs=2e-3)  # straight lines within a bin
    assert curve.share(np.array([100 * DAY]))[0] == 1.0


def test_a_named_median_is_a_beginning_that_data_overrule() -> None:
    rng = np.random.default_rng(1)
    counts = simulated(rng, 480, 5, rng.exponential(4 * HOUR / np.log(2), 2400))
    curve = delay_curve(counts, np.arange(480) * HOUR, 480 * HOUR, WINDOW, 5 * DAY)
    assert curve.share(np.array([4 * HOUR]))[0] == pytest.approx(0.5, abs=0.04)


def product_limit(pairs: list[tuple[int, int]], at: int) -> Fraction:
    """Share with a delay of at most `at`, from (delay, age) pairs: Lynden-Bell's product over the larger delays."""
    share = Fraction(1)
    for delay in sorted({delay for delay, _ in pairs if delay > at}):
        at_risk = sum(other <= delay <= age for other, age in pairs)
        share *= 1 - Fraction(sum(other == delay for other, _ in pairs), at_risk)
    return share


def test_reversed_hazards_are_those_of_the_product_limit_where_ages_do_not_cut_bins() -> None:
    """An independent tiny implementation in fractions, on ages at the edges of bins and delays inside them."""
    rng = np.random.default_rng(2)
    edges = bin_edges(WINDOW)
    first = delay_bin(3 * HOUR)
    tops = np.arange(first, first + 12)
    pairs = [(int(rng.integers(first - 6, top + 1)), int(top)) for top in np.repeat(tops, 6)]
    counts = np.zeros((len(edges) - 1, len(tops)))
    for delay, top in pairs:
        counts[delay, top - first] += 1
    ages = edges[tops + 1]
    came, earlier = module._risk(edges, counts, ages, ages)
    hazard = np.divide(came, came + earlier, out=np.zeros_like(came), where=came > 0)
    for at in range(first - 6, first + 12):
        assert np.prod(1.0 - hazard[at + 1 :]) == pytest.approx(float(product_limit(pairs, at)), abs=1e-12)


def test_where_little_is_seen_the_hazards_are_those_of_the_fitted_shape() -> None:
    counts = counted([(0, 2 * HOUR)], 1)
    curve = delay_curve(counts, np.zeros(1, np.int64), 3 * HOUR, WINDOW)
    edges = bin_edges(WINDOW)
    shape, _ = fitted_shape(
        WINDOW, *module._risk(edges, counts[: len(edges) - 1], np.array([2.0 * HOUR]), np.array([3.0 * HOUR])), None
    )
    old = edges[1:] > 4 * HOUR
    np.testing.assert_allclose(curve.shares[old], shape[old], rtol=1e-9)


def test_a_mean_over_the_hour_is_that_of_many_ages() -> None:
    curve = delay_curve(counted([(0, 90 * MINUTE), (1, 20 * MINUTE)], 3), np.arange(3) * HOUR, 3 * HOUR, DAY)
    for bucket in (0, 2 * HOUR, 2 * HOUR + 50 * MINUTE):
        oldest = 3 * HOUR - bucket
        ages = np.linspace(max(oldest - HOUR, 0), oldest, 200_001)
        mean = (curve.share(ages)[1:] + curve.share(ages)[:-1]).mean() / 2
        assert curve.of_buckets(np.array([bucket]), 3 * HOUR)[0] == pytest.approx(mean, abs=1e-7)


@st.composite
def cases(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64], int, int, int | None]:
    window = draw(st.sampled_from([MINUTE, 90_000_000, HOUR, 2 * DAY, 30 * DAY, 366 * DAY]))
    n = draw(st.integers(0, 12))
    buckets = np.unique(draw(st.lists(st.integers(0, 9000), min_size=n, max_size=n))).astype(np.int64) * HOUR
    now = int(buckets[-1] if len(buckets) else 0) + draw(st.integers(0, 400 * DAY))
    counts = np.zeros((N_DELAYS, len(buckets)))
    for bucket in range(len(buckets)):
        for place in draw(st.lists(st.integers(0, N_DELAYS - 1), max_size=4)):
            counts[place, bucket] += draw(st.integers(-1, 300))
    return counts, buckets, now, window, draw(st.none() | st.integers(1_000_000, 366 * DAY))


@settings(max_examples=100, deadline=None)
@given(cases())
def test_a_curve_rises_from_zero_at_least_to_one_at_the_window(
    case: tuple[NDArray[np.float64], NDArray[np.int64], int, int, int | None],
) -> None:
    counts, buckets, now, window, median = case
    curve = delay_curve(counts, buckets, now, window, median)
    shares = curve.share(np.linspace(0, 2 * window, 97))
    assert (np.diff(shares) >= 0.0).all()
    assert shares[0] >= 0.0
    assert curve.share(np.array([window, 2 * window])).tolist() == [1.0, 1.0]
    assert (curve.doubts >= 0.0).all()
    assert np.isfinite(curve.doubts).all()
    of_buckets = curve.of_buckets(buckets, now)
    assert ((of_buckets >= 0.0) & (of_buckets <= 1.0)).all()
    assert (np.diff(of_buckets) <= 1e-12).all()  # later buckets are younger


def test_a_window_of_one_bin_is_at_once() -> None:
    assert all_at_once(MINUTE).shares.tolist() == [1.0]
    assert delay_curve(counted([(0, MINUTE)], 1), np.zeros(1, np.int64), HOUR, MINUTE).at_once


def test_reading_old_buckets_together_hardly_changes_the_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    counts = simulated(rng, 720, 2, rng.lognormal(np.log(2 * DAY), 1.0, 1440))
    together = delay_curve(counts, np.arange(720) * HOUR, 720 * HOUR, WINDOW)
    monkeypatch.setattr(module, "_OLD", 1000 * HOUR)
    apart = delay_curve(counts, np.arange(720) * HOUR, 720 * HOUR, WINDOW)
    np.testing.assert_allclose(together.shares, apart.shares, atol=3e-3)


def test_bins_are_those_of_the_ledger() -> None:
    edges = bin_edges(WINDOW)
    np.testing.assert_array_equal(edges[:-1], DELAY_STARTS[: len(edges) - 1])
    assert edges[-1] == WINDOW
    assert isinstance(all_at_once(WINDOW), DelayCurve)
