"""Stratified differences: two sides compared within strata alone, such as the days of a campaign.

Shares that adapt and rewards that depend on the day confound each other: a variant that had its traffic on good days
looks good (Simpson 1951). Within a day everybody had the same chances, so differences are taken there, and averaged
with the weights ``w = n1 n0 / (n1 + n0)`` of Mantel & Haenszel (1959), which are best where differences are alike and
give nothing to strata where one side is empty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.normal import normal_interval

Floats = NDArray[np.float64]

FEWEST_SEEN = 10.0  # rewarded trials, and unrewarded ones, of either side: with fewer the normal law is no guide
FEWEST_AMOUNTS = 30.0  # the same where rewards differ, and a few large ones may hold most of their variance
BEST_AT_PAIRS = 500.0  # where the interval for every look is closest to that for one; far from there it is a bit wider
_SHAPE = 8.9  # what makes it so at 95 %: Waudby-Smith et al. (2024), section 2.3


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Sums of one side in each of ``G`` strata, ``[G]`` each: its trials, and their rewards and squared rewards."""

    trials: Floats
    rewards: Floats
    squares: Floats


@dataclass(frozen=True, slots=True)
class StratifiedDifference:
    """By how much one side's mean reward is above the other's.

    Attributes:
        raw: difference of the two means over everything; nan where a side has no trials.
        value: weighted mean of the differences within strata; nan where no stratum has both sides.
        standard_error: of `value`; nan where it cannot be told.
        left_out: share of all trials in strata where one side is empty: they say nothing.
        pairs: sum of the weights: as many trials on each of two equal sides say twice as much.
        seen: the fewest rewarded or unrewarded trials of a side; where rewards differ, as many as they count for.
        enough: how many have to be seen before there is an interval that holds at every look.
        scarce_failures: whether `seen` counts trials without a reward, since those are fewer.
    """

    raw: float
    value: float
    standard_error: float
    left_out: float
    pairs: float
    seen: float
    enough: float = FEWEST_SEEN
    scarce_failures: bool = False

    def anytime_interval(self, level: float = 0.95) -> tuple[float, float]:
        """An interval that holds at every look at once, however often and whenever somebody looks.

        Whoever looks each day at intervals made for one look sees one miss the truth in the end. This is the asymptotic
        confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), "Time-uniform central limit theory
        and asymptotic confidence sequences", Annals of Statistics 52, eq. 11: Robbins' normal mixture over the sum of
        the weighted differences, whose clock is `pairs`. It is about 1.6 times as wide as `interval`.

        Args:
            level: how often it covers at every look.

        Returns:
            Both ends; not numbers while fewer than `enough` of something have been seen.
        """
        if not self.seen >= self.enough:
            return nan, nan
        time = _SHAPE * self.pairs / BEST_AT_PAIRS
        reach = self.standard_error * sqrt((1.0 + 1.0 / time) * log((1.0 + time) / (1.0 - level) ** 2))
        return self.value - reach, self.value + reach

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The normal approximation's interval about `value`, for whoever looks once."""
        return normal_interval(self.value, self.standard_error, level)

    def widened(self, design: float) -> StratifiedDifference:
        """The same where trials of one recipient are alike, so that together they say less than as many of others.

        Args:
            design: times by which that makes the variance larger; see `evaluation.clusters`.
        """
        return replace(self, standard_error=self.standard_error * sqrt(design))

    @property
    def misleads(self) -> bool:
        """Whether the raw difference and the one within strata point in opposite directions."""
        return self.raw * self.value < 0.0


def stratified_difference(one: Side, other: Side, *, successes: bool) -> StratifiedDifference:
    """Mean reward of `one` less that of `other`, compared within strata.

    Args:
        one: one side.
        other: the other, over the same strata.
        successes: whether every reward is 0 or 1. The variance is then that of Sato (1989), "On the variance
            estimator for the Mantel-Haenszel risk difference", Biometrics 45, eq. 3, which holds for few large and for
            many small strata alike; a side that only fails or only succeeds gets one of what it lacks, since it is not
            certain either (as Agresti & Caffo 2000 add to each). Else it is ``sum w^2 (s1^2 / n1 + s0^2 / n0)`` over
            ``(sum w)^2``, where a single trial of a side in its stratum, which has no variance of its own, takes the
            mean one of that side.
    """
    n1, n0 = one.trials, other.trials
    raw = _mean(one.rewards.sum(), n1.sum()) - _mean(other.rewards.sum(), n0.sum())
    both = (n1 > 0) & (n0 > 0)
    everything = float((n1 + n0).sum())
    enough = FEWEST_SEEN if successes else FEWEST_AMOUNTS
    left_out = float((n1 + n0)[~both].sum()) / everything if everything else 0.0
    if not both.any():
        return StratifiedDifference(raw, nan, nan, left_out, 0.0, 0.0, enough)
    one, other = _kept(one, both), _kept(other, both)
    n1, n0 = one.trials, other.trials
    n = n1 + n0
    weights = n1 * n0 / n
    total = float(weights.sum())
    value = float((weights * (one.rewards / n1 - other.rewards / n0)).sum()) / total
    if successes:
        x1, x0 = _with_both(one), _with_both(other)
        p = (n1**2 * x0 - n0**2 * x1 + n1 * n0 * (n0 - n1) / 2.0) / n**2
        q = (x1 * (n0 - x0) + x0 * (n1 - x1)) / (2.0 * n)
        variance = (value * float(p.sum()) + float(q.sum())) / total**2
    else:
        variance = float((weights**2 * (_variances(one) / n1 + _variances(other) / n0)).sum()) / total**2
    error = sqrt(variance) if variance > 0.0 else nan
    seen, is_failures = min(_seen(one), _seen(other))
    return StratifiedDifference(raw, value, error, left_out, total, seen, enough, is_failures)


def _kept(side: Side, strata: NDArray[np.bool_]) -> Side:
    return Side(side.trials[strata], side.rewards[strata], side.squares[strata])


def _with_both(side: Side) -> Floats:
    """Successes, ``[G]``; of a side without a single success or failure, one spread over its trials is."""
    trials, successes = float(side.trials.sum()), float(side.rewards.sum())
    if 0.0 < successes < trials:
        return side.rewards
    share = 1.0 / (trials + 1.0)
    return side.trials * (share if successes <= 0.0 else 1.0 - share)


def _variances(side: Side) -> Floats:
    """Variance of a reward in each stratum, ``[G]``; the mean one of the side where a stratum cannot tell."""
    spread = np.maximum(side.squares - side.rewards**2 / side.trials, 0.0)
    free = side.trials - 1.0
    pooled = float(spread.sum() / free.sum()) if free.sum() > 0.0 else nan
    return np.where(free > 0.0, spread / np.where(free > 0.0, free, 1.0), pooled)


def _seen(side: Side) -> tuple[float, bool]:
    """Rewarded trials or unrewarded ones, whichever are fewer, and whether they are the unrewarded ones.

    Rewards that differ count as Kish (1965) counts them.
    """
    squares = float(side.squares.sum())
    rewarded = float(side.rewards.sum()) ** 2 / squares if squares > 0.0 else 0.0
    return min((rewarded, False), (float(side.trials.sum()) - rewarded, True))


def _mean(total: float, n: float) -> float:
    return float(total / n) if n else nan
