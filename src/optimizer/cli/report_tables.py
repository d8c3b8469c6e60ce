"""The tables of ``optimizer report``."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from optimizer.cli.axis import Axis, percent

if TYPE_CHECKING:
    from optimizer.services.reporting import CampaignReport, Difference, Estimate, Rate, SegmentReport, VariantReport

_SHARE = "share of trials"
_OTHER_COLUMNS = 76  # what stands beside the names, the bar and the reasons of removal
_LEAST_BAR, _MOST_BAR = 10, 30
_LATE = 1.02  # times the raw rate, from which on what is still expected is told


@dataclass(frozen=True, slots=True)
class Style:
    """How the numbers of one report are shown.

    Attributes:
        unit: what rewards are counted in.
        raw: whether rates are shown as they were, with their own interval; else as the campaign's policy believes them.
        axis: of the bars; None where there is no room for them, or nothing they could show.
        narrow: whether intervals have to be short.
    """

    unit: str
    raw: bool
    axis: Axis | None
    narrow: bool

    @property
    def is_share(self) -> bool:
        """Whether a mean reward is a rate."""
        return self.unit == _SHARE


def style_of(report: CampaignReport, width: int) -> Style:
    """The style of a report on a terminal of this width."""
    is_share = report.unit == _SHARE
    raw = is_share and report.model == "beta_bernoulli"
    names = max(map(len, report.campaign.variants))
    reasons = max((len(v.removed_by or "") for s in report.segments for v in s.variants), default=0)
    room = min(width - names - reasons - _OTHER_COLUMNS, _MOST_BAR)
    if not is_share or room < _LEAST_BAR:
        return Style(report.unit, raw, None, room < 0)
    high = [v.rate.high if raw else v.believed.high for s in report.segments for v in s.variants if v.rate.trials]
    high += [s.holdout.high for s in report.segments if s.holdout.trials]
    return Style(report.unit, raw, Axis.over(high, zero=True, width=room), narrow=False)


def segment_table(segment: SegmentReport, style: Style) -> Table:
    """A row for each variant, then the groups."""
    title = Text.assemble("segment ", (segment.segment_id, "bold"))
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("variant", overflow="fold")
    for name in ("share", "P(best)", "successes", *([] if style.raw else ["raw mean"])):
        table.add_column(name, justify="right", no_wrap=True)
    if style.axis is not None:
        table.add_column(str(style.axis), no_wrap=True)
    unit = "%" if style.is_share else style.unit
    table.add_column(f"{'raw rate' if style.raw else 'believed'} in {unit}, 95 %")
    table.add_column(_compared_with(segment))
    for variant in segment.variants:
        table.add_row(*_variant_cells(variant, style))
    if segment.withheld >= 0.0005:  # else it would be shown as nothing
        empty = [""] * (len(table.columns) - 3)
        table.add_row(Text("withheld", "dim"), percent(segment.withheld), *empty, "kept for better contacts")
    table.add_section()
    lift = "" if segment.lift is None else difference(segment.lift, style)
    table.add_row(
        *_group_cells("all of them" if segment.lift is None else "all, vs holdout", segment.learning, style), lift
    )
    if segment.chosen_by_people.trials:
        table.add_row(
            *_group_cells("by people" if style.narrow else "chosen by people", segment.chosen_by_people, style),
            "not learned from",
        )
    table.add_row(*_group_cells("holdout", segment.holdout, style), "")
    return table


def at_maturity(segment: SegmentReport) -> str | None:
    """What the rates are expected to come to once every outcome is in, where that is more than they are by now."""
    late = [
        f"{variant.variant_id} {_percents(expected)} %"
        for variant in segment.variants
        if (expected := variant.at_maturity) is not None and expected.value > _LATE * (variant.rate.rate or 0.0)
    ]
    if not late:
        return None
    trials, matured = (sum(getattr(v, name).trials for v in segment.variants) for name in ("rate", "matured"))
    so_far = f"{matured:,} of {trials:,} trials have matured"
    return f"{so_far}; expected rate at maturity, 95 %: {'; '.join(late)}"


def difference(found: Difference, style: Style) -> str:
    """``+0.31 ± 0.43`` at 95 %, in points where a reward is a success; with ``!`` where the raw difference misleads."""
    compared = found.found
    scale = 100 if style.is_share else 1
    value, high = scale * compared.value, scale * compared.interval()[1]
    reach = "" if isnan(high) else f" ± {high - value:,.2f}"
    return f"{value:+,.2f}{reach}{' !' if compared.misleads else ''}"


def _compared_with(segment: SegmentReport) -> str:
    against = {variant.difference.against for variant in segment.variants if variant.difference is not None}
    return f"vs {against.pop()}, by day" if len(against) == 1 else "difference by day"


def _variant_cells(variant: VariantReport, style: Style) -> list[str | Text]:
    shares = ["-", "-"]
    name = Text(variant.variant_id, "dim")
    if variant.removed_by is None:
        name, shares = Text(variant.variant_id), [percent(variant.allocation), percent(variant.p_best)]
    removed = "" if variant.removed_by is None else variant.removed_by.replace("_", " ")
    compared = "" if variant.difference is None else difference(variant.difference, style)
    last = " · ".join(part for part in (compared, removed) if part)
    if style.raw or not variant.rate.trials:
        return [name, *shares, *_rate_cells(variant.rate, style), last]
    value, low, high = _ends(variant.believed)
    bar = [] if style.axis is None else [style.axis.bar(low, value, high)]
    scale = 100 if style.is_share else 1
    shown = _interval(scale * value, scale * low, scale * high, 2, narrow=style.narrow)
    return [name, *shares, _successes(variant.rate), _mean(variant.rate, style), *bar, shown, last]


def _group_cells(name: str, rate: Rate, style: Style) -> list[str | Text]:
    return [Text(name, "dim"), "", "", *_rate_cells(rate, style)]


def _rate_cells(rate: Rate, style: Style) -> list[str | Text]:
    """Successes, raw mean, bar and rate as they were."""
    raw = [] if style.raw else [_mean(rate, style)]
    empty: list[str | Text] = [] if style.axis is None else [""]
    if rate.rate is None:
        return ["0 of 0", *raw, *empty, "no trials yet"]
    if not style.is_share:
        return [_successes(rate), *raw, *empty, ""]
    bar: list[str | Text] = [] if style.axis is None else [style.axis.bar(rate.low, rate.rate, rate.high)]
    digits = 1 if rate.high >= 0.1 else 2
    shown = _interval(100 * rate.rate, 100 * rate.low, 100 * rate.high, digits, narrow=style.narrow)
    return [_successes(rate), *raw, *bar, shown]


def _successes(rate: Rate) -> str:
    return f"{rate.positives:,} of {rate.trials:,}"


def _mean(rate: Rate, style: Style) -> str:
    if rate.mean_reward is None:
        return ""
    return f"{100 * rate.mean_reward:.2f} %" if style.is_share else f"{rate.mean_reward:,.2f}"


def _percents(estimate: Estimate) -> str:
    return _interval(100 * estimate.value, 100 * estimate.low, 100 * estimate.high, 2, narrow=False)


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _interval(value: float, low: float, high: float, digits: int, *, narrow: bool) -> str:
    to = "-" if narrow and low >= 0.0 else " to "
    return f"{value:,.{digits}f} ({low:,.{digits}f}{to}{high:,.{digits}f})"
