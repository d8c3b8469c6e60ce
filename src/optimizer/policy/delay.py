"""How late rewards come: the share of them that has come by an age, from delays of which the long ones are missing.

A delay is seen only if it is shorter than the age of its decision, so young decisions show short delays, and an average
over what was seen is too short. Read backwards in time a delay is seen *late* in the same way as a patient who enters a
study late, so the product limit applies (Lynden-Bell 1971; Lagakos, Barraj & De Gruttola 1988, "Nonparametric analysis
of truncated survival data", Biometrika 75): with ``d_j`` rewards in bin ``j`` of delays and ``R_j`` in it or earlier of
decisions old enough to have shown it,

    F(end of bin j - 1) = product over bins i >= j of (1 - h_i),    h_i = d_i / R_i.

Decisions are known by their hour, and bins may be days wide. Where only the part ``f_jb`` of bin ``j`` lies within the
age of bucket ``b``, averaged over its hour,

    R_j = d_j + sum over b of f_jb (sum over i < j of c_ib / f_ib),    c_ib: rewards of bucket b in bin i.

As ``E c_ib = N_b p_i f_ib``, ``E d_j / E R_j = p_j / P_j`` exactly where delays are even within a bin; where ages are
edges of bins, all ``f`` are 0 or 1, and it is the product limit.

Beyond the oldest age nothing was seen, and where little was seen a product limit may even be 0. There the hazards are
those of `delay_shapes`: ``h_i = (d_i + K g_i) / (R_i + K)`` with ``K`` imagined rewards (a Beta process prior on the
reversed hazards: Hjort 1990).

Where trials count from a later exposure, such as an opening, their age is still that of the decision, so they are taken
for older than they are: the correction is then less than it should be, but never more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import HOUR, Duration, Instant
from optimizer.policy.delay_shapes import bin_edges, fitted_shape

Floats = NDArray[np.float64]

_IMAGINED = 8.0  # rewards that the fitted shape is worth in each bin
_OLD = 50 * HOUR  # buckets older than this may be read together …
_ALIKE = 0.02  # … where their ages differ by this part at most
_LEAST_SEEN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class DelayCurve:
    """The share of the rewards that will come within the window that has come by an age.

    Attributes:
        edges: of ``J`` bins of delays, microseconds, ``[J + 1]``, from 0 to the window.
        shares: share that has come by the end of each bin, ``[J]``, rising to 1. Within a bin it rises evenly, but for
            the first: what comes in it is taken to come at once.
        doubts: variance of the logarithm of each bin's step, ``log(F(its end) / F(its start))``, ``[J]``; steps of
            different bins are independent.
    """

    edges: Floats
    shares: Floats
    doubts: Floats

    @property
    def window(self) -> Duration:
        """Age at which everything has come, microseconds."""
        return int(self.edges[-1])

    @property
    def at_once(self) -> bool:
        """Whether everything comes at once, so that no trial is ever too young."""
        return bool(self.shares[0] == 1.0)

    def share(self, ages: NDArray[np.int64] | Floats) -> Floats:
        """F at some ages, microseconds, of any shape; that of age 0 below it."""
        return np.interp(ages, self.edges, np.append(self.shares[0], self.shares))

    def of_buckets(self, buckets: NDArray[np.int64], now: Instant) -> Floats:
        """F of the trials of hourly buckets, ``[B]``: its mean over exposures even in the hour, up to now."""
        youngest, oldest = _ages(buckets, now)
        knots = np.append(self.shares[0], self.shares)
        areas = np.append(0.0, np.cumsum(np.diff(self.edges) * (knots[1:] + knots[:-1]) / 2))

        def area(age: Floats) -> Floats:
            place = np.clip(np.searchsorted(self.edges, age, side="right") - 1, 0, len(self.edges) - 2)
            within = np.minimum(age, self.edges[-1]) - self.edges[place]
            mean = (knots[place] + self.share(age)) / 2
            return areas[place] + within * mean + np.maximum(age - self.edges[-1], 0.0)

        span = oldest - youngest
        mean = (area(oldest) - area(youngest)) / np.where(span > 0.0, span, 1.0)
        return np.clip(np.where(span > 0.0, mean, self.share(oldest)), 0.0, 1.0)


def all_at_once(window: Duration) -> DelayCurve:
    """The curve of rewards that do not come late."""
    edges = bin_edges(window)
    return DelayCurve(edges, np.ones(len(edges) - 1), np.zeros(len(edges) - 1))


def delay_curve(
    delays: Floats,
    buckets: NDArray[np.int64],
    now: Instant,
    window: Duration,
    typical_median: Duration | None = None,
) -> DelayCurve:
    """The delay curve of a campaign, all its segments and arms together.

    Without any reward it is exponential with the typical median, within the window; where people gave none, or every
    reward so far came within the first bin, everything is taken to come at once.

    Args:
        delays: rewarded trials by delay and hour of the decision, ``[N_DELAYS, B]``, see `domain.delays`.
        buckets: starts of these hours, ``[B]``, increasing.
        now: ages are measured to it.
        window: the attribution window, above 0, microseconds.
        typical_median: half of the rewards are thought to come within it; None where people said nothing.
    """
    edges = bin_edges(window)
    n_bins = len(edges) - 1
    counts = np.maximum(delays, 0.0)  # a reversal may be counted before what it reverses
    counts = np.vstack([counts[: n_bins - 1], counts[n_bins - 1 :].sum(axis=0)])
    in_bins = counts.sum(axis=1)
    if typical_median is None and not in_bins[1:].any():
        return all_at_once(window)
    if not in_bins.any():
        share = -np.expm1(-np.log(2.0) * edges[1:] / typical_median)
        return DelayCurve(edges, share / share[-1], np.zeros(n_bins))
    came, earlier = _risk(edges, *_strata(counts, buckets, now))
    shape, variance = fitted_shape(window, came, earlier, typical_median)
    at_risk = came + earlier
    hazard = (came + _IMAGINED * _hazards(shape)) / (at_risk + _IMAGINED)
    steps = np.append(1.0 - hazard[1:], 1.0)  # F at the end of a bin over F at the end of the next
    shares = np.cumprod(steps[::-1])[::-1]
    seen = at_risk / (at_risk + _IMAGINED)
    of_counts = hazard / (np.maximum(1.0 - hazard, _LEAST_SEEN) * (at_risk + _IMAGINED))
    of_shape = np.append(0.0, np.maximum(variance[:-1] - variance[1:], 0.0))
    doubts = seen * of_counts + (1.0 - seen) * of_shape
    doubts[0] = 0.0
    return DelayCurve(edges, shares, doubts)


def _hazards(shares: Floats) -> Floats:
    """Of what has come by the end of each bin, the part that came in it, ``[J]``."""
    return np.clip(1.0 - np.append(0.0, shares[:-1]) / shares, 0.0, 1.0)


def _risk(edges: Floats, counts: Floats, youngest: Floats, oldest: Floats) -> tuple[Floats, Floats]:
    """Rewards that came in each bin, and those that came earlier and could have come in it, ``[J]`` each."""
    seen = _seen(edges, youngest, oldest)
    weighted = np.where(seen > _LEAST_SEEN, counts / np.maximum(seen, _LEAST_SEEN), 0.0)
    below = np.cumsum(weighted, axis=0) - weighted
    return counts.sum(axis=1), (seen * below).sum(axis=1)


def _seen(edges: Floats, youngest: Floats, oldest: Floats) -> Floats:
    """Part of each bin that is shorter than the age, ``[J, B]``, averaged over ages; of the first bin all is."""
    low, high = edges[:-1, None], edges[1:, None]

    def area(age: Floats) -> Floats:
        within = np.clip(age, low, high) - low
        return within**2 / (2 * (high - low)) + np.maximum(age - high, 0.0)

    span = oldest - youngest
    mean = (area(oldest) - area(youngest)) / np.where(span > 0.0, span, 1.0)
    found = np.where(span > 0.0, mean, (np.clip(oldest, low, high) - low) / (high - low))
    found[0] = 1.0
    return np.clip(found, 0.0, 1.0)


def _ages(buckets: NDArray[np.int64], now: Instant) -> tuple[Floats, Floats]:
    """Least and greatest age of the trials of each hour, microseconds, ``[B]`` each."""
    oldest = np.maximum(now - buckets, 0).astype(np.float64)
    return np.maximum(oldest - HOUR, 0.0), oldest


def _strata(counts: Floats, buckets: NDArray[np.int64], now: Instant) -> tuple[Floats, Floats, Floats]:
    """Counts ``[J, C]`` and ages ``[C]`` of buckets taken together where their ages hardly differ."""
    youngest, oldest = _ages(buckets, now)
    place = np.floor(np.log(np.maximum(oldest, _OLD) / _OLD) / np.log1p(_ALIKE))
    first = np.flatnonzero((oldest < _OLD) | np.append(True, place[1:] != place[:-1]))
    last = np.append(first[1:], len(buckets)) - 1
    return np.add.reduceat(counts, first, axis=1), youngest[last], oldest[first]
