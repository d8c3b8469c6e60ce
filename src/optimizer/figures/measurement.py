"""Pictures of measurements: effects step by step, and decisions a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from optimizer.figures.look import COLOURS, NEUTRAL, add_empty, said, styled, whiskers


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect with its interval.

    Attributes:
        label: what it is of.
        value: in the figure's unit.
        low: lower end; None where it is too early.
        high: upper end.
    """

    label: str
    value: float
    low: float | None
    high: float | None


def effects_figure(effects: Sequence[Effect], *, x: str, y: str, colour: str = COLOURS[0]) -> go.Figure:
    """Effects from left to right; those without an interval, of which too little is known, are hollow and grey.

    Args:
        effects: in the order of the axis.
        x: what the labels are.
        y: what the values are, with their unit.
        colour: of those with an interval.
    """
    figure = go.Figure()
    if not effects:
        add_empty(figure)
        return styled(figure, x=x, y=y, height=320)
    for name, some, mark, ink in (
        ("95 % interval, at every look", [one for one in effects if one.low is not None], "circle", colour),
        ("too early for an interval", [one for one in effects if one.low is None], "circle-open", NEUTRAL),
    ):
        values = [one.value for one in some]
        figure.add_scatter(
            x=[said(one.label) for one in some],
            y=values,
            error_y=whiskers(values, [one.low for one in some], [one.high for one in some]),
            mode="markers",
            marker={"symbol": mark, "size": 10, "color": ink},
            name=name,
            hovertemplate="%{x}: %{y:.4g}<extra></extra>",
        )
    figure.add_hline(y=0.0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=[said(one.label) for one in effects])
    return styled(figure, x=x, y=y, height=320)


def per_day_figure(days: Sequence[tuple[str, int]]) -> go.Figure:
    """Decisions of each day, as bars.

    Args:
        days: ``2026-12-01``, and how many.
    """
    figure = go.Figure()
    if not days:
        add_empty(figure)
    else:
        figure.add_bar(
            x=[day for day, _ in days],
            y=[n for _, n in days],
            marker={"color": COLOURS[0]},
            hovertemplate="%{x}: %{y:,}<extra></extra>",
        )
    return styled(figure, x="day (UTC)", y="decisions", height=280)
