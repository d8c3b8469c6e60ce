"""``optimizer report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from optimizer.cli.axis import Axis, percent
from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, examples, out, say

if TYPE_CHECKING:
    from optimizer.services.budgets import BudgetLine
    from optimizer.services.summaries import CampaignReport, Rate, SegmentReport


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer report",
            "optimizer report winback",
            "optimizer report winback --json",
            "optimizer report scenarios/results/first-rehearsal/result.json",
        ),
    )(report)


def report(
    campaign: Annotated[
        str | None,
        typer.Argument(
            metavar="[CAMPAIGN | RESULT.json]",
            help="One campaign, all of them by default; or the result of a scenario, whose report.html is made anew.",
        ),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show what campaigns did and learned: per segment, each variant's share, trials and rate, beside the holdout.

    Of a scenario's result.json: show what `optimizer simulate` or `optimizer evaluate` found.
    """
    if campaign is not None and campaign.endswith(".json"):
        from optimizer.cli.scenario_options import show_again

        show_again(Path(campaign), json=json)
        return
    from optimizer.deployment import now
    from optimizer.services import summaries

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        loaded = deployment.live.at(ledger)
        names = [campaign] if campaign else list(loaded.tactics)
        reports = [summaries.report(ledger, deployment.live, name, now()) for name in names]
    if json:
        from optimizer.web.rendering import report_json

        emit({"reports": [report_json(one) for one in reports]})
        return
    if not reports:
        say(out(), 'No campaign is in force; `optimizer apply --note "first version"` puts the documents in force.')
    for one in reports:
        _show(out(), one)


def _show(console: Console, report: CampaignReport) -> None:
    from optimizer.domain.instants import moment

    campaign = report.campaign
    say(console, "")
    console.print(
        Text.assemble(
            (campaign.campaign_id, "bold"),
            f" · {campaign.state.replace('_', ' ')} · version {campaign.strategy_version}",
            f" · as of {moment(report.as_of):%Y-%m-%d %H:%M:%S} UTC",
        ),
        soft_wrap=True,
    )
    say(console, f"maximises {report.objective}: {report.objective_why or f'{report.reward_outcome} outcomes'}")
    if campaign.why:
        say(console, campaign.why, "dim")
    if campaign.rollout_share < 1:
        say(console, f"rollout: {percent(campaign.rollout_share)} of the recipients take part")
    for line in campaign.budget:
        say(console, f"budget of {_budget(line)}", "red" if line.exhausted else "")
    if campaign.awaiting_approval:
        say(console, f"awaiting approval: {', '.join(campaign.awaiting_approval)}", "yellow")
    rates = (rate for s in report.segments for rate in (*(v.rate for v in s.variants), s.holdout) if rate.trials)
    names = max(map(len, campaign.variants))
    reasons = max((len(v.removed_by or "") for s in report.segments for v in s.variants), default=0)
    axis_width = min(max(console.width - names - reasons - 60, 10), 40)
    axis = Axis.over((rate.high for rate in rates), zero=True, width=axis_width)
    for segment in report.segments:
        console.print(_segment_table(segment, axis))
    outcomes = ", ".join(f"{n:,} {kind}" for kind, n in report.outcomes.items())
    say(console, f"outcomes in time: {outcomes or 'none yet'}")


def _budget(line: BudgetLine) -> str:
    """``campaign winback, 2026-12-01: 31.50 of 250.00 (4.00 reserved), 62 of 1,000 sends in use``."""
    used, limit = line.reading, line.allowance
    parts = []
    if limit.money is not None:
        reserved = f" ({used.reserved / 1e6:,.2f} reserved)" if used.reserved else ""
        parts.append(f"{used.money / 1e6:,.2f} of {limit.money / 1e6:,.2f}{reserved}")
    if limit.sends is not None:
        parts.append(f"{used.sends:,} of {limit.sends:,} sends")
    return f"{line.key.scope.replace(':', ' ')}, {line.key.period}: {', '.join(parts)} in use"


def _segment_table(segment: SegmentReport, axis: Axis) -> Table:
    title = Text.assemble("segment ", (segment.segment_id, "bold"))
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("variant", overflow="fold")
    for name in ("share", "P(best)", "successes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(str(axis), no_wrap=True)
    table.add_column("rate in %, 95 %", no_wrap=True)
    for variant in segment.variants:
        successes, bar, rate = _rate_cells(variant.rate, axis)
        if variant.removed_by is None:
            shares = percent(variant.allocation), percent(variant.p_best)
            table.add_row(Text(variant.variant_id), *shares, successes, bar, rate)
        else:
            reason = variant.removed_by.replace("_", " ")
            table.add_row(Text(variant.variant_id, "dim"), "-", "-", successes, bar, f"{rate} · {reason}")
    if segment.withheld >= 0.0005:  # else it would be shown as nothing
        table.add_row(Text("withheld", "dim"), percent(segment.withheld), "", "", "", "kept for better contacts")
    table.add_section()
    table.add_row(Text("all of them", "dim"), "", "", *_rate_cells(segment.learning, axis))
    table.add_row(Text("holdout", "dim"), "", "", *_rate_cells(segment.holdout, axis))
    return table


def _rate_cells(rate: Rate, axis: Axis) -> tuple[str, str, str]:
    if rate.rate is None:
        return "0 of 0", "", "no trials yet"
    digits = 1 if rate.high >= 0.1 else 2
    point, low, high = (f"{100 * value:.{digits}f}" for value in (rate.rate, rate.low, rate.high))
    return (
        f"{rate.positives:,} of {rate.trials:,}",
        axis.bar(rate.low, rate.rate, rate.high),
        f"[bold]{point}[/bold] ({low} to {high})",
    )
