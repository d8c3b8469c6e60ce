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
_MOST_DRAWN: Final = 8  # variants of a segment that are told apart; of more, bands are too thin to see
MOST_NAMED: Final = 5  # of more: those with the largest shares, beside control
_KEPT: Final = Style(0, NEUTRAL, "solid")
_OTHERS: Final = Style(0, NEUTRAL, "dot")
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


@dataclass(frozen=True, slots=True)
class Bands:
    """What is told apart of a segment's shares.

    Attributes:
        named: shares of all; of many, of those with the largest over the whole time, and of control.
        others: shares of all others together; empty where there are none.
        n_others: how many they are; 0 where there are none.
    """

    named: Mapping[str, Sequence[float]]
    others: Sequence[float] = ()
    n_others: int = 0

    @property
    def others_name(self) -> str:
        """What they are called."""
        return f"others ({self.n_others})"


def bands(shares: Mapping[str, Sequence[float]], control: str | None) -> Bands:
    """What is told apart of a segment's shares, for its panel and for the table that says the same.

    Args:
        shares: by variant id, at each moment.
        control: the variant that is always named; None where there is none.
    """
    having = {name: some for name, some in shares.items() if max(some, default=0.0) > 0.0}
    if len(having) <= _MOST_DRAWN:
        return Bands(shares if len(shares) <= _MOST_DRAWN else having)
    largest = sorted((name for name in having if name != control), key=lambda name: -sum(having[name]))
    named = {*largest[:MOST_NAMED], control}
    others = [some for name, some in having.items() if name not in named]
    together = [min(sum(at), 1.0) for at in zip(*others, strict=True)]
    return Bands({name: some for name, some in having.items() if name in named}, together, len(others))


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

    Of many variants those with the largest shares and control have a band each, the others one together; see `bands`.

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
        notes += [*_names(row, course, styles), *_bound_names(row, course, floor, cap)]
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


def _drawn(course: Course, styles: Mapping[str, Style]) -> Iterator[tuple[str, Sequence[float], Style, float]]:
    """What is stacked, from the bottom, and how opaque: variants, the others of many together, and what is kept."""
    control = next((name for name, style in styles.items() if style.number == 0), None)
    found = bands(course.shares, control)
    for name, shares in found.named.items():
        if max(shares, default=0.0) > 0.0:
            yield name, shares, styles.get(name, _KEPT), 0.5
    if found.n_others:
        yield found.others_name, found.others, _OTHERS, 0.2
    if max(course.withheld, default=0.0) > 0.0:
        yield _KEPT_NAME, course.withheld, _KEPT, 0.5


def _shares(row: int, course: Course, styles: Mapping[str, Style]) -> Iterator[Trace]:
    for name, shares, style, opacity in _drawn(course, styles):
        yield {
            "type": "scatter",
            "x": course.at,
            "y": shares,
            "name": said(name),
            "stackgroup": f"shares {row}",
            "mode": "lines",
            "line": {"color": style.colour, "dash": style.dash, "width": 1, "shape": "hv"},
            "fillcolor": faint(style.colour, opacity),
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


def _names(row: int, course: Course, styles: Mapping[str, Style]) -> Iterator[dict[str, Any]]:
    """Names inside the picture, at the end of the bands they name."""
    below = 0.0
    for name, shares, *_ in _drawn(course, styles):
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
