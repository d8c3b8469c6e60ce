"""Clusters: trials made on the same recipient are alike, and how much less they say for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Sums over the recipients of one side in each of ``G`` places, ``[G]`` each.

    Attributes:
        trials: of all of them.
        trials_squares: of the squared number of each one's trials.
        products: of the number of each one's trials times their rewards together.
        rewards: of all of them.
        rewards_squares: of the squares of each one's rewards together.
        squares: of the squared rewards of single trials.
    """

    trials: Floats
    trials_squares: Floats
    products: Floats
    rewards: Floats
    rewards_squares: Floats
    squares: Floats

    def variances(self) -> tuple[float, float]:
        """Of the side's mean reward: with recipients as the unit, and as if every trial were somebody else's.

        The former is that of a ratio of sums over clusters (Cochran 1977, "Sampling Techniques", eq. 9A.25), about the
        mean of each place, since comparisons are made within places.
        """
        some = self.trials > 0.0
        n, total = self.trials[some], self.rewards[some]
        mean = total / n
        of_people = self.rewards_squares[some] - 2.0 * mean * self.products[some] + mean**2 * self.trials_squares[some]
        alone = self.squares[some] - mean * total
        scale = max(float(n.sum()), 1.0) ** 2
        return float(np.maximum(of_people, 0.0).sum()) / scale, float(np.maximum(alone, 0.0).sum()) / scale


def design_effect(one: Clusters, other: Clusters) -> float:
    """By how many times the variance of a difference is larger because recipients have several trials; 1 or more.

    Kish (1965), "Survey Sampling", section 5.4. It is never less than 1: chance may make it so, and a narrower interval
    than that of single trials would rest on that.
    """
    clustered, alone = (sum(both) for both in zip(one.variances(), other.variances(), strict=True))
    return max(1.0, clustered / alone) if alone > 0.0 else 1.0
