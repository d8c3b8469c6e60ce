"""Doubly robust."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import correction, modelled_reward

Floats = NDArray[np.float64]


class Dr:
    """``mean(sum over arms of pi(a | x) q(x, a)) + mean(w (r - q))`` (Dudík, Langford & Li 2011, equation 3).

    Unbiased when the propensities or the model are right, provided that the model never saw the row.
    """

    name = "dr"
    columns = (modelled_reward, correction)
    needs_model = True

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 2]``."""
        return means[..., 0] + means[..., 1]

    def gradient(self, means: Floats) -> Floats:
        """``[2]``."""
        return np.ones_like(means)
