"""Spend: what is settled and what is reserved, beside the plan, under a limit that nothing crosses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from optimizer.figures.look import ALARM, COLOURS, add_band, add_empty, cased, faint, styled


@dataclass(frozen=True, slots=True)
class Spend:
    """What one limit's money, or messages, went into, from the beginning of its period.

    Attributes:
        at: moments, as the time axis has them.
        settled: due by each of them.
        in_use: settled and reserved together.
        plan_at, plan: what pacing wants in use, to the end of the period; empty where nothing is paced.
        limit: the most there may be in use; None where there is none.
    """

    at: Sequence[Any]
    settled: Sequence[float]
    in_use: Sequence[float]
    plan_at: Sequence[Any]
    plan: Sequence[float]
    limit: float | None


@dataclass(frozen=True, slots=True)
class Fan:
    """What is expected to be in use from now on, with the 90 % interval it is in."""

    at: Sequence[Any]
    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def spend_figure(spend: Spend, unit: str, fan: Fan | None = None) -> go.Figure:
    """Settled and reserved as areas, plan and limit as lines, and the forecast as a fan where there is one.

    Args:
        spend: one limit's.
        unit: its currency, or ``messages``.
        fan: what is expected; see `insights.forecasting`.
    """
    figure = go.Figure()
    hovered = f"%{{y:,.2f}} {unit}<br>%{{x|%Y-%m-%d}}<extra></extra>"
    if spend.limit is not None and spend.at:
        end = spend.plan_at[-1] if spend.plan_at else spend.at[-1]
        figure.add_scatter(
            x=[spend.at[0], end],
            y=[spend.limit, spend.limit],
            name="limit",
            mode="lines",
            line={"color": ALARM, "width": 1.5},
            hovertemplate=f"limit: {hovered}",
        )
    for name, values, opacity in (("settled and reserved", spend.in_use, 0.2), ("settled", spend.settled, 0.5)):
        figure.add_scatter(
            x=spend.at,
            y=values,
            name=name,
            mode="lines",
            line={"color": COLOURS[0], "width": 1, "shape": "hv"},
            fill="tozeroy",
            fillcolor=faint(COLOURS[0], opacity),
            hovertemplate=f"{name}: {hovered}",
        )
    if spend.plan_at:
        line = {"width": 1.5, "dash": "dash"}
        figure.add_traces(cased(spend.plan_at, spend.plan, line, name="plan", hovertemplate=f"plan: {hovered}"))
    if fan is not None:
        add_band(figure, fan.at, fan.low, fan.high, COLOURS[1])
        line = {"color": COLOURS[1], "width": 1.5}
        figure.add_scatter(
            x=fan.at, y=fan.middle, name="expected", mode="lines", line=line, hovertemplate=f"expected: {hovered}"
        )
    if not spend.at:
        add_empty(figure)
    figure.update_yaxes(rangemode="tozero", tickformat=",.4~r")
    return styled(figure, y=unit, height=320)
