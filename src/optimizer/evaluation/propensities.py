"""Propensities of a log that has none: known shares, or estimates, which are flagged as such.

An estimate for a row comes from rows of other folds, so a row's own arm does not make itself likelier. Estimates rest
on an assumption that no log can prove: that nothing but the segment (and the features) decided what was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.arm_models import columns_of, logistic_regression, standards
from optimizer.evaluation.crossfit import FOLDS, Sample, fold_of, learned_from, sample
from optimizer.evaluation.fitted_models import MOST_ROWS, check_features, one_thread
from optimizer.evaluation.targets import SegmentShares

Floats = NDArray[np.float64]

LEAST = 0.001  # lowest estimate that is believed: no row counts a thousand times


class PropensityModel(Protocol):
    """What was likely to be chosen."""

    def probabilities(self, feedback: LoggedFeedback, first_row: int) -> Floats:
        """Probability of every arm in each row, ``[N, A]``, by a model that never saw the row.

        Args:
            feedback: rows of the log the model was fitted on; their propensities are not looked at.
            first_row: place of the first of them in that log.
        """


@dataclass(frozen=True, slots=True, eq=False)
class Frequencies:
    """How often every arm was chosen in a segment: counts of every fold, ``[K, S, A]``; those of two chunks add.

    Where eligibility differs between rows of a segment, an arm's frequency is among the rows in which it was eligible,
    and frequencies are scaled to the arms eligible in a row.

    Attributes:
        chosen: rows in which the arm was chosen.
        possible: rows in which it was eligible.
        seed: of the folds.
    """

    chosen: Floats
    possible: Floats
    seed: int

    @classmethod
    def of(cls, feedback: LoggedFeedback, first_row: int, folds: int = FOLDS, seed: int = 0) -> Frequencies:
        """Counts of one chunk, whose first row is at `first_row` in the log."""
        n_segments, n_arms = feedback.n_segments, feedback.n_arms
        groups = fold_of(feedback, first_row, folds, seed) * n_segments + feedback.segments
        n_groups = folds * n_segments
        chosen = np.bincount(groups * n_arms + feedback.arms, minlength=n_groups * n_arms)
        if feedback.eligible is None:
            possible = np.repeat(np.bincount(groups, minlength=n_groups), n_arms)
        else:
            could = [np.bincount(groups, weights=arm, minlength=n_groups) for arm in feedback.eligible.T]
            possible = np.stack(could, axis=1)
        shape = (folds, n_segments, n_arms)
        return cls(chosen.reshape(shape).astype(np.float64), possible.reshape(shape).astype(np.float64), seed)

    def __add__(self, other: Frequencies) -> Frequencies:
        """Both together."""
        return Frequencies(self.chosen + other.chosen, self.possible + other.possible, self.seed)

    def probabilities(self, feedback: LoggedFeedback, first_row: int) -> Floats:
        """Frequency of every arm in each row's segment, in the other folds, ``[N, A]``; 0 where it was never chosen."""
        teachers = learned_from(len(self.chosen))
        possible = np.maximum(np.tensordot(teachers, self.possible, 1), 1.0)
        frequencies = np.tensordot(teachers, self.chosen, 1) / possible
        folds = fold_of(feedback, first_row, len(self.chosen), self.seed)
        return _scaled(frequencies[folds, feedback.segments], feedback.eligible)


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceModel:
    """Multinomial logistic regression of the chosen arm on features and segment, one for each fold.

    Attributes:
        slopes: ``[K, A, F]``, by feature.
        levels: ``[K, S, A]``, of a row whose features are all 0; minus infinity for an arm that was never chosen.
        seed: of the folds.
    """

    slopes: Floats
    levels: Floats
    seed: int

    def probabilities(self, feedback: LoggedFeedback, first_row: int) -> Floats:
        """Probability of every arm in each row, ``[N, A]``, scaled to the eligible arms.

        Raises:
            ValueError: a feature is missing in some row.
        """
        check_features(feedback)
        folds = fold_of(feedback, first_row, len(self.slopes), self.seed)
        scores = self.levels[folds, feedback.segments]
        with one_thread():
            for fold, slopes in enumerate(self.slopes):
                rows = np.flatnonzero(folds == fold)
                scores[rows] += feedback.features[rows] @ slopes.T
        return _scaled(softmax(scores, axis=1), feedback.eligible)


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """A chunk of a log with estimated propensities.

    Attributes:
        feedback: with ``propensity_source`` ``estimated``.
        least: the bound; no propensity is below.
        bounded: rows whose estimate was below and was raised to it: arms the log hardly shows there.
    """

    feedback: LoggedFeedback
    least: float
    bounded: int


def with_estimated(feedback: LoggedFeedback, first_row: int, model: PropensityModel, least: float = LEAST) -> Estimated:
    """A chunk of a log with propensities by a model of that log; whatever propensities it had are replaced.

    Args:
        feedback: the chunk.
        first_row: place of its first row in the log.
        model: fitted on the log.
        least: bound away from 0, above 0 and at most 1.
    """
    chosen = model.probabilities(feedback, first_row)[np.arange(len(feedback)), feedback.arms]
    bounded = np.maximum(chosen, least)
    estimated = replace(feedback, propensities=bounded, propensity_source="estimated")
    return Estimated(estimated, least, int((chosen < least).sum()))


def with_constant(feedback: LoggedFeedback, shares: Floats) -> LoggedFeedback:
    """A chunk of a log with propensities from known shares, scaled to the eligible arms.

    Args:
        feedback: the chunk; whatever propensities it had are replaced.
        shares: of every arm, ``[A]``, or by segment, ``[S, A]``; they sum to one.

    Raises:
        ValueError: shares are not shares, or an arm was chosen whose share is 0.
    """
    by_segment = np.broadcast_to(shares, (feedback.n_segments, feedback.n_arms))
    probabilities = SegmentShares(by_segment).probabilities(feedback)
    chosen = probabilities[np.arange(len(feedback)), feedback.arms]
    return replace(feedback, propensities=chosen, propensity_source="constant")


def propensity_model(
    chunks: Iterable[LoggedFeedback],
    kind: Literal["segments", "features"] = "segments",
    folds: int = FOLDS,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> PropensityModel:
    """A cross-fitted model of what a log's policy chose.

    Args:
        chunks: of the log, in its order; read once.
        kind: frequencies by segment, or multinomial logistic regression on the features and the segment.
        folds: how many.
        seed: of the folds and the sample.
        most_rows: sampled from each fold for the regression.

    Raises:
        ValueError: there are no rows, or a feature is missing.
    """
    if kind == "features":
        return _choice_model(sample(chunks, folds, seed, most_rows), seed)
    total, first_row = None, 0
    for chunk in chunks:
        part = Frequencies.of(chunk, first_row, folds, seed)
        total = part if total is None else total + part
        first_row += len(chunk)
    if total is None or first_row == 0:
        raise ValueError("chunks: found no rows; allowed one or more")
    return total


def _choice_model(rows: Sample, seed: int) -> ChoiceModel:
    check_features(rows.rows)
    teachers = learned_from(rows.n_folds) > 0.0
    with one_thread():
        fitted = [_choices(rows.rows.taken(taught[rows.folds])) for taught in teachers]
    return ChoiceModel(np.stack([slopes for slopes, _ in fitted]), np.stack([levels for _, levels in fitted]), seed)


def _choices(rows: LoggedFeedback) -> tuple[Floats, Floats]:
    """Slopes ``[A, F]`` and levels ``[S, A]`` of a multinomial regression of the chosen arm."""
    n_features = len(rows.feature_names)
    slopes, levels = np.zeros((rows.n_arms, n_features)), np.full((rows.n_segments, rows.n_arms), -np.inf)
    shown = np.unique(rows.arms)
    if len(shown) < 2:
        levels[:, shown] = 0.0
        return slopes, levels if len(shown) else np.zeros_like(levels)
    centre, scale = standards(rows.features)
    columns = columns_of((rows.features - centre) / scale, rows.segments, rows.n_segments)
    regression = logistic_regression(columns, rows.arms)
    coefficients, intercepts = regression.coef_, regression.intercept_
    if len(shown) == 2:  # scikit-learn gives the second arm's log odds only
        coefficients = np.vstack([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros(1), intercepts])
    slopes[shown] = coefficients[:, :n_features] / scale
    levels[:, shown] = (intercepts[:, None] + coefficients[:, n_features:]).T - slopes[shown] @ centre
    return slopes, levels


def _scaled(probabilities: Floats, eligible: NDArray[np.bool_] | None) -> Floats:
    """Probabilities scaled to the eligible arms; zeros stay where all of those are 0."""
    if eligible is None:
        return probabilities
    kept = probabilities * eligible
    total = kept.sum(axis=1, keepdims=True)
    return np.asarray(kept / np.where(total > 0.0, total, 1.0))
