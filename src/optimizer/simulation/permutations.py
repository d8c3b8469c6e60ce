"""What replays of one log in different orders have in common: they add, and their mean has an error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np

from optimizer.simulation.learner import Counts, Floats


class Permutations:
    """``P`` permutations of one log; a dataclass on top of it says what is kept of each.

    Attributes:
        kept: names of the arrays whose first axis is the permutation.
        points: ``[C]``, rows of the log after which the curves have their points.
        accepted: ``[P, …]``.
        chosen: ``[P, S, A]``.
    """

    __slots__ = ()

    kept: ClassVar[tuple[str, ...]]
    points: Counts
    accepted: Counts
    chosen: Counts

    def __len__(self) -> int:
        """Number of permutations."""
        return len(self.accepted)

    def __add__(self, other: Self) -> Self:
        """These permutations and then the other ones.

        Raises:
            ValueError: they are of different logs.
        """
        if not np.array_equal(self.points, other.points) or self.chosen.shape[1:] != other.chosen.shape[1:]:
            raise ValueError("permutations: found those of another log; allowed those of one log")
        both = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.kept}
        changed: Any = replace(self, **both)  # type: ignore[type-var]
        return changed

    @property
    def mean_rewards(self) -> Floats:
        """What a decision earns in each permutation, ``[P]``."""
        raise NotImplementedError

    @property
    def mean_reward(self) -> float:
        """What a decision earns on average, over all permutations."""
        return float(self.mean_rewards.mean())

    @property
    def standard_error(self) -> float:
        """By how much `mean_reward` may be off by the chance of the permutations; nan of a single one.

        They share one log: by how much another log might have differed is `standard_error_of_one`, or more.
        """
        return float(self.mean_rewards.std(ddof=1) / len(self) ** 0.5) if len(self) > 1 else float("nan")
