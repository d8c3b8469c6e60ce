"""Mergeable sums of columns: all that remains of a log of any length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.scrambling import scrambled

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Sums over rows of ``C`` columns. Those of two parts of a log add up to those of both, in any order.

    Second moments are kept about the mean and merged by the rule of Chan, Golub & LeVeque (1983): no digits are lost
    when columns vary little about a large mean.

    Attributes:
        n: rows.
        means: ``[C]``.
        products: ``[C, C]``, sums over rows of products of the columns' distances from their means.
        blocks: ``[K, 1 + C]``, number of rows in each block and sums of the columns over them.
        clustered: whether blocks keep the rows of a recipient together, so that only blocks are independent.
    """

    n: int
    means: Floats
    products: Floats
    blocks: Floats
    clustered: bool

    @classmethod
    def of(cls, columns: Floats, block_of: NDArray[np.intp], n_blocks: int, *, clustered: bool) -> Sums:
        """Sums of some rows.

        Args:
            columns: ``[C, N]``, one or more rows.
            block_of: ``[N]``, each row's block, below ``n_blocks``.
            n_blocks: ``K``.
            clustered: as the attribute.
        """
        means = columns.mean(axis=1)
        apart = columns - means[:, None]
        blocks = np.empty((1 + len(columns), n_blocks))
        blocks[0] = np.bincount(block_of, minlength=n_blocks)
        for i, column in enumerate(columns, start=1):
            blocks[i] = np.bincount(block_of, weights=column, minlength=n_blocks)
        products = np.einsum("in,jn->ij", apart, apart)  # as quick as BLAS for few columns, and waits for no thread
        return cls(len(block_of), means, products, blocks.T, clustered)

    def __add__(self, other: Sums) -> Sums:
        """Sums over the rows of both.

        Raises:
            ValueError: they are of other columns or other blocks.
        """
        if self.blocks.shape != other.blocks.shape or self.clustered != other.clustered:
            found, allowed = other.blocks.shape, self.blocks.shape
            raise ValueError(f"sums: found {found}; allowed {allowed}, the same columns and blocks")
        n = self.n + other.n
        step = other.means - self.means
        return Sums(
            n,
            self.means + step * (other.n / n),
            self.products + other.products + np.outer(step, step) * (self.n * other.n / n),
            self.blocks + other.blocks,
            self.clustered,
        )


def block_numbers(feedback: LoggedFeedback, first_row: int, n_blocks: int) -> NDArray[np.intp]:
    """Each row's block, ``[N]``: that of its recipient, or, where each row is another, of its place in the log.

    The first ``n_blocks`` rows get a block each, so that a short log is resampled row by row. Later ones are scattered:
    taking them in turn would tie blocks to anything in the log that repeats or is sorted.

    Args:
        feedback: a chunk of the log.
        first_row: number of rows of the log before it.
        n_blocks: ``K``.
    """
    if feedback.recipients is not None:
        return _scattered(feedback.recipients, n_blocks)
    rows = np.arange(first_row, first_row + len(feedback), dtype=np.uint64)
    if first_row >= n_blocks:
        return _scattered(rows, n_blocks)
    return np.where(rows < n_blocks, rows.astype(np.intp), _scattered(rows, n_blocks))


def _scattered(keys: NDArray[np.uint64], n_blocks: int) -> NDArray[np.intp]:
    """Keys scrambled, modulo ``n_blocks``; equal keys go to one block."""
    return (scrambled(keys) % np.uint64(n_blocks)).astype(np.intp)
