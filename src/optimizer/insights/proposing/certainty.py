"""Certainty: what "high", "medium" and "low" mean, in one place for all makers. See docs/decisions/0051."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import hypot, isnan

from optimizer.domain.proposals import Confidence
from optimizer.evaluation.stratified import StratifiedDifference

ERROR = 0.05  # how often a maker may be wrong about a campaign in which nothing is better, over all looks
LEVEL = 1.0 - ERROR
HOPELESS = 0.05  # P(best) up to which nobody bets on a variant


def combined(parts: Iterable[tuple[float, StratifiedDifference]]) -> StratifiedDifference | None:
    """The sum of independent differences, each so many times: what a change gains in all segments together.

    Args:
        parts: how many trials each counts for, and the difference of one.

    Returns:
        None where there is nothing to sum.
    """
    some = [(times, one) for times, one in parts if times > 0.0 and not isnan(one.value)]
    if not some or any(isnan(one.standard_error) for _, one in some):
        return None
    return StratifiedDifference(
        raw=sum(times * one.raw for times, one in some),
        value=sum(times * one.value for times, one in some),
        standard_error=hypot(*(times * one.standard_error for times, one in some)),
        left_out=max(one.left_out for _, one in some),
        pairs=sum(one.pairs for _, one in some),
        seen=sum(one.seen for _, one in some),
        enough=max(one.enough for _, one in some),
    )


def certainty(settled: StratifiedDifference | None, everything: StratifiedDifference, n: int) -> Confidence | None:
    """How sure it is that a difference is above zero.

    `high`: of the trials of which nothing is awaited any more, the interval that holds at every look and for all `n`
    comparisons of its maker at once (Bonferroni) lies above zero. `medium`: of all trials, that for this comparison
    alone does. `low`: only the interval for whoever looks once does.

    Args:
        settled: of the trials of which no outcome is awaited any more; None where there are none.
        everything: of all trials so far.
        n: comparisons that the maker looked at.

    Returns:
        None where not even that.
    """
    if settled is not None and above_zero(settled, ERROR / n) and everything.value > 0.0:
        return Confidence.HIGH
    if above_zero(everything, ERROR):
        return Confidence.MEDIUM
    return Confidence.LOW if everything.interval(LEVEL)[0] > 0.0 else None


def above_zero(found: StratifiedDifference, error: float) -> bool:
    """Whether a difference lies above zero, wrong at any look in so many of cases."""
    return found.anytime_interval(1.0 - error)[0] > 0.0


def turned(found: StratifiedDifference) -> StratifiedDifference:
    """The difference seen from the other side."""
    return replace(found, raw=-found.raw, value=-found.value)
