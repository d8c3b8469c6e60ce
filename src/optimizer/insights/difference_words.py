"""Differences in words: where raw means would fool whoever compares them."""

from __future__ import annotations

from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.ranking_words import SHARE


def misleading(name: str, against: str, found: StratifiedDifference, unit: str) -> str:
    """One sentence on a difference that is the other way round within days."""
    raw, value = _size(found.raw, unit), _size(found.value, unit)
    over, under = ("above", "below") if found.raw > 0 else ("below", "above")
    days = "better" if found.raw > 0 else "worse"
    low, high = found.anytime_interval()
    unclear = "" if low > 0.0 or high < 0.0 else ", which may be chance"
    return (
        f"{name}: raw it is {raw} {over} {against}, day by day {value} {under}{unclear}. "
        f"It had its trials on {days} days; trust the difference by day."
    )


def _size(difference: float, unit: str) -> str:
    if unit == SHARE:
        return f"{abs(100 * difference):.2g} points"
    return f"{abs(difference):.3g} {unit}"
