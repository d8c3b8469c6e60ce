"""How often alarms about the learning cry wolf, and how often they are right."""

from __future__ import annotations

import numpy as np
import pytest

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import HOUR
from optimizer.policy.collapse import COLLAPSED, Cause, collapses
from optimizer.policy.prob_best import prob_best

pytestmark = pytest.mark.slow


def first_alarm(
    rng: np.random.Generator, rates: tuple[float, ...], hours: int, each: int, burst_at: int | None = None
) -> tuple[bool, Cause | None]:
    """Whether the first variant was ever taken for the best after a burst, and the cause of the first alarm."""
    n, k, misled = np.zeros((1, len(rates), hours)), np.zeros((1, len(rates), hours)), False
    for hour in range(hours):
        p_best = prob_best(1 + k.sum(axis=-1), 1 + (n - k).sum(axis=-1))
        if hour and (p_best >= COLLAPSED).any():
            misled = misled or (burst_at is not None and hour > burst_at and p_best[0, 0] >= COLLAPSED)
            seen = Evidence(np.arange(hour) * HOUR, *(sums[..., :hour] for sums in (n, k, k, k)))
            found = collapses(seen, p_best, np.ones(p_best.shape, np.bool_), seen)
            if found:
                return misled, found[0].cause
        share = 0.02 + (1 - 0.02 * len(rates)) * p_best[0]
        n[0, :, hour] = rng.multinomial(rng.poisson(each), share / share.sum())
        k[0, :, hour] = rng.binomial(n[0, :, hour].astype(int), rates)
        if hour == burst_at:
            k[0, 0, hour] = max(k[0, 0, hour], int(0.6 * n[0, 0, hour]))
    return misled, None


def test_stationary_worlds_hardly_ever_raise_an_alarm_of_collapse() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    worlds = [(0.05, 0.05), (0.05, 0.15), (0.1, 0.3, 0.2), (0.005, 0.01, 0.008), tuple(np.arange(2, 12) / 100)]
    false = sum(first_alarm(rng, world, 96, 30)[1] is not None for world in worlds for _ in range(20))
    assert false <= 100 * 0.02 + 2 * (100 * 0.02) ** 0.5  # 2 % of the runs, and two standard errors


def test_most_bursts_that_mislead_the_policy_are_named() -> None:
    rng = np.random.Generator(np.random.PCG64(6))
    found = [first_alarm(rng, (0.05, 0.05, 0.06), 12, 200, burst_at=6) for _ in range(60)]
    misled = [cause for was_misled, cause in found if was_misled]
    assert len(misled) >= 15
    assert sum(cause is Cause.BURST for cause in misled) >= 0.8 * len(misled)
