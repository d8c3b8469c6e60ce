"""The whole ledger into a file, and out of it again: ``optimizer ledger export backup.ledger`` and ``import``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, JsonOption, WorkspaceOption, emit, err, out, say

if TYPE_CHECKING:
    from optimizer.services.exports.archiving import Archived


def write_whole(file: Path, workspace: Path, *, json: bool) -> None:
    """Write a workspace's whole ledger into a file."""
    from optimizer.deployment import now
    from optimizer.services.exports.archiving import export_ledger

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        total = sum(ledger.archive.count(table) for table in ledger.archive.tables)
        with _progress("writing", total) as progress:
            found = export_ledger(ledger, file, now(), progress)
    _show(found, json=json, done=f"Wrote {file}", file=file)


def read_whole(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="As `ledger export` wrote it.")
    ],
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Fill an empty ledger with a whole one from a file: restore a backup, or move to another database.

    All of it is imported or, on any error, nothing. The secret is not in the file: use the same `.optimizer/secret`
    (or OPTIMIZER_SECRET), without which no recipient would be recognised. `optimizer ledger verify` proves the rest.
    """
    from optimizer.services.exports.archiving import check_secret, import_ledger, read_manifest

    total = sum(read_manifest(file).rows.values())
    with (
        opened(workspace, lambda fingerprint: check_secret(file, fingerprint)) as deployment,
        _progress("reading", total) as progress,
        deployment.store.writing(alone=True) as ledger,
    ):
        found = import_ledger(ledger, file, progress)
    _show(found, json=json, done=f"Imported {file}", file=file)


@contextmanager
def _progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("rows"), TimeRemainingColumn())
    console = err()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(doing, total=total)
        yield lambda done: shown.update(task, completed=done)


def _show(found: Archived, *, json: bool, done: str, file: Path) -> None:
    if json:
        emit({"ok": True, "file": str(file), "exported_at": found.exported_at, "rows": found.rows})
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(justify="right")
    table.add_column()
    for name, rows in found.rows.items():
        if rows:
            table.add_row(f"{rows:,}", name.replace("_", " "))
    out().print(table)
    say(out(), done, "bold green")
