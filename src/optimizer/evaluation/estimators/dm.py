"""Direct method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import modelled_reward

Floats = NDArray[np.float64]


class Dm:
    """``mean(sum over arms of pi(a | x) q(x, a))``: the model's word for it (Dudík, Langford & Li 2011, section 2).

    Little variance, and all the bias of the model; intervals know only of the former.
    """

    name = "dm"
    columns = (modelled_reward,)
    needs_model = True

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 1]``."""
        return means[..., 0]

    def gradient(self, means: Floats) -> Floats:
        """``[1]``."""
        return np.ones_like(means)
