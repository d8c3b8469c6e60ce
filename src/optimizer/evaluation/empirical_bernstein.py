"""Empirical Bernstein intervals: for means of bounded values, at a fixed number of them, with no law assumed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Lower and upper ends of intervals, in the shape the arguments were broadcast to."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def empirical_bernstein(
    n: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    value_range: tuple[ArrayLike, ArrayLike],
    level: float = 0.95,
) -> Bounds:
    """Two-sided intervals for means of independent values within a range; arguments are broadcast.

    Maurer & Pontil 2009, theorem 4, once for each side with half of ``1 - level``; for values in [0, 1]::

        |mean - expected| <= sqrt(2 variance log(4 / (1 - level)) / n) + 7 log(4 / (1 - level)) / (3 (n - 1))

    The coverage holds at every ``n``, for one ``n`` fixed in advance; `optimizer.evaluation.betting` is for looking
    again and again. The second term is the price of the range: it is what a few giant importance weights cost.

    Args:
        n: number of values behind each mean.
        mean: their means.
        variance: their variances, with ``n - 1`` in the denominator; of no use, so it may be nan, below two values.
        value_range: lowest and highest possible value, not the ones that happened to be seen.
        level: how often both ends hold.

    Returns:
        The ends, nowhere outside the range; the whole range below two values.

    Raises:
        ValueError: the level is not between 0 and 1, a range is empty, or a mean is outside its range.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: found {level:g}; allowed above 0 and below 1")
    lowest, highest = (np.asarray(end, dtype=np.float64) for end in value_range)
    n, mean, variance = (np.asarray(value, dtype=np.float64) for value in (n, mean, variance))
    _check_within(mean, lowest, highest)
    log_term = np.log(4.0 / (1.0 - level))
    rows = np.maximum(n, 2.0)  # with as few as two, the price of the range is more than the range
    spread = np.sqrt(2.0 * np.where(n >= 2.0, np.maximum(variance, 0.0), 0.0) * log_term / rows)
    reach = spread + (highest - lowest) * 7.0 * log_term / (3.0 * (rows - 1.0))
    return Bounds(np.maximum(mean - reach, lowest), np.minimum(mean + reach, highest))


def _check_within(mean: NDArray[np.float64], lowest: NDArray[np.float64], highest: NDArray[np.float64]) -> None:
    if np.any(~(lowest < highest)):
        raise ValueError(f"value_range: found {lowest} to {highest}; allowed a lowest value below the highest")
    slack = 1e-9 * (highest - lowest)  # sums of many values round
    if np.any((mean < lowest - slack) | (mean > highest + slack)):
        raise ValueError(f"mean: found {mean}; allowed {lowest} to {highest}, the range of the values")
