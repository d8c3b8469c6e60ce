"""Segment rules, compiled: one recipient at a time for the service, whole columns for batches and rehearsals.

Every condition first becomes a `Test`, the set of values it accepts. Both evaluators, and the checks for
conditions that contradict or shadow each other, read that one form. A value that is missing, or not of the
declared type (a profile may be older than the strategy), is accepted by no test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, nan
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.strategy.audience import (
    Attribute,
    BooleanAttribute,
    CategoryAttribute,
    Condition,
    NumberAttribute,
)
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.fields import EVERYONE_ELSE

OUTSIDE = -1  # index of no segment

Edge = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers between two edges.

    An edge is a bound and which side of it counts: ``(b, 0)`` is b itself, ``(b, 1)`` just above, ``(b, -1)``
    just below. Edges then compare as tuples do.
    """

    low: Edge = (-inf, 0)
    high: Edge = (inf, 0)

    def is_empty(self) -> bool:
        """Whether no number lies inside."""
        return self.low > self.high

    def contains(self, other: "Interval") -> bool:
        """Whether every number of the other lies inside this one."""
        return self.low <= other.low and other.high <= self.high


Test = Interval | frozenset[str | bool]


def accepted(declared: Attribute, condition: Condition) -> Test:
    """The values a condition accepts of an attribute; its keys fit the attribute's type."""
    if isinstance(declared, NumberAttribute):
        lows: list[Edge] = [(-inf, 0)]
        highs: list[Edge] = [(inf, 0)]
        for key, edges, side in (
            ("at_least", lows, 0),
            ("above", lows, 1),
            ("equals", lows, 0),
            ("at_most", highs, 0),
            ("below", highs, -1),
            ("equals", highs, 0),
        ):
            bound = getattr(condition, key)
            if bound is not None:
                edges.append((bound, side))
        return Interval(max(lows), min(highs))
    values: set[str | bool] = {True, False}
    if isinstance(declared, CategoryAttribute):
        values = set(declared.values)
        values &= values if condition.in_ is None else set(condition.in_)
        values -= set(condition.not_in or ())
    return frozenset(values if condition.is_ is None else values & {condition.is_})


def is_empty(test: Test) -> bool:
    """Whether no value passes the test."""
    return test.is_empty() if isinstance(test, Interval) else not test


def can_be_met(declared: Attribute, test: Test) -> bool:
    """Whether a value that the attribute may have passes the test."""
    if not isinstance(declared, NumberAttribute) or not isinstance(test, Interval):
        return True
    least = -inf if declared.minimum is None else declared.minimum
    most = inf if declared.maximum is None else declared.maximum
    return not Interval(max(test.low, (least, 0)), min(test.high, (most, 0))).is_empty()


def covers(wide: Mapping[str, Test], narrow: Mapping[str, Test]) -> bool:
    """Whether every recipient who passes the narrow tests passes the wide ones, too."""
    return all(name in narrow and _contains(test, narrow[name]) for name, test in wide.items())


def _contains(wide: Test, narrow: Test) -> bool:
    if isinstance(wide, Interval):
        return isinstance(narrow, Interval) and wide.contains(narrow)
    return isinstance(narrow, frozenset) and narrow <= wide


def _number(value: object) -> float:
    """The number, NaN when it is not one."""
    if isinstance(value, float):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        return nan
    try:
        return float(value)
    except OverflowError:
        return nan


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


_Read = Callable[[object], Any]
_READERS: dict[type[Attribute], _Read] = {
    NumberAttribute: _number,
    CategoryAttribute: _text,
    BooleanAttribute: _boolean,
}


# Values of these types stand in a column as they are; NumPy makes NaN of None.
_AS_THEY_ARE: dict[_Read, set[type]] = {
    _number: {float, int, NoneType},
    _text: {str, NoneType},
    _boolean: {bool, NoneType},
}


def _check(name: str, test: Test, read: _Read) -> Callable[[Attributes], bool]:
    """One test of one attribute, ready to call."""
    if isinstance(test, frozenset):
        return lambda attributes: read(attributes.get(name)) in test
    (low, above), (high, below) = test.low, test.high
    # Infinite edges keep NaN out, too: it compares false with everything.
    if above and below:
        return lambda attributes: low < read(attributes.get(name)) < high
    if above:
        return lambda attributes: low < read(attributes.get(name)) <= high
    if below:
        return lambda attributes: low <= read(attributes.get(name)) < high
    return lambda attributes: low <= read(attributes.get(name)) <= high


def _mask(column: NDArray[Any], test: Test) -> NDArray[np.bool_]:
    """The same test over a column, ``[n]``."""
    if isinstance(test, frozenset):
        return np.fromiter(map(test.__contains__, column.tolist()), np.bool_, len(column))
    (low, above), (high, below) = test.low, test.high
    numbers = column.astype(np.float64, copy=False)
    passed = (numbers > low) if above else (numbers >= low)
    passed &= (numbers < high) if below else (numbers <= high)
    return passed


class SegmentRules:
    """A campaign's segments as one function of a recipient's attributes; the first segment that matches wins.

    Attributes:
        segment_ids: declared segments in order, then ``everyone-else`` when the campaign includes it.
        attribute_names: the attributes the rules look at.
    """

    def __init__(self, strategy: Strategy, campaign: Campaign) -> None:
        declared = strategy.attributes
        segments = campaign.segments or ()
        include = campaign.everyone_else == "include"
        self.segment_ids = (*(segment.id for segment in segments), *((EVERYONE_ELSE,) if include else ()))
        self._otherwise = len(segments) if include else OUTSIDE
        self._tests = [
            {name: accepted(declared[name], condition) for name, condition in segment.when.items()}
            for segment in segments
        ]
        self.attribute_names = tuple(dict.fromkeys(name for tests in self._tests for name in tests))
        self._readers = {name: _READERS[type(declared[name])] for name in self.attribute_names}
        self._checks = [
            (index, tuple(_check(name, test, self._readers[name]) for name, test in tests.items()))
            for index, tests in enumerate(self._tests)
        ]

    def of(self, attributes: Attributes) -> int:
        """Index into `segment_ids` of a recipient's segment; -1 when they are outside the audience."""
        for index, checks in self._checks:
            for check in checks:
                if not check(attributes):
                    break
            else:
                return index
        return self._otherwise

    def of_many(self, columns: Mapping[str, NDArray[Any]], n: int) -> NDArray[np.int64]:
        """Segment index of each of n recipients, ``[n]``.

        Args:
            columns: by attribute, ``[n]``: numbers as float64 with NaN for missing, categories as text or
                None, booleans as bool or None (or float with NaN). No column: missing for everyone.
            n: number of recipients.
        """
        segments = np.full(n, self._otherwise, dtype=np.int64)
        # Backwards, so that the first segment that matches is written last.
        for index in range(len(self._tests) - 1, -1, -1):
            tests = self._tests[index]
            if all(name in columns for name in tests):
                masks = [_mask(columns[name], test) for name, test in tests.items()]
                segments[np.logical_and.reduce(masks)] = index
        return segments

    def columns_of(self, rows: Sequence[Mapping[str, AttributeValue]]) -> dict[str, NDArray[Any]]:
        """The columns `of_many` reads, from one mapping per recipient."""
        columns: dict[str, NDArray[Any]] = {}
        for name, read in self._readers.items():
            values = [row.get(name) for row in rows]
            if not set(map(type, values)) <= _AS_THEY_ARE[read]:
                values = list(map(read, values))
            columns[name] = column = np.empty(len(values), dtype=np.float64 if read is _number else object)
            try:
                column[:] = values
            except OverflowError:  # an integer too large for a float
                column[:] = list(map(read, values))
        return columns
