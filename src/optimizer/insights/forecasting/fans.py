"""Fans: what many paths say about each day to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_PATHS = 2_000
INNER, OUTER = 0.8, 0.95  # predictive probability of the two intervals
_ENDS = (0.025, 0.1, 0.5, 0.9, 0.975)


@dataclass(frozen=True, slots=True)
class Expected:
    """A number to come: the median of its paths, and the ends of the intervals that hold 80 % and 95 % of them."""

    median: float
    low80: float
    high80: float
    low95: float
    high95: float


@dataclass(frozen=True, slots=True)
class Fan:
    """What is expected by the end of each day.

    Attributes:
        days: ``2026-12-01`` …, in the strategy's time zone.
        expected: of each.
    """

    days: tuple[str, ...]
    expected: tuple[Expected, ...]


def expected(paths: Floats) -> Expected:
    """Of one number, ``[N]``."""
    low95, low80, median, high80, high95 = (float(each) for each in np.quantile(paths, _ENDS))
    return Expected(median, low80, high80, low95, high95)


def fan(days: tuple[str, ...], paths: Floats) -> Fan:
    """Of one number a day, ``[N, H]``."""
    ends = np.quantile(paths, _ENDS, axis=0).T.tolist() if paths.shape[1] else []
    return Fan(
        days, tuple(Expected(median, low80, high80, low95, high95) for low95, low80, median, high80, high95 in ends)
    )


@dataclass(frozen=True, slots=True)
class WhenExpected:
    """The day on which something happens, if it does.

    Attributes:
        probability: that it happens by the last day of the forecast.
        median: the day by which it has happened in half of all paths; None: not in half of them by then.
        early: the day by which it has happened in one of ten; None as above.
        late: the day by which it has happened in nine of ten; None as above.
    """

    probability: float
    median: str | None
    early: str | None
    late: str | None


def when(days: tuple[str, ...], places: NDArray[np.int64]) -> WhenExpected:
    """Of the place within `days` at which each path has it happen, ``[N]``; ``len(days)``: not within them."""
    by_day = np.bincount(np.minimum(places, len(days)), minlength=len(days) + 1)[: len(days)].cumsum() / len(places)

    def by(share: float) -> str | None:
        reached = np.flatnonzero(by_day >= share - 1e-12)
        return days[int(reached[0])] if len(reached) else None

    return WhenExpected(float(by_day[-1]) if len(days) else 0.0, by(0.5), by(0.1), by(0.9))
