"""A part of every day on somebody's wall clock: quiet hours, send windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """Minutes of a local day from a start until, but without, an end; past midnight when the end comes first.

    Attributes:
        start: minute of the day, 0 to 1439.
        end: minute of the day, 1 to 1440, never the start. Midnight as an end is 1440, so that equal windows compare
            equal; 0 to 1440 is the whole day.

    Raises:
        ValueError: start or end lies outside its range, or both are the same.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < MINUTES_PER_DAY or not 0 < self.end <= MINUTES_PER_DAY or self.start == self.end:
            raise ValueError(
                f"window: found minutes {self.start} to {self.end}; "
                "allowed a start from 0 to 1439 and another end from 1 to 1440"
            )

    def __str__(self) -> str:
        """The window as it is written in documents: ``21:00-08:00``."""
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"

    @overload
    def contains(self, minute: int) -> bool: ...

    @overload
    def contains(self, minute: NDArray[np.int64]) -> NDArray[np.bool_]: ...

    def contains(self, minute: int | NDArray[np.int64]) -> bool | NDArray[np.bool_]:
        """Whether minutes of the local day, 0 to 1439, lie inside; of the same shape."""
        if self.start < self.end:
            return (minute >= self.start) & (minute < self.end)
        return (minute >= self.start) | (minute < self.end)

    @property
    def lasts_all_day(self) -> bool:
        """Whether every minute lies inside."""
        return self.start == 0 and self.end == MINUTES_PER_DAY

    def within(self, other: DailyWindow) -> bool:
        """Whether every minute of this window lies inside the other."""
        minutes = np.arange(MINUTES_PER_DAY)
        return not bool((self.contains(minutes) & ~other.contains(minutes)).any())
