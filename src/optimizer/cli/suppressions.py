"""``optimizer suppress | unsuppress``: recipients who get nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from optimizer.cli.opening import opened
from optimizer.cli.steering import NoteOption
from optimizer.cli.terminal import (
    CANNOT,
    HERE,
    WRONG_USAGE,
    Command,
    JsonOption,
    WorkspaceOption,
    emit,
    examples,
    fail,
    out,
    say,
)

if TYPE_CHECKING:
    from optimizer.services.recipients.suppressing import Suppressed

RecipientsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[RECIPIENT…]", help="Your ids of the people.", show_default=False)
]
ChannelOption = Annotated[
    str | None, typer.Option("--channel", metavar="CHANNEL", help="Such as email; by default every channel.")
]
FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", dir_okay=False, help="A file with an id on each line.")
]


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples(
            'optimizer suppress customer-4711 --note "asked us by phone"',
            'optimizer suppress --file robinson.txt --channel email --note "the Robinson list of May"',
        ),
    )(suppress)
    app.command(cls=Command, epilog=examples('optimizer unsuppress customer-4711 --note "signed up again, by letter"'))(
        unsuppress
    )


def suppress(
    note: NoteOption,
    recipients: RecipientsArgument = None,
    channel: ChannelOption = None,
    file: FileOption = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Send these recipients nothing any more, from the next decision on. The list keeps keyed hashes, no ids."""
    done = _relisted("suppress", recipients, file, channel, note, workspace)
    if json:
        emit({"suppressed": done.changed, "already": done.unchanged, "channel": channel})
        return
    if done.changed:
        say(out(), f"{_people(done.changed)} suppressed on {channel or 'every channel'}.", "green")
    if done.unchanged:
        say(out(), f"{_people(done.unchanged)} on the list already.")


def unsuppress(
    note: NoteOption,
    recipients: RecipientsArgument = None,
    channel: ChannelOption = None,
    file: FileOption = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Take these recipients off the suppression list: of one channel, or of all."""
    done = _relisted("unsuppress", recipients, file, channel, note, workspace)
    if json:
        emit({"unsuppressed": done.changed, "not_listed": done.unchanged, "channel": channel})
        return
    if done.changed:
        say(out(), f"{_people(done.changed)} off the list of {channel or 'every channel'}.", "green")
    if done.unchanged:
        say(out(), f"{_people(done.unchanged)} not on it.")


def _relisted(
    use_case: str, named: list[str] | None, file: Path | None, channel: str | None, note: str, workspace: Path
) -> Suppressed:
    """Carry a use case of `optimizer.services.recipients.suppressing` out."""
    from optimizer.deployment import now
    from optimizer.services.recipients import suppressing

    chosen, carry_out = recipients_named(named, file), getattr(suppressing, use_case)
    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        done: Suppressed = carry_out(
            ledger, deployment.live, chosen, channel, actor=deployment.actor, note=note, now=now()
        )
    return done


def recipients_named(named: list[str] | None, file: Path | None) -> list[str]:
    """Recipients given one by one, and those of a file with one on each line."""
    found = list(named or [])
    if file is not None:
        try:
            lines = file.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            fail(f"cannot read {file}: {reason}", CANNOT)
        found += [line.strip() for line in lines if line.strip()]
    if not found:
        fail("RECIPIENT: found none; allowed ids, or a file with one on each line (--file)", WRONG_USAGE)
    return found


def _people(n: int) -> str:
    return f"{n:,} {'recipient is' if n == 1 else 'recipients are'}"
