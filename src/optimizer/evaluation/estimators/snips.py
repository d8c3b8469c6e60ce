"""Self-normalised inverse propensity score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import ratio, weight, weighted_reward

Floats = NDArray[np.float64]


class Snips:
    """``mean(w r) / mean(w)`` (Swaminathan & Joachims 2015, "The self-normalized estimator").

    A bias of order ``1 / N``; stays within the range of the rewards, and moves with them when all are shifted.
    """

    name = "snips"
    columns = (weighted_reward, weight)
    needs_model = False

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 2]``."""
        return ratio(means[..., 0], means[..., 1])

    def gradient(self, means: Floats) -> Floats:
        """``[2]``."""
        return ratio(np.array([1.0, -self.value(means)]), means[1])
