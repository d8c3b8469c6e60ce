"""Comparisons: a mean of one group beside that of another, with what can be said of the difference at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan, nan
from typing import Final, TypeVar

import numpy as np

from optimizer.evaluation.stratified import Side, StratifiedDifference, stratified_difference

Stratum = TypeVar("Stratum")
Sums = tuple[float, float, float]  # trials or recipients, what they came to, and the squares of it
_NOTHING: Final[Sums] = (0.0, 0.0, 0.0)


class Verdict(StrEnum):
    """What an interval says."""

    ABOVE = "above"
    BELOW = "below"
    OPEN = "not told apart yet"
    EARLY = "too early to say"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A mean of one group less that of another.

    Attributes:
        against: whom it is compared with, such as ``the holdout``.
        unit: of the means and of the difference: a share of the trials or recipients, rewards, or a currency.
        n: trials, or recipients, of the one.
        mean: raw mean of the one; nan without any.
        other_n: of the other.
        other_mean: of the other.
        found: the difference within segments and days (of recipients: within segments).
        design: times by which the variance is larger because recipients have several trials; 1 where recipients are
            counted themselves. It is in `found`.
    """

    against: str
    unit: str
    n: float
    mean: float
    other_n: float
    other_mean: float
    found: StratifiedDifference
    design: float = 1.0

    @property
    def low(self) -> float:
        """Lower end of the interval that holds at every look; nan while it is too early."""
        return self.found.anytime_interval()[0]

    @property
    def high(self) -> float:
        """Upper end of it."""
        return self.found.anytime_interval()[1]

    @property
    def verdict(self) -> Verdict:
        """What the interval says."""
        if isnan(self.low):
            return Verdict.EARLY
        return Verdict.ABOVE if self.low > 0.0 else Verdict.BELOW if self.high < 0.0 else Verdict.OPEN

    @property
    def seen(self) -> str:
        """How far the thinner side is from having an interval, in words; empty once it has one."""
        if not isnan(self.low):
            return ""
        # Where nearly everything is rewarded, it is trials without a reward that are rare.
        rare = "trials without a reward" if self.found.scarce_failures else "rewards"
        return f"too early: {self.found.seen:,.0f} of the {self.found.enough:.0f} {rare} it takes on each side"


def comparison(
    one: Mapping[Stratum, Sums],
    other: Mapping[Stratum, Sums],
    *,
    against: str,
    unit: str,
    successes: bool,
    design: float = 1.0,
) -> Comparison | None:
    """Two groups compared within strata; None while there is nothing to compare.

    Args:
        one: sums of the one group by stratum.
        other: of the other.
        against: what the other is called.
        unit: of the means.
        successes: whether everything summed is 0 or 1.
        design: see `Comparison`.
    """
    strata = list(one.keys() | other.keys())
    sides = [Side(*_columns([side.get(stratum, _NOTHING) for stratum in strata])) for side in (one, other)]
    found = stratified_difference(*sides, successes=successes)
    if isnan(found.value):
        return None
    means = [_mean(side) for side in sides]
    n, other_n = (float(side.trials.sum()) for side in sides)
    return Comparison(against, unit, n, means[0], other_n, means[1], found.widened(design), design)


def _columns(rows: Sequence[Sums]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, total, squares = np.array(rows, np.float64).reshape(-1, 3).T
    return n, total, squares


def _mean(side: Side) -> float:
    n = float(side.trials.sum())
    return float(side.rewards.sum()) / n if n else nan
