"""The look all pictures share: colours that stay with their variant, one template, JSON that a page can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from typing import Any, Final, TypeVar

import plotly.graph_objects as go
import plotly.io
from plotly.subplots import make_subplots

# Okabe & Ito 2008, without the yellow and the black that vanish on a white or a dark page: told apart by people with
# any colour vision, and in grey.
COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
NEUTRAL: Final = "#8a8a8a"  # control, and whoever is held out; also lines that are not data
DASHES: Final = ("solid", "dot", "dash", "longdash")  # where there are more variants than colours
ALARM: Final = "#c2410c"  # what is over a limit; always beside a word or a sign
INK: Final = "#4b5158"  # text; a page may give it its own colour
GRID: Final = "rgba(128,128,128,0.22)"
NOTHING_TO_SHOW: Final = "nothing to show yet"
_MOST_SAID: Final = 160  # characters of somebody's words beside a picture
_CASING: Final = "rgba(255,255,255,0.6)"
_CLEAR: Final = "rgba(0,0,0,0)"
# Inside a script element only the end of it, and what looks like the beginning of a comment, can do harm.
_UNSAFE: Final = str.maketrans(
    {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"}
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Style:
    """How a variant is drawn wherever it is drawn.

    Attributes:
        number: 0 for control, else 1, 2, … in the order of the documents; what its badge says.
        colour: as CSS has it.
        dash: of its lines; colours come again after the sixth, and then the lines differ.
    """

    number: int
    colour: str
    dash: str


def styles_of(variant_ids: Sequence[str], control: str | None = None) -> dict[str, Style]:
    """A style for each variant of a campaign, from the order of its documents alone, so that every page agrees.

    Args:
        variant_ids: all variants of the campaign, retired ones too.
        control: the one that is neutral; None where control is nothing, or not known.
    """
    others = [variant_id for variant_id in variant_ids if variant_id != control]
    styles = {
        variant_id: Style(place + 1, COLOURS[place % len(COLOURS)], DASHES[place // len(COLOURS) % len(DASHES)])
        for place, variant_id in enumerate(others)
    }
    return {variant_id: styles.get(variant_id, Style(0, NEUTRAL, "solid")) for variant_id in variant_ids}


def colour_of(variant_ids: Sequence[str], control: str | None = None) -> dict[str, str]:
    """The colour of each variant of a campaign; see `styles_of`."""
    return {variant_id: style.colour for variant_id, style in styles_of(variant_ids, control).items()}


def coloured(items: Mapping[str, Item]) -> Iterator[tuple[str, tuple[str, Item]]]:
    """Things that are not variants, each with a colour, in their order; colours come again when they run out."""
    return zip(cycle(COLOURS), items.items(), strict=False)


def faint(colour: str, opacity: float = 0.15) -> str:
    """A colour of the form ``#rrggbb`` that lets through what is behind it."""
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def said(text: str, most: int = _MOST_SAID) -> str:
    """Somebody's words as a picture shows them: plotly reads some markup in texts, of which nothing is left."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return escape(" ".join(short.split()), quote=False)


def panels(
    titles: Sequence[str], *, n_columns: int = 1, share_x: bool = False, spacing: float | None = None
) -> go.Figure:
    """Small multiples: a panel for each title, row by row; panels that stand abreast share the axis upwards.

    Args:
        titles: what each panel is of.
        n_columns: how many stand abreast.
        share_x: whether those below each other share their axis.
        spacing: between rows, as a share of the height; None for what suits a few.
    """
    n_columns = max(min(n_columns, len(titles)), 1)
    n_rows = max(-(-len(titles) // n_columns), 1)
    figure = make_subplots(
        rows=n_rows,
        cols=n_columns,
        subplot_titles=[said(title) for title in titles],
        shared_yaxes=n_columns > 1,
        shared_xaxes=share_x,
        horizontal_spacing=0.05,
        vertical_spacing=min(0.12, (0.3 if n_columns > 1 else 0.4) / n_rows) if spacing is None else spacing,
    )
    if n_columns == 1:  # as headings stand
        figure.layout.annotations = [
            {**note.to_plotly_json(), "x": 0, "xanchor": "left"} for note in figure.layout.annotations
        ]
    return figure


def place_of(number: int, n_columns: int = 1) -> dict[str, int]:
    """Row and column of a panel, counted from 0, as plotly's functions take them."""
    return {"row": number // n_columns + 1, "col": number % n_columns + 1}


def cased(x: Sequence[Any], y: Sequence[float], line: Mapping[str, Any], **rest: Any) -> list[dict[str, Any]]:
    """A dark line with a pale one below it, so that it is seen on white and on black, and on any area; two traces.

    Args:
        x: along.
        y: upwards.
        line: as plotly has it, without a colour.
        rest: name and hover text.
    """
    below = {"shape": line.get("shape", "linear"), "width": line["width"] + 1.2, "color": _CASING}
    common = {"type": "scatter", "x": x, "y": y, "mode": "lines"}
    return [
        {**common, "line": below, "hoverinfo": "skip", "showlegend": False},
        {**common, "line": {**line, "color": INK}, **rest},
    ]


def add_all(figure: go.Figure, rows: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
    """Add all traces of a figure with one column at once, which takes plotly a fraction of the time.

    Args:
        figure: made of rows.
        rows: the traces of each row, counted from 1.
    """
    traces = [dict(trace) for some in rows.values() for trace in some]
    places = [row for row, some in rows.items() for _ in some]
    figure.add_traces(traces, rows=places, cols=[1] * len(traces))


def add_band(
    figure: go.Figure, x: Sequence[Any], low: Sequence[float], high: Sequence[float], colour: str, **place: int
) -> None:
    """Where values may lie: a faint area without a line, a name or a word."""
    figure.add_scatter(
        x=[*x, *reversed(x)],
        y=[*high, *reversed(low)],
        fill="toself",
        fillcolor=faint(colour),
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        **place,
    )


def whiskers(values: Sequence[float], low: Sequence[float | None], high: Sequence[float | None]) -> dict[str, Any]:
    """Intervals around points, as plotly's ``error_x`` or ``error_y``; an end that is not known is not drawn."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if end is None else end - value for value, end in zip(values, high, strict=True)],
        "arrayminus": [0.0 if end is None else value - end for value, end in zip(values, low, strict=True)],
    }


def add_empty(figure: go.Figure, sentence: str = NOTHING_TO_SHOW) -> None:
    """Words where there would be a picture."""
    figure.add_annotation(text=said(sentence), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")


def styled(figure: go.Figure, *, x: str = "", y: str = "", height: int = 380, title: str = "") -> go.Figure:
    """The figure in the shared look.

    Args:
        figure: it is changed, and given back.
        x: what the axes to the right say; an empty word leaves them as they are.
        y: likewise those upwards.
        height: in pixels.
        title: on top of the figure; none where the page around it says it.
    """
    figure.update_layout(template=TEMPLATE, height=height)
    if title:
        figure.update_layout(title={"text": title}, margin={"t": 80})
    if x:
        figure.update_xaxes(title_text=x)
    if y:
        figure.update_yaxes(title_text=y)
    return figure


def figure_json(figure: go.Figure) -> str:
    """The figure as JSON that is safe inside ``<script type="application/json">``.

    Dragging a finger over it scrolls the page, as everywhere else on it.
    """
    figure.update_layout(dragmode=False)
    if not figure.layout.title.text:
        figure.update_layout(margin={"t": 28})  # the page says it
    text: str = plotly.io.to_json(figure, validate=False)
    return text.translate(_UNSAFE)


def _template() -> go.layout.Template:
    axis = {
        "automargin": True,
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "zerolinecolor": NEUTRAL,
        "ticks": "",
        "title": {"standoff": 10, "font": {"size": 13}},
    }
    return go.layout.Template(
        layout={
            "autotypenumbers": "strict",
            "colorway": COLOURS,
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
            "paper_bgcolor": _CLEAR,
            "plot_bgcolor": _CLEAR,
            "margin": {"l": 60, "r": 30, "t": 40, "b": 50},
            "hovermode": "closest",
            # Its own colours, so that it is readable on any page.
            "hoverlabel": {
                "align": "left",
                "bgcolor": "#22262b",
                "bordercolor": "#22262b",
                "font": {"color": "#ffffff", "size": 13},
            },
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
            "modebar": {"orientation": "v", "bgcolor": _CLEAR, "color": NEUTRAL, "activecolor": INK},
            "annotationdefaults": {"arrowcolor": NEUTRAL, "font": {"size": 13}},
            "colorscale": {"sequential": [[0.0, faint(COLOURS[0], 0.04)], [1.0, COLOURS[0]]]},
            "xaxis": axis,
            "yaxis": axis,
        }
    )


TEMPLATE: Final = _template()
