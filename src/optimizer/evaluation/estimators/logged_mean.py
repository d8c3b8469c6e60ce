"""Mean reward of the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import reward

Floats = NDArray[np.float64]


class LoggedMean:
    """``mean(r)``: what the policy that wrote the log had."""

    name = "logged"
    columns = (reward,)
    needs_model = False

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 1]``."""
        return means[..., 0]

    def gradient(self, means: Floats) -> Floats:
        """``[1]``."""
        return np.ones_like(means)
