"""Guardrail metrics: how near each rate is to its limit, with the interval it may be in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import plotly.graph_objects as go

from optimizer.figures.look import ALARM, COLOURS, NEUTRAL, add_empty, said, styled, whiskers

_FURTHEST: Final = 4.0  # times the limit: what is further away is shown at the edge


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate that has a limit.

    Attributes:
        name: the outcome, and whose.
        rate: so far; None before anything was exposed.
        low, high: ends of its 95 % interval.
        at_most: the limit.
        breached: whether the rule says that it is above.
    """

    name: str
    rate: float | None
    low: float
    high: float
    at_most: float
    breached: bool


def metrics_figure(rates: Sequence[Rate]) -> go.Figure:
    """A row for each rate on one axis, in times its limit, so that rare and frequent outcomes stand side by side."""
    figure = go.Figure()
    known = [one for one in rates if one.rate is not None]
    for is_breached in (False, True):
        some = [one for one in known if one.breached is is_breached]
        if some:
            _add_rates(figure, some, breached=is_breached)
    figure.add_vline(x=1.0, line={"color": NEUTRAL, "width": 2}, annotation_text="limit", annotation_position="top")
    if not known:
        add_empty(figure, "nothing was exposed yet")
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    widest = max((min(one.high / one.at_most, _FURTHEST) for one in known), default=1.0)
    figure.update_xaxes(range=[-0.04 * max(1.2, widest), max(1.2, 1.05 * widest)])
    return styled(figure, x="times the limit", height=120 + 34 * max(len(known), 1))


def _add_rates(figure: go.Figure, some: Sequence[Rate], *, breached: bool) -> None:
    values, lows, highs = zip(
        *((_shown(one.rate or 0.0, one), _shown(one.low, one), _shown(one.high, one)) for one in some), strict=True
    )
    colour = ALARM if breached else COLOURS[0]
    words = [f"{one.rate or 0.0:.2%}, 95 % interval {one.low:.2%} to {one.high:.2%}" for one in some]
    figure.add_scatter(
        x=values,
        y=[said(one.name, 60) for one in some],
        mode="markers",
        marker={"color": colour, "size": 10, "symbol": "x" if breached else "circle"},
        error_x={**whiskers(values, lows, highs), "color": colour},
        text=[f"{said(one.name)}<br>{said_rate}" for one, said_rate in zip(some, words, strict=True)],
        customdata=[f"limit {one.at_most:.2%}{', breached' if breached else ''}" for one in some],
        hovertemplate="%{text}<br>%{customdata}<extra></extra>",
        showlegend=False,
    )


def _shown(value: float, one: Rate) -> float:
    return min(value / one.at_most, _FURTHEST)
