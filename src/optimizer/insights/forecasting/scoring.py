"""Scores of forecasts: whether intervals hold as often as they say, and are no wider than that takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def interval_score(low: float, high: float, came: float, level: float) -> float:
    """Width, and for each unit by which the interval missed ``2 / (1 - level)`` units more; smaller is better.

    Gneiting & Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", JASA 102, eq. 43.
    """
    missed = max(low - came, 0.0) + max(came - high, 0.0)
    return (high - low) + 2.0 / (1.0 - level) * missed


def crps(paths: Floats, came: float) -> float:
    """Continuous ranked probability score of a sample, ``[N]``; in the unit of what came, smaller is better.

    ``E |X - came| - E |X - X'| / 2`` (Gneiting & Raftery 2007, eq. 21), the second term from the ordered sample. Of a
    single number it is its absolute error.
    """
    ordered = np.sort(paths)
    n = len(ordered)
    places = 2.0 * np.arange(1, n + 1) - n - 1.0
    return float(np.abs(ordered - came).mean() - (places * ordered).sum() / n**2)
