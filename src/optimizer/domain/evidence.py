"""Evidence: bucketed sums of what was tried and what it earned. Evidence from two sources adds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.delays import N_DELAYS
from optimizer.domain.instants import HOUR, Instant

_SUMS = ("trials", "positives", "rewards", "squares", "penalty_counts", "logs", "log_squares", "delays")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sums per (segment, arm, bucket of the decision's time), all of shape ``[S, A, B]`` unless said otherwise.

    Attributes:
        buckets: start of each time bucket, ``[B]``, increasing.
        trials: exposed decisions.
        positives: exposed decisions whose reward is above zero.
        rewards: sum of rewards, in reward units.
        squares: sum of squared rewards.
        penalty_counts: of each penalised kind of outcome, exposed decisions on which it happened, ``[K, S, A, B]``; no
            kinds where it is not given.
        logs, log_squares: of the positives, sums of the natural logarithm of the amount, in units of currency, and of
            its square; zeros where rewards are not amounts.
        delays: positives by how long after the exposure their reward came, all segments and arms together,
            ``[N_DELAYS, B]``; see `domain.delays`.
    """

    buckets: NDArray[np.int64]
    trials: NDArray[np.float64]
    positives: NDArray[np.float64]
    rewards: NDArray[np.float64]
    squares: NDArray[np.float64]
    penalty_counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))
    logs: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    log_squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    delays: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.trials, self.positives, self.rewards, self.squares)}
        if len(shapes) != 1 or self.trials.ndim != 3 or self.trials.shape[2] != len(self.buckets):
            raise ValueError(f"found arrays of shapes {shapes} for {len(self.buckets)} buckets; allowed one [S, A, B]")
        if len(self.penalty_counts) == 0:
            object.__setattr__(self, "penalty_counts", np.zeros((0, *self.trials.shape)))
        elif self.penalty_counts.shape[1:] != self.trials.shape:
            found, allowed = self.penalty_counts.shape, self.trials.shape
            raise ValueError(f"penalty_counts: found shape {found}; allowed one {allowed} for each kind")
        wanted = {"logs": self.trials.shape, "log_squares": self.trials.shape, "delays": (N_DELAYS, len(self.buckets))}
        for name, shape in wanted.items():
            given = getattr(self, name)
            if given.size == 0:
                object.__setattr__(self, name, np.zeros(shape))
            elif given.shape != shape:
                raise ValueError(f"{name}: found shape {given.shape}; allowed {shape}")

    @classmethod
    def none(cls, n_segments: int, n_arms: int, n_penalties: int = 0) -> Evidence:
        """Nothing seen yet."""
        nothing = np.zeros((n_segments, n_arms, 0))
        penalties = np.zeros((n_penalties, n_segments, n_arms, 0))
        return cls(np.zeros(0, dtype=np.int64), nothing, nothing, nothing, nothing, penalties)

    def __add__(self, other: Evidence) -> Evidence:
        """Both together, on the union of their buckets."""
        if len(other.buckets) == 0:
            return self
        buckets = np.union1d(self.buckets, other.buckets)
        sums = {}
        for name in _SUMS:
            mine, theirs = getattr(self, name), getattr(other, name)
            total = np.zeros((*mine.shape[:-1], len(buckets)))
            total[..., np.searchsorted(buckets, self.buckets)] += mine
            total[..., np.searchsorted(buckets, other.buckets)] += theirs
            sums[name] = total
        return Evidence(buckets, **sums)

    def scaled(self, factor: float | NDArray[np.float64]) -> Evidence:
        """The same where each trial counts as much as so many; of each bucket as many as it says, ``[B]``."""
        return Evidence(self.buckets, **{name: getattr(self, name) * factor for name in _SUMS})

    def known_at(self, instant: Instant) -> Evidence:
        """That of the hours which were over at an instant."""
        over = self.buckets + HOUR <= instant
        return Evidence(self.buckets[over], **{name: getattr(self, name)[..., over] for name in _SUMS})

    def weights(self, now: Instant, half_life: int | None) -> NDArray[np.float64]:
        """Weight of each bucket under exponential forgetting, ``2^(-age / half_life)``, shape ``[B]``."""
        if half_life is None:
            return np.ones(len(self.buckets))
        return np.exp2(-np.maximum(now - self.buckets, 0) / half_life)
