"""The ledger as Parquet by day: ``optimizer ledger export --partition day FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from optimizer.cli.opening import opened
from optimizer.cli.terminal import emit, err, out, say

if TYPE_CHECKING:
    from optimizer.services.exports.partitioning import Partitioned


def write_days(folder: Path, workspace: Path, campaign: str | None, *, json: bool) -> None:
    """Bring a folder of Parquet by day up to date with a workspace's ledger."""
    from optimizer.deployment import now
    from optimizer.services.exports.partitioning import export_days

    columns = (TextColumn("writing"), BarColumn(), MofNCompleteColumn(), TextColumn("decisions"), TimeRemainingColumn())
    console = err()
    with (
        opened(workspace) as deployment,
        deployment.store.reading() as ledger,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("writing", total=None)
        found = export_days(
            ledger,
            deployment.live,
            folder,
            now(),
            campaign_id=campaign,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if json:
        counts = {"decisions": found.decisions, "outcomes": found.outcomes}
        emit({"ok": True, "folder": str(folder), "written": found.written, "unchanged": found.unchanged, **counts})
    else:
        _show(found, folder)


def _show(found: Partitioned, folder: Path) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    table.add_row(f"{found.decisions:,}", "decisions and")
    table.add_row(f"{found.outcomes:,}", "outcomes on")
    table.add_row(f"{len(found.written) + found.unchanged:,}", "days, of which")
    table.add_row(f"{len(found.written):,}", "written")
    out().print(table)
    say(out(), f"{folder} is up to date", "bold green")
