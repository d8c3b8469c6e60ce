"""Traffic to come: a level that wanders, a weekday pattern, and days that differ by more than chance.

Counts of a day are ``y ~ Poisson(known * level * weekday * g)``, with ``g ~ Gamma(r, r)`` for what makes days differ:
negative binomial. The level's logarithm walks by ``N(drift, sigma^2)`` a day. Given ``sigma``, ``r`` and the drift its
posterior stays close to a gamma law: each day its relative variance ``1 / a`` grows by ``sigma^2``, and a count adds
``k y`` to its shape and ``k known weekday`` to its rate, with ``k = 1 / (1 + mean / r)`` for how little a count says
whose days differ (the discounted gamma-Poisson filter of Smith & Miller 1986, "A non-Gaussian state space model and
application to prediction of records", JRSS B 48; Harvey & Fernandes 1989; West & Harrison 1997). The three are not
estimated but averaged over: a grid of them, each counting as much as it foretold the days so far. So few days, which
foretell little, leave all of them in play, and intervals are wide.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from optimizer.insights.forecasting.daily import Daily, weekdays

Floats = NDArray[np.float64]

MOST_DAYS = 183  # of history: half a year says what the next weeks are like, and older days do not
_SIGMAS = {0.0: 1.0, 0.01: 1.0, 0.02: 0.8, 0.04: 0.4, 0.08: 0.2, 0.15: 0.1}  # with how likely each is beforehand
_SIZES = {0.3: 0.5, 1.0: 0.7, 3.0: 1.0, 8.0: 1.0, 20.0: 1.0, 50.0: 1.0, 150.0: 1.0, 1_000.0: 1.0}
_DRIFTS = {-0.01: 0.15, -0.005: 0.25, 0.0: 1.0, 0.005: 0.25, 0.01: 0.15}
_DAMPED = 0.97  # share of the drift that is left a day later: nothing grows for ever
_FIRST_SHAPE = 0.3  # how little is known of the level before the first day
_DAYS_LIKE_OTHERS = 10.0  # weekdays differ by a third, as far as one knows beforehand: 1 / sqrt(10)
_ROUNDS = 3
_REACH = 10  # days to each side that the level around a day is read from, when weekdays are told apart
_EXPECTED_SHAPE = 2.0  # what people expect may be wrong by a factor of two, or more


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """What is known about the traffic after its last day; ``G`` cases of the grid.

    Attributes:
        after: the first day that is not known.
        sigmas, sizes, drifts: of each case, ``[G]``.
        probability: of each case, ``[G]``.
        shapes, rates: of the level's gamma law, ``[G]``; a level is decisions a day.
        pattern_shapes, pattern_rates: of each weekday's factor, Monday first, ``[7]``.
        days: how many days it rests on.
    """

    after: int
    sigmas: Floats
    sizes: Floats
    drifts: Floats
    probability: Floats
    shapes: Floats
    rates: Floats
    pattern_shapes: Floats
    pattern_rates: Floats
    days: int

    @property
    def pattern(self) -> Floats:
        """What is expected of each weekday as a part of a usual day, Monday first, ``[7]``."""
        return self.pattern_shapes / self.pattern_rates

    @property
    def level(self) -> float:
        """Decisions expected on a usual day."""
        return float((self.probability * self.shapes / self.rates).sum())

    def paths(self, n_days: int, n_paths: int, rng: np.random.Generator) -> Floats:
        """Days to come as they may turn out, ``[n_paths, n_days]`` from `after` on: whole numbers."""
        case = rng.choice(len(self.probability), n_paths, p=self.probability)
        level = np.log(rng.gamma(self.shapes[case], 1.0 / self.rates[case]) + 1e-12)[:, np.newaxis]
        drift = self.drifts[case, np.newaxis] * np.cumsum(_DAMPED ** np.arange(n_days))
        walk = np.cumsum(rng.normal(size=(n_paths, n_days)), axis=1) * self.sigmas[case, np.newaxis]
        pattern = rng.gamma(self.pattern_shapes, 1.0 / self.pattern_rates, (n_paths, 7))
        pattern /= np.maximum(pattern.mean(axis=1, keepdims=True), 1e-12)
        mean = np.exp(np.minimum(level + drift + walk, 40.0)) * pattern[:, weekdays(self.after, n_days)]
        sizes = self.sizes[case, np.newaxis]
        return rng.poisson(np.minimum(mean * rng.gamma(sizes, 1.0 / sizes, mean.shape), 1e15)).astype(np.float64)


def expected_traffic(after: int, per_day: float) -> Traffic:
    """What people expect, before anything came: of the right size, but it may be off by a factor of two."""
    one = np.ones(1)
    shapes = _EXPECTED_SHAPE * one
    pattern = np.full(7, _DAYS_LIKE_OTHERS)
    return Traffic(after, 0.04 * one, 8.0 * one, 0.0 * one, one, shapes, shapes / per_day, pattern, pattern, 0)


def traffic(history: Daily) -> Traffic | None:
    """What days so far say about those to come; None where no day says anything."""
    skipped = max(len(history.counts) - MOST_DAYS, 0)
    counts, known = history.counts[skipped:], history.known[skipped:]
    first = history.first + skipped
    if not (known > 0.0).any():
        return None
    *pattern, factors = _pattern(counts, known, weekdays(first, len(counts)))
    return _filtered(first, counts, known * factors, (pattern[0], pattern[1]))


def _pattern(counts: Floats, known: Floats, of_day: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Gamma laws of the weekdays' factors, given the level around each day.

    Returns:
        Shapes and rates, ``[7]``; and for each day the factor that all other days give it, ``[D]``: one that a day has
        had a say in would fit it too well, and make days seem more alike than they are.
    """
    factors = np.ones(7)
    kernel = np.maximum(_REACH + 1.0 - np.abs(np.subtract.outer(np.arange(len(counts)), np.arange(len(counts)))), 0.0)
    shapes, rates = np.full(7, _DAYS_LIKE_OTHERS), np.full(7, _DAYS_LIKE_OTHERS)
    open_ = known > 0.0
    for _ in range(_ROUNDS):
        level = (kernel @ np.where(open_, counts, 0.0)) / np.maximum(kernel @ (known * factors[of_day]), 1e-12)
        usual = known * level
        mean = usual * factors[of_day]
        beyond = float((((counts - mean) ** 2 - mean) * open_).sum())
        size = float((mean**2 * open_).sum()) / beyond if beyond > 0.0 else 1_000.0
        part = open_ / (1.0 + mean / min(max(size, 0.3), 1_000.0))
        shapes = _DAYS_LIKE_OTHERS + np.bincount(of_day, part * counts, 7)
        rates = _DAYS_LIKE_OTHERS + np.bincount(of_day, part * usual, 7)
        factors = shapes / rates
        scale = max(float(factors.mean()), 1e-12)
        factors = factors / scale
    others = (shapes[of_day] - part * counts) / (rates[of_day] - part * usual) / scale
    return shapes, rates * scale, np.maximum(others, 1e-6)


def _filtered(first: int, counts: Floats, exposure: Floats, pattern: tuple[Floats, Floats]) -> Traffic:
    sigmas, sizes, drifts = (np.array(each) for each in zip(*product(_SIGMAS, _SIZES, _DRIFTS), strict=True))
    priors = [np.log(a * b * c) for a, b, c in product(_SIGMAS.values(), _SIZES.values(), _DRIFTS.values())]
    seen = np.flatnonzero(exposure > 0.0)
    early = seen[:7]
    start = max(float(counts[early].sum() / exposure[early].sum()), 0.1)
    shape, rate, log_weight = np.full(len(sigmas), _FIRST_SHAPE), np.full(len(sigmas), _FIRST_SHAPE / start), priors
    total = np.array(log_weight)
    for count, share in zip(counts.tolist(), exposure.tolist(), strict=True):
        mean = shape / rate * np.exp(drifts)
        shape = 1.0 / (1.0 / shape + sigmas**2)
        rate = shape / mean
        if share <= 0.0:
            continue
        expected = share * mean
        spread = 1.0 / shape + 1.0 / sizes + 1.0 / (shape * sizes)  # of the count beyond chance, squared and relative
        total = total + _log_probability(count, expected, 1.0 / spread)
        part = 1.0 / (1.0 + expected / sizes)
        shape, rate = shape + part * count, rate + part * share
    probability = np.exp(total - total.max())
    probability /= probability.sum()
    after = first + len(counts)
    return Traffic(after, sigmas, sizes, drifts, probability, shape, rate, *pattern, len(seen))


def _log_probability(count: float, mean: Floats, size: Floats) -> Floats:
    """Of a count under the negative binomial law of this mean and size, ``[G]``."""
    chosen = gammaln(count + size) - gammaln(size) - gammaln(count + 1.0)
    return np.asarray(chosen + size * np.log(size / (size + mean)) + count * np.log(mean / (size + mean)))
