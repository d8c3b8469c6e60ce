"""What every model of rewards must be able to say: expected rewards, and how likely each variant is the best."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.belief import Belief

Floats = NDArray[np.float64]


class Posterior(Protocol):
    """What is believed about the net reward of ``A`` arms in each of ``S`` segments.

    Some models compute P(best) exactly, others count the wins among joint draws that their seed makes anew. Either way
    an allocation is computed from it and drawn from, so what is logged is the probability of the draw.
    """

    @property
    def belief(self) -> Belief:
        """The numbers this posterior is computed from."""

    @property
    def mean(self) -> Floats:
        """Expected net reward, in reward units, ``[S, A]``."""

    @property
    def success(self) -> Floats:
        """Expected share of the trials that are rewarded, ``[S, A]``."""

    @property
    def most(self) -> float:
        """A net reward, in reward units, that no arm is believed to exceed: above its price nothing is worth it."""

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Equal-tailed credible interval of the expected net reward: lower and upper bound, each ``[S, A]``."""

    def prob_best(self, segment: int, eligible: NDArray[np.bool_]) -> Floats:
        """P(arm is best among the eligible ones) in one segment, ``[A]``: 0 elsewhere, all 0 where none is eligible."""

    def prob_best_of(self, segments: NDArray[np.int64], eligible: NDArray[np.bool_]) -> Floats:
        """The same of many segments at once, ``[M]`` and ``[M, A]`` to ``[M, A]``."""

    def prob_best_priced(
        self, segment: int, eligible: NDArray[np.bool_], price: float, costs: Floats
    ) -> tuple[Floats, float]:
        """P(arm has the largest net reward less the price of its cost), and P(none is above 0: *withhold*).

        Args:
            segment: index of the segment.
            eligible: which arms may be chosen, ``[A]``.
            price: what a unit of currency must earn, in reward units.
            costs: what one decision for each arm costs, in units of currency, ``[A]``.

        Returns:
            Probabilities ``[A]`` and that of withhold, together summing to 1; all 0 when none is eligible.
        """
