"""Nobody is punished for being recent: intervals of rates cover the truth as often as they say, late as rewards are.

Arms are tried equally often, so that the order of the data has no part in it; the last arm joins after four days.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.domain.delays import N_DELAYS, delay_bins
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.beta_bernoulli import beta_posterior
from optimizer.policy.delay import delay_curve
from optimizer.policy.effective import effective_evidence

Floats = NDArray[np.float64]
REPLICATIONS = 60
N_ARMS, AN_HOUR, JOINS = 6, 20, 4 * 24
DAYS = (5, 10, 20)
LOW, HIGH = 0.87, 0.93  # what 90 % intervals are to cover
SETTINGS = [(0.02, 1, 7), (0.02, 24, 14), (0.02, 72, 30), (0.3, 24, 14), (0.3, 72, 60)]  # rate, median h, window d


def _evidence(rate: float, median: int, window: int, rng: np.random.Generator) -> list[Evidence]:
    """What is seen at the end of each of the days; delays are log-normal with a spread of 1, within the window."""
    hours = DAYS[-1] * 24
    trials = np.full((N_ARMS, hours), AN_HOUR)
    trials[-1, :JOINS] = 0
    rewarded = rng.binomial(trials, rate)
    arms = np.repeat(np.arange(N_ARMS), rewarded.sum(axis=1))
    made = np.concatenate([np.repeat(np.arange(hours), of_arm) for of_arm in rewarded])
    delays = rng.lognormal(np.log(median * HOUR), 1.0, 4 * len(made) + 100)
    delays = delays[delays < window * DAY][: len(made)]
    assert len(delays) == len(made)
    comes = (made + rng.random(len(made))) * HOUR + delays
    found = []
    for day in DAYS:
        seen, n = comes <= day * DAY, day * 24
        positives, counts = np.zeros((1, N_ARMS, n)), np.zeros((N_DELAYS, n))
        np.add.at(positives[0], (arms[seen], made[seen]), 1)
        np.add.at(counts, (delay_bins(delays[seen].astype(np.int64)), made[seen]), 1)
        found.append(
            Evidence(
                np.arange(n) * HOUR,
                trials[None, :, :n].astype(np.float64),
                *[positives] * 3,
                delays=counts,
            )
        )
    return found


def _covered(rate: float, evidence: Evidence, now: int) -> NDArray[np.bool_]:
    low, high = beta_posterior(evidence, now, None).interval(0.9)
    return (low[0] <= rate) & (rate <= high[0])


def _coverage(rate: float, median: int, window: int) -> tuple[Floats, Floats]:
    """Whether each arm was covered, ``[replications, days, arms]``, with the delay estimated and ignored."""
    estimated, ignored = [], []
    for replication in range(REPLICATIONS):
        rng = np.random.Generator(np.random.PCG64([23, median, window, replication]))
        seen = list(zip(DAYS, _evidence(rate, median, window, rng), strict=True))
        ignored.append([_covered(rate, evidence, day * DAY) for day, evidence in seen])
        curves = [delay_curve(e.delays, e.buckets, day * DAY, window * DAY) for day, e in seen]
        corrected = [effective_evidence(e, c, day * DAY) for (day, e), c in zip(seen, curves, strict=True)]
        estimated.append([_covered(rate, e, day * DAY) for day, e in zip(DAYS, corrected, strict=True)])
    return np.array(estimated, np.float64), np.array(ignored, np.float64)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "median", "window"), SETTINGS)
def test_intervals_cover_the_rates_of_old_and_recent_arms_alike(rate: float, median: int, window: int) -> None:
    """Three standard errors of the mean over replications, as what covers one arm often covers its neighbours."""
    estimated, ignored = _coverage(rate, median, window)
    for some in (estimated[:, :, :-1], estimated[:, :, -1:]):  # from the beginning, and added
        by_replication = some.mean(axis=(1, 2))
        error = by_replication.std(ddof=1) / REPLICATIONS**0.5
        assert LOW - 3 * error <= by_replication.mean() <= HIGH + 3 * error
    if median >= 24:  # the same intervals without correction, five days after the beginning
        assert ignored[:, 0].mean() < 0.5
