"""Rates drawn inside a table: every row's interval on one shared axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor

BAR_WIDTH = 24


@dataclass(frozen=True, slots=True)
class Axis:
    """What a column of bars shows, from `low` on its left to `high` on its right."""

    low: float
    high: float
    width: int = BAR_WIDTH

    @classmethod
    def over(cls, values: Iterable[float], *, zero: bool = False, width: int = BAR_WIDTH) -> Axis:
        """The axis of these rates, in whole percents; from 0 if so wanted."""
        low, high = min(values := [*values], default=0.0), max(values, default=1.0)
        return cls(0.0 if zero else floor(100 * low) / 100, max(ceil(100 * high), 1) / 100, width)

    def place(self, value: float) -> int:
        """The column of a value; values beyond an end stand at it."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return min(max(round(share * (self.width - 1)), 0), self.width - 1)

    def bar(self, low: float, point: float, high: float, mark: float | None = None) -> str:
        """An interval, with something to compare it with: ``·····│····━━●━━····``."""
        bar = ["━" if self.place(low) <= n <= self.place(high) else "·" for n in range(self.width)]
        if mark is not None:
            bar[self.place(mark)] = "│"
        bar[self.place(point)] = "●"
        return "".join(bar)

    def __str__(self) -> str:
        left, right = percent(self.low, 0), percent(self.high, 0)
        return left + right.rjust(self.width - len(left))


def percent(share: float, digits: int = 1) -> str:
    """``18.3 %``."""
    return f"{100 * share:.{digits}f} %"
