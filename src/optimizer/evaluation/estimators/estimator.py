"""What an estimator is: columns, and a smooth function of their means."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import Column

Floats = NDArray[np.float64]


class Estimator(Protocol):
    """An estimate of the reward per decision that a target policy would have had."""

    @property
    def name(self) -> str:
        """The word for it in settings and reports."""
        ...

    @property
    def columns(self) -> tuple[Column, ...]:
        """``C`` columns whose means it needs."""
        ...

    @property
    def needs_model(self) -> bool:
        """Whether some of them come from a model of the reward."""
        ...

    def value(self, means: Floats) -> Floats:
        """The estimate, ``[...]``, from the columns' means, ``[..., C]``; not a number where there is none."""
        ...

    def gradient(self, means: Floats) -> Floats:
        """Its derivatives, ``[C]``, at those means, ``[C]``."""
        ...
