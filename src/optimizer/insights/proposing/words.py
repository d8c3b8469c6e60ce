"""Words that all makers use: sizes with their units, shares, counts, and when something is as of."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.domain.instants import moment
from optimizer.domain.proposals import Effect
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.ranking_words import SHARE


def size(value: float, unit: str) -> str:
    """A reward or a difference of rewards, without its sign: ``1.2 points``, ``0.37 EUR``."""
    return f"{abs(100 * value):.3g} points" if unit == SHARE else f"{abs(value):.3g} {unit}"


def per_trial(found: StratifiedDifference, unit: str) -> str:
    """A difference a trial with its interval: ``+1.2 points a trial (95 % interval at every look: +0.4 to +2)``."""
    low, high = found.anytime_interval()
    times, name = (100.0, "points") if unit == SHARE else (1.0, unit)
    return (
        f"{times * found.value:+.3g} {name} a trial "
        f"(95 % interval, valid at every look: {times * low:+.3g} to {times * high:+.3g})"
    )


def percent(share: float) -> str:
    """A share of traffic or a probability: ``2.4 %``, ``under 0.1 %``, ``over 99 %``."""
    if 0.0 < share < 0.001:
        return "under 0.1 %"
    if share >= 0.995:  # what two digits would say is 1e+02
        return "over 99 %" if share < 1.0 else "100 %"
    return f"{100 * share:.2g} %"


def count(n: float, what: str) -> str:
    """``1,204 trials``."""
    return f"{n:,.0f} {what}"


def as_of(looked: Looked) -> str:
    """Until when the evidence counts, in the strategy's time zone."""
    at = moment(looked.now).astimezone(looked.tactic.zone)
    return f"As of {at:%Y-%m-%d %H:%M} ({looked.tactic.zone.key})."


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def effect(found: StratifiedDifference, looked: Looked, per: str = "day") -> Effect | None:
    """A change of the objective with the interval that holds at every look; None where there is no interval yet."""
    low, high = found.anytime_interval()
    if not low <= high:  # not numbers
        low, high = found.interval()
    unit = "rewards" if looked.unit == SHARE and per != "trial" else looked.unit
    return Effect(found.value, low, high, unit, per)
