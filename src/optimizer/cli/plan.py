"""``optimizer plan``."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from optimizer.cli.documents import check
from optimizer.cli.hindsight import show_hindsight
from optimizer.cli.opening import opened
from optimizer.cli.outlook import show_outlook
from optimizer.cli.terminal import HERE, Command, JsonOption, WorkspaceOption, emit, examples, out, say
from optimizer.errors import DocumentError

if TYPE_CHECKING:
    from optimizer.services.documents.planning import Plan
    from optimizer.services.forecasts.outlooks import SegmentOutlook
    from optimizer.strategy.versions.changes import Change

CHANGES = 2  # exit code with --exit-code
_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "effect": ("→", "cyan")}
_OTHER_MARK = ("~", "yellow")
_NAMED = 10


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer plan", "optimizer plan --daily 5000 --rate 0.02", "optimizer plan --json --exit-code"
        ),
    )(plan)


def plan(
    workspace: WorkspaceOption = HERE,
    daily: Annotated[
        float | None,
        typer.Option("--daily", min=0, metavar="N", help="Decisions a day of a campaign the ledger knows none of."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", min=0, max=1, metavar="R", help="Share that succeeds, such as 0.02, where not known."),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 2 when something would change, with 0 when nothing would.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show what applying the workspace's documents would change against what is live. Nothing is changed."""
    from optimizer.deployment import load_workspace, now
    from optimizer.services.documents import planning
    from optimizer.services.forecasts.outlooks import Assumptions

    try:
        documents = load_workspace(workspace)
    except DocumentError:
        check(None, workspace, json)  # shows every mistake and ends
        raise
    assumptions = Assumptions(daily, rate)
    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        made = planning.plan(ledger, deployment.live, documents, now(), assumptions)
    if json:
        emit(_as_json(made))
    else:
        _show(out(), made, documents.strategy.currency)
    if exit_code and made.changes:
        raise typer.Exit(CHANGES)


def _as_json(made: Plan) -> dict[str, Any]:
    return {
        "live_version": made.live_version,
        "new_version": made.is_new_version,
        "changes": [asdict(change) for change in made.changes],
        "campaigns_touched": list(made.touched),
        "awaiting_approval": [
            {"campaign": campaign, "variant": variant, "approved_now": (campaign, variant) in made.lapsing}
            for campaign, variant in made.awaiting
        ],
        "outlook": [asdict(row) for row in made.outlook],
        "hindsight": [asdict(one) for one in made.hindsight],
        "warm_starts": list(made.warm_starts),
        "warnings": list(made.warnings),
    }


def _show(console: Console, made: Plan, currency: str) -> None:
    if made.live_version == 0:
        say(console, "nothing is live yet: everything is new", "bold")
    elif not made.changes:
        spelling = "the documents are spelled differently, but mean" if made.is_new_version else "the documents say"
        say(console, f"nothing would change: {spelling} what version {made.live_version} says", "bold green")
    for document, some in groupby(made.changes, key=lambda change: change.document):
        say(console, "")
        say(console, document, "bold")
        for change in some:
            _show_change(console, change)
    if made.changes:
        say(console, "")
        say(console, f"campaigns touched: {_names(made.touched) or 'none'}")
    _show_outlook(console, made.outlook)
    show_hindsight(console, made.hindsight, currency)
    _show_awaiting(console, made)
    for said in made.warm_starts:
        say(console, said)
    for warning in made.warnings:
        say(console, f"warning: {warning}", "bold yellow")
    if made.is_new_version:
        say(console, "apply with: optimizer apply --note WHY", "cyan")


def _show_change(console: Console, change: Change) -> None:
    mark, style = _MARKS.get(change.kind, _OTHER_MARK)
    said = change.sentence
    if change.campaign is not None:  # the heading has named it
        said = said.removeprefix(f"campaign {change.campaign}: ")
    touches = ""
    if change.campaign is None and change.kind != "added":
        touches = f"  touches {_names(change.touches)}" if change.touches else "  touches no campaign"
    console.print(Text.assemble((f"  {mark} ", style), said, (touches, "dim")), soft_wrap=True)


def _names(names: tuple[str, ...]) -> str:
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])


def _show_outlook(console: Console, outlook: tuple[SegmentOutlook, ...]) -> None:
    show_outlook(console, outlook)
    options = [
        option
        for option, is_missing in (
            ("--daily 5000", any(row.decisions_per_day is None for row in outlook)),
            ("--rate 0.02", any(row.rate is None for row in outlook)),
        )
        if is_missing
    ]
    if options:
        say(console, f"what the ledger does not know yet can be assumed: optimizer plan {' '.join(options)}", "dim")


def _show_awaiting(console: Console, made: Plan) -> None:
    if not made.awaiting:
        return
    say(console, "Not served, once applied, until someone approves:", "yellow")
    places: dict[str, bool] = {}
    for campaign, variant in made.awaiting:
        place = f"{campaign}/{variant.partition(':')[0]}"
        places[place] = places.get(place, False) or (campaign, variant) in made.lapsing
    for place, is_approved_now in places.items():
        lapses = "  (approved as it is now)" if is_approved_now else ""
        console.print(Text.assemble((f"  optimizer approve {place}", "cyan"), (lapses, "dim")), soft_wrap=True)
