"""What an estimator is: columns, and a smooth function of their means."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.columns import Column

Floats = NDArray[np.float64]


class Estimator(Protocol):
    """An estimate of the reward per decision that a target policy would have had.

    Attributes:
        name: the word for it in settings and reports.
        columns: ``C`` columns whose means it needs.
        needs_model: whether some of them come from a model of the reward.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def columns(self) -> tuple[Column, ...]: ...  # noqa: D102
    @property
    def needs_model(self) -> bool: ...  # noqa: D102

    def value(self, means: Floats) -> Floats:
        """The estimate, ``[...]``, from the columns' means, ``[..., C]``; not a number where there is none."""
        ...

    def gradient(self, means: Floats) -> Floats:
        """Its derivatives, ``[C]``, at those means, ``[C]``."""
        ...
