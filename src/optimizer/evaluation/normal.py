"""Standard errors by the delta method, and normal intervals."""

from __future__ import annotations

from math import nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.sums import Sums

Floats = NDArray[np.float64]


def standard_error(sums: Sums, gradient: Floats) -> float:
    """Standard error of a smooth function of the columns' means.

    To first order the estimate is the mean of ``gradient @ (x - means)`` (the delta method; Oehlert 1992), so its
    variance is ``gradient @ covariance @ gradient / n`` with ``n - 1`` in the covariance. When rows of one recipient
    are kept together, blocks take the place of rows: the estimate for clusters (Liang & Zeger 1986).

    Args:
        sums: of ``C`` columns.
        gradient: derivatives of the function at the means, ``[C]``.

    Returns:
        The standard error; not a number with fewer than two rows or blocks.
    """
    if sums.clustered:
        filled = sums.blocks[sums.blocks[:, 0] > 0.0]
        if len(filled) < 2:
            return nan
        apart = (filled[:, 1:] - filled[:, :1] * sums.means) @ gradient
        return float(np.sqrt((apart @ apart) * len(filled) / (len(filled) - 1))) / sums.n
    if sums.n < 2:
        return nan
    return sqrt(max(float(gradient @ sums.products @ gradient), 0.0) / (sums.n - 1) / sums.n)


def normal_interval(value: float, error: float, level: float) -> tuple[float, float]:
    """Two-sided interval of a normal estimate.

    Args:
        value: the estimate.
        error: its standard error.
        level: how often such an interval covers, such as 0.95.
    """
    reach = NormalDist().inv_cdf((1.0 + level) / 2.0) * error
    return value - reach, value + reach
