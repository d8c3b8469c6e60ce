"""Track record: what would have been forecast in the past from what was known then, held against what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.insights.forecasting.daily import Daily, as_date
from optimizer.insights.forecasting.fans import Expected, expected
from optimizer.insights.forecasting.traffic import traffic

WEEK = 7
MOST_WEEKS = 12
FEWEST_DAYS = 7  # of history before the first
_PATHS = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """One past forecast of a week.

    Attributes:
        begins: the first day of the week it was about.
        expected: what would have been forecast on the evening before.
        came: what did come.
    """

    begins: str
    expected: Expected
    came: float

    @property
    def held80(self) -> bool:
        """Whether the 80 % interval held."""
        return self.expected.low80 <= self.came <= self.expected.high80

    @property
    def held95(self) -> bool:
        """Whether the 95 % interval held."""
        return self.expected.low95 <= self.came <= self.expected.high95


def week_ahead(history: Daily) -> Expected | None:
    """Decisions of the seven days after a history, always the same for the same one; None where it says nothing."""
    known = traffic(history)
    if known is None:
        return None
    rng = np.random.Generator(np.random.PCG64([history.first, len(history.counts)]))
    return expected(known.paths(WEEK, _PATHS, rng).sum(axis=1))


def track_record(history: Daily, weeks: int = MOST_WEEKS) -> tuple[Kept, ...]:
    """Forecasts of the last whole weeks, oldest first: each from the days before it alone.

    Weeks with a day that says nothing, such as one of a pause, are left out: nothing was forecast for it.
    """
    found: list[Kept] = []
    last = len(history.counts)
    for back in range(weeks, 0, -1):
        begins = last - back * WEEK
        if begins < FEWEST_DAYS or not (history.known[begins : begins + WEEK] == 1.0).all():
            continue
        foretold = week_ahead(history.until(begins))
        if foretold is not None:
            came = float(history.counts[begins : begins + WEEK].sum())
            found.append(Kept(as_date(history.first + begins), foretold, came))
    return tuple(found)


def record_words(record: Sequence[Kept]) -> str:
    """How many held: ``Of 12 weekly forecasts 11 held (95 % interval), 10 within the 80 % interval``."""
    if not record:
        return "There is no week yet that could have been forecast from the days before it."
    held, inner = sum(one.held95 for one in record), sum(one.held80 for one in record)
    noun = "forecast" if len(record) == 1 else "forecasts"
    return f"Of {len(record)} weekly {noun} {held} held (95 % interval), {inner} within the 80 % interval."
