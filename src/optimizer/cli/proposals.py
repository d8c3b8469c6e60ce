"""``optimizer proposals list | show | accept | reject | make``: what the evidence suggests, and what people decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from optimizer.cli.documents import say_what_follows
from optimizer.cli.opening import opened
from optimizer.cli.pull import show_diff
from optimizer.cli.terminal import (
    HERE,
    WRONG_USAGE,
    Command,
    Group,
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
    from collections.abc import Sequence

    from optimizer.domain.proposals import Kept
    from optimizer.services.proposing.deciding import Decided
    from optimizer.services.proposing.showing import Shown

_STATES = ("open", "accepted", "rejected", "withdrawn")
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Number of a proposal.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why; kept in the audit trail.")]

commands = typer.Typer(
    cls=Group,
    help="What the evidence suggests: look at it, accept it or reject it.",
    no_args_is_help=True,
    epilog=examples(
        "optimizer proposals list", "optimizer proposals show 3", 'optimizer proposals accept 3 --note "as we hoped"'
    ),
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="proposals")


@commands.command(
    "list", cls=Command, epilog=examples("optimizer proposals list", "optimizer proposals list --state rejected")
)
def list_(
    n: Annotated[int, typer.Option("-n", min=1, max=10_000, help="How many, the newest first.")] = 20,
    state: Annotated[
        str | None,
        typer.Option("--state", help="Only open, accepted, rejected or withdrawn ones.", show_default=False),
    ] = None,
    campaign: Annotated[
        str | None, typer.Option("--campaign", metavar="CAMPAIGN", help="Only those about this campaign.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Show what was proposed, and what became of it."""
    from optimizer.domain.proposals import ProposalState

    if state is not None and state not in _STATES:
        fail(f"--state: found {state}; allowed {', '.join(_STATES)}", WRONG_USAGE)
    states = [] if state is None else [ProposalState(state)]
    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        found = ledger.proposals.newest(n, campaign_id=campaign, states=states)
    _show_list(found, json=json)


@commands.command(cls=Command, epilog=examples("optimizer proposals show 3", "optimizer proposals show 3 --json"))
def show(number: NumberArgument, workspace: WorkspaceOption = HERE, json: JsonOption = False) -> None:
    """Show one proposal: its evidence, what to expect, and the exact change of the documents."""
    from optimizer.services.proposing import showing

    with opened(workspace) as deployment, deployment.store.reading() as ledger:
        shown = showing.show(ledger, deployment.live, number)
    if json:
        from optimizer.web.shapes.proposal_answers import shown_json

        emit(shown_json(shown))
        return
    _show_one(out(), shown)


@commands.command(cls=Command, epilog=examples('optimizer proposals accept 3 --note "as we hoped"'))
def accept(
    number: NumberArgument, note: NoteOption, workspace: WorkspaceOption = HERE, json: JsonOption = False
) -> None:
    """Carry a proposal out: as a new version of the documents, or as a step of the rollout."""
    from optimizer.deployment import now
    from optimizer.services.proposing import deciding

    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        done = deciding.accept(ledger, deployment.live, number, actor=deployment.actor, note=note, now=now())
    _show_decided(done, json=json)
    if done.kept.became_version is not None and not json:
        say(out(), "Bring the change into your folder with: optimizer pull", "cyan")


@commands.command(cls=Command, epilog=examples('optimizer proposals reject 3 --note "the brand team wants to keep it"'))
def reject(
    number: NumberArgument, note: NoteOption, workspace: WorkspaceOption = HERE, json: JsonOption = False
) -> None:
    """Say no, and why; the same is not proposed again for the same evidence."""
    from optimizer.deployment import now
    from optimizer.services.proposing import deciding

    with opened(workspace) as deployment, deployment.store.writing(alone=True) as ledger:
        done = deciding.reject(ledger, number, actor=deployment.actor, note=note, now=now())
    _show_decided(done, json=json)


@commands.command(cls=Command, epilog=examples("optimizer proposals make", "optimizer proposals make winback"))
def make(
    campaigns: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CAMPAIGN…]", help="Campaigns; by default every one in force.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Ask the evidence now; a serving process does so once a day."""
    from optimizer.deployment import now
    from optimizer.services.proposing.keeping import keep, made

    found: list[Kept] = []
    with opened(workspace) as deployment:
        store, live = deployment.store, deployment.live
        with store.reading() as ledger:
            names = campaigns or list(live.at(ledger).tactics)
            suggested = [made(ledger, live, name, now()) for name in names]
        with store.writing(alone=True) as ledger:
            for one in suggested:
                found += keep(ledger, live, one, now())
                for misfit in one.misfits:
                    say(err(), f"Warning: a proposal does not fit the documents: {misfit}", "yellow")
    _show_list(found, json=json)


def _show_list(found: Sequence[Kept], *, json: bool) -> None:
    if json:
        from optimizer.web.shapes.proposal_answers import proposal_json

        emit({"proposals": [proposal_json(kept) for kept in found]})
        return
    if not found:
        say(out(), "Nothing is proposed.")
        return
    table = Table(Column("number", justify="right"), "campaign", "what", "how sure", "state")
    for kept in found:
        made = kept.proposal
        table.add_row(
            str(kept.number), *map(Text, (made.campaign_id, made.headline, made.confidence.value, _state(kept)))
        )
    out().print(table)


def _state(kept: Kept) -> str:
    by = "" if kept.decided_by is None else f" by {kept.decided_by}"
    why = "" if kept.note is None else f": {kept.note}"
    return f"{kept.state.value}{by}{why}"


def _show_one(console: Console, shown: Shown) -> None:
    from optimizer.domain.instants import moment
    from optimizer.insights.proposal_words import effect_words

    kept, made = shown.kept, shown.kept.proposal
    say(console, f"{kept.number}  {made.headline}", "bold")
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("campaign", Text(made.campaign_id))
    table.add_row("state", Text(_state(kept)))
    for place, sentence in enumerate(made.evidence):
        table.add_row("because" if place == 0 else "", Text(sentence))
    table.add_row("expected", Text(effect_words(made.expected)))
    table.add_row("risk", Text(made.risk))
    table.add_row("how sure", Text(made.confidence.value))
    table.add_row("as of", Text(f"{moment(kept.as_of):%Y-%m-%d %H:%M} UTC"))
    for place, sentence in enumerate(shown.changes):
        table.add_row("change" if place == 0 else "", Text(sentence))
    console.print(table)
    show_diff(console, shown.diff)
    if shown.misfit is not None:
        say(console, f"It cannot be accepted now: {shown.misfit}", "yellow")


def _show_decided(done: Decided, *, json: bool) -> None:
    if json:
        from optimizer.web.shapes.proposal_answers import decided_json

        emit(decided_json(done))
        return
    say(out(), f"{done.sentence[0].upper()}{done.sentence[1:]}.", "green")
    say_what_follows(done.awaiting, done.warnings)
