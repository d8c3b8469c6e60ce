"""Cross-fitting: the fold of a row, and a bounded sample of every fold.

What is learned from a row must not judge that row, else it looks better than it is (Chernozhukov et al. 2018,
"Double/debiased machine learning"). The fold of a row depends on its recipient, or on its place in the log, and never
on what is in it, so chunks of a log can be read in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback, joined
from optimizer.evaluation.scrambling import scrambled

FOLDS = 5

_FOLD, _RANK = 1, 2  # purposes of scrambled numbers, so that one does not tell of the other


def fold_of(feedback: LoggedFeedback, first_row: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Fold of each row, ``[N]``, from 0 to `folds` - 1, drawn from the seed for its recipient.

    Rows of one recipient share a fold. In a log without recipients each row is a recipient of its own, whose number is
    the row's place in the log.

    Args:
        feedback: a chunk of a log.
        first_row: place of its first row in the log.
        folds: how many; with one, nothing is held out.
        seed: another seed, other folds.
    """
    recipients = _row_numbers(feedback, first_row) if feedback.recipients is None else feedback.recipients
    return (_drawn(recipients, seed, _FOLD) % np.uint64(folds)).astype(np.int64)


def ranks_of(feedback: LoggedFeedback, first_row: int, seed: int) -> NDArray[np.uint64]:
    """A number for each row, ``[N]``, drawn from the seed for its place in the log; no two rows have the same."""
    return _drawn(_row_numbers(feedback, first_row), seed, _RANK)


def numbered(chunks: Iterable[LoggedFeedback]) -> Iterator[LoggedFeedback]:
    """The chunks of a log with recipients: their own, or else each row's place in the log.

    So a row says by itself which fold it is in, wherever it is looked at.
    """
    first_row = 0
    for chunk in chunks:
        yield chunk if chunk.recipients is not None else replace(chunk, recipients=_row_numbers(chunk, first_row))
        first_row += len(chunk)


def learned_from(folds: int) -> NDArray[np.float64]:
    """Which folds teach what is used on each fold, ``[folds, folds]`` of 0 and 1: all the others.

    A single fold teaches itself. That is not cross-fitting; it shows what results look like without it.
    """
    return np.ones((1, 1)) if folds == 1 else 1.0 - np.eye(folds)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """At most so many rows of every fold, drawn without replacement; samples of two chunks of a log add.

    Every row of the log has a rank drawn from the seed, and the rows of lowest rank stay (bottom-k sampling, Cohen and
    Kaplan 2007). So the sample does not depend on how the log was cut, and its rows come in the order of their ranks.

    Attributes:
        rows: the ``n`` rows.
        folds: ``[n]``, fold of each.
        ranks: ``[n]``, increasing.
        n_folds: how many folds there are.
        most: rows kept of each fold.
    """

    rows: LoggedFeedback
    folds: NDArray[np.int64]
    ranks: NDArray[np.uint64]
    n_folds: int
    most: int

    @classmethod
    def of(cls, feedback: LoggedFeedback, first_row: int, folds: int, seed: int, most: int) -> Sample:
        """Sample of one chunk, whose first row is at `first_row` in the log."""
        ranks = ranks_of(feedback, first_row, seed)
        fold = fold_of(feedback, first_row, folds, seed)
        kept = _lowest(fold, ranks, folds, most)
        return cls(feedback.taken(kept), fold[kept], ranks[kept], folds, most)

    def __add__(self, other: Sample) -> Sample:
        """Sample of both chunks."""
        folds, ranks = np.concatenate([self.folds, other.folds]), np.concatenate([self.ranks, other.ranks])
        kept = _lowest(folds, ranks, self.n_folds, self.most)
        return Sample(joined([self.rows, other.rows]).taken(kept), folds[kept], ranks[kept], self.n_folds, self.most)


def sample(chunks: Iterable[LoggedFeedback], folds: int, seed: int, most: int) -> Sample:
    """Sample of a log in chunks, in memory for one chunk and twice the sample.

    Raises:
        ValueError: there are no rows.
    """
    total, first_row = None, 0
    for chunk in chunks:
        part = Sample.of(chunk, first_row, folds, seed, most)
        total = part if total is None else total + part
        first_row += len(chunk)
    if total is None or first_row == 0:
        raise ValueError("chunks: found no rows; allowed one or more")
    return total


def _lowest(folds: NDArray[np.int64], ranks: NDArray[np.uint64], n_folds: int, most: int) -> NDArray[np.intp]:
    """Places of the `most` lowest ranks of every fold, by rank."""
    kept = []
    for fold in range(n_folds):
        places = np.flatnonzero(folds == fold)
        if len(places) > most:
            places = places[np.argpartition(ranks[places], most)[:most]]
        kept.append(places)
    together = np.concatenate(kept)
    return together[np.argsort(ranks[together])]


def _row_numbers(feedback: LoggedFeedback, first_row: int) -> NDArray[np.uint64]:
    return np.arange(first_row, first_row + len(feedback), dtype=np.uint64)


def _drawn(numbers: NDArray[np.uint64], seed: int, purpose: int) -> NDArray[np.uint64]:
    """One of 2^64 numbers for each, started from the seed."""
    return scrambled(numbers, np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0].item())
