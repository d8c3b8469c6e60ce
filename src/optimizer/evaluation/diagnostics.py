"""Diagnostics: how far a log can be trusted to speak for a policy that did not write it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import PropensitySource
from optimizer.evaluation.diagnostic_sums import DiagnosticSums
from optimizer.evaluation.ratio_mismatch import ratio_mismatch
from optimizer.evaluation.weight_histogram import WeightHistogram

__all__ = ["Calibration", "DiagnosticSums", "Diagnostics", "Unsupported", "WeightHistogram", "diagnosed"]

Floats = NDArray[np.float64]

TOP_SHARE = 0.01  # of decisions: how much of all weight the heaviest ones have
FEWEST_IN_EQUAL_SPLIT = 10.0  # an arm with an equal share is then missing by chance once in e^10 = 22,000 cells
HARDLY = 0.01  # of an equal split: what was shown more rarely was as good as not shown
FEWEST_EFFECTIVE = 50.0  # decisions of a cell, counted by what they weigh, before its propensities can be judged
_LISTED = 5
_EXACT = 1e-3  # shares of an allocation that are rounded in the log add up to 1 within this


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An arm that the target would use in a segment where the log hardly ever shows it.

    Attributes:
        target_share: of all decisions, those that the target would give it here.
        shown: times that the log shows it here.
        rows: decisions of the segment for which it could have been chosen.
    """

    segment_id: str
    variant_id: str
    target_share: float
    shown: int
    rows: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether an arm was chosen in a segment as often as its propensities claim.

    Each decision for the arm stands for ``1 / propensity`` decisions, so these must add up to all of the segment.

    Attributes:
        rows: decisions of the segment for which the arm could have been chosen.
        shown: times it was.
        recovered: sum of ``1 / propensity``, in shares of the rows: 1 but for chance.
        z: standard errors that is away from 1.
    """

    segment_id: str
    variant_id: str
    rows: int
    shown: int
    recovered: float
    z: float


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What to know before an estimate is believed.

    Attributes:
        n: decisions.
        propensity_source: where propensities come from.
        effective_sample_size: decisions of the target's own that the log is worth (Kish 1965, section 11.7).
        largest_weight: largest importance weight.
        largest_share: of all weight, that of the heaviest decision; 1 when there is no weight.
        top_share: of all weight, that of the heaviest 1 % of decisions.
        mean_weight: 1 but for chance, when propensities are right and the target uses nothing the log never shows.
        mean_weight_z: standard errors that is away from 1.
        smallest_propensity: of the chosen arms.
        unsupported_mass: share of the target's decisions for arms that the log hardly ever shows.
        unsupported: the arms where most of that is, at most five, most first.
        calibration: of each segment and arm with enough decisions, in order.
        ratio_mismatch: p-value of the counts of arms, where the log draws with constant shares; None elsewhere.
        weights: their histogram.
    """

    n: int
    propensity_source: PropensitySource
    effective_sample_size: float
    largest_weight: float
    largest_share: float
    top_share: float
    mean_weight: float
    mean_weight_z: float
    smallest_propensity: float
    unsupported_mass: float
    unsupported: tuple[Unsupported, ...]
    calibration: tuple[Calibration, ...]
    ratio_mismatch: float | None
    weights: WeightHistogram

    @property
    def effective_share(self) -> float:
        """Effective sample size in shares of the decisions."""
        return self.effective_sample_size / self.n


def diagnosed(sums: DiagnosticSums) -> Diagnostics:
    """Diagnostics of all rows that were summed."""
    total, squares = sums.weight, sums.weight_squared
    mean_weight = total / sums.n
    # One imagined weight at a distance of 1 gives weights that do not vary an error too.
    variance = (max(squares - sums.n * mean_weight**2, 0.0) + 1.0) / sums.n
    mass, unsupported = _unsupported(sums)
    return Diagnostics(
        n=sums.n,
        propensity_source=sums.propensity_source,
        effective_sample_size=total**2 / squares if squares > 0.0 else 0.0,
        largest_weight=sums.largest_weight,
        largest_share=sums.largest_weight / total if total > 0.0 else 1.0,
        top_share=sums.weights.top_share(TOP_SHARE),
        mean_weight=mean_weight,
        mean_weight_z=(mean_weight - 1.0) / sqrt(variance / sums.n),
        smallest_propensity=sums.smallest_propensity,
        unsupported_mass=mass,
        unsupported=unsupported,
        calibration=_calibration(sums),
        ratio_mismatch=_ratio_mismatch(sums),
        weights=sums.weights,
    )


def _unsupported(sums: DiagnosticSums) -> tuple[float, tuple[Unsupported, ...]]:
    """Share of the target's decisions that the log cannot speak for, and the cells where most of it is.

    An arm may be missing from a small segment by chance. So where an equal split would have shown it only a few times,
    all such segments are looked at together.
    """
    cells = sums.cells
    equal = cells.rows / len(sums.variant_ids)
    large = equal >= FEWEST_IN_EQUAL_SPLIT
    missing = large & (cells.shown <= HARDLY * equal)
    small_equal, small_shown = (np.where(large, 0.0, of).sum(axis=0) for of in (equal, cells.shown))
    missing |= ~large & (small_equal >= FEWEST_IN_EQUAL_SPLIT) & (small_shown <= HARDLY * small_equal)
    share = np.where(missing, cells.target, 0.0) / sums.n
    most = np.argsort(-share, axis=None, kind="stable")[:_LISTED]
    listed = tuple(
        Unsupported(
            segment_id=sums.segment_ids[segment],
            variant_id=sums.variant_ids[arm],
            target_share=float(share[segment, arm]),
            shown=int(cells.shown[segment, arm]),
            rows=int(cells.rows[segment, arm]),
        )
        for segment, arm in zip(*np.unravel_index(most, share.shape), strict=True)
        if share[segment, arm] > 0.0
    )
    return float(share.sum()), listed


def _calibration(sums: DiagnosticSums) -> tuple[Calibration, ...]:
    cells = sums.cells
    effective = np.divide(
        cells.inverse**2, cells.inverse_squared, out=np.zeros_like(cells.inverse), where=cells.shown > 0
    )
    judged = np.argwhere(effective >= FEWEST_EFFECTIVE * (1.0 - 1e-9))  # sums in another order round otherwise
    found = []
    for segment, arm in judged:
        rows, inverse = float(cells.rows[segment, arm]), float(cells.inverse[segment, arm])
        # Var(1{chosen} / p) = 1 / p - 1; its sum over all rows is estimated from those where the arm was chosen.
        variance = max(float(cells.inverse_squared[segment, arm]) - inverse, 0.0) * rows / inverse
        found.append(
            Calibration(
                segment_id=sums.segment_ids[segment],
                variant_id=sums.variant_ids[arm],
                rows=int(rows),
                shown=int(cells.shown[segment, arm]),
                recovered=inverse / rows,
                z=(inverse - rows) / sqrt(variance + 1.0),
            )
        )
    return tuple(found)


def _ratio_mismatch(sums: DiagnosticSums) -> float | None:
    """P-value over the segments in which every arm has the same propensity throughout and could always be chosen."""
    cells = sums.cells
    if sums.propensity_source == "estimated":
        return None
    rows = cells.rows.max(axis=1)
    shown = cells.shown > 0
    shares = np.where(shown, cells.largest_propensity, 0.0)
    whole = shares.sum(axis=1)
    constant = np.all(~shown | (cells.largest_propensity - cells.smallest_propensity <= 1e-9), axis=1)
    constant &= np.all(cells.rows == rows[:, None], axis=1) & (rows > 0) & (whole <= 1.0 + _EXACT)
    if not constant.any():
        return None
    # What the arms seen leave over belongs to arms that were never seen.
    rest = np.where(whole < 1.0 - _EXACT, 1.0 - whole, 0.0)
    counts = np.concatenate([cells.shown, np.zeros((len(rows), 1))], axis=1)
    return ratio_mismatch(counts[constant], np.concatenate([shares, rest[:, None]], axis=1)[constant]).together
