"""The tables of ``optimizer report``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import isnan
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from optimizer.cli.axis import Axis, percent

if TYPE_CHECKING:
    from optimizer.services.reports.reporting import (
        CampaignReport,
        Difference,
        Estimate,
        Rate,
        SegmentReport,
        VariantReport,
    )

_SHARE = "share of trials"
_OTHER_COLUMNS = 76  # what stands beside the names, the bar and the reasons of removal, at least
_LAST_COLUMN, _STACKED_LAST_COLUMN = 14, 12  # of the differences, which wrap
_GAP = 2  # between columns
_LEAST_BAR, _MOST_BAR = 10, 30
_SHORT_NAME = 16  # longer ones may be broken
_LONGEST_GROUP = len("chosen by people")
_RATE = "rate at maturity"
_LATE = 1.02  # times the raw rate, from which on what is still expected is told


@dataclass(frozen=True, slots=True)
class Style:
    """How the numbers of one report are shown.

    Attributes:
        unit: what rewards are counted in.
        raw: whether rates are shown as they were, with their own interval; else as the campaign's policy believes them.
        in_money: whether what is expected at maturity is a mean reward; else a rate.
        axis: of the bars; None where there is no room for them, or nothing they could show.
        narrow: whether intervals have to be short.
        stacked: whether they have to stand on a line of their own, like the number of trials.
        names: names of variants are broken into lines of so many characters.
    """

    unit: str
    raw: bool
    in_money: bool
    axis: Axis | None = None
    narrow: bool = False
    stacked: bool = False
    names: int = _SHORT_NAME

    @property
    def is_share(self) -> bool:
        """Whether a mean reward is a rate."""
        return self.unit == _SHARE

    @property
    def difference_unit(self) -> str:
        """What differences are counted in."""
        return "points" if self.is_share else self.unit

    @staticmethod
    def gap(breaks: bool) -> str:
        """What stands between two parts of a cell."""
        return "\n" if breaks else " "


def style_of(report: CampaignReport, width: int) -> Style:
    """The style of a report on a terminal of this width: with bars, else on one line, else as short as need be."""
    is_share = report.unit == _SHARE
    plain = Style(
        report.unit,
        raw=is_share and report.model == "beta_bernoulli",
        in_money=report.maturity_unit != _SHARE,
        names=max(_LONGEST_GROUP, longest := max(map(len, report.campaign.variants))),
    )
    reasons = max((len(v.removed_by or "") for s in report.segments for v in s.variants), default=0)
    bar = min(width - longest - reasons - max(_OTHER_COLUMNS, _beside(report, plain)), _MOST_BAR)
    if is_share and bar >= _LEAST_BAR:
        high = [
            (v.rate if plain.raw else v.believed).high for s in report.segments for v in s.variants if v.rate.trials
        ]
        high += [s.holdout.high for s in report.segments if s.holdout.trials]
        return replace(plain, axis=Axis.over(high, zero=True, width=bar))
    if _beside(report, plain) + plain.names <= width:
        return plain
    for style in (replace(plain, narrow=True), replace(plain, narrow=True, stacked=True)):
        room = width - _beside(report, style)
        if room >= min(plain.names, _SHORT_NAME):
            break
    return replace(style, names=min(plain.names, max(room, _SHORT_NAME // 2)))


def segment_table(segment: SegmentReport, style: Style) -> Table:
    """A row for each variant, then the groups."""
    title = Text.assemble("segment ", (segment.segment_id, "bold"))
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("variant", no_wrap=True)
    for name in ("share", "P(best)", "successes", *([] if style.raw else [_mean_name(style)])):
        table.add_column(name, justify="right", no_wrap=True)
    if style.axis is not None:
        table.add_column(str(style.axis), no_wrap=True)
    table.add_column(_interval_name(style), no_wrap=True)
    table.add_column(_compared_with(segment, style), overflow="fold")
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
            *_group_cells("chosen by people", segment.chosen_by_people, style),
            "not learned from",
        )
    table.add_row(*_group_cells("holdout", segment.holdout, style), "")
    return table


def at_maturity(segment: SegmentReport, style: Style) -> str | None:
    """What rates, or rewards, are expected to come to once every outcome is in, where that is more than by now."""
    unit, scale, what = ("", 1, f"mean reward at maturity in {style.unit}") if style.in_money else (" %", 100, _RATE)
    late = []
    for variant in segment.variants:
        expected = variant.at_maturity
        so_far = variant.rate.mean_reward if style.in_money else variant.rate.rate
        if expected is not None and expected.value > _LATE * max(so_far or 0.0, 0.0):
            value, low, high = (scale * end for end in _ends(expected))
            late.append(f"{variant.variant_id} {_interval(value, low, high, 2)}{unit}")
    if not late:
        return None
    trials, matured = (sum(getattr(v, name).trials for v in segment.variants) for name in ("rate", "matured"))
    return f"{matured:,} of {trials:,} trials have matured; expected {what}, 95 %: {'; '.join(late)}"


def difference(found: Difference, style: Style) -> str:
    """``+0.31 ± 0.43`` at 95 %, in `Style.difference_unit`; with ``!`` where the raw difference misleads."""
    compared = found.found
    scale = 100 if style.is_share else 1
    value, high = scale * compared.value, scale * compared.anytime_interval()[1]
    reach = "" if isnan(high) else f" ± {high - value:,.2f}"
    return f"{value:+,.2f}{reach}{' !' if compared.misleads else ''}"


def broken(name: str, width: int) -> str:
    """A name on lines of at most `width` characters, broken after its hyphens and colons wherever there are some."""
    lines = [""]
    for part in re.findall(r"[^-:._]*[-:._]|[^-:._]+", name):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
        while len(lines[-1]) > width:
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return "\n".join(lines)


def _beside(report: CampaignReport, style: Style) -> int:
    """How wide all columns but that of the names are, padding included; the last one as narrow as it may be."""
    rows = [["", "", "", "successes", *([] if style.raw else [_mean_name(style)]), _interval_name(style)]]
    for segment in report.segments:
        rows += [list(map(str, _variant_cells(one, style)))[:-1] for one in segment.variants]
        rates = (segment.learning, segment.chosen_by_people, segment.holdout)
        rows += [list(map(str, _group_cells("", rate, style))) for rate in rates]
    columns = zip(*(row[3:] for row in rows), strict=True)
    widths = [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
    last = _STACKED_LAST_COLUMN if style.stacked else _LAST_COLUMN
    return sum(width + _GAP for width in (len("87.6 %"), len("P(best)"), *widths, last)) + _GAP


def _mean_name(style: Style) -> str:
    return "raw mean" if style.is_share else f"raw mean\nin {style.unit}"


def _interval_name(style: Style) -> str:
    unit = "%" if style.is_share else style.unit
    return f"{'raw rate' if style.raw else 'believed'}{style.gap(style.narrow)}in {unit}, 95 %"


def _compared_with(segment: SegmentReport, style: Style) -> str:
    against = {variant.difference.against for variant in segment.variants if variant.difference is not None}
    what = f"vs {broken(against.pop(), _STACKED_LAST_COLUMN)}" if len(against) == 1 else "difference"
    return f"{what}\nby day, in {style.difference_unit}"


def _variant_cells(variant: VariantReport, style: Style) -> list[str | Text]:
    shares = ["-", "-"]
    name = Text(broken(variant.variant_id, style.names), "dim")
    if variant.removed_by is None:
        name, shares = Text(name.plain), [percent(variant.allocation), percent(variant.p_best)]
    removed = "" if variant.removed_by is None else variant.removed_by.replace("_", " ")
    compared = "" if variant.difference is None else difference(variant.difference, style)
    last = " · ".join(part for part in (compared, removed) if part)
    if style.raw or not variant.rate.trials:
        return [name, *shares, *_rate_cells(variant.rate, style), last]
    value, low, high = _ends(variant.believed)
    bar = [] if style.axis is None else [style.axis.bar(low, value, high)]
    scale = 100 if style.is_share else 1
    shown = _interval(scale * value, scale * low, scale * high, 2, style)
    return [name, *shares, _successes(variant.rate, style), _mean(variant.rate, style), *bar, shown, last]


def _group_cells(name: str, rate: Rate, style: Style) -> list[str | Text]:
    lines = name if len(name) <= style.names else name.replace(" ", "\n", 1)
    return [Text(lines, "dim"), "", "", *_rate_cells(rate, style)]


def _rate_cells(rate: Rate, style: Style) -> list[str | Text]:
    """Successes, raw mean, bar and rate as they were."""
    raw = [] if style.raw else [_mean(rate, style)]
    empty: list[str | Text] = [] if style.axis is None else [""]
    if rate.rate is None:
        return ["0 of 0", *raw, *empty, "no trials yet"]
    if not style.is_share:
        return [_successes(rate, style), *raw, *empty, ""]
    bar: list[str | Text] = [] if style.axis is None else [style.axis.bar(rate.low, rate.rate, rate.high)]
    digits = 1 if rate.high >= 0.1 else 2
    shown = _interval(100 * rate.rate, 100 * rate.low, 100 * rate.high, digits, style)
    return [_successes(rate, style), *raw, *bar, shown]


def _successes(rate: Rate, style: Style) -> str:
    return f"{rate.positives:,}{style.gap(style.stacked)}of {rate.trials:,}"


def _mean(rate: Rate, style: Style) -> str:
    if rate.mean_reward is None:
        return ""
    return f"{100 * rate.mean_reward:.2f} %" if style.is_share else f"{rate.mean_reward:,.2f}"


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _interval(value: float, low: float, high: float, digits: int, style: Style | None = None) -> str:
    to = "-" if style is not None and style.narrow and low >= 0.0 else " to "
    between = "\n" if style is not None and style.stacked else " "
    return f"{value:,.{digits}f}{between}({low:,.{digits}f}{to}{high:,.{digits}f})"
