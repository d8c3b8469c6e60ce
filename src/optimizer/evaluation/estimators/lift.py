"""How much more than the log."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import Column, reward
from optimizer.evaluation.estimators.estimator import Estimator

Floats = NDArray[np.float64]


class Lift:
    """An estimate minus the mean reward of the same log.

    Both vary together, since they are of the same rows; intervals of the difference know that.
    """

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator
        self.name = estimator.name
        self.columns: tuple[Column, ...] = (*estimator.columns, reward)
        self.needs_model = estimator.needs_model

    def value(self, means: Floats) -> Floats:
        """``[...]`` from means ``[..., C + 1]``."""
        return self.estimator.value(means[..., :-1]) - means[..., -1]

    def gradient(self, means: Floats) -> Floats:
        """``[C + 1]``."""
        return np.append(self.estimator.gradient(means[:-1]), -1.0)
