"""``optimizer measure``."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, examples, out, say

if TYPE_CHECKING:
    from optimizer.insights.measures.comparison import Comparison
    from optimizer.insights.measures.measurement import CampaignMeasurement, Lift, People, StrategyMeasurement
    from optimizer.insights.measures.money import Money, Range
    from optimizer.insights.measures.trend import Trend


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples("optimizer measure", "optimizer measure winback", "optimizer measure winback --json"),
    )(measure)


def measure(
    campaign: Annotated[
        str | None, typer.Argument(metavar="[CAMPAIGN]", help="One campaign; by default the whole strategy.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show what campaigns earn beyond their holdouts: lift, money and return, per trial and per recipient.

    Intervals of 95 % hold at every look, so peeking is safe. Of a million decisions this takes some seconds.
    """
    from optimizer.deployment import now
    from optimizer.services.measures.measuring import measured, strategy_measured

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = (
            strategy_measured(ledger, deployment.live, now())
            if campaign is None
            else measured(ledger, deployment.live, campaign, now())
        )
    if json:
        from optimizer.web.shapes import measurement_answers as answers

        one = answers.strategy_measurement_json(found) if campaign is None else answers.measurement_json(found)  # type: ignore[arg-type]
        emit(one)
    elif campaign is None:
        _show_strategy(out(), found)  # type: ignore[arg-type]
    else:
        _show_campaign(out(), found)  # type: ignore[arg-type]


def _show_strategy(console: Console, found: StrategyMeasurement) -> None:
    _heading(console, found.strategy_id, found.as_of)
    if not found.objectives:
        say(console, 'No campaign is in force; `optimizer apply --note "first version"` puts the documents in force.')
    for one in found.objectives:
        say(console, "")
        say(console, f"{one.subject.objective_id}: {one.subject.why or f'{one.subject.outcome} outcomes'}", "bold")
        rows = [(name, lift) for name, lift in one.campaigns]
        rows.append(("any holdout", one.lift))
        if one.strategy_wide is not None:
            rows.append(("strategy-wide holdout", one.strategy_wide))
        console.print(_lifts("campaign", rows))
        _show_money(console, one.money, one.no_money)
        _show_people(console, one.people)
        for note in one.notes:
            say(console, note, "yellow")


def _show_campaign(console: Console, found: CampaignMeasurement) -> None:
    _heading(console, found.campaign_id, found.as_of)
    about = found.subject
    say(console, f"maximises {about.objective_id}: {about.why or f'{about.outcome} outcomes'}")
    rows = [("all segments", found.lift), *((one.segment_id, one.lift) for one in found.segments)]
    console.print(_lifts("segment", rows))
    variants = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="variants, matured trials", title_justify="left")
    for name in ("variant", "against", "difference", "as days go by"):
        variants.add_column(name)
    for one in found.variants:
        against = "" if one.compared is None else one.compared.against
        variants.add_row(one.variant_id, against, _difference(one.compared), _course(one.novelty))
    console.print(variants)
    _show_money(console, found.money, found.no_money)
    _show_people(console, found.people)
    if found.fatigue is not None:
        say(console, f"as contacts mount up, the effect: {_course(found.fatigue)}")
    for kpi in found.operations.rates:
        limit = "" if kpi.limit is None else f", at most {kpi.limit:.2%}"
        say(console, f"{kpi.kind}: {kpi.rate:.2%} of {kpi.of:,} messages ({kpi.low:.2%} to {kpi.high:.2%}{limit})")
    if found.operations.median_delay is not None:
        say(console, f"half of the rewards came within {found.operations.median_delay / 3.6e9:,.1f} hours")
    for note in found.notes:
        say(console, note, "yellow")


def _heading(console: Console, name: str, as_of: int) -> None:
    from optimizer.domain.instants import moment

    as_of_text = f" · as of {moment(as_of):%Y-%m-%d %H:%M:%S} UTC · 95 % at every look: peeking is safe"
    console.print(Text.assemble((name, "bold"), as_of_text), soft_wrap=True)


def _lifts(name: str, rows: list[tuple[str, Lift]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(name)
    table.add_column("trials (maturing)", justify="right")
    for column in ("lift of matured trials", "against", "so far"):
        table.add_column(column)
    for label, lift in rows:
        known = lift.matured or lift.so_far
        trials = f"{lift.trials:,} ({lift.maturing:,})"
        against = "" if known is None else known.against
        table.add_row(label, trials, _difference(lift.matured), against, _difference(lift.so_far))
    return table


def _show_money(console: Console, money: Money | None, why_not: str) -> None:
    if money is None:
        say(console, f"money: {why_not}", "dim")
        return
    say(console, f"gained beyond control, {money.worth_of}: {_amount(money.gained, money.currency)}")
    more = f"{abs(money.cost):,.4f} {'more' if money.cost > 0.0 else 'less'} per trial than control"
    if abs(money.cost) < 5e-5:  # what four digits do not show
        more = "no more per trial than control"
    spent = f"{money.spent:,.2f} {money.currency} spent, {more}"
    returned = "" if money.roi is None else f"; return {_amount(money.roi, 'per unit spent')}"
    say(console, f"{spent}; net gain {_amount(money.kept, money.currency)}{returned}")


def _show_people(console: Console, people: People | None) -> None:
    if people is None:
        return
    days = people.known_for // 86_400_000_000
    say(console, f"per recipient: {people.recipients:,}, and {people.held:,} of {people.against}")
    for name, one in (
        ("rewarded at least once", people.rewarded),
        (f"rewarded twice within {days} days", people.again),
        ("worth", people.worth),
    ):
        if one is not None:
            say(console, f"  {name}: {_value(one.mean, one.unit)}, against {one.against} {_difference(one)}")


def _course(trend: Trend | None) -> str:
    if trend is None:
        return ""
    if not isfinite(trend.low):
        return str(trend.course)
    value, low, high, name = _signed(trend.slope, trend.low, trend.high, trend.steps[0].compared.unit)
    return f"{trend.course} ({value} {name} per doubling, {low} to {high})"


def _difference(one: Comparison | None) -> str:
    """``+0.80 points (+0.20 to +1.40)``; what is missing where it is too early."""
    if one is None:
        return "nothing to compare"
    value, low, high, name = _signed(one.found.value, one.low, one.high, one.unit)
    return f"{value} {name} ({low} to {high})" if isfinite(one.low) else f"{value} {name}, {one.seen}"


def _signed(value: float, low: float, high: float, unit: str) -> tuple[str, str, str, str]:
    """A difference and the ends of its interval as finely as each other, and what they are counted in."""
    scale, name = (100.0, "points") if unit.startswith("share") else (1.0, unit)
    largest = max(abs(scale * one) for one in (value, low, high) if isfinite(one))
    digits = 2 if name == "points" or largest >= 1.0 else 4
    shown, least, most = (f"{scale * one:+,.{digits}f}" for one in (value, low, high))
    return shown, least, most, name


def _value(value: float, unit: str) -> str:
    return f"{value:.2%}" if unit.startswith("share") else f"{value:,.2f} {unit}"


def _amount(one: Range, unit: str) -> str:
    ends = f" ({one.low:,.2f} to {one.high:,.2f})" if isfinite(one.low) else ", too early for an interval"
    return f"{one.value:,.2f} {unit}{ends}"
