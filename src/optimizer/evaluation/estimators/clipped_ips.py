"""Inverse propensity score with clipped weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import clipped_reward

Floats = NDArray[np.float64]


class ClippedIps:
    """``mean(min(w, clip) r)`` (Ionides 2008, "Truncated importance sampling"; Bottou et al. 2013, section 4.4).

    Less variance for some bias: rewards that are not negative are estimated too low, never too high.
    """

    name = "clipped_ips"
    columns = (clipped_reward,)
    needs_model = False

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 1]``."""
        return means[..., 0]

    def gradient(self, means: Floats) -> Floats:
        """``[1]``."""
        return np.ones_like(means)
