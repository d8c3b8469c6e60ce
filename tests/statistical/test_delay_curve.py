"""The delay curve against truths that are known: unbiased, where the plain distribution of seen delays is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from optimizer.domain.delays import N_DELAYS, delay_bins
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.delay import delay_curve

Floats = NDArray[np.float64]
WINDOW = 20 * DAY
REPLICATIONS = 60
AGES = np.array([6 * HOUR, DAY, 3 * DAY, 8 * DAY])
GRANULAR = 0.01  # what straight lines within a bin and the few rewards that are imagined may add

TRUTHS: dict[str, tuple[Callable[[Floats], Floats], Callable[[int, np.random.Generator], Floats]]] = {
    "exponential": (lambda a: -np.expm1(-a / (2 * DAY)), lambda n, rng: rng.exponential(2 * DAY, n)),
    "log-normal": (
        lambda a: ndtr(np.log(a / (3 * DAY))),
        lambda n, rng: rng.lognormal(np.log(3 * DAY), 1.0, n),
    ),
    "weibull": (lambda a: -np.expm1(-((a / DAY) ** 0.6)), lambda n, rng: DAY * rng.weibull(0.6, n)),
    "at once or late": (
        lambda a: 0.4 - 0.6 * np.expm1(-a / (4 * DAY)),
        lambda n, rng: np.where(rng.random(n) < 0.4, 1e6, rng.exponential(4 * DAY, n)),
    ),
}


def _seen(truth: str, hours: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """What is seen of two rewards an hour at the end of so many hours: counts ``[N_DELAYS, B]``, and the delays."""
    made = np.repeat(np.arange(hours), rng.poisson(2.0, hours))
    delays = TRUTHS[truth][1](len(made), rng)
    inside = delays < WINDOW
    made, delays = made[inside], delays[inside]
    seen = delays < (hours - made - rng.random(len(made))) * HOUR
    counts = np.zeros((N_DELAYS, hours))
    np.add.at(counts, (delay_bins(delays[seen].astype(np.int64)), made[seen]), 1)
    return counts, delays[seen]


def _shares(truth: str, hours: int, ages: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Estimated and plain shares that have come by some ages, ``[replications, ages]`` each."""
    estimated, plain = [], []
    for replication in range(REPLICATIONS):
        rng = np.random.Generator(np.random.PCG64([17, hours, replication]))
        counts, delays = _seen(truth, hours, rng)
        estimated.append(delay_curve(counts, np.arange(hours) * HOUR, hours * HOUR, WINDOW).share(ages))
        plain.append((delays[:, None] <= ages).mean(axis=0))
    return np.array(estimated), np.array(plain)


@pytest.mark.parametrize("truth", TRUTHS)
def test_of_a_campaign_older_than_its_window_the_curve_is_unbiased(truth: str) -> None:
    cdf = TRUTHS[truth][0]
    true = cdf(AGES.astype(float)) / cdf(np.array([float(WINDOW)]))
    estimated, plain = _shares(truth, 25 * 24, AGES)
    error = estimated.std(axis=0, ddof=1) / REPLICATIONS**0.5
    assert (np.abs(estimated.mean(axis=0) - true) <= GRANULAR + 3.5 * error).all()
    assert (plain.mean(axis=0) - true).max() > 0.025  # of young decisions only short delays are seen


@pytest.mark.parametrize("truth", TRUTHS)
def test_of_a_campaign_far_younger_than_its_window_the_curve_is_unbiased_up_to_its_age(truth: str) -> None:
    """What share of the rewards that come within five days comes within one; what comes later has not been seen."""
    cdf = TRUTHS[truth][0]
    ages = np.array([DAY, 5 * DAY])
    true = cdf(np.array([float(DAY)])) / cdf(np.array([5.0 * DAY]))
    estimated, plain = _shares(truth, 5 * 24, ages)
    relative = estimated[:, 0] / estimated[:, 1]
    error = relative.std(ddof=1) / REPLICATIONS**0.5
    assert abs(relative.mean() - true[0]) <= 2 * GRANULAR + 3.5 * error
    assert plain[:, 0].mean() - true[0] > 0.05
