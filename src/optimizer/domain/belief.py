"""A belief: what a policy's model makes of the evidence, frozen as numbers a snapshot can keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """Everything from which a model computes its posterior again, bit for bit.

    Attributes:
        model: name of the model, as in `policy.model`.
        arrays: its parameters by name, of any shape; the model says which. Numbers are arrays of no axes.
    """

    model: str
    arrays: Mapping[str, NDArray[np.float64]]

    def close_to(self, other: Belief, tolerance: float) -> bool:
        """Whether no parameter of the other differs by more than this part of its own size."""
        if self.model != other.model or self.arrays.keys() != other.arrays.keys():
            return False
        pairs = [(self.arrays[name], other.arrays[name]) for name in self.arrays]
        return all(one.shape == two.shape and np.allclose(one, two, rtol=tolerance, atol=0.0) for one, two in pairs)
