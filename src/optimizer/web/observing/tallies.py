"""Counters and histograms of one process, cheap enough for every request.

A key is a tuple of label values. Adding costs a look-up in a dictionary; the text that a scrape gets is the business
of `exposition`. Each is written by one thread at a time; any thread may read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Protocol

Labels = tuple[str | int, ...]
State = dict[Labels, list[float]]

MOST_KEYS = 10_000  # of one metric: a memory and a monitoring that stay small whatever people write into documents
OTHER = "other"  # every label of what is counted beyond that


class Metric(Protocol):
    """Something a process measures.

    Attributes:
        name: with its unit; counters without the `_total` that the text format adds.
        kind: `counter` or `histogram`.
        text: what is measured, in one sentence.
        labels: names of the labels.
        bounds: upper ends of a histogram's ranges, rising; one more range holds everything above.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...]

    def state(self) -> State:
        """Values by key, as they are now: one, or of a histogram the number in each range and then their sum."""


class _Keyed:
    """What the metrics below share: a cell of values for every key, up to a bound."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), bounds: Sequence[float] = ()) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self.bounds = tuple(bounds)
        self._cells: State = {}
        if not labels:  # shown as 0 from the first scrape on: to a rate, a series that begins with 1 has not risen
            self._new(())

    def state(self) -> State:
        """Values by key, as they are now."""
        return {key: cell.copy() for key, cell in self._cells.copy().items()}

    @property
    def _size(self) -> int:
        return 1

    def _new(self, key: Labels) -> list[float]:
        if len(self._cells) >= MOST_KEYS:
            key = (OTHER,) * len(self.labels)
        return self._cells.setdefault(key, [0.0] * self._size)


class Tally(_Keyed):
    """Counts by key."""

    def add(self, key: Labels = (), n: float = 1) -> None:
        """Count `n` more."""
        (self._cells.get(key) or self._new(key))[0] += n

    def add_all(self, counts: Mapping[Labels, int]) -> None:
        """Count several keys at once."""
        for key, n in counts.items():
            self.add(key, n)


class Spread(_Keyed):
    """How values spread over ranges, by key: a histogram."""

    kind = "histogram"

    @property
    def _size(self) -> int:
        return len(self.bounds) + 2

    def observe(self, value: float, key: Labels = ()) -> None:
        """Note one value."""
        cell = self._cells.get(key) or self._new(key)
        cell[bisect_left(self.bounds, value)] += 1
        cell[-1] += value


def merged(states: Sequence[State]) -> State:
    """The state of several processes together."""
    found: State = {}
    for state in states:
        for key, values in state.items():
            before = found.get(key)
            if before is None or len(before) != len(values):  # of another release: its ranges are not ours
                found[key] = values
            else:
                found[key] = [one + other for one, other in zip(before, values, strict=True)]
    return found


def cumulative(values: Sequence[float], bounds: Sequence[float]) -> list[tuple[str, float]]:
    """The number of values up to each bound of a histogram, as the text format wants it; the last is infinity."""
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(values[:-1]), strict=True))
