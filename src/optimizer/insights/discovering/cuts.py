"""Where columns may be cut: a bounded number of conditions, in numbers people would write, none about a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from optimizer.insights.discovering.columns import FEWEST_RECIPIENTS, Column, Kind
from optimizer.insights.discovering.rules import Condition

Floats = NDArray[np.float64]

MOST_CUTS = 24  # of a number
_ALL_CUTS = 640  # of all numbers together, as time grows with their square
_FEWEST_CUTS = 4
_ROUND_DAYS = (365, 180, 90, 60, 30, 21, 14, 7)  # spans people think in, rather than in tens


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """A column in bins.

    Attributes:
        column: the column.
        codes: ``[N]``, bin of each row. The last bin holds what is unknown, or not to be named; no condition names it.
        n_bins: ``B``, that last bin included.
        thresholds: of a number: bin ``j`` begins at ``thresholds[j - 1]``.
        named: of a category: place among its categories of each bin but the last.
    """

    column: Column
    codes: NDArray[np.int64]
    n_bins: int
    thresholds: tuple[float, ...] = ()
    named: tuple[int, ...] = ()

    @property
    def has_unknown(self) -> bool:
        """Whether any row is in the last bin, so that the opposite of a condition is no condition."""
        return bool((self.codes == self.n_bins - 1).any())

    def masks(self, means: Floats, present: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Bins that each possible condition accepts, ``[C, B]``.

        Values of a category have no order: they are lined up along the direction in which their scores differ most, and
        cut there (Fisher 1958); each alone is a condition, too.

        Args:
            means: ``[B, A]``, mean score of every arm in each bin of the rows at hand.
            present: ``[B]``, bins that hold any of them.
        """
        known = self.n_bins - 1
        if self.column.kind is Kind.CATEGORY:
            here = np.flatnonzero(present[:known])
            subsets = _subsets(_along(means[here]), both=self.has_unknown)
            chosen = np.zeros((len(subsets), known), dtype=bool)
            chosen[:, here] = subsets
        else:
            places = np.arange(known)
            chosen = places[None, :] >= np.arange(1, known)[:, None]  # at least each threshold
            if self.has_unknown:
                chosen = np.concatenate([chosen, ~chosen])
        return np.concatenate([chosen, np.zeros((len(chosen), 1), dtype=bool)], axis=1)

    def condition(self, mask: NDArray[np.bool_]) -> Condition:
        """The condition that accepts these bins."""
        name, known = self.column.name, mask[:-1]
        if self.column.kind is Kind.CATEGORY:
            values = tuple(self.column.categories[self.named[place]] for place in np.flatnonzero(known))
            return Condition(name, "is", values[0]) if len(values) == 1 else Condition(name, "in", values)
        if self.column.kind is Kind.BOOLEAN:
            return Condition(name, "is", bool(known[-1]))
        if known[-1]:
            return Condition(name, "at_least", self.thresholds[int(np.argmax(known)) - 1])
        return Condition(name, "below", self.thresholds[int(known.sum()) - 1])


def cuts_of(columns: Sequence[Column], recipients: NDArray[np.int64]) -> list[Cuts]:
    """Columns in bins, those left out that cannot be cut.

    Every bin that can be named holds `FEWEST_RECIPIENTS` or more.

    Args:
        columns: ``N`` rows each.
        recipients: ``[N]``, number of each row's recipient, from 0.
    """
    n_numbers = sum(column.kind in {Kind.NUMBER, Kind.RECENCY} for column in columns)
    most = max(_FEWEST_CUTS, min(MOST_CUTS, _ALL_CUTS // max(n_numbers, 1)))
    found = [_cut(column, recipients, most) for column in columns]
    return [cuts for cuts in found if cuts is not None]


def roundest(low: float, high: float, *, is_recency: bool = False) -> float:
    """The number in ``(low, high]`` that takes the fewest digits to write; of days, a span people think in."""
    if is_recency:
        spans = [days for days in _ROUND_DAYS if low < days <= high]
        if spans:
            return float(spans[0])
    if low < 0.0 <= high:
        return 0.0
    size = max(abs(low), abs(high))
    exponent = floor(log10(size)) + 1
    for digits in range(exponent, exponent - 17, -1):
        for step in (5.0, 2.0, 1.0):
            unit = step * 10.0**digits
            place = round(floor(high / unit) * unit, max(0, -digits))
            if low < place <= high:
                return place
    return high


def _cut(column: Column, recipients: NDArray[np.int64], most: int) -> Cuts | None:
    if column.kind is Kind.CATEGORY:
        return _cut_category(column, recipients)
    if column.kind is Kind.BOOLEAN:
        codes = np.where(column.known, column.values, 2).astype(np.int64)
        few = [len(np.unique(recipients[codes == place])) < FEWEST_RECIPIENTS for place in range(2)]
        return None if (any(few) and not (codes == 2).any()) or all(few) else Cuts(column, codes, 3)
    return _cut_number(column, recipients, most)


def _cut_category(column: Column, recipients: NDArray[np.int64]) -> Cuts | None:
    places = column.values.astype(np.int64)
    sizes = [len(np.unique(recipients[places == place])) for place in range(len(column.categories))]
    named = tuple(place for place, size in enumerate(sizes) if size >= FEWEST_RECIPIENTS)
    if not named:
        return None
    table = np.full(len(column.categories) + 1, len(named))  # the last is that of what is missing, by its -1
    table[list(named)] = np.arange(len(named))
    codes = table[places]
    is_one = len(named) == 1 and not (codes == 1).any()
    return None if is_one else Cuts(column, codes, len(named) + 1, named=named)


def _cut_number(column: Column, recipients: NDArray[np.int64], most: int) -> Cuts | None:
    known = column.known
    # One value of each recipient, so that those with many decisions do not draw all cuts to themselves.
    _, first = np.unique(recipients[known], return_index=True)
    values = np.sort(column.values[known][first])
    most = min(most, len(values) // FEWEST_RECIPIENTS - 1)
    if most < 1:
        return None
    ranks = (np.arange(1, 2 * most + 2) * len(values)) // (2 * most + 2)
    edges = values[ranks]  # between each two of them that are even lies one cut
    is_recency = column.kind is Kind.RECENCY
    found = [
        roundest(edges[2 * n], edges[2 * n + 2], is_recency=is_recency)
        for n in range(most)
        if edges[2 * n] < edges[2 * n + 2]
    ]
    thresholds: list[float] = []
    for threshold in sorted(set(found)):
        before = thresholds[-1] if thresholds else -np.inf
        if np.count_nonzero((values >= before) & (values < threshold)) >= FEWEST_RECIPIENTS:
            thresholds.append(threshold)
    while thresholds and np.count_nonzero(values >= thresholds[-1]) < FEWEST_RECIPIENTS:
        thresholds.pop()
    if not thresholds:
        return None
    codes = np.where(known, np.searchsorted(thresholds, column.values, side="right"), len(thresholds) + 1)
    return Cuts(column, codes.astype(np.int64), len(thresholds) + 2, thresholds=tuple(thresholds))


def _along(means: Floats) -> NDArray[np.intp]:
    """Bins in the order of their scores along the direction in which these differ most."""
    if len(means) < 2:
        return np.arange(len(means))
    centred = means - means.mean(axis=1, keepdims=True)
    centred = centred - centred.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    return np.argsort(centred @ directions[0], kind="stable")


def _subsets(order: NDArray[np.intp], *, both: bool) -> NDArray[np.bool_]:
    """Beginnings of the order (also ends, when they are no opposites of these), and each bin alone; ``[C, B]``."""
    n = len(order)
    if n == 0 or (n == 1 and not both):
        return np.zeros((0, n), dtype=bool)
    ranks = np.empty(n, dtype=np.int64)
    ranks[order] = np.arange(n)
    sizes = np.arange(1, n + 1 if both else n)
    beginnings = ranks[None, :] < sizes[:, None]
    parts = [beginnings, np.eye(n, dtype=bool)]
    if both:
        parts.append(~beginnings[:-1])
    return np.asarray(np.unique(np.concatenate(parts), axis=0))
