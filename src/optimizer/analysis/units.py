"""Numbers in a report's unit, for people."""

from __future__ import annotations

from optimizer.insights.ranking_words import SHARE


def shown(value: float, unit: str, *, signed: bool = False) -> str:
    """A reward: a share in percent, anything else to two digits after the point."""
    plus = "+" if signed else ""
    return f"{value:{plus}.2%}" if unit == SHARE else f"{value:{plus},.2f}"


def axis_format(unit: str) -> str:
    """The same for an axis, in the words of d3."""
    return ".1%" if unit == SHARE else ",.4~r"
