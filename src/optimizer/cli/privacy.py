"""``optimizer privacy``: what is kept about somebody, leaving nothing of them, and the key of the stored recipients."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from optimizer.cli.opening import opened
from optimizer.cli.suppressions import FileOption, RecipientsArgument, recipients_named
from optimizer.cli.terminal import (
    HERE,
    NOT_FINE,
    Command,
    Group,
    JsonOption,
    WorkspaceOption,
    emit,
    err,
    examples,
    out,
    say,
)

if TYPE_CHECKING:
    from optimizer.deployment import Deployment
    from optimizer.services.recipients.erasing import Erased
    from optimizer.services.recipients.retention import Retained

PORTION = 1_000  # records of one transaction: whatever else goes on waits for no more

commands = typer.Typer(
    cls=Group,
    help="What is kept about people: export it, erase it, let it go with time.",
    no_args_is_help=True,
    epilog=examples(
        "optimizer privacy export customer-4711", "optimizer privacy erase customer-4711", "optimizer privacy retain"
    ),
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="privacy")


@commands.command(cls=Command, epilog=examples("optimizer privacy export customer-4711 > customer-4711.json"))
def export(
    recipient: Annotated[str, typer.Argument(metavar="RECIPIENT", help="Your id of the person.", show_default=False)],
    workspace: WorkspaceOption = HERE,
) -> None:
    """Print everything that is kept about a recipient, as JSON. Exits with 1 when nothing is."""
    from optimizer.deployment import now
    from optimizer.services.recipients.disclosing import disclose
    from optimizer.web.shapes.disclosure_answers import disclosure_json

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = disclose(ledger, deployment.live, recipient, now())
    emit(disclosure_json(found))
    if found.is_empty:
        raise typer.Exit(NOT_FINE)


@commands.command(
    cls=Command,
    epilog=examples("optimizer privacy erase customer-4711", "optimizer privacy erase --file requests-of-may.txt"),
)
def erase(
    recipients: RecipientsArgument = None,
    file: FileOption = None,
    forget_suppression: Annotated[
        bool,
        typer.Option(
            "--forget-suppression", help="Leave no tombstones either: whoever said no may be contacted again."
        ),
    ] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Leave nothing of these recipients. What was counted and paid stays as it was, about nobody.

    Whoever was suppressed keeps a tombstone: a hash that keeps the same id from being contacted again.
    """
    from optimizer.deployment import now, random_id
    from optimizer.services.recipients.erasing import erase as leave_nothing_of

    chosen = recipients_named(recipients, file)
    with opened(workspace) as deployment:
        done = []
        for start in range(0, len(chosen), PORTION):
            with deployment.store.writing(alone=True) as ledger:
                one = leave_nothing_of(
                    ledger,
                    deployment.live,
                    chosen[start : start + PORTION],
                    forget_suppressions=forget_suppression,
                    random_id=random_id,
                    actor=deployment.actor,
                    now=now(),
                )
            done.append(one)
        scrubbed = _scrubbed(deployment, whole=False)
    _show_erased(done, scrubbed=scrubbed, json=json)


@commands.command(cls=Command, epilog=examples("optimizer privacy retain"))
def retain(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Let go of what `data.retention` says is old enough. The service does it by itself once a day."""
    from optimizer.deployment import now, random_id
    from optimizer.services.recipients.retention import retain as let_go

    done: list[Retained] = []
    with opened(workspace) as deployment:
        while not done or done[-1].looked:
            with deployment.store.writing(alone=True) as ledger:
                done.append(let_go(ledger, deployment.live, now(), PORTION, random_id=random_id, start_over=not done))
        scrubbed = _scrubbed(deployment, whole=False)
    names = ("decisions", "profiles", "quarantined", "happenings")
    counts = {name: sum(getattr(one, name) for one in done) for name in names}
    if json:
        emit({**counts, "scrubbed": scrubbed})
        return
    say(
        out(),
        f"{counts['decisions']:,} decisions are about nobody now; {counts['profiles']:,} profiles, "
        f"{counts['quarantined']:,} reports in quarantine and {counts['happenings']:,} events are gone.",
    )
    _say_scrubbed(scrubbed)


@commands.command(name="rotate-key", cls=Command, epilog=examples("optimizer privacy rotate-key"))
def rotate_key(workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Store every recipient under a new key and destroy the old one. Nothing else is written meanwhile.

    Suppressions, contact limits, holdouts and proofs stay. Workers take the new key from the file; where the
    environment gives keys, OPTIMIZER_RECIPIENT_KEY holds the one in force and, after a comma, the new one.
    """
    columns = (TextColumn("renaming"), BarColumn(), MofNCompleteColumn(), TextColumn("keys"), TimeRemainingColumn())
    console = err()
    began = time.monotonic()
    with (
        opened(workspace) as deployment,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        with deployment.store.reading() as ledger:
            task = progress.add_task("renaming", total=ledger.persons.count())
        done = deployment.rotate_recipient_key(lambda n: progress.update(task, completed=n))
        seconds = time.monotonic() - began
        scrubbed = _scrubbed(deployment, whole=False)
    if json:
        emit({"rotation": done.number, "keys": done.keys, "seconds": round(seconds, 3), "scrubbed": scrubbed})
        return
    say(out(), f"{done.keys:,} keys renamed in {seconds:,.1f} s: rotation {done.number}. The old key is gone.", "green")
    _say_scrubbed(scrubbed)


@commands.command(cls=Command, epilog=examples("optimizer privacy scrub", "optimizer privacy scrub --whole"))
def scrub(
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Rewrite the database: on PostgreSQL VACUUM FULL, which locks table by table."),
    ] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Take old bytes of what was erased out of the database's files. Exits with 1 while some of them may be left."""
    with opened(workspace) as deployment:
        scrubbed = _scrubbed(deployment, whole=whole)
        but = "" if deployment.store.is_sqlite else ", but for pg_wal, until PostgreSQL recycles its segments"
    if json:
        emit({"scrubbed": scrubbed})
    elif scrubbed:
        say(out(), f"The database's files hold nothing of what was erased{but}.", "green")
    _say_scrubbed(scrubbed)
    if not scrubbed:
        raise typer.Exit(NOT_FINE)


def _scrubbed(deployment: Deployment, *, whole: bool) -> bool:
    from optimizer.storage.scrubbing import scrub as take_out

    return take_out(deployment.store, whole=whole)


def _say_scrubbed(scrubbed: bool) -> None:
    if not scrubbed:
        hint = "old copies are left in the database's files until `optimizer privacy scrub --whole` or its own vacuum"
        say(err(), f"hint: {hint}", "yellow")


def _show_erased(done: list[Erased], *, scrubbed: bool, json: bool) -> None:
    names = ("recipients", "profiles", "decisions", "quarantined", "tombstones")
    counts = {name: sum(getattr(one, name) for one in done) for name in names}
    if json:
        emit({**counts, "scrubbed": scrubbed})
        return
    people = "1 recipient" if counts["recipients"] == 1 else f"{counts['recipients']:,} recipients"
    say(out(), f"Nothing is left of {people}: {counts['decisions']:,} decisions are about nobody now.", "green")
    if counts["tombstones"]:
        say(out(), f"{counts['tombstones']:,} tombstones keep those who said no from being contacted again.")
    _say_scrubbed(scrubbed)
