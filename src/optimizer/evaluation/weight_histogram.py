"""A histogram of importance weights on fixed bins, so that those of two parts of a log add."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LOWEST, _HIGHEST = -6, 9  # powers of ten
_PER_DECADE = 16
N_BINS = (_HIGHEST - _LOWEST) * _PER_DECADE


@dataclass(frozen=True, slots=True, eq=False)
class WeightHistogram:
    """Importance weights in bins that are equally wide on a logarithmic scale, 16 to a factor of ten.

    Attributes:
        zeros: weights of exactly 0.
        counts: ``[B]``, weights in each bin; the first and the last also take what lies beyond.
        sums: ``[B]``, sum of the weights in each.
    """

    zeros: int
    counts: NDArray[np.int64]
    sums: Floats

    @classmethod
    def of(cls, weights: Floats) -> WeightHistogram:
        """Of weights ``[N]``, 0 or more."""
        positive = weights[weights > 0.0]
        bins = np.floor((np.log10(positive) - _LOWEST) * _PER_DECADE).astype(np.int64)
        np.clip(bins, 0, N_BINS - 1, out=bins)
        counts = np.bincount(bins, minlength=N_BINS)
        sums = np.bincount(bins, weights=positive, minlength=N_BINS).astype(np.float64)
        return cls(len(weights) - len(positive), counts, sums)

    def __add__(self, other: WeightHistogram) -> WeightHistogram:
        """Of the weights of both."""
        return WeightHistogram(self.zeros + other.zeros, self.counts + other.counts, self.sums + other.sums)

    @property
    def edges(self) -> Floats:
        """``[B + 1]``, ends of the bins."""
        return np.logspace(_LOWEST, _HIGHEST, N_BINS + 1)

    def top_share(self, top: float) -> float:
        """Share of all weight that the heaviest decisions have, such as the heaviest hundredth; 1 without any weight.

        The bin that is needed only in part counts with its mean, so the answer is at most a few percent too low.
        """
        total = float(self.sums.sum())
        if total <= 0.0:
            return 1.0
        wanted = top * (self.zeros + int(self.counts.sum()))
        counts, sums = self.counts[::-1], self.sums[::-1]
        before = np.cumsum(counts) - counts
        part = np.clip((wanted - before) / np.maximum(counts, 1), 0.0, 1.0)
        return float((part * sums).sum()) / total
