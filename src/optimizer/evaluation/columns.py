"""Columns: numbers of a row whose means are all that an estimator needs.

Every estimator here is a smooth function of the means of a few of these. So a log of any length comes down to sums,
estimators that need the same column share it, and one rule gives standard errors and bootstraps of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """``N`` decisions as a target policy sees them.

    Attributes:
        rewards: ``[N]``.
        weights: ``[N]``, importance weights of the arms that were chosen.
        weight_clip: the most a weight may count in clipped estimates.
        switch_at: the largest weight that switching estimates rely on.
        expected: ``[N]``, the model's reward of the target policy, the mean over its arms; empty without a model.
        predicted: ``[N]``, the model's reward of the arm that was chosen; empty without a model.
    """

    rewards: Floats
    weights: Floats
    weight_clip: float
    switch_at: float
    expected: Floats = field(default_factory=lambda: np.zeros(0))
    predicted: Floats = field(default_factory=lambda: np.zeros(0))


Column = Callable[[Rows], Floats]


def reward(rows: Rows) -> Floats:
    """``r``, ``[N]``."""
    return rows.rewards


def weight(rows: Rows) -> Floats:
    """``w``, ``[N]``; its mean is 1 but for chance."""
    return rows.weights


def weighted_reward(rows: Rows) -> Floats:
    """``w r``, ``[N]``."""
    return rows.weights * rows.rewards


def clipped_reward(rows: Rows) -> Floats:
    """``min(w, clip) r``, ``[N]``."""
    return np.minimum(rows.weights, rows.weight_clip) * rows.rewards


def modelled_reward(rows: Rows) -> Floats:
    """``sum over arms of pi(a | x) q(x, a)``, ``[N]``."""
    return rows.expected


def correction(rows: Rows) -> Floats:
    """``w (r - q)``, ``[N]``: what the model missed."""
    return rows.weights * (rows.rewards - rows.predicted)


def switched_correction(rows: Rows) -> Floats:
    """``w (r - q)`` where ``w`` is at most the switch, else 0; ``[N]``."""
    return np.where(rows.weights <= rows.switch_at, correction(rows), 0.0)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Element by element; not a number where the denominator is 0: a log without the target's arms has no answer."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0.0, np.nan, numerator / denominator)
