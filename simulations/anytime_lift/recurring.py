"""Campaigns that come back to the same people: some of them reward every message gladly, most hardly any."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.clusters import Clusters, design_effect
from optimizer.evaluation.stratified import Side, StratifiedDifference, stratified_difference

DAYS, SPREAD = 42, 1.5  # spread of the logarithm of a person's own rate
RATES = (0.02, 0.2)
PEOPLE = (400, 3_000)
Floats = NDArray[np.float64]


def looks(rng: np.random.Generator) -> Iterator[tuple[StratifiedDifference, StratifiedDifference]]:
    """Day by day: learning group against holdout without any effect, trial by trial, and with people as the unit."""
    n, share = int(np.exp(rng.uniform(*np.log(PEOPLE)))), rng.choice([0.05, 0.1, 0.2])
    rate = np.exp(rng.uniform(*np.log(RATES)))
    own = np.minimum(rate * np.exp(SPREAD * rng.standard_normal(n) - SPREAD**2 / 2), 0.9)
    season = 1.0 + 0.4 * np.sin(2 * np.pi * np.arange(DAYS) / 7)
    asked = rng.random((n, DAYS)) < rng.uniform(0.1, 0.7)
    won = asked & (rng.random((n, DAYS)) < np.minimum(own[:, None] * season, 0.95))
    held = rng.random(n) < share
    trials, rewards = (one.cumsum(axis=1, dtype=np.float64) for one in (asked, won))
    for day in range(DAYS):
        sides, clusters = [], []
        for some in (~held, held):
            by_day = [one[some, : day + 1].sum(axis=0, dtype=np.float64) for one in (asked, won)]
            sides.append(Side(by_day[0], by_day[1], by_day[1]))
            k, t = trials[some, day], rewards[some, day]
            sums = (k.sum(), (k * k).sum(), (k * t).sum(), t.sum(), (t * t).sum(), t.sum())
            clusters.append(Clusters(*(np.array([one]) for one in sums)))
        found = stratified_difference(*sides, successes=True)
        yield found, found.widened(design_effect(*clusters))
