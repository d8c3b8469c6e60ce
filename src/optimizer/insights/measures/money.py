"""Money: what was gained beyond control, what it cost, and the return on that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from optimizer.insights.measures.comparison import Comparison, Stratum

_LEAST_COST = 1e-9  # per trial: less is what sums of floating-point numbers leave of nothing


@dataclass(frozen=True, slots=True)
class Range:
    """A value with the ends of its 95 % interval, which holds at every look; nan where it is too early."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Money:
    """What the learning group's matured trials were worth beyond the holdout's.

    Attributes:
        currency: of everything here.
        worth_of: what is counted: ``rewards``, or the kind of the outcomes whose amounts are.
        worth: per trial.
        net: per trial, less cost.
        cost: what a trial costs more than one of the holdout.
        spent: what was due for those trials.
        gained: worth beyond the holdout's, of all of them.
        kept: the same less what they cost more.
        roi: `kept` per unit of what they cost more; None where they do not cost more.
    """

    currency: str
    worth_of: str
    worth: Comparison
    net: Comparison
    cost: float
    spent: float
    gained: Range
    kept: Range
    roi: Range | None


def money(
    worth: Comparison,
    net: Comparison,
    one: Mapping[Stratum, tuple[float, float]],
    other: Mapping[Stratum, tuple[float, float]],
    *,
    currency: str,
    worth_of: str,
) -> Money:
    """The comparisons as totals and as a return.

    What a trial costs is known to the last digit, so the return is as uncertain as the net worth is.

    Args:
        worth: of trials, within segments and days.
        net: likewise, of their worth less their cost.
        one: trials and their cost by stratum, of the learning group.
        other: of the holdout.
        currency: of all amounts.
        worth_of: see `Money`.
    """
    more = _more(one, other)
    roi = None
    if more > _LEAST_COST:
        roi = Range(*(end / more for end in (net.found.value, net.low, net.high)))
    return Money(
        currency,
        worth_of,
        worth,
        net,
        more,
        sum(cost for _, cost in one.values()),
        _total(worth),
        _total(net),
        roi,
    )


def _total(compared: Comparison) -> Range:
    return Range(*(compared.n * end for end in (compared.found.value, compared.low, compared.high)))


def _more(one: Mapping[Stratum, tuple[float, float]], other: Mapping[Stratum, tuple[float, float]]) -> float:
    """What a trial of the one group costs more, weighted over strata as differences of rewards are."""
    total = weights = 0.0
    for stratum, (n1, cost1) in one.items():
        n0, cost0 = other.get(stratum, (0.0, 0.0))
        if n1 > 0.0 and n0 > 0.0:
            weight = n1 * n0 / (n1 + n0)
            weights += weight
            total += weight * (cost1 / n1 - cost0 / n0)
    return total / weights if weights else nan
