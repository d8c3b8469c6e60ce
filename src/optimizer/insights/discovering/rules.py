"""Rules of found segments: conditions as a campaign's `segments:` has them, asked in order, the first match wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optimizer.insights.discovering.columns import Column, Kind

ConditionKey = Literal["is", "in", "at_least", "below"]


@dataclass(frozen=True, slots=True)
class Condition:
    """What one attribute must be; false where it is not known.

    Attributes:
        attribute: its name.
        key: as the documents have it.
        value: a number, true or false, a category, or a tuple of categories for `in`.
    """

    attribute: str
    key: ConditionKey
    value: float | bool | str | tuple[str, ...]

    def holds(self, column: Column) -> NDArray[np.bool_]:
        """Rows of the attribute's column that meet it, ``[N]``."""
        if self.key == "at_least":
            return column.values >= _number(self.value)
        if self.key == "below":
            return column.values < _number(self.value)
        if column.kind is not Kind.CATEGORY:
            return column.values == float(bool(self.value))
        names = self.value if isinstance(self.value, tuple) else (self.value,)
        return np.isin(column.values, [place for place, name in enumerate(column.categories) if name in names])


@dataclass(frozen=True, slots=True)
class Rule:
    """Conditions that must all hold; none at all describe everyone.

    Attributes:
        conditions: at most one lower and one upper bound for each number, at most one list for each category.
    """

    conditions: tuple[Condition, ...] = ()

    def holds(self, columns: Mapping[str, Column], n: int) -> NDArray[np.bool_]:
        """Rows that meet all conditions, ``[N]``; `columns` by name."""
        met = np.ones(n, dtype=bool)
        for condition in self.conditions:
            met &= condition.holds(columns[condition.attribute])
        return met

    def when(self) -> dict[str, Any]:
        """The `when` of a segment: conditions by attribute, in the types of JSON."""
        found: dict[str, Any] = {}
        for one in self.conditions:
            value: Any = list(one.value) if isinstance(one.value, tuple) else one.value
            if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
                value = int(value)  # as people write it
            if one.key == "is":
                found[one.attribute] = value
            else:
                found.setdefault(one.attribute, {})[one.key] = value
        return found

    def joined_with(self, condition: Condition) -> Rule:
        """The same with one more condition, said in as few as it takes."""
        others = [one for one in self.conditions if one.attribute != condition.attribute]
        mine = [one for one in self.conditions if one.attribute == condition.attribute]
        return Rule((*others, *_together(mine, condition)))


def segment_of(rules: Sequence[Rule], columns: Mapping[str, Column], n: int) -> NDArray[np.int64]:
    """Place of the first rule that each row meets, ``[N]``; the number of rules where it meets none."""
    found = np.full(n, len(rules), dtype=np.int64)
    for place in range(len(rules) - 1, -1, -1):
        found[rules[place].holds(columns, n)] = place
    return found


def _together(mine: Sequence[Condition], new: Condition) -> list[Condition]:
    """Conditions on one attribute, and one more."""
    if new.key in ("is", "in"):
        if not mine:
            return [new]
        allowed = [name for name in _names(new) if all(name in _names(one) for one in mine)]
        if new.key == "is" and isinstance(new.value, bool):
            return [new]
        return (
            [Condition(new.attribute, "in", tuple(allowed))]
            if len(allowed) > 1
            else [Condition(new.attribute, "is", allowed[0])]
        )
    tightest = max if new.key == "at_least" else min
    same = [_number(one.value) for one in mine if one.key == new.key]
    kept = Condition(new.attribute, new.key, tightest([_number(new.value), *same]))
    other = [one for one in mine if one.key != new.key]
    return sorted([*other, kept], key=lambda one: one.key)


def _names(condition: Condition) -> tuple[str, ...]:
    return condition.value if isinstance(condition.value, tuple) else (str(condition.value),)


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"bound: found {value!r}; allowed a number")
    return float(value)
