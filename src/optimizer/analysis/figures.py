"""Figures of what a service knows, titled and with units: allocation over time, posteriors, lift."""

from __future__ import annotations

from typing import Final

import plotly.graph_objects as go
import polars as pl

from optimizer.analysis.units import axis_format, shown
from optimizer.figures.look import COLOURS, NEUTRAL, Style, add_empty, panels, said, styled, styles_of, whiskers
from optimizer.insights.ranking_words import SHARE
from optimizer.services.reports.tabulating import EVERY_SEGMENT

_WITHHELD: Final = "nothing (budget is kept)"
_ROW: Final = 34  # pixels
_KEPT: Final = Style(0, NEUTRAL, "solid")


def allocation_figure(campaign: str, table: pl.DataFrame) -> go.Figure:
    """Share of each variant from snapshot to snapshot, a panel for each segment.

    Args:
        campaign: its id, for the title.
        table: as `services.tabulating.allocation_table` gives it.
    """
    segments, styles = _names(table, "segment"), styles_of(_names(table, "variant"))
    figure = panels(segments, share_x=True)
    for row, segment in enumerate(segments, start=1):
        here = table.filter(pl.col("segment") == segment)
        for variant, style in styles.items():
            some = here.filter(pl.col("variant") == variant)
            _add_shares(figure, row, variant, some["at"], some["allocation"], style, in_legend=row == 1)
        kept = here.unique("at", maintain_order=True)
        if kept["withheld"].max():
            _add_shares(figure, row, _WITHHELD, kept["at"], kept["withheld"], _KEPT, in_legend=row == 1)
    figure.update_yaxes(range=[0, 1], tickformat=".0%", title_text="share of decisions")
    figure.update_xaxes(title_text="time of the snapshot, UTC", row=len(segments), col=1)
    return styled(figure, height=140 + 220 * len(segments), title=f"Allocation of {campaign} over time")


def posterior_figure(campaign: str, variants: pl.DataFrame, unit: str) -> go.Figure:
    """What the policy believes of each variant: mean and 95 % credible interval, a panel for each segment.

    Args:
        campaign: its id, for the title.
        variants: as `services.tabulating.variants_table` gives it.
        unit: what rewards are counted in.
    """
    segments, styles = _names(variants, "segment"), styles_of(_names(variants, "variant"))
    figure = panels(segments, share_x=True)
    for row, segment in enumerate(segments, start=1):
        for one in variants.filter(pl.col("segment") == segment).iter_rows(named=True):
            label = f"{one['variant']}  (P(best) {one['p_best']:.0%})"
            _add_interval(
                figure,
                (row, label),
                (one["believed"], one["believed_low"], one["believed_high"]),
                styles[one["variant"]].colour,
                f"{one['trials']:,} trials, {shown(one['believed'], unit)}",
            )
    figure.update_xaxes(tickformat=axis_format(unit))
    figure.update_xaxes(title_text=f"expected reward of a trial, {_in_words(unit)}", row=len(segments), col=1)
    figure.update_yaxes(automargin=True, autorange="reversed")
    height = 120 + 70 * len(segments) + _ROW * len(variants)
    return styled(figure, height=height, title=f"What {campaign} believes: mean and 95 % interval")


def lift_figure(campaign: str, variants: pl.DataFrame, groups: pl.DataFrame, unit: str) -> go.Figure:
    """Differences within segments and days with 95 % intervals: the learning group's lift, then each variant's.

    Args:
        campaign: its id, for the title.
        variants: as `services.tabulating.variants_table` gives it.
        groups: as `services.tabulating.groups_table` gives it.
        unit: what rewards are counted in.
    """
    lifts = groups.filter(pl.col("difference").is_not_null())
    first = lifts["segment"] == EVERY_SEGMENT
    lifts = pl.concat([lifts.filter(first), lifts.filter(~first)])
    rows = [("the learning group", one, COLOURS[0]) for one in lifts.iter_rows(named=True)]
    differing = variants.filter(pl.col("difference").is_not_null())
    rows += [(one["variant"], one, COLOURS[5]) for one in differing.iter_rows(named=True)]
    figure = panels([""])
    for name, one, colour in rows:
        label = f"{one['segment']}: {name} against {one['against']}"
        interval = (one["difference"], one["difference_low"], one["difference_high"])
        _add_interval(figure, (1, label), interval, colour, shown(one["difference"], unit, signed=True))
    figure.add_vline(x=0, line={"color": NEUTRAL, "dash": "dot"})
    if not rows:
        add_empty(figure, "nothing to compare yet")
    figure.update_xaxes(tickformat=axis_format(unit), title_text=f"more reward a trial, {_in_words(unit)}")
    figure.update_yaxes(automargin=True, autorange="reversed")
    height = 160 + _ROW * max(len(rows), 2)
    return styled(figure, height=height, title=f"Lift of {campaign}: difference and 95 % interval")


def _names(table: pl.DataFrame, column: str) -> list[str]:
    return list(table[column].unique(maintain_order=True))


def _add_shares(
    figure: go.Figure,
    row: int,
    name: str,
    at: pl.Series,
    shares: pl.Series,
    style: Style,
    *,
    in_legend: bool,
) -> None:
    """A stair: a snapshot's shares hold until the next one."""
    figure.add_scatter(
        x=at.to_list(),
        y=shares.to_list(),
        name=said(name),
        legendgroup=name,
        showlegend=in_legend,
        stackgroup="shares",
        mode="lines+markers" if len(at) < 2 else "lines",
        line={"color": style.colour, "dash": style.dash, "width": 1, "shape": "hv"},
        hovertemplate=f"{name}<br>%{{x|%Y-%m-%d %H:%M}}<br>%{{y:.1%}}<extra></extra>",
        row=row,
        col=1,
    )


def _add_interval(
    figure: go.Figure,
    place: tuple[int, str],
    ends: tuple[float, float | None, float | None],
    colour: str,
    hovered: str,
) -> None:
    (row, label), (value, low, high) = place, ends
    figure.add_scatter(
        x=[value],
        y=[label],
        mode="markers",
        marker={"color": colour, "size": 9},
        error_x=whiskers([value], [low], [high]),
        showlegend=False,
        hovertemplate=f"{label}<br>{hovered}<extra></extra>",
        row=row,
        col=1,
    )


def _in_words(unit: str) -> str:
    return "percent of trials" if unit == SHARE else unit
