"""Marks: what happened, on the time axis of a picture, with who did it and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import plotly.graph_objects as go

from optimizer.figures.look import ALARM, COLOURS, NEUTRAL, said


class MarkKind(StrEnum):
    """What a mark stands for; each has a sign of its own, so that nobody needs to see its colour."""

    STRATEGY = "strategy applied"
    APPROVAL = "words approved"
    PAUSE = "paused or stopped"
    RESUME = "resumed"
    STAGE = "rollout"
    BREACH = "guardrail breached"
    SILENCE = "no outcomes"
    PERSON = "decided by a person"


_SIGNS: Final = {
    MarkKind.STRATEGY: ("diamond", COLOURS[0]),
    MarkKind.APPROVAL: ("circle", COLOURS[0]),
    MarkKind.PAUSE: ("square", ALARM),
    MarkKind.RESUME: ("triangle-right", COLOURS[2]),
    MarkKind.STAGE: ("triangle-up", COLOURS[2]),
    MarkKind.BREACH: ("x", ALARM),
    MarkKind.SILENCE: ("hash", NEUTRAL),
    MarkKind.PERSON: ("circle", NEUTRAL),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment.

    Attributes:
        at: when, as the time axis has it.
        kind: what.
        who: a person's name, or that of the part of the system.
        why: in words.
    """

    at: Any
    kind: MarkKind
    who: str
    why: str


def add_marks(figure: go.Figure, marks: Sequence[Mark], *, row: int) -> None:
    """A sign for each mark in a row of its own, and a thin line through everything below.

    Args:
        figure: made of rows that share their time axis.
        marks: in order.
        row: the one that holds the signs, counted from 1.
    """
    for kind in MarkKind:
        some = [mark for mark in marks if mark.kind is kind]
        if not some:
            continue
        symbol, colour = _SIGNS[kind]
        figure.add_scatter(
            x=[mark.at for mark in some],
            y=[0.5] * len(some),
            mode="markers",
            name=kind.value,
            showlegend=False,
            marker={"symbol": symbol, "color": colour, "size": 10},
            text=[f"<b>{kind.value}</b> by {said(mark.who, 60)}<br>{_lines(mark.why)}" for mark in some],
            hovertemplate="%{text}<br>%{x|%Y-%m-%d %H:%M}<extra></extra>",
            row=row,
            col=1,
        )
    line = {"color": NEUTRAL, "width": 0.7, "dash": "dot"}
    shapes = [
        {"type": "line", "x0": mark.at, "x1": mark.at, "xref": "x", "y0": 0, "y1": 1, "yref": "paper", "line": line}
        for mark in marks
    ]
    figure.update_layout(shapes=[*figure.layout.shapes, *shapes])
    figure.update_yaxes(visible=False, range=[0, 1], fixedrange=True, row=row, col=1)


def _lines(text: str, width: int = 60) -> str:
    """Words broken into lines, so that a hover box stays on the screen."""
    lines = [""]
    for word in said(text, 240).split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "<br>".join(lines)
