"""Allocation over time: who gets what share, segment by segment, with its limits, its events and the holdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from optimizer.figures.look import NEUTRAL, NOTHING_TO_SHOW, Style, add_all, cased, faint, said, styled
from optimizer.figures.marks import Mark, add_marks

Trace = dict[str, Any]

_PANEL: Final = 190  # pixels
_STRIP: Final = 56
_MARKS: Final = 26
_GAP: Final = 30
_LABELLED: Final = 0.09  # share from which on there is room for a name
_KEPT: Final = Style(0, NEUTRAL, "solid")
_KEPT_NAME: Final = "nothing (budget is kept)"


@dataclass(frozen=True, slots=True)
class Course:
    """How one segment's shares moved: each holds from its moment to the next.

    Attributes:
        at: moments, as the time axis has them; the last one is now.
        shares: of each variant, at each moment.
        withheld: share that is sent nothing, to keep budget.
        exploring: probability of another variant than the one that leads.
    """

    at: Sequence[Any]
    shares: Mapping[str, Sequence[float]]
    withheld: Sequence[float]
    exploring: Sequence[float]


@dataclass(frozen=True, slots=True)
class Strip:
    """A share of all decisions, day by day."""

    at: Sequence[Any]
    share: Sequence[float]


def allocation_figure(
    courses: Mapping[str, Course],
    styles: Mapping[str, Style],
    *,
    floor: float = 0.0,
    cap: float = 1.0,
    holdout: Strip | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """A stepped, stacked panel for each segment; events above, the holdout in a strip below, all on one time axis.

    Args:
        courses: by segment.
        styles: of the variants.
        floor: least share of a variant that may be chosen.
        cap: most.
        holdout: recipients kept on control.
        marks: what happened.
    """
    titles = [*(courses or [NOTHING_TO_SHOW]), *(["held out, share of all decisions"] if holdout else [])]
    heights = [_MARKS, *[_PANEL] * max(len(courses), 1), *([_STRIP] if holdout else [])]
    tall = sum(heights) + _GAP * len(heights)
    figure = make_subplots(
        rows=len(heights), cols=1, shared_xaxes=True, row_heights=heights, vertical_spacing=_GAP / tall
    )
    notes = [_title(figure, row, title) for row, title in enumerate(titles, start=2)]
    traces: dict[int, list[Trace]] = {}
    for row, course in enumerate(courses.values(), start=2):
        traces[row] = [*_shares(row, course, styles), *_exploring(course), *_bounds(course, floor, cap)]
        notes += [*_names(row, course), *_bound_names(row, course, floor, cap)]
        figure.update_yaxes(range=[0, 1], tickformat=".0%", nticks=5, row=row, col=1)
    if holdout is not None:
        traces[len(heights)] = [_held_out(holdout)]
        most = max(holdout.share, default=0.0)
        figure.update_yaxes(range=[0, max(1.4 * most, 0.01)], tickformat=".0%", nticks=3, row=len(heights), col=1)
    add_all(figure, traces)
    add_marks(figure, marks, row=1)
    styled(figure, height=tall + 60)
    figure.update_layout(annotations=notes, showlegend=False)
    ends = [course.at[end] for course in courses.values() for end in (0, -1)]
    if ends:
        figure.update_xaxes(range=[min(ends), max(ends)])
    return figure


def _drawn(course: Course) -> Iterator[tuple[str, Sequence[float], bool]]:
    """What is stacked, from the bottom: variants with any share, and what is kept."""
    for name, shares in course.shares.items():
        if max(shares, default=0.0) > 0.0:
            yield name, shares, False
    if max(course.withheld, default=0.0) > 0.0:
        yield _KEPT_NAME, course.withheld, True


def _shares(row: int, course: Course, styles: Mapping[str, Style]) -> Iterator[Trace]:
    for name, shares, is_kept in _drawn(course):
        style = _KEPT if is_kept else styles.get(name, _KEPT)
        yield {
            "type": "scatter",
            "x": course.at,
            "y": shares,
            "name": said(name),
            "stackgroup": f"shares {row}",
            "mode": "lines",
            "line": {"color": style.colour, "dash": style.dash, "width": 1, "shape": "hv"},
            "fillcolor": faint(style.colour, 0.5),
            "hovertemplate": f"{said(name)}<br>%{{y:.1%}}<br>%{{x|%Y-%m-%d %H:%M}}<extra></extra>",
        }


def _exploring(course: Course) -> list[Trace]:
    words = "exploring: %{y:.1%} get another variant than the one that leads<extra></extra>"
    line = {"width": 1.2, "dash": "dash", "shape": "hv"}
    return cased(course.at, course.exploring, line, name="exploring", hovertemplate=words)


def _bounds(course: Course, floor: float, cap: float) -> Iterator[Trace]:
    for words, bound in _binding(course, floor, cap):
        yield from cased(
            [course.at[0], course.at[-1]],
            [bound, bound],
            {"width": 0.8, "dash": "dot"},
            name=words,
            hovertemplate=f"{words}: {100 * bound:.3g}% for any one variant<extra></extra>",
        )


def _binding(course: Course, floor: float, cap: float) -> list[tuple[str, float]]:
    return [(words, bound) for words, bound in (("floor", floor), ("cap", cap)) if 0.0 < bound < 1.0 and course.at]


def _held_out(holdout: Strip) -> Trace:
    return {
        "type": "scatter",
        "x": holdout.at,
        "y": holdout.share,
        "name": "held out",
        "mode": "lines",
        "line": {"color": NEUTRAL, "width": 1, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": faint(NEUTRAL, 0.4),
        "hovertemplate": "held out: %{y:.1%}<br>%{x|%Y-%m-%d}<extra></extra>",
    }


def _title(figure: go.Figure, row: int, title: str) -> dict[str, Any]:
    """Words to the left above a panel, as headings stand."""
    top = figure.layout[f"yaxis{row}"].domain[1]
    place = {"x": 0, "y": top, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {**place, "text": said(title), "showarrow": False}


def _names(row: int, course: Course) -> Iterator[dict[str, Any]]:
    """Names inside the picture, at the end of the bands they name."""
    below = 0.0
    for name, shares, _ in _drawn(course):
        if shares[-1] >= _LABELLED:
            text = f"{said(name, 28)} {shares[-1]:.0%}"
            place = {"x": course.at[-1], "y": below + shares[-1] / 2.0, "xanchor": "right", "yanchor": "middle"}
            yield {**place, **_within(row), "text": text, "showarrow": False}
        below += shares[-1]


def _bound_names(row: int, course: Course, floor: float, cap: float) -> Iterator[dict[str, Any]]:
    for words, bound in _binding(course, floor, cap):
        place = {"x": course.at[0], "y": bound, "xanchor": "left", "yanchor": "bottom", "font": {"size": 11}}
        yield {**place, **_within(row), "text": f"{words} {100 * bound:.3g}%", "showarrow": False}


def _within(row: int) -> dict[str, str]:
    return {"xref": f"x{row}", "yref": f"y{row}"}
