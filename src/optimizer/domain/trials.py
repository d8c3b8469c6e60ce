"""Trials one by one: whom each was made on, with which variant, and whether it was rewarded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant

_COLUMNS = ("attributes", "segments", "arms", "rewarded", "decided_at", "matured")


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """``N`` exposed decisions that were drawn, in any order.

    Attributes:
        attributes: what was known of each recipient, as numbers, ``[N, M]``; nan for unknown. The model's features say
            what the columns are.
        segments: ``[N]``, index of the segment.
        arms: ``[N]``, index of the variant.
        rewarded: ``[N]``, whether its reward is above zero, as far as has been heard.
        decided_at: ``[N]``, instants.
        matured: ``[N]``, probability that a reward which will come has come by now, 0 to 1.
        shape: number of segments ``S`` and of arms ``A``.

    Raises:
        ValueError: the shapes differ, or an index or a probability is out of range.
    """

    attributes: NDArray[np.float64]
    segments: NDArray[np.int64]
    arms: NDArray[np.int64]
    rewarded: NDArray[np.bool_]
    decided_at: NDArray[np.int64]
    matured: NDArray[np.float64]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        columns = (self.segments, self.arms, self.rewarded, self.decided_at, self.matured)
        if self.attributes.ndim != 2 or {column.shape for column in columns} != {(len(self.attributes),)}:
            found = [column.shape for column in (self.attributes, *columns)]
            raise ValueError(f"trials: found columns of shapes {found}; allowed [N, M] and [N] for the others")
        for name, places, size in (("segments", self.segments, 0), ("arms", self.arms, 1)):
            if not ((places >= 0) & (places < self.shape[size])).all():
                raise ValueError(f"{name}: found {places.min()} to {places.max()}; allowed 0 to {self.shape[size] - 1}")
        if not ((self.matured >= 0.0) & (self.matured <= 1.0)).all():
            raise ValueError("matured: found a number outside 0 to 1; allowed probabilities")

    def __len__(self) -> int:
        """``N``."""
        return len(self.arms)

    @classmethod
    def none(cls, n_attributes: int, shape: tuple[int, int]) -> Trials:
        """Nothing tried yet."""
        whole = np.zeros(0, np.int64)
        return cls(np.zeros((0, n_attributes)), whole, whole, np.zeros(0, np.bool_), whole, np.zeros(0), shape)

    @classmethod
    def of_columns(cls, columns: Sequence[NDArray[Any]], shape: tuple[int, int]) -> Trials:
        """From the columns in order."""
        attributes, segments, arms, rewarded, decided_at, matured = columns
        return cls(attributes, segments, arms, rewarded, decided_at, matured, shape)

    @classmethod
    def joined(cls, parts: Sequence[Trials]) -> Trials:
        """One after the other, all of the same variants and segments; there is at least one."""
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS]
        return cls.of_columns(columns, parts[0].shape)

    def part(self, kept: NDArray[np.bool_]) -> Trials:
        """Those that are kept, ``[N]``."""
        return Trials.of_columns([getattr(self, name)[kept] for name in _COLUMNS], self.shape)

    def weights(self, now: Instant, half_life: int | None) -> NDArray[np.float64]:
        """Weight of each trial under exponential forgetting, ``2^(-age / half_life)``, ``[N]``."""
        if half_life is None:
            return np.ones(len(self))
        return np.exp2(-np.maximum(now - self.decided_at, 0) / half_life)
