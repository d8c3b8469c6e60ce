"""Inverse propensity score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import weighted_reward

Floats = NDArray[np.float64]


class Ips:
    """``mean(w r)`` (Horvitz & Thompson 1952).

    Unbiased when every arm of the target had a propensity above 0; its variance grows with the largest weights.
    """

    name = "ips"
    columns = (weighted_reward,)
    needs_model = False

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 1]``."""
        return means[..., 0]

    def gradient(self, means: Floats) -> Floats:
        """``[1]``."""
        return np.ones_like(means)
