"""Evidence: bucketed sums of what was tried and what it earned. Evidence from two sources adds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sums per (segment, arm, bucket of the decision's time), all of shape ``[S, A, B]``.

    Attributes:
        buckets: start of each time bucket, ``[B]``, increasing.
        trials: exposed decisions.
        positives: exposed decisions whose reward is above zero.
        rewards: sum of rewards, in reward units.
        squares: sum of squared rewards.
        penalty_counts: of each penalised kind of outcome, exposed decisions on which it happened, ``[K, S, A, B]``; no
            kinds where it is not given.
    """

    buckets: NDArray[np.int64]
    trials: NDArray[np.float64]
    positives: NDArray[np.float64]
    rewards: NDArray[np.float64]
    squares: NDArray[np.float64]
    penalty_counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.trials, self.positives, self.rewards, self.squares)}
        if len(shapes) != 1 or self.trials.ndim != 3 or self.trials.shape[2] != len(self.buckets):
            raise ValueError(f"found arrays of shapes {shapes} for {len(self.buckets)} buckets; allowed one [S, A, B]")
        if len(self.penalty_counts) == 0:
            object.__setattr__(self, "penalty_counts", np.zeros((0, *self.trials.shape)))
        elif self.penalty_counts.shape[1:] != self.trials.shape:
            found, allowed = self.penalty_counts.shape, self.trials.shape
            raise ValueError(f"penalty_counts: found shape {found}; allowed one {allowed} for each kind")

    @classmethod
    def none(cls, n_segments: int, n_arms: int, n_penalties: int = 0) -> Evidence:
        """Nothing seen yet."""
        nothing = np.zeros((n_segments, n_arms, 0))
        penalties = np.zeros((n_penalties, n_segments, n_arms, 0))
        return cls(np.zeros(0, dtype=np.int64), nothing, nothing, nothing, nothing, penalties)

    def __add__(self, other: Evidence) -> Evidence:
        """Both together, on the union of their buckets."""
        buckets = np.union1d(self.buckets, other.buckets)
        sums = []
        for name in ("trials", "positives", "rewards", "squares", "penalty_counts"):
            mine, theirs = getattr(self, name), getattr(other, name)
            total = np.zeros((*mine.shape[:-1], len(buckets)))
            total[..., np.searchsorted(buckets, self.buckets)] += mine
            total[..., np.searchsorted(buckets, other.buckets)] += theirs
            sums.append(total)
        return Evidence(buckets, *sums)

    def weights(self, now: Instant, half_life: int | None) -> NDArray[np.float64]:
        """Weight of each bucket under exponential forgetting, ``2^(-age / half_life)``, shape ``[B]``."""
        if half_life is None:
            return np.ones(len(self.buckets))
        return np.exp2(-np.maximum(now - self.buckets, 0) / half_life)
