"""Doubly robust scores of every arm in every decision, learned from some recipients for themselves and for others.

    score(row, a) = q(row, a) + 1{a was chosen} (r - q(row, a)) / p

Their mean over any rows is what the arm would earn there, whatever the model q, because the probabilities p are known
(Athey and Wager 2021). The model only takes away noise; it is a ridge regression for each arm, shrunken towards that of
all arms together, so that an arm which was seldom tried is not believed too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import fold_of
from optimizer.insights.discovering.columns import Column, Kind
from optimizer.insights.discovering.cuts import Cuts

Floats = NDArray[np.float64]

GROUPS = 10  # of recipients; halves and folds are made of them
_SHRINKAGE = 20.0  # decisions' worth of what all arms have in common
_PENALTY = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """What scores are made from: sums of every group of recipients, from which models of any groups follow.

    Attributes:
        feedback: ``N`` decisions.
        groups: ``[N]``, group of each recipient.
        features: ``[N, P]``, attributes as numbers, the first of them 1.
        squares: ``[G, A, P, P]``, sums of products of features by group and arm.
        products: ``[G, A, P]``, of features with rewards.
    """

    feedback: LoggedFeedback
    groups: NDArray[np.int64]
    features: Floats
    squares: Floats
    products: Floats

    @classmethod
    def of(cls, feedback: LoggedFeedback, cuts: Sequence[Cuts], seed: int) -> Scorer:
        """The sums of a log whose attributes have been cut."""
        groups = fold_of(feedback, 0, GROUPS, seed)
        features = _features(cuts, len(feedback))
        width, n_arms = features.shape[1], feedback.n_arms
        squares, products = np.zeros((GROUPS, n_arms, width, width)), np.zeros((GROUPS, n_arms, width))
        for group in range(GROUPS):
            for arm in range(n_arms):
                rows = np.flatnonzero((groups == group) & (feedback.arms == arm))
                mine = features[rows]
                squares[group, arm] = mine.T @ mine
                products[group, arm] = mine.T @ feedback.rewards[rows]
        return cls(feedback, groups, features, squares, products)

    def scores(self, taught: Sequence[int]) -> Floats:
        """Scores as they are known from some groups, ``[N, A]``.

        A row of these groups has a model of the others among them, all other rows one of all of them: no row's reward
        is in its own model, and no reward of other groups is in anything but their own rows' scores.
        """
        found = np.empty((len(self.feedback), self.feedback.n_arms))
        everything = self._model(taught)
        low, high = self.feedback.rewards.min(), self.feedback.rewards.max()
        for group in range(GROUPS):
            rows = np.flatnonzero(self.groups == group)
            model = self._model([one for one in taught if one != group]) if group in taught else everything
            found[rows] = np.clip(self.features[rows] @ model.T, low, high)
        every, arms = np.arange(len(self.feedback)), self.feedback.arms
        found[every, arms] += (self.feedback.rewards - found[every, arms]) / self.feedback.propensities
        return found

    def rows(self, groups: Sequence[int]) -> NDArray[np.bool_]:
        """Rows whose recipients are in these groups, ``[N]``."""
        return np.isin(self.groups, groups)

    def _model(self, groups: Sequence[int]) -> Floats:
        """Coefficients of every arm, ``[A, P]``, learned from these groups."""
        squares, products = self.squares[list(groups)].sum(axis=0), self.products[list(groups)].sum(axis=0)
        width = squares.shape[-1]
        common = np.linalg.solve(squares.sum(axis=0) + _PENALTY * np.eye(width), products.sum(axis=0))
        missed = products - squares @ common
        own = np.linalg.solve(squares + _SHRINKAGE * np.eye(width), missed[..., None])[..., 0]
        return np.asarray(common + own)


def _features(cuts: Sequence[Cuts], n: int) -> Floats:
    """One, then each number as it stands among the others, and each value that can be named; ``[N, P]``."""
    parts = [np.ones((n, 1))]
    for one in cuts:
        if one.column.kind in {Kind.NUMBER, Kind.RECENCY}:
            parts.append(_standing(one.column))
        else:
            parts.append(np.eye(one.n_bins)[one.codes][:, 1:])
    return np.concatenate(parts, axis=1)


def _standing(column: Column) -> Floats:
    """A number by its rank from -1 to 1, which outliers do not stretch, and whether it is known; ``[N, 2]``."""
    known = column.known
    values = np.sort(column.values[known])
    ranks = (np.searchsorted(values, column.values, "left") + np.searchsorted(values, column.values, "right")) / 2.0
    return np.stack([np.where(known, ranks / max(len(values), 1) * 2.0 - 1.0, 0.0), known], axis=1)
