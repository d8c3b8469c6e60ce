"""``optimizer ledger verify``, ``export`` and ``import``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from optimizer.cli.exporting import export
from optimizer.cli.moving import read_whole
from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, NOT_FINE, Command, Group, JsonOption, WorkspaceOption, emit, err, examples, out

if TYPE_CHECKING:
    from optimizer.domain.statistics import Sums
    from optimizer.services.learning.verifying import Verification

SHOWN = 20

commands = typer.Typer(
    cls=Group,
    help="The ledger: every decision and every outcome.",
    no_args_is_help=True,
    epilog=examples(
        "optimizer ledger verify", "optimizer ledger export backup.ledger", "optimizer ledger import backup.ledger"
    ),
)


commands.command(
    cls=Command,
    epilog=examples(
        "optimizer ledger export backup.ledger",
        "optimizer ledger export winback.parquet",
        "optimizer ledger export --campaign winback --format dsjson winback.dsjson.gz",
        "optimizer ledger export --campaign winback --format obp --all winback.npz",
        "optimizer ledger export --partition day warehouse",
    ),
)(export)
commands.command(
    "import",
    cls=Command,
    epilog=examples(
        "optimizer ledger import backup.ledger --workspace restored",
        "OPTIMIZER_DATABASE_URL=postgresql://… optimizer ledger import backup.ledger",
    ),
)(read_whole)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="ledger")


@commands.command(
    cls=Command, epilog=examples("optimizer ledger verify", "optimizer ledger verify --recompute 100000 --json")
)
def verify(
    recompute: Annotated[
        int, typer.Option("--recompute", min=0, metavar="N", help="Past decisions to compute again, bit for bit.")
    ] = 1_000,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Fold the whole ledger again and compare, and compute past decisions again. Exits with 1 unless all agree."""
    from optimizer.services.learning.verifying import verify_ledger

    columns = (TextColumn("folding"), BarColumn(), MofNCompleteColumn(), TextColumn("decisions"), TimeRemainingColumn())
    console = err()
    with (
        opened(workspace) as deployment,
        deployment.store.reading() as ledger,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("folding", total=ledger.decisions.count())
        found = verify_ledger(
            ledger,
            deployment.live,
            recompute_decisions=recompute,
            progress=lambda done: progress.update(task, completed=done),
        )
    if json:
        emit(_as_json(found))
    else:
        _show(found)
    if not found.clean:
        raise typer.Exit(NOT_FINE)


def _as_json(found: Verification) -> dict[str, object]:
    return {
        "ok": found.clean,
        "decisions": found.decisions,
        "outcomes": found.outcomes,
        "cells": found.cells,
        "mismatches": [
            {"cell": cell._asdict(), "stored": stored._asdict(), "folded": folded._asdict()}
            for cell, stored, folded in found.mismatches
        ],
        "recomputed": found.recomputed,
        "erased": found.anonymous,
        "differing": found.differing,
        "meters": found.meters,
        "false_meters": [
            {"meter": key._asdict(), "stored": stored._asdict(), "summed": summed._asdict()}
            for key, stored, summed in found.false_meters
        ],
    }


def _show(found: Verification) -> None:
    console = out()
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{found.decisions:,}", "decisions and")
    table.add_row(f"{found.outcomes:,}", "outcomes folded again, into")
    table.add_row(f"{found.cells:,}", f"cells of statistics: {_verdict(len(found.mismatches), 'differ')}")
    table.add_row(f"{found.recomputed:,}", f"decisions computed again: {_verdict(len(found.differing), 'differ')}")
    if found.anonymous:
        table.add_row(f"{found.anonymous:,}", "were not, because their recipients are erased")
    table.add_row(f"{found.meters:,}", f"meters of budgets summed again: {_verdict(len(found.false_meters), 'differ')}")
    console.print(table)
    for key, metered, committed in found.false_meters[:SHOWN]:
        console.print(Text(f"  {key.scope}, {key.period}: stored {metered}, summed {committed}"))
    if found.mismatches:
        cells = Table(
            "campaign", "segment", "variant", "group", "metric", "stored", "folded", title="Cells that differ"
        )
        for cell, stored, folded in found.mismatches[:SHOWN]:
            place = (cell.campaign_id, cell.segment_id, cell.variant_id, cell.group, cell.metric)
            cells.add_row(*map(Text, place), _sums(stored), _sums(folded))
        console.print(cells)
        _more(len(found.mismatches))
    if found.differing:
        console.print("Decisions that came out differently:", style="bold")
        for decision_id in found.differing[:SHOWN]:
            console.print(f"  {decision_id}")
        _more(len(found.differing))
    if found.clean:
        console.print("The ledger is clean.", style="bold green")
    else:
        console.print("The ledger is NOT clean.", style="bold red")


def _verdict(n: int, verb: str) -> str:
    return "[green]all the same[/green]" if n == 0 else f"[red]{n:,} {verb}[/red]"


def _sums(sums: Sums) -> str:
    return f"n {sums.n:,}, positive {sums.positives:,}, total {sums.total / 1e6:,.6g}"


def _more(n: int) -> None:
    if n > SHOWN:
        out().print(f"… and {n - SHOWN:,} more", style="dim")
