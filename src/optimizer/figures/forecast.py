"""Forecasts as fans: what came, and from now on the middle of what may come, in its 80 % and 95 % intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from optimizer.figures.look import ALARM, COLOURS, NEUTRAL, add_band, add_empty, styled


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is expected of each day to come.

    Attributes:
        days: ``2026-12-01`` …
        median: of each.
        low80, high80, low95, high95: ends of the intervals.
    """

    days: Sequence[str]
    median: Sequence[float]
    low80: Sequence[float]
    high80: Sequence[float]
    low95: Sequence[float]
    high95: Sequence[float]


@dataclass(frozen=True, slots=True)
class SoFar:
    """What came.

    Attributes:
        days: likewise; a day that says nothing is left out, and the line broken there.
        values: of each.
    """

    days: Sequence[str]
    values: Sequence[float | None]


def fan_figure(so_far: SoFar, ahead: Ahead, what: str, unit: str) -> go.Figure:
    """One number a day: what came as a line, what is expected as a fan.

    Args:
        so_far: what came.
        ahead: what is expected.
        what: the number in words, for the axis.
        unit: its unit.
    """
    figure = go.Figure()
    if not ahead.days and not so_far.days:
        add_empty(figure)
        return styled(figure, y=what)
    _add_past(figure, so_far, "came", unit)
    _add_fan(figure, ahead, unit)
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, y=f"{what} ({unit})" if unit else what)


def spend_fan_figure(
    settled: SoFar, in_use: SoFar, ahead: Ahead, plan: SoFar, limit: float | None, currency: str
) -> go.Figure:
    """Money: settled, reserved on top of it, what is expected to be in use, the plan, and the limit nothing crosses.

    Args:
        settled: due by the end of each day so far.
        in_use: settled and reserved together.
        ahead: what is expected to be in use.
        plan: what pacing wants in use by the end of each day; without days where nothing is paced.
        limit: the most there may be; None without one.
        currency: of all of it.
    """
    figure = go.Figure()
    _add_past(figure, settled, "settled", currency)
    figure.add_scatter(
        x=list(in_use.days),
        y=list(in_use.values),
        name="settled and reserved",
        mode="lines",
        line={"color": COLOURS[1], "width": 2, "dash": "dot"},
        hovertemplate=_hover(currency),
    )
    _add_fan(figure, ahead, currency)
    if plan.days:
        figure.add_scatter(
            x=list(plan.days),
            y=list(plan.values),
            name="plan",
            mode="lines",
            line={"color": NEUTRAL, "width": 2, "dash": "dash"},
            hovertemplate=_hover(currency),
        )
    days = [*in_use.days, *ahead.days]
    if limit is not None and days:
        figure.add_scatter(
            x=[days[0], days[-1]],
            y=[limit, limit],
            name="limit",
            mode="lines",
            line={"color": ALARM, "width": 2, "dash": "longdash"},
            hovertemplate=_hover(currency),
        )
    figure.update_yaxes(rangemode="tozero")
    return styled(figure, y=f"in use ({currency})")


def _add_past(figure: go.Figure, so_far: SoFar, name: str, unit: str) -> None:
    figure.add_scatter(
        x=list(so_far.days),
        y=list(so_far.values),
        name=name,
        mode="lines",
        line={"color": NEUTRAL, "width": 2},
        connectgaps=False,
        hovertemplate=_hover(unit),
    )


def _add_fan(figure: go.Figure, ahead: Ahead, unit: str) -> None:
    days = list(ahead.days)
    if not days:
        return
    add_band(figure, days, ahead.low95, ahead.high95, COLOURS[0])
    add_band(figure, days, ahead.low80, ahead.high80, COLOURS[0])
    hovered = "median %{y:,.0f} " + unit + "<br>80 %: %{customdata[0]:,.0f} to %{customdata[1]:,.0f}"
    hovered += "<br>95 %: %{customdata[2]:,.0f} to %{customdata[3]:,.0f}<br>%{x|%Y-%m-%d}<extra></extra>"
    figure.add_scatter(
        x=days,
        y=list(ahead.median),
        name="expected (80 % and 95 % intervals)",
        mode="lines",
        line={"color": COLOURS[0], "width": 2},
        customdata=list(zip(ahead.low80, ahead.high80, ahead.low95, ahead.high95, strict=True)),
        hovertemplate=hovered,
    )


def _hover(unit: str) -> str:
    return "%{y:,.2f} " + unit + "<br>%{x|%Y-%m-%d}<extra></extra>"
