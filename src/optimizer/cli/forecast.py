"""``optimizer forecast``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, examples, out, say

if TYPE_CHECKING:
    from optimizer.insights.forecasting.fans import Expected
    from optimizer.services.forecasts.forecasting import CampaignForecast


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer forecast winback", "optimizer forecast winback --days 14", "optimizer forecast winback --json"
        ),
    )(forecast)


def forecast(
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN", help="The campaign.")],
    days: Annotated[
        int | None,
        typer.Option(
            "--days",
            metavar="N",
            min=1,
            max=183,
            help="Days to look ahead, today included; by default to the campaign's end, or four weeks.",
        ),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show what to expect of a campaign: traffic, rewards, spend, the end of budgets, and the day of a useful answer.

    Every number comes with intervals that hold 80 and 95 of 100 times; how they have held so far is said below.
    """
    from optimizer.deployment import now
    from optimizer.services.forecasts import forecasting

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = forecasting.forecast(ledger, deployment.live, campaign, now(), days)
    if json:
        from optimizer.web.shapes.forecast_answers import forecast_json

        emit(forecast_json(found))
        return
    _show(found)


def _show(found: CampaignForecast) -> None:
    from optimizer.domain.instants import moment
    from optimizer.insights.forecasting.daily import date_words

    console = out()
    as_of = f" · as of {moment(found.as_of):%Y-%m-%d %H:%M:%S} UTC"
    console.print(Text.assemble((found.campaign_id, "bold"), as_of), soft_wrap=True)
    if found.unknown:
        say(console, f"no forecast: {found.unknown}", "yellow")
    else:
        first, last = date_words(found.days[0]), date_words(found.days[-1])
        say(console, f"from {first} to {last} ({found.last}), days of {found.zone}")
        console.print(_table(found))
        for answer in found.answers:
            say(console, f"best message in {answer.segment_id}: {answer.sentence}")
        for budget in found.budgets:
            say(console, f"budget of {budget.sentence}")
        for sentence in found.assumed:
            say(console, f"assumed: {sentence}", "dim")
    say(console, found.record_words)


def _table(found: CampaignForecast) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold")
    for name in ("expected", "80 % interval", "95 % interval"):
        table.add_column(name, justify="right")
    unit = "rewards" if found.unit == "share of trials" else found.unit
    rows: list[tuple[str, Expected | None, str]] = [
        ("decisions to come", found.decisions_in_all, ""),
        ("reward still to come of past decisions", found.reward_maturing, unit),
        (f"reward in all ({found.reward_so_far:,.0f} reported so far)", found.reward_in_all, unit),
        ("money in use", None if found.spend is None else found.spend.expected[-1], found.currency),
    ]
    for name, one, of in rows:
        if one is not None:
            ends = (
                f"{_number(low)} to {_number(high)}" for low, high in ((one.low80, one.high80), (one.low95, one.high95))
            )
            table.add_row(Text(name), f"{_number(one.median)} {of}".rstrip(), *ends)
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"
