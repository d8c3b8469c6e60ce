"""What diagnostics need of a log, as sums over its chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from optimizer.domain.feedback import LoggedFeedback, PropensitySource
from optimizer.evaluation.weight_histogram import WeightHistogram

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Sums over the rows of each segment and arm, all ``[S, A]``.

    Attributes:
        rows: decisions of the segment for which the arm could be chosen.
        shown: those for which it was.
        inverse: sum of ``1 / propensity`` over those.
        inverse_squared: sum of ``1 / propensity^2``.
        smallest_propensity: infinite where it was never chosen.
        largest_propensity: 0 where it was never chosen.
        target: decisions that the target would give to the arm.
    """

    rows: NDArray[np.int64]
    shown: NDArray[np.int64]
    inverse: Floats
    inverse_squared: Floats
    smallest_propensity: Floats
    largest_propensity: Floats
    target: Floats

    @classmethod
    def of(cls, feedback: LoggedFeedback, target_probabilities: Floats) -> Cells:
        """Of one chunk; probabilities are ``[N, A]``."""
        shape = feedback.n_segments, feedback.n_arms
        cell = feedback.segments * feedback.n_arms + feedback.arms
        inverse = 1.0 / feedback.propensities
        smallest, largest = np.full(shape, np.inf), np.zeros(shape)
        np.minimum.at(smallest.reshape(-1), cell, feedback.propensities)
        np.maximum.at(largest.reshape(-1), cell, feedback.propensities)

        def by_cell(values: Floats | None = None) -> Floats:
            return np.bincount(cell, values, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)

        if feedback.eligible is None:
            in_segment = np.bincount(feedback.segments, minlength=shape[0])
            rows = np.repeat(in_segment[:, None], shape[1], axis=1)
        else:
            rows = _by_segment(feedback, feedback.eligible).astype(np.int64)
        return cls(
            rows=rows,
            shown=by_cell().astype(np.int64),
            inverse=by_cell(inverse),
            inverse_squared=by_cell(inverse**2),
            smallest_propensity=smallest,
            largest_propensity=largest,
            target=_by_segment(feedback, target_probabilities),
        )

    def __add__(self, other: Cells) -> Cells:
        """Over the rows of both."""
        return Cells(
            rows=self.rows + other.rows,
            shown=self.shown + other.shown,
            inverse=self.inverse + other.inverse,
            inverse_squared=self.inverse_squared + other.inverse_squared,
            smallest_propensity=np.minimum(self.smallest_propensity, other.smallest_propensity),
            largest_propensity=np.maximum(self.largest_propensity, other.largest_propensity),
            target=self.target + other.target,
        )


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosticSums:
    """Sums over rows of a log; those of two parts of it add, in any order.

    Attributes:
        segment_ids: ``S`` names.
        variant_ids: ``A`` names.
        propensity_source: where propensities come from.
        n: rows.
        weight: sum of importance weights.
        weight_squared: sum of their squares.
        largest_weight: largest of them.
        smallest_propensity: smallest propensity of a chosen arm.
        weights: their histogram.
        cells: sums by segment and arm.
    """

    segment_ids: tuple[str, ...]
    variant_ids: tuple[str, ...]
    propensity_source: PropensitySource
    n: int
    weight: float
    weight_squared: float
    largest_weight: float
    smallest_propensity: float
    weights: WeightHistogram
    cells: Cells

    @classmethod
    def of(cls, feedback: LoggedFeedback, target_probabilities: Floats, importance_weights: Floats) -> DiagnosticSums:
        """Of one chunk.

        Args:
            feedback: ``N`` decisions, one or more.
            target_probabilities: ``[N, A]``, the target's for every arm.
            importance_weights: ``[N]``, the target's for the chosen arm over its propensity, not clipped.

        Raises:
            ValueError: there are no rows, shapes differ, or a weight is below 0 or no number.
        """
        n = len(feedback)
        if n == 0:
            raise ValueError("feedback: found no rows; allowed one or more")
        if target_probabilities.shape != (n, feedback.n_arms):
            allowed = (n, feedback.n_arms)
            raise ValueError(f"target_probabilities: found shape {target_probabilities.shape}; allowed {allowed}")
        if importance_weights.shape != (n,):
            raise ValueError(f"importance_weights: found shape {importance_weights.shape}; allowed {(n,)}")
        if not 0.0 <= importance_weights.min() <= importance_weights.max() < np.inf:
            found = f"{importance_weights.min():g} to {importance_weights.max():g}"
            raise ValueError(f"importance_weights: found {found}; allowed 0 or more")
        return cls(
            segment_ids=feedback.segment_ids,
            variant_ids=feedback.variant_ids,
            propensity_source=feedback.propensity_source,
            n=n,
            weight=float(importance_weights.sum()),
            weight_squared=float(np.square(importance_weights).sum()),
            largest_weight=float(importance_weights.max()),
            smallest_propensity=float(feedback.propensities.min()),
            weights=WeightHistogram.of(importance_weights),
            cells=Cells.of(feedback, target_probabilities),
        )

    def __add__(self, other: DiagnosticSums) -> DiagnosticSums:
        """Over the rows of both.

        Raises:
            ValueError: they are of other segments, variants or kinds of propensities.
        """
        names = (self.segment_ids, self.variant_ids, self.propensity_source)
        if names != (other.segment_ids, other.variant_ids, other.propensity_source):
            raise ValueError(
                "diagnostic sums: found other segments, variants or propensities; allowed those of one log"
            )
        return DiagnosticSums(
            self.segment_ids,
            self.variant_ids,
            self.propensity_source,
            n=self.n + other.n,
            weight=self.weight + other.weight,
            weight_squared=self.weight_squared + other.weight_squared,
            largest_weight=max(self.largest_weight, other.largest_weight),
            smallest_propensity=min(self.smallest_propensity, other.smallest_propensity),
            weights=self.weights + other.weights,
            cells=self.cells + other.cells,
        )


def _by_segment(feedback: LoggedFeedback, values: Floats | NDArray[np.bool_]) -> Floats:
    """Sums of ``[N, A]`` over the rows of each segment, ``[S, A]``."""
    n = len(feedback)
    membership = csc_array((np.ones(n), feedback.segments, np.arange(n + 1)), shape=(feedback.n_segments, n))
    return np.asarray(membership @ values.astype(np.float64, copy=False))
