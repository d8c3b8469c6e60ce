"""Reward over time: means with bands; what days still maturing are expected to come to is lighter, and behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go

from optimizer.figures.look import NEUTRAL, add_band, add_empty, faint, said, styled

_LIGHTER: Final = 0.45


@dataclass(frozen=True, slots=True)
class Days:
    """Mean reward of a group's trials, by the day on which they were made.

    Attributes:
        at: days, as the time axis has them.
        mean: so far.
        low, high: 95 % interval of each.
        expected: once every outcome has come; None where it has.
        trials: how many trials each mean is of.
    """

    at: Sequence[Any]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    expected: Sequence[float | None]
    trials: Sequence[int]


def means_figure(
    groups: Mapping[str, Days], colours: Mapping[str, str], unit: str, *, is_share: bool, maturing_from: Any = None
) -> go.Figure:
    """A line and a band for each group.

    Args:
        groups: by name, the one that matters most first.
        colours: by name; a name without is neutral.
        unit: what rewards are counted in.
        is_share: whether they are shares of the trials.
        maturing_from: the first day whose outcomes are not all in; None when all are.
    """
    figure = go.Figure()
    for name, days in groups.items():
        colour = colours.get(name, NEUTRAL)
        ahead = [(at, value) for at, value in zip(days.at, days.expected, strict=True) if value is not None]
        if ahead:
            _add_expected(figure, name, ahead, colour, is_share=is_share)
        add_band(figure, days.at, days.low, days.high, colour)
    for name, days in groups.items():
        _add_line(figure, name, days, colours.get(name, NEUTRAL), is_share=is_share)
    if not any(days.at for days in groups.values()):
        add_empty(figure)
    elif maturing_from is not None:
        last = max(days.at[-1] for days in groups.values() if days.at)
        figure.add_vrect(x0=maturing_from, x1=last, fillcolor=faint(NEUTRAL, 0.12), line_width=0, layer="below")
        figure.add_annotation(
            x=maturing_from, y=1, yref="paper", text="still maturing", showarrow=False, xanchor="left", yanchor="top"
        )
    at = [one for days in groups.values() for one in days.at]
    if len(at) > 1:
        figure.update_xaxes(range=[min(at), max(at)])
    figure.update_yaxes(tickformat=".1%" if is_share else ",.4~r", rangemode="tozero")
    return styled(figure, y=f"mean reward, {unit}", height=340)


def _add_line(figure: go.Figure, name: str, days: Days, colour: str, *, is_share: bool) -> None:
    number = ".2%" if is_share else ",.3f"
    figure.add_scatter(
        x=days.at,
        y=days.mean,
        name=said(name),
        mode="lines+markers" if len(days.at) < 2 else "lines",
        line={"color": colour, "width": 2},
        customdata=[list(one) for one in zip(days.low, days.high, days.trials, strict=True)],
        hovertemplate=f"{said(name)}<br>%{{x|%Y-%m-%d}}: %{{y:{number}}}<br>95 % interval %{{customdata[0]:{number}}} "
        f"to %{{customdata[1]:{number}}}<br>%{{customdata[2]:,}} trials<extra></extra>",
    )


def _add_expected(
    figure: go.Figure, name: str, ahead: Sequence[tuple[Any, float]], colour: str, *, is_share: bool
) -> None:
    number = ".2%" if is_share else ",.3f"
    figure.add_scatter(
        x=[at for at, _ in ahead],
        y=[value for _, value in ahead],
        name=f"{said(name)}, expected at maturity",
        mode="lines+markers" if len(ahead) < 2 else "lines",
        line={"color": faint(colour, _LIGHTER), "width": 4},
        hovertemplate=f"{said(name)}, expected at maturity<br>%{{x|%Y-%m-%d}}: %{{y:{number}}}<extra></extra>",
    )
