"""Models of the reward: what every arm would earn in every row, by a model that never saw the row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import FOLDS, fold_of, learned_from

SHRINKAGE = 20.0  # rows' worth of the coarser mean in each cell: a cell seen 20 times counts half


class RewardModel(Protocol):
    """Expected rewards."""

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> NDArray[np.float64]:
        """Expected reward of every arm in each row, ``[N, A]``, by a model that never saw the row.

        Args:
            feedback: rows of the log the model was fitted on, one chunk after the other.
            first_row: place of the first of them in that log, which settles their folds.
        """


@dataclass(frozen=True, slots=True, eq=False)
class CellMeans:
    """Mean rewards by segment and arm: sums of every fold, ``[K, S, A]``; those of two chunks of a log add.

    A row of fold ``k`` is predicted from the sums of the other folds, shrunk in two steps as by an empirical Bayes
    prior worth `SHRINKAGE` rows (Efron and Morris 1975): the arm's mean towards the overall mean, then the cell's
    towards the arm's. So an arm or cell that was never tried gets the coarser mean; with no rows at all it is 0.

    Attributes:
        trials: rows.
        rewards: sums of rewards.
        seed: of the folds.
    """

    trials: NDArray[np.float64]
    rewards: NDArray[np.float64]
    seed: int

    @classmethod
    def of(cls, feedback: LoggedFeedback, first_row: int, folds: int = FOLDS, seed: int = 0) -> CellMeans:
        """Sums of one chunk, whose first row is at `first_row` in the log."""
        shape = (folds, feedback.n_segments, feedback.n_arms)
        cells = fold_of(feedback, first_row, folds, seed)
        cells = (cells * shape[1] + feedback.segments) * shape[2] + feedback.arms
        size = shape[0] * shape[1] * shape[2]
        trials = np.bincount(cells, minlength=size).astype(np.float64)
        rewards = np.bincount(cells, weights=feedback.rewards, minlength=size).astype(np.float64)
        return cls(trials.reshape(shape), rewards.reshape(shape), seed)

    def __add__(self, other: CellMeans) -> CellMeans:
        """Both together."""
        return CellMeans(self.trials + other.trials, self.rewards + other.rewards, self.seed)

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> NDArray[np.float64]:
        """Expected reward of every arm in each row, ``[N, A]``."""
        folds = fold_of(feedback, first_row, len(self.trials), self.seed)
        n_segments = self.trials.shape[1]
        table = self.means().reshape(-1, self.trials.shape[2])
        return table[folds * n_segments + feedback.segments]

    def means(self) -> NDArray[np.float64]:
        """Means that are used on each fold, ``[K, S, A]``."""
        teachers = learned_from(len(self.trials))
        return shrunken_means(np.tensordot(teachers, self.trials, 1), np.tensordot(teachers, self.rewards, 1))


def shrunken_means(trials: NDArray[np.float64], rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of cells shrunk towards their arm's, and those towards the overall one; ``[..., S, A]`` all of them."""
    arm_trials, arm_rewards = trials.sum(axis=-2, keepdims=True), rewards.sum(axis=-2, keepdims=True)
    overall = arm_rewards.sum(axis=-1, keepdims=True) / np.maximum(arm_trials.sum(axis=-1, keepdims=True), 1.0)
    arms = (arm_rewards + SHRINKAGE * overall) / (arm_trials + SHRINKAGE)
    return np.asarray((rewards + SHRINKAGE * arms) / (trials + SHRINKAGE))


def cell_means(chunks: Iterable[LoggedFeedback], folds: int = FOLDS, seed: int = 0) -> CellMeans:
    """Mean rewards by segment and arm of a log in chunks.

    Raises:
        ValueError: there are no rows.
    """
    total, first_row = None, 0
    for chunk in chunks:
        part = CellMeans.of(chunk, first_row, folds, seed)
        total = part if total is None else total + part
        first_row += len(chunk)
    if total is None or first_row == 0:
        raise ValueError("chunks: found no rows; allowed one or more")
    return total
