"""Bootstrap of block sums: every estimate, ratios too, is computed again from each resample."""

from __future__ import annotations

from math import nan

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.sums import Sums

Floats = NDArray[np.float64]

_SLICE = 64  # resamples at a time: their counts are all that takes memory


def resampled_means(sums: Sums, bootstraps: int, rng: np.random.Generator) -> Floats:
    """Means of the columns in resamples of the log, ``[B, C]``.

    As many blocks as have rows are drawn with replacement (Efron 1979; Field & Welsh 2007 for clusters), and the means
    are over the rows in them, however many. With a block for each row that is the ordinary bootstrap; with scattered
    rows its variance is the same to first order, at a cost that does not grow with the log.

    Args:
        sums: of ``C`` columns.
        bootstraps: ``B``.
        rng: draws the blocks; the columns' values have no influence on what is drawn.
    """
    filled = sums.blocks[sums.blocks[:, 0] > 0.0]
    n_filled = len(filled)
    means = np.empty((bootstraps, filled.shape[1] - 1))
    for start in range(0, bootstraps, _SLICE):
        size = min(_SLICE, bootstraps - start)
        drawn = rng.integers(0, n_filled, size=(size, n_filled))
        drawn += np.arange(0, size * n_filled, n_filled)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n_filled).reshape(size, n_filled)
        totals = counts.astype(np.float64) @ filled
        means[start : start + size] = totals[:, 1:] / totals[:, :1]
    return means


def percentile_interval(values: Floats, level: float) -> tuple[float, float]:
    """Interval between percentiles of the resampled estimates (Efron 1981).

    Args:
        values: ``[B]``; those that are not numbers, from resamples without any weight, are left out.
        level: how often such an interval should cover, such as 0.95.
    """
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return nan, nan
    low, high = np.quantile(known, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
