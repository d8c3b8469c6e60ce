"""How good a model of the reward is, told from rows it never saw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import ranks_of
from optimizer.evaluation.reward_models import RewardModel

Floats = NDArray[np.float64]

DECILES = 10

_SURE = 1e-6  # predictions of 0/1 rewards are held this far from 0 and 1, so that one surprise does not cost infinity
_N_KEPT = 200_000  # predictions from which deciles are told


@dataclass(frozen=True, slots=True, eq=False)
class ModelQuality:
    """Loss of a cross-fitted model beside that of the constant mean.

    Attributes:
        rows: how many it was judged on.
        measure: log loss where all rewards are 0 or 1, else squared error; means of the chosen arm's.
        loss: of the model.
        constant_loss: of predicting the mean reward of these very rows, which is the best constant there is.
        predicted: ``[D]``, mean prediction in each tenth of the rows by prediction, lowest first; fewer tenths when
            many predictions are equal.
        observed: ``[D]``, mean reward there.
        standard_errors: ``[D]``, of the observed.
        counts: ``[D]``, rows there.
    """

    rows: int
    measure: Literal["log loss", "squared error"]
    loss: float
    constant_loss: float
    predicted: Floats
    observed: Floats
    standard_errors: Floats
    counts: NDArray[np.int64]

    @property
    def skill(self) -> float:
        """Share of the constant's loss that the model saves: for squared error R², for log loss McFadden's; 0 if none.

        Below 0 the model is worse than no model: it fits chance.
        """
        return 1.0 - self.loss / self.constant_loss if self.constant_loss > 0.0 else 0.0


def model_quality(model: RewardModel, chunks: Iterable[LoggedFeedback]) -> ModelQuality:
    """Quality of a cross-fitted model on the log it was fitted to, in chunks and in its order.

    Only predictions for the arm that was chosen can be judged. Deciles are told from a sample of at most 200,000 rows,
    losses from all of them.

    Raises:
        ValueError: there are no rows.
    """
    sums, n, first_row, is_binary = np.zeros(4), 0, 0, True
    ranks, seen = np.zeros(0, np.uint64), np.zeros((0, 2))
    for chunk in chunks:
        predicted = model.predicted(chunk, first_row)[np.arange(len(chunk)), chunk.arms]
        rewards = chunk.rewards
        is_binary &= bool(np.isin(rewards, (0.0, 1.0)).all())
        losses = _log_losses(predicted, rewards) if is_binary else np.zeros(0)
        sums += [rewards.sum(), (rewards**2).sum(), losses.sum(), ((rewards - predicted) ** 2).sum()]
        ranks = np.concatenate([ranks, ranks_of(chunk, first_row, seed=0)])
        seen = np.concatenate([seen, np.column_stack([predicted, rewards])])
        if len(ranks) > _N_KEPT:
            lowest = np.argpartition(ranks, _N_KEPT)[:_N_KEPT]
            ranks, seen = ranks[lowest], seen[lowest]
        n, first_row = n + len(chunk), first_row + len(chunk)
    if n == 0:
        raise ValueError("chunks: found no rows; allowed one or more")
    mean, square, log_loss, squared_error = sums / n
    deciles = _deciles(*seen.T)
    if is_binary:
        return ModelQuality(n, "log loss", log_loss, float(entr(mean) + entr(1.0 - mean)), *deciles)
    return ModelQuality(n, "squared error", squared_error, square - mean**2, *deciles)


def _log_losses(predicted: Floats, rewards: Floats) -> Floats:
    bounded = np.clip(predicted, _SURE, 1.0 - _SURE)
    return -np.log(np.where(rewards > 0.0, bounded, 1.0 - bounded))


def _deciles(predicted: Floats, rewards: Floats) -> tuple[Floats, Floats, Floats, NDArray[np.int64]]:
    """Mean prediction, mean reward, its standard error and rows of each tenth; equal predictions are in one tenth."""
    edges = np.unique(np.quantile(predicted, np.arange(1, DECILES) / DECILES, method="lower"))
    tenths = np.searchsorted(edges, predicted, side="left")
    counts = np.bincount(tenths)
    filled = np.flatnonzero(counts)
    n = counts[filled]
    means, observed, squares = (
        np.bincount(tenths, weights=column)[filled] / n for column in (predicted, rewards, rewards**2)
    )
    variances = np.maximum(squares - observed**2, 0.0)
    return means, observed, np.sqrt(variances / np.maximum(n - 1, 1)), n
