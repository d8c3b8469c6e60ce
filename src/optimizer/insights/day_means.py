"""Mean rewards by the day of the decision, and what days that still mature are expected to come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from optimizer.domain.micros import units
from optimizer.domain.statistics import Sums
from optimizer.evaluation.rates import rate_interval

_Z = 1.959964  # 95 %, both sides


@dataclass(frozen=True, slots=True)
class DayMean:
    """One day of one group.

    Attributes:
        day: days since 1970, in the strategy's time zone.
        trials: made on it.
        mean: reward of a trial so far.
        low, high: ends of its 95 % interval, for this day alone.
        expected: reward of a trial once every outcome is in; None where it is.
    """

    day: int
    trials: int
    mean: float
    low: float
    high: float
    expected: float | None


def day_means(
    days: Sequence[tuple[int, Sums]], come: Callable[[int], float], *, counts_successes: bool
) -> tuple[DayMean, ...]:
    """A mean for each day with trials, in order.

    Args:
        days: trials and rewards by day, each day once.
        come: which share of a day's rewards has come by now.
        counts_successes: whether a reward is 0 or 1.
    """
    known = sorted((day, sums) for day, sums in days if sums.n > 0)
    # What was earned of what is expected to be: the rate that all days together point to.
    due = sum(sums.n * come(day) for day, sums in known)
    theta = min(sum(sums.positives for _, sums in known) / due, 0.999) if due > 0.0 else 0.0
    positives, total = (sum(sums.positives for _, sums in known), sum(units(sums.total) for _, sums in known))
    worth = total / positives if positives else 0.0
    found = []
    for day, sums in known:
        mean, share = units(sums.total) / sums.n, come(day)
        low, high = _interval(sums, mean, counts_successes=counts_successes)
        expected = None
        if share < 1.0:
            missing = (sums.n - sums.positives) * theta * (1.0 - share) / (1.0 - theta * share)
            expected = mean + max(missing, 0.0) * (1.0 if counts_successes else worth) / sums.n
        found.append(DayMean(day, sums.n, mean, low, high, expected))
    return tuple(found)


def _interval(sums: Sums, mean: float, *, counts_successes: bool) -> tuple[float, float]:
    if counts_successes:
        return rate_interval(sums.positives, sums.n)
    variance = max(units(sums.squares) / sums.n - mean**2, 0.0)
    reach = _Z * sqrt(variance / sums.n)
    return mean - reach, mean + reach
