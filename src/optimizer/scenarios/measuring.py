"""From replications to numbers: means with intervals, curves with bands, differences between paired runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from optimizer.scenarios.result import Curve, Measured, Reached

LEVEL = 0.95
BAND = (5.0, 95.0)
MOST_POINTS = 200


def measured(values: ArrayLike) -> Measured:
    """Mean of ``R`` replications, with a 95 % interval by Student's t (Gosset 1908); those that are nan are left out.

    Raises:
        ValueError: there is none.
    """
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found)]
    n = len(found)
    if n == 0:
        raise ValueError("values: found none; allowed one or more numbers")
    mean = float(found.mean())
    if n == 1:
        return Measured(mean)
    error = float(found.std(ddof=1)) / n**0.5
    reach = float(student.ppf((1.0 + LEVEL) / 2.0, n - 1)) * error
    return Measured(mean, error, mean - reach, mean + reach)


def measured_counts(counts: Sequence[Mapping[str, int]]) -> dict[str, Measured]:
    """Mean counts by name, over replications; a name that a replication lacks counts 0 there."""
    names = sorted({name for one in counts for name in one})
    return {name: measured([one.get(name, 0) for one in counts]) for name in names}


def reached(days: Iterable[float | None]) -> Reached:
    """Days until something happened, over replications; None where it never did."""
    found = np.array([np.inf if one is None else one for one in days], np.float64)
    low, median, high = np.quantile(found, (0.05, 0.5, 0.95), method="inverted_cdf")
    share = float(np.isfinite(found).mean())
    return Reached(share, _or_none(median), _or_none(low), _or_none(high))


def curve(at: ArrayLike, values: NDArray[np.float64]) -> Curve | None:
    """Mean and 5 to 95 % of replications at each time; times no replication knows a number for are left out.

    Args:
        at: ``[T]``, increasing.
        values: ``[R, T]``, nan where a replication has no number.

    Returns:
        The curve, None when nothing is left of it.
    """
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return None
    kept = values[:, known]
    low, high = np.nanpercentile(kept, BAND, axis=0)
    times = np.asarray(at, np.float64)[known]
    return Curve(_plain(times), _plain(np.nanmean(kept, axis=0)), _plain(low), _plain(high))


def thinned(n: int, most: int = MOST_POINTS) -> NDArray[np.intp]:
    """At most so many of ``n`` places, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))


def relative(difference: Measured, than: float) -> float | None:
    """A difference as a share of what it is compared with; None where that is zero."""
    share = difference.mean / than if than else nan
    return share if isfinite(share) else None


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _or_none(value: float) -> float | None:
    return float(value) if isfinite(value) else None
