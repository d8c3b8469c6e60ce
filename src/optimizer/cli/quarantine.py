"""``optimizer quarantine list | retry``: reports that could not be used."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from optimizer.cli.opening import opened
from optimizer.cli.terminal import (
    HERE,
    WRONG_USAGE,
    Command,
    Group,
    JsonOption,
    WorkspaceOption,
    emit,
    examples,
    fail,
    out,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.services.outcomes.quarantine import Waiting

_AT_ONCE = 1_000  # reports judged in one transaction

commands = typer.Typer(
    cls=Group,
    help="Reports of outcomes that could not be used: see why, and judge them again.",
    no_args_is_help=True,
    epilog=examples("optimizer quarantine list", "optimizer quarantine retry --all"),
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="quarantine")


@commands.command(
    "list", cls=Command, epilog=examples("optimizer quarantine list", "optimizer quarantine list -n 1000 --json")
)
def list_(
    n: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many reports, those judged last first.")] = 20,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show the reports that could not be used, each with the reason."""
    from optimizer.services.outcomes.quarantine import waiting

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        count, found = ledger.quarantine.count(), waiting(ledger, n)
    if json:
        from optimizer.web.routes.quarantine import waiting_json

        emit({"waiting": count, "reports": [waiting_json(one) for one in found]})
    elif found:
        _show(found)
        if count > len(found):
            say(out(), f"{count - len(found):,} more wait; -n shows more.")
    else:
        say(out(), "Nothing waits in quarantine.")


@commands.command(
    cls=Command, epilog=examples("optimizer quarantine retry evt-17 evt-18", "optimizer quarantine retry --all")
)
def retry(
    event_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[EVENT_ID…]", help="Events that wait.", show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every event that waits.")] = False,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Judge reports again, under the documents in force now; those that can be used are recorded after all."""
    from optimizer.deployment import now
    from optimizer.services.outcomes import quarantine

    if all_ == bool(event_ids):
        fail(f"EVENT_ID: found {'some and --all' if all_ else 'none'}; allowed either ids, or --all", WRONG_USAGE)
    with opened(workspace) as deployment:
        with deployment.store.reading() as ledger:
            chosen = ledger.quarantine.event_ids() if all_ else list(dict.fromkeys(event_ids or ()))
            quarantine.kept_reports(ledger, chosen)  # one that does not wait is said before anything is recorded
        results = []
        for start in range(0, len(chosen), _AT_ONCE):
            with deployment.store.writing(alone=True) as ledger:
                results += quarantine.retry(ledger, deployment.live, chosen[start : start + _AT_ONCE], now())
    if json:
        emit({"outcomes": [{"event_id": r.event_id, "status": r.status, "detail": r.detail} for r in results]})
        return
    for result in results:
        say(out(), f"{result.event_id}: {result.status}{f', {result.detail}' if result.detail else ''}")
    counts = Counter(result.status.value for result in results)
    said = ", ".join(f"{n:,} {status}" for status, n in counts.items()) or "nothing waits in quarantine"
    say(out(), f"{said}.", "bold")


def _show(found: Sequence[Waiting]) -> None:
    from optimizer.domain.instants import isoformat

    event = Column("event", overflow="fold")  # to paste after `quarantine retry`
    table = Table(event, "outcome", "occurred (UTC)", "decision", "reason")
    for one in found:
        report = one.report
        of = report.decision_id or "none named"
        if report.decision_id is None and report.recipient_key is not None:
            of = f"recipient {report.recipient_key} in {report.campaign_id}"
        table.add_row(report.event_id, report.kind, isoformat(report.occurred_at)[:19], *map(Text, (of, one.reason)))
    out().print(table)
