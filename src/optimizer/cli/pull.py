"""``optimizer pull``: the documents in force, in one's own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.terminal import (
    CANNOT,
    HERE,
    NOT_FINE,
    Command,
    JsonOption,
    WorkspaceOption,
    emit,
    err,
    examples,
    fail,
    out,
    say,
)

if TYPE_CHECKING:
    from optimizer.services.proposing.pulling import Pull

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def add_to(app: typer.Typer) -> None:
    app.command(cls=Command, epilog=examples("optimizer pull", "optimizer pull --overwrite"))(pull)


def pull(
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Even files that somebody has changed here and not applied.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Write the documents in force into the workspace, with what accepted proposals have changed."""
    from optimizer.deployment import load_documents
    from optimizer.scenarios.whole_files import write_whole
    from optimizer.services.proposing import pulling
    from optimizer.strategy.versions.editing import unified_diff

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        folder = load_documents(workspace) if (workspace / "strategy.yaml").is_file() else {}
        found = pulling.pull(ledger, folder)
    if found.mine and not overwrite:
        mine = {path: text for path, text in folder.items() if path in found.mine}
        show_diff(err(), unified_diff(mine, {path: found.files[path] for path in found.mine}))
        names = ", ".join(found.mine)
        fail(
            f"{workspace}: found changes in {names} that were never applied; allowed none, or --overwrite, which loses "
            "what - stands before above: nothing was changed",
            NOT_FINE,
        )
    try:
        for path, text in found.files.items():
            write_whole(workspace / path, text.encode())
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}", CANNOT)
    if json:
        emit({"version": found.version, "written": sorted(found.files), "not_in_force": list(found.more)})
        return
    _say(out(), found)


def show_diff(console: Console, diff: str) -> None:
    """What differs, line by line, as `diff -u` says it."""
    for line in diff.splitlines():
        is_name = line.startswith(("+++", "---"))
        console.print(Text(line, "bold" if is_name else _STYLES.get(line[:1], "")), soft_wrap=True)


def _say(console: Console, found: Pull) -> None:
    if found.files:
        say(console, f"Version {found.version} is here: wrote {', '.join(sorted(found.files))}.", "green")
    else:
        say(console, f"Nothing to write: the workspace says what version {found.version} says.")
    for path in found.more:
        say(console, f"{path} is not in force; it was left as it is.", "yellow")
