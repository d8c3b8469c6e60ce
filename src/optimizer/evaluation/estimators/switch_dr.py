"""Doubly robust with a switch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import modelled_reward, switched_correction

Floats = NDArray[np.float64]


class SwitchDr:
    """``mean(sum over arms of pi(a | x) q(x, a)) + mean(1{w <= switch} w (r - q))`` (Wang, Agarwal & Dudík 2017).

    Doubly robust where weights are small and the direct method where they are not: a switch of 0 is the direct method,
    one without end is doubly robust.
    """

    name = "switch_dr"
    columns = (modelled_reward, switched_correction)
    needs_model = True

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 2]``."""
        return means[..., 0] + means[..., 1]

    def gradient(self, means: Floats) -> Floats:
        """``[2]``."""
        return np.ones_like(means)
