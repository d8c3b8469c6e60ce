"""What a campaign's allocation and report look like in a notebook: tables to compute with, figures to look at."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go
import polars as pl

from optimizer.analysis.figures import allocation_figure, lift_figure, posterior_figure
from optimizer.analysis.units import shown
from optimizer.insights.measures.alikeness import Alikeness
from optimizer.services.reports.tabulating import EVERY_SEGMENT


@dataclass(frozen=True, eq=False)
class AllocationView:
    """How a campaign's shares moved.

    Attributes:
        campaign: its id.
        table: a row for each snapshot, segment and variant; see `services.tabulating.ALLOCATION`.
    """

    campaign: str
    table: pl.DataFrame

    @property
    def newest(self) -> pl.DataFrame:
        """Those rows of the table that are in force."""
        return self.table.filter(pl.col("at") == pl.col("at").max())

    def figure(self) -> go.Figure:
        """The share of each variant over time, a panel for each segment."""
        return allocation_figure(self.campaign, self.table)

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{escape(row['segment'])}</td><td>{escape(row['variant'])}</td>"
            f"<td>{_bar(row['allocation'])}</td><td>{row['p_best']:.1%}</td></tr>"
            for row in self.newest.iter_rows(named=True)
        ]
        at: Any = self.table["at"].max()
        since = "" if at is None else f", snapshot of {at:%Y-%m-%d %H:%M} UTC"
        head = "<tr><th>segment</th><th>variant</th><th>share of decisions</th><th>P(best)</th></tr>"
        return (
            f"<p>Allocation of <b>{escape(self.campaign)}</b>{since}; <code>.figure()</code> shows it over time</p>"
            f"<table>{head}{''.join(rows)}</table>"
        )


@dataclass(frozen=True, eq=False)
class ReportView:
    """What a campaign did and learned.

    Attributes:
        campaign: its id.
        variants: a row for each segment and variant; see `services.tabulating.VARIANTS`.
        groups: the learning group beside the holdout; see `services.tabulating.GROUPS`.
    """

    campaign: str
    variants: pl.DataFrame
    groups: pl.DataFrame

    @property
    def unit(self) -> str:
        """Of rewards and differences: ``share of trials``, ``rewards``, or a currency."""
        return str(self.groups["unit"][0])

    def posterior_figure(self) -> go.Figure:
        """What the policy believes of each variant: mean and 95 % interval, a panel for each segment."""
        return posterior_figure(self.campaign, self.variants, self.unit)

    def lift_figure(self) -> go.Figure:
        """The learning group against the holdout, and each variant against control, with 95 % intervals."""
        return lift_figure(self.campaign, self.variants, self.groups, self.unit)

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><td>{escape(row['segment'])}</td><td>{escape(row['variant'])}</td><td>{_bar(row['allocation'])}</td>"
            f"<td>{row['trials']:,}</td><td>{_rate(row['rate'])}</td>"
            f"<td>{shown(row['believed'], self.unit)}</td><td>{_difference(row, self.unit)}</td></tr>"
            for row in self.variants.iter_rows(named=True)
        ]
        heads = ("segment", "variant", "share of decisions", "trials", "raw rate", "believed", "difference, 95 %")
        head = "".join(f"<th>{name}</th>" for name in heads)
        (total,) = self.groups.filter(pl.col("segment") == EVERY_SEGMENT).to_dicts()
        lift = _difference(total, self.unit) or "not known yet"
        caution = Alikeness(total["design"]).sentence if total["difference_low"] is not None else ""
        said = f"<p>{caution}</p>" if caution else ""
        return (
            f"<p>Report of <b>{escape(self.campaign)}</b> as of {total['as_of']:%Y-%m-%d %H:%M} UTC, in "
            f"{escape(self.unit)}; learning group against the holdout: {lift}</p>{said}"
            f"<table><tr>{head}</tr>{''.join(rows)}</table>"
        )


def _bar(share: float) -> str:
    """A share as a bar that is as long, and as a number."""
    style = f"display:inline-block;background:#0072B2;height:0.7em;width:{100 * share:.0f}px"
    return f'<span style="{style}"></span> {share:.1%}'


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.2%}"


def _difference(row: dict[str, Any], unit: str) -> str:
    if row["difference"] is None:
        return ""
    low, high = row["difference_low"], row["difference_high"]
    interval = "" if low is None or high is None else f" ({shown(low, unit)} to {shown(high, unit)})"
    return f"{shown(row['difference'], unit, signed=True)}{interval} against {escape(row['against'])}"
