"""``optimizer report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from optimizer.cli.axis import percent
from optimizer.cli.opening import opened
from optimizer.cli.report_tables import Style, at_maturity, difference, segment_table, style_of
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, examples, out, say
from optimizer.cli.weekly import HtmlOption, MailOption, MarkdownOption, WeekOption, Written, show_weekly

if TYPE_CHECKING:
    from optimizer.services.budgets import BudgetLine
    from optimizer.services.reports.reporting import CampaignReport, SegmentReport
    from optimizer.services.reports.summaries import CampaignSummary

_FROZEN = {  # by `Learning`
    "frozen_silence": "no outcome of any kind has come in, though many should have; what is missing counts as it comes",
    "frozen_review": "its review is overdue, and `optimizer review {campaign} --note ...` lets it learn again",
}


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer report",
            "optimizer report winback",
            "optimizer report winback --json",
            "optimizer report --weekly",
            "optimizer report --weekly --week 2026-W47 --html review.html --markdown review.md",
            "optimizer report --weekly --mail reviews@shop.example team@shop.example",
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
    weekly: Annotated[
        bool, typer.Option("--weekly", help="The weekly review of all campaigns instead, as Markdown on stdout.")
    ] = False,
    week: WeekOption = None,
    html: HtmlOption = None,
    markdown: MarkdownOption = None,
    mail: MailOption = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show what campaigns did and learned: per segment, each variant's share, trials and rate, beside the holdout.

    Raw rates mix what was sent with when it was sent; the last column compares day by day, with a 95 % interval.

    Of a scenario's result.json: show what `optimizer simulate` or `optimizer evaluate` found.
    """
    if weekly:
        if campaign is not None:
            raise typer.BadParameter(f"found {campaign!r}; allowed none: the weekly review is of all campaigns")
        show_weekly(workspace, week, Written(html, markdown, mail), json=json)
        return
    if week is not None or html is not None or markdown is not None or mail is not None:
        raise typer.BadParameter("found --week, --html, --markdown or --mail; allowed together with --weekly")
    if campaign is not None and campaign.endswith(".json"):
        from optimizer.cli.scenario_options import show_again

        show_again(Path(campaign), json=json)
        return
    from optimizer.deployment import now
    from optimizer.services.reports import reporting

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        loaded = deployment.live.at(ledger)
        names = [campaign] if campaign else list(loaded.tactics)
        reports = [reporting.report(ledger, deployment.live, name, now()) for name in names]
        currency = loaded.currency
    if json:
        from optimizer.web.shapes.report_answers import report_json

        emit({"reports": [report_json(one) for one in reports]})
        return
    if not reports:
        say(out(), 'No campaign is in force; `optimizer apply --note "first version"` puts the documents in force.')
    for one in reports:
        _show(out(), one, currency)


def _show(console: Console, report: CampaignReport, currency: str) -> None:
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
    for said in _standstill(campaign):
        say(console, said, "red")
    say(console, f"maximises {report.objective}: {report.objective_why or f'{report.reward_outcome} outcomes'}")
    if campaign.why:
        say(console, campaign.why, "dim")
    if campaign.rollout_share < 1:
        say(console, f"rollout: {percent(campaign.rollout_share)} of the recipients take part")
    for line in campaign.budget:
        say(console, f"budget of {_budget(line, currency)}", "red" if line.exhausted else "")
    if campaign.awaiting_approval:
        say(console, f"awaiting approval: {', '.join(campaign.awaiting_approval)}", "yellow")
    style = style_of(report, console.width)
    for segment in report.segments:
        _show_segment(console, segment, style)
    if report.lift is not None:
        lift = f"{difference(report.lift, style)} {style.difference_unit}"
        say(console, f"learning group against the holdout, by segment and day, 95 % at every look: {lift}")
    if report.caution:
        say(console, report.caution, "dim")
    outcomes = ", ".join(f"{n:,} {kind}" for kind, n in report.outcomes.items())
    say(console, f"outcomes in time: {outcomes or 'none yet'}")


def _show_segment(console: Console, segment: SegmentReport, style: Style) -> None:
    console.print(segment_table(segment, style))
    for note in segment.notes:
        say(console, note, "yellow")
    if told := [f"{v.elsewhere:,.0f} of {v.variant_id}" for v in segment.variants if v.elsewhere]:
        say(console, f"believed from trials elsewhere, too, that count as {', '.join(told)}", "dim")
    late = at_maturity(segment, style)
    if late is not None:
        say(console, late, "dim")


def _standstill(campaign: CampaignSummary) -> list[str]:
    """That nothing is learned and since when, and the alarms that wait for an answer."""
    from optimizer.domain.instants import moment

    lines = []
    if campaign.frozen_since is not None:
        why = _FROZEN[campaign.learning].format(campaign=campaign.campaign_id)
        lines.append(f"learning is frozen since {moment(campaign.frozen_since):%Y-%m-%d %H:%M} UTC: {why}")
    lines += [f"alarm, {name.replace('_', ' ')}: {sentence}" for name, sentence in campaign.alarms.items()]
    if campaign.alarms:
        lines.append(f"`optimizer acknowledge {campaign.campaign_id} --note ...` answers what has raised an alarm")
    return lines


def _budget(line: BudgetLine, currency: str) -> str:
    """``campaign winback, 2026-12-01: 31.50 of 250.00 USD (4.00 reserved), 62 of 1,000 sends in use``."""
    used, limit = line.reading, line.allowance
    parts = []
    if limit.money is not None:
        reserved = f" ({used.reserved / 1e6:,.2f} reserved)" if used.reserved else ""
        parts.append(f"{used.money / 1e6:,.2f} of {limit.money / 1e6:,.2f} {currency}{reserved}")
    if limit.sends is not None:
        parts.append(f"{used.sends:,} of {limit.sends:,} sends")
    return f"{line.key.scope.replace(':', ' ')}, {line.key.period}: {', '.join(parts)} in use"
