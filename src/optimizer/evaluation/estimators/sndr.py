"""Self-normalised doubly robust."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import correction, modelled_reward, ratio, weight

Floats = NDArray[np.float64]


class Sndr:
    """``mean(sum over arms of pi(a | x) q(x, a)) + mean(w (r - q)) / mean(w)``.

    The doubly robust estimator with its correction normalised as in SNIPS (Thomas & Brunskill 2016, "Data-efficient
    off-policy policy evaluation", weighted doubly robust, for one step).
    """

    name = "sndr"
    columns = (modelled_reward, correction, weight)
    needs_model = True

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., 3]``."""
        return means[..., 0] + ratio(means[..., 1], means[..., 2])

    def gradient(self, means: Floats) -> Floats:
        """``[3]``."""
        _, missed, weight_mean = means
        return np.append(1.0, ratio(np.array([1.0, -ratio(missed, weight_mean)]), weight_mean))
