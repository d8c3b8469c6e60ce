"""Policies learned from a log, and what they are honestly worth.

A policy that is judged on the rows it was learned from looks better than it is: it chose what did well there, and part
of that was luck. So every row is judged by a policy, and a reward model, learned without it; the average is honest for
policies learned from so many rows. Scores are doubly robust (Athey and Wager 2021, "Policy learning with observational
data"; Zhou, Athey and Wager 2023, "Offline multi-action policy learning"):

    score(row, a) = q(row, a) + 1{a was chosen} (r - q(row, a)) / p
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import FOLDS, fold_of, learned_from, numbered
from optimizer.evaluation.fitted_models import Kind, reward_model
from optimizer.evaluation.reward_models import RewardModel, shrunken_means
from optimizer.evaluation.targets import TargetPolicy

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoreSums:
    """What doubly robust scores by segment and arm are made of: sums of every fold, ``[K, S, A]``; chunks' sums add.

    Attributes:
        possible: rows in which the arm was eligible.
        trials: rows in which it was chosen.
        rewards: sums of their rewards.
        inverses: sums of ``1 / p`` of theirs.
        weighted: sums of ``r / p`` of theirs.
        seed: of the folds.
    """

    possible: Floats
    trials: Floats
    rewards: Floats
    inverses: Floats
    weighted: Floats
    seed: int

    @classmethod
    def of(cls, feedback: LoggedFeedback, first_row: int, folds: int = FOLDS, seed: int = 0) -> ScoreSums:
        """Sums of one chunk, whose first row is at `first_row` in the log."""
        n_segments, n_arms = feedback.n_segments, feedback.n_arms
        groups = fold_of(feedback, first_row, folds, seed) * n_segments + feedback.segments
        cells, n_groups = groups * n_arms + feedback.arms, folds * n_segments
        if feedback.eligible is None:
            possible = np.repeat(np.bincount(groups, minlength=n_groups), n_arms)
        else:
            could = [np.bincount(groups, weights=arm, minlength=n_groups) for arm in feedback.eligible.T]
            possible = np.stack(could, axis=1)

        def by_cell(column: Floats) -> Floats:
            sums = np.bincount(cells, weights=column, minlength=n_groups * n_arms)
            return sums.astype(np.float64).reshape(folds, n_segments, n_arms)

        return cls(
            possible.astype(np.float64).reshape(folds, n_segments, n_arms),
            by_cell(np.ones(len(feedback))),
            by_cell(feedback.rewards),
            by_cell(1.0 / feedback.propensities),
            by_cell(feedback.rewards / feedback.propensities),
            seed,
        )

    def __add__(self, other: ScoreSums) -> ScoreSums:
        """Both together."""
        return ScoreSums(
            self.possible + other.possible,
            self.trials + other.trials,
            self.rewards + other.rewards,
            self.inverses + other.inverses,
            self.weighted + other.weighted,
            self.seed,
        )

    def scores(self) -> Floats:
        """Mean score of every cell as it is known on each fold, ``[K, S, A]``.

        A fold takes the scores of the rows of all others, and those take their reward model, shrunken means, from the
        rows that are in neither fold: nothing that is known on a fold comes from it. A cell in which the arm was never
        eligible has its shrunken mean.
        """
        teachers = learned_from(len(self.possible))
        scores = np.empty_like(self.possible)
        for fold, others in enumerate(teachers):
            total = np.zeros_like(self.possible[0])
            for taught in np.flatnonzero(others):
                model = self._means(others * teachers[taught])
                missed = self.weighted[taught] - model * self.inverses[taught]
                total += self.possible[taught] * model + missed
            rows = np.tensordot(others, self.possible, 1)
            scores[fold] = np.where(rows > 0.0, total / np.maximum(rows, 1.0), self._means(others))
        return scores

    def _means(self, folds: Floats) -> Floats:
        return shrunken_means(np.tensordot(folds, self.trials, 1), np.tensordot(folds, self.rewards, 1))


@dataclass(frozen=True, slots=True, eq=False)
class BestBySegment:
    """A target policy: to each row the eligible arm whose score in its segment is highest.

    Attributes:
        scores: ``[K, S, A]``, what is known without the rows of each fold.
        seed: of the folds.
    """

    scores: Floats
    seed: int

    def probabilities(self, feedback: LoggedFeedback) -> Floats:
        """1 for the best arm, ``[N, A]``.

        Raises:
            ValueError: there are several folds and rows have no recipients, as `numbered` gives them, or a row has no
                eligible arm.
        """
        if len(self.scores) > 1:
            _check_numbered(feedback)
        folds = fold_of(feedback, 0, len(self.scores), self.seed)
        return _best(self.scores[folds, feedback.segments], feedback.eligible)

    def arms(self) -> NDArray[np.int64]:
        """Best arm of each segment on each fold when all are eligible, ``[K, S]``."""
        return np.argmax(self.scores, axis=2)


@dataclass(frozen=True, slots=True, eq=False)
class BestByModel:
    """A target policy: to each row the eligible arm of which a model expects most."""

    model: RewardModel

    def probabilities(self, feedback: LoggedFeedback) -> Floats:
        """1 for the best arm, ``[N, A]``.

        Raises:
            ValueError: the rows have no recipients, as `numbered` gives them, or one has no eligible arm.
        """
        _check_numbered(feedback)
        return _best(self.model.predicted(feedback, 0), feedback.eligible)


@dataclass(frozen=True, slots=True)
class PolicyValue:
    """Mean doubly robust score of the arms a policy chooses.

    Attributes:
        value: expected reward of a decision.
        standard_error: as if rows were independent (`evaluate` has intervals for recipients with several) and policies
            known beforehand. Policies of different folds share rows; where arms are alike, all are swayed by the same
            luck and errors add (Luedtke and van der Laan 2016). Two standard errors were seen to cover in 94 % of logs
            of 10,000 rows where each segment had a clear best arm (89 % of 400 rows), in 85 to 90 % where no arm was.
        rows: how many.
    """

    value: float
    standard_error: float
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class LearnedPolicy:
    """A policy learned from a log.

    Attributes:
        policy: learned from all rows; the one to use.
        cross_fitted: gives each row the policy learned without it; the one to judge, by `evaluate` for instance.
        honest: value of the cross-fitted one.
        plug_in: value of the other on the rows it was learned from, reward model and all: too high.
    """

    policy: TargetPolicy
    cross_fitted: TargetPolicy
    honest: PolicyValue
    plug_in: PolicyValue

    @property
    def optimism(self) -> float:
        """By how much the plug-in value flatters."""
        return self.plug_in.value - self.honest.value


def best_by_segment(
    chunks: Iterable[LoggedFeedback], kind: Kind | object | None = "cells", folds: int = FOLDS, seed: int = 0
) -> LearnedPolicy:
    """The best arm of each segment, by doubly robust scores.

    Args:
        chunks: of the log, in its order; read several times, so a generator will not do.
        kind: of reward model by which the policy is judged, see `reward_model`.
        folds: how many.
        seed: of the folds.

    Raises:
        ValueError: there are no rows, or as for `reward_model`.
    """
    cross_fitted, policy = (BestBySegment(_score_sums(chunks, n, seed).scores(), seed) for n in (folds, 1))
    models = [reward_model(chunks, kind, n, seed) for n in (folds, 1)]
    values = [policy_value(p, m, chunks) for p, m in zip((cross_fitted, policy), models, strict=True)]
    return LearnedPolicy(policy, cross_fitted, *values)


def best_by_model(
    chunks: Iterable[LoggedFeedback], kind: Kind | object | None = None, folds: int = FOLDS, seed: int = 0
) -> LearnedPolicy:
    """The arm of which a reward model expects most, row by row; arguments and errors as of `best_by_segment`."""
    models = [reward_model(chunks, kind, n, seed) for n in (folds, 1)]
    cross_fitted, policy = (BestByModel(model) for model in models)
    values = [policy_value(p, m, chunks) for p, m in zip((cross_fitted, policy), models, strict=True)]
    return LearnedPolicy(policy, cross_fitted, *values)


def policy_value(policy: TargetPolicy, model: RewardModel, chunks: Iterable[LoggedFeedback]) -> PolicyValue:
    """Mean doubly robust score of what a policy chooses in a log in chunks, in the log's order.

    Raises:
        ValueError: there are no rows.
    """
    n, mean, squares = 0, 0.0, 0.0  # squares are about the mean (Chan, Golub and LeVeque 1983)
    for chunk in numbered(chunks):
        scores = chosen_scores(chunk, policy.probabilities(chunk), model.predicted(chunk, 0))
        if len(scores):
            total, gap = n + len(scores), float(scores.mean()) - mean
            squares += float(((scores - scores.mean()) ** 2).sum()) + gap**2 * n * len(scores) / total
            mean, n = mean + gap * len(scores) / total, total
    if n == 0:
        raise ValueError("chunks: found no rows; allowed one or more, and not a generator that was read before")
    return PolicyValue(mean, float(np.sqrt(squares / max(n - 1, 1) / n)), n)


def chosen_scores(feedback: LoggedFeedback, probabilities: Floats, predicted: Floats) -> Floats:
    """Doubly robust score of each row under a policy, ``[N]``, of its probabilities and predictions ``[N, A]``."""
    rows = np.arange(len(feedback))
    missed = feedback.rewards - predicted[rows, feedback.arms]
    weights = probabilities[rows, feedback.arms] / feedback.propensities
    return np.asarray(np.einsum("na,na->n", probabilities, predicted) + weights * missed)


def _score_sums(chunks: Iterable[LoggedFeedback], folds: int, seed: int) -> ScoreSums:
    total = None
    for chunk in numbered(chunks):
        part = ScoreSums.of(chunk, 0, folds, seed)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("chunks: found no rows; allowed one or more")
    return total


def _best(scores: Floats, eligible: NDArray[np.bool_] | None) -> Floats:
    """1 for the eligible arm of the highest score, the first of several; ``[N, A]``."""
    if eligible is not None:
        if not eligible.any(axis=1).all():
            raise ValueError(f"eligible[{int(np.argmin(eligible.any(axis=1)))}]: found no arm; allowed one or more")
        scores = np.where(eligible, scores, -np.inf)
    best = np.zeros(scores.shape)
    best[np.arange(len(scores)), np.argmax(scores, axis=1)] = 1.0
    return best


def _check_numbered(feedback: LoggedFeedback) -> None:
    if feedback.recipients is None:
        raise ValueError("recipients: found none; allowed one for each row, as `numbered` gives them")
