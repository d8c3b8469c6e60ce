"""Partials: what an evaluation keeps of chunks of a log, wherever they were read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.bounded import check_rewards
from optimizer.evaluation.columns import Column, Rows, reward
from optimizer.evaluation.diagnostic_sums import DiagnosticSums
from optimizer.evaluation.estimators.every import ESTIMATORS
from optimizer.evaluation.reward_models import RewardModel
from optimizer.evaluation.settings import Settings
from optimizer.evaluation.sums import Sums, block_numbers
from optimizer.evaluation.targets import TargetPolicy, importance_weights

Floats = NDArray[np.float64]

_PIECE = 1 << 15  # rows at a time: what is computed of them stays in a processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """What is kept of some chunks of a log; partials of other chunks of it add.

    Attributes:
        estimators: names of those whose columns are summed.
        sums: by target policy, of the estimators' columns.
        diagnostics: by target policy.
    """

    estimators: tuple[str, ...]
    sums: Mapping[str, Sums]
    diagnostics: Mapping[str, DiagnosticSums]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns that are summed, in the order of the sums."""
        return columns_of(self.estimators)

    def __add__(self, other: Partial) -> Partial:
        """Of all chunks of both.

        Raises:
            ValueError: they are of other targets, estimators, blocks or logs.
        """
        if (self.estimators, [*self.sums]) != (other.estimators, [*other.sums]):
            raise ValueError("partials: found other targets or estimators; allowed those of one evaluation")
        sums = {name: own + other.sums[name] for name, own in self.sums.items()}
        diagnostics = {name: own + other.diagnostics[name] for name, own in self.diagnostics.items()}
        return Partial(self.estimators, sums, diagnostics)


def sums_of(
    chunk: LoggedFeedback,
    targets: Mapping[str, TargetPolicy],
    settings: Settings,
    reward_model: RewardModel | None,
    first_row: int,
) -> Partial:
    """What an evaluation needs of one chunk.

    Chunks of one log may be summed anywhere, in any order: ``concluded(sums_of(a, ...) + sums_of(b, ...), settings)``
    is ``evaluate([a, b], ...)``.

    Args:
        chunk: one or more rows.
        targets: policies to judge, by name.
        settings: which estimators and blocks.
        reward_model: for estimators that need one; without it they are left out.
        first_row: number of rows of the log before this chunk.

    Raises:
        ValueError: the chunk or the targets are empty, an estimator was asked for that needs a model, or an interval
            that needs bounds which the rewards do not keep to.
    """
    if not targets:
        raise ValueError("targets: found none; allowed one or more policies")
    check_rewards(chunk, settings)
    names = _names(settings, reward_model)
    columns = columns_of(names)
    asked = reward_model if any(ESTIMATORS[name].needs_model for name in names) else None
    clustered = chunk.recipients is not None
    total: Partial | None = None
    for piece, row in _pieces(chunk, first_row):
        block_of = block_numbers(piece, row, settings.n_blocks)
        predicted = None if asked is None else asked.predicted(piece, row)
        sums, diagnostics = {}, {}
        for name, target in targets.items():
            probabilities = target.probabilities(piece)
            weights = importance_weights(target, piece, probabilities)
            diagnostics[name] = DiagnosticSums.of(piece, probabilities, weights)
            rows = _rows(piece, probabilities, weights, predicted, settings)
            matrix = np.stack([column(rows) for column in columns])
            sums[name] = Sums.of(matrix, block_of, settings.n_blocks, clustered=clustered)
        part = Partial(names, sums, diagnostics)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("chunk: found no rows; allowed one or more")
    return total


def columns_of(names: tuple[str, ...]) -> tuple[Column, ...]:
    """Columns that these estimators and the log's own mean need, each once."""
    needed = [column for name in names for column in ESTIMATORS[name].columns]
    return tuple(dict.fromkeys([reward, *needed]))


def _names(settings: Settings, reward_model: RewardModel | None) -> tuple[str, ...]:
    """Estimators that were asked for, or all that can be had."""
    if not settings.estimators:
        return tuple(name for name, estimator in ESTIMATORS.items() if reward_model or not estimator.needs_model)
    for name in settings.estimators:
        if ESTIMATORS[name].needs_model and reward_model is None:
            allowed = ", ".join(other for other, estimator in ESTIMATORS.items() if not estimator.needs_model)
            raise ValueError(f"estimators: found {name} without a reward model; allowed {allowed}, or give a model")
    return settings.estimators


def _pieces(chunk: LoggedFeedback, first_row: int) -> Iterator[tuple[LoggedFeedback, int]]:
    """Views of the chunk, small enough for a cache, and how many rows of the log come before each."""
    for start in range(0, len(chunk), _PIECE):
        yield chunk.taken(slice(start, start + _PIECE)), first_row + start


def _rows(
    piece: LoggedFeedback, probabilities: Floats, weights: Floats, predicted: Floats | None, settings: Settings
) -> Rows:
    if predicted is None:
        return Rows(piece.rewards, weights, settings.weight_clip, settings.switch_at)
    return Rows(
        piece.rewards,
        weights,
        settings.weight_clip,
        settings.switch_at,
        expected=np.einsum("na,na->n", probabilities, predicted),
        predicted=predicted[np.arange(len(piece)), piece.arms],
    )
