"""Found segments as a picture: questions from top to bottom, and whoever says yes as a bar as long as they are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from optimizer.figures.look import NEUTRAL, add_empty, faint, said, styled

_ROW = 1.0
_HALF = 0.36
_LINE_LENGTH = 44  # characters of a question before it is broken


@dataclass(frozen=True, slots=True)
class Branch:
    """Whoever meets a rule and none above it.

    Attributes:
        name: of the segment.
        question: its rule in words; empty for everyone else.
        share: of all recipients.
        recipients: how many.
        best: variant that suits them.
    """

    name: str
    question: str
    share: float
    recipients: int
    best: str


def segments_figure(branches: Sequence[Branch], colours: Mapping[str, str]) -> go.Figure:
    """The rules in the order in which they are asked.

    Args:
        branches: in order, everyone else last.
        colours: by variant; one without is neutral.
    """
    figure = go.Figure()
    if not branches:
        add_empty(figure)
    widest = max((one.share for one in branches), default=1.0)
    for place, one in enumerate(branches):
        colour, y = colours.get(one.best, NEUTRAL), -place * _ROW
        figure.add_shape(
            type="rect",
            x0=0.0,
            x1=one.share / widest,
            y0=y - _HALF * 0.62,
            y1=y + _HALF * 0.3,
            fillcolor=faint(colour, 0.35),
            line={"color": colour, "width": 2},
        )
        question = said(one.question) if one.question else "everyone else"
        asked = f"{'if' if place == 0 else 'else if'} {question}" if one.question else question
        _words(figure, 0.0, y + _HALF * 0.4, asked, "bottom")
        numbers = f"<b>{said(one.best)}</b>: {one.recipients:,} recipients, {100 * one.share:.0f} %"
        _words(figure, 0.02, y - _HALF * 0.16, numbers, "middle")
        figure.add_scatter(
            x=[one.share / widest / 2],
            y=[y],
            mode="markers",
            marker={"opacity": 0.0, "size": 24},
            hovertemplate=f"{said(one.name)}<br>{question}<br>{said(one.best)}: {one.recipients:,} recipients "
            f"({100 * one.share:.1f} %)<extra></extra>",
            showlegend=False,
        )
    figure.update_xaxes(visible=False, range=[-0.02, 1.06], fixedrange=True)
    figure.update_yaxes(visible=False, range=[-(len(branches) - 0.5) * _ROW, 0.5 * _ROW], fixedrange=True)
    figure.update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
    return styled(figure, height=90 * max(len(branches), 1) + 20)


def _words(figure: go.Figure, x: float, y: float, text: str, anchor: str) -> None:
    figure.add_annotation(x=x, y=y, text=_broken(text), showarrow=False, xanchor="left", align="left", yanchor=anchor)


def _broken(text: str) -> str:
    """Words in lines that fit beside each other on a phone."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) > _LINE_LENGTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "<br>".join([*lines, line])
