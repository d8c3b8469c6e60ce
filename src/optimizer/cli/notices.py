"""``optimizer notices list | retry``: what others were told, and what could not be."""

from __future__ import annotations

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

    from optimizer.services.notices.announcing import Told

_STATES = ("waiting", "delivered", "dead")

commands = typer.Typer(
    cls=Group,
    help="What others are told of: see what reached them, and send again what did not.",
    no_args_is_help=True,
    epilog=examples("optimizer notices list", "optimizer notices list --state dead", "optimizer notices retry --all"),
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="notices")


@commands.command(
    "list", cls=Command, epilog=examples("optimizer notices list", "optimizer notices list --state dead --json")
)
def list_(
    n: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many notices, the newest first.")] = 20,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only waiting, delivered or dead ones.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show what was announced, and what became of it at each receiver."""
    from optimizer.services.notices.announcing import post

    if state is not None and state not in _STATES:
        fail(f"--state: found {state}; allowed {', '.join(_STATES)}", WRONG_USAGE)
    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = post(ledger, n, state)
    if json:
        from optimizer.web.shapes.notice_answers import post_json

        emit(post_json(found))
        return
    if found.notices:
        _show(found.notices)
    else:
        say(out(), "Nothing was announced." if state is None else f"No notice is {state}.")
    for state_, counts in (("waits", found.waiting), ("was given up", found.dead)):
        for receiver, number in counts.items():
            say(out(), f"{receiver}: {number:,} {state_}.", "bold")


@commands.command(
    cls=Command,
    epilog=examples("optimizer notices retry 0123456789abcdef0123456789abcdef", "optimizer notices retry --all"),
)
def retry(
    notice_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NOTICE_ID…]", help="Notices that were given up.", show_default=False),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every notice that was given up.")] = False,
    receiver: Annotated[
        str | None, typer.Option("--receiver", help="Only to this receiver, such as ops.", show_default=False)
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Send notices again that were given up; a serving process posts them, from the first attempt on."""
    from optimizer.deployment import now
    from optimizer.services.notices import announcing

    if all_ == bool(notice_ids):
        fail(f"NOTICE_ID: found {'some and --all' if all_ else 'none'}; allowed either ids, or --all", WRONG_USAGE)
    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        n = announcing.retry(ledger, None if all_ else notice_ids, receiver, now())
    if json:
        emit({"retried": n})
        return
    say(out(), f"{n:,} {'is' if n == 1 else 'are'} sent again." if n else "Nothing was given up.", "bold")


def _show(found: Sequence[Told]) -> None:
    from optimizer.domain.instants import isoformat
    from optimizer.insights.notice_words import sentence, title

    id_ = Column("notice", overflow="fold")  # to paste after `notices retry`
    table = Table(id_, "at (UTC)", "what", "receiver", "state")
    for told in found:
        notice = told.notice
        said = sentence(notice.kind, notice.data)
        what = title(notice.kind, notice.campaign_id) + (f"; {said}" if said else "")
        lines = [(one.receiver, _state(one.state, one.attempts, one.trouble)) for one in told.deliveries]
        for place, (receiver, state) in enumerate(lines or [("nobody", "")]):
            first = (notice.notice_id, isoformat(notice.at)[:19], what) if place == 0 else ("", "", "")
            table.add_row(*map(Text, (*first, receiver, state)))
    out().print(table)


def _state(state: str, attempts: int, trouble: str | None) -> str:
    if state == "delivered":
        return state
    return state + (f" after {attempts:,}: {trouble}" if trouble else "")
