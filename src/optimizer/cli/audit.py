"""``optimizer audit``: who changed what, when and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, NOT_FINE, Command, JsonOption, WorkspaceOption, emit, examples, out, say

if TYPE_CHECKING:
    from optimizer.storage.audit import Link


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            "optimizer audit",
            "optimizer audit --campaign winback -n 100",
            "optimizer audit --verify",
            "optimizer audit --json",
        ),
    )(audit)


def audit(
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="CAMPAIGN", help="Only what was done to this campaign.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many entries, the latest first.")] = 20,
    verify: Annotated[
        bool, typer.Option("--verify", help="Follow the chain of hashes instead; exits with 1 if it is broken.")
    ] = False,
    kept: Annotated[
        str | None,
        typer.Option("--kept", metavar="HASH", help="With --verify: a head noted earlier, which must still be there."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show who changed what, when and why; or, with --verify, whether the trail is as it was written."""
    if verify or kept is not None:
        _verify(workspace, kept, json=json)
        return
    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        links = ledger.audit.latest(n, subject=campaign)
    if json:
        from optimizer.web.routes.oversight import audit_json

        emit({"entries": [audit_json(link) for link in links]})
    elif links:
        _show(links)
    else:
        say(out(), f"The audit trail has no entry about {campaign}." if campaign else "The audit trail is empty.")


def _verify(workspace: Path, kept: str | None, *, json: bool) -> None:
    from optimizer.services.auditing import verify_audit

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = verify_audit(ledger, kept=kept)
    if json:
        emit(
            {
                "ok": found.intact,
                "entries": found.entries,
                "chained": found.chained,
                "first_broken": found.first_broken,
                "detail": found.sentence,
                "head": found.head,
            }
        )
    else:
        say(out(), found.sentence, "bold green" if found.intact else "bold red")
        say(out(), f"head {found.head or 'none'}; whoever keeps it can later prove that nothing was taken off the end")
    if not found.intact:
        raise typer.Exit(NOT_FINE)


def _show(links: Sequence[Link]) -> None:
    from optimizer.domain.instants import moment

    table = Table("", "when (UTC)", "who", "what", "on", "why", "from", "to")
    for link in links:
        entry = link.entry
        when = f"{moment(entry.at):%Y-%m-%d %H:%M:%S}"
        said = (entry.actor, entry.action, entry.subject, entry.note, entry.before, entry.after)
        table.add_row(str(link.number), when, *map(Text, said))
    out().print(table)
