"""``optimizer key create``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from optimizer.cli.opening import opened
from optimizer.cli.terminal import HERE, Command, Group, JsonOption, WorkspaceOption, emit, err, examples, out, say


class ScopeName(StrEnum):
    """`optimizer.services.keys.Scope`, without the second it takes to import."""

    DECIDE = "decide"
    REPORT_OUTCOMES = "report_outcomes"
    MANAGE = "manage"
    ANALYSE = "analyse"


commands = typer.Typer(
    cls=Group,
    help="API keys of those who may call the service.",
    no_args_is_help=True,
    epilog=examples("optimizer key create --name shop --scope decide --scope report_outcomes"),
)


def add_to(app: typer.Typer) -> None:
    app.add_typer(commands, name="key")


@commands.command(
    cls=Command,
    epilog=examples(
        "optimizer key create --name shop --scope decide --scope report_outcomes",
        "optimizer key create --name analyst --scope analyse --json",
    ),
)
def create(
    name: Annotated[str, typer.Option("--name", help="Whose key it is, for the audit trail.")],
    scope: Annotated[list[ScopeName], typer.Option("--scope", help="What it may do; repeat for several.")],
    workspace: WorkspaceOption = HERE,
    json: JsonOption = False,
) -> None:
    """Make an API key. It is shown this once; only its hash is kept.

    decide: ask for variants. report_outcomes: report what happened and store profiles. analyse: read campaigns and
    reports. manage: learn now, steer campaigns, keep recipients out.
    """
    from optimizer.services.keys import Scope

    scopes = sorted({Scope(name.value) for name in scope})
    with opened(workspace) as deployment:
        key = deployment.create_key(name, scopes)
    if json:
        emit({"key": key, "name": name, "scopes": scopes})
        return
    say(out(), key, "bold")
    say(err(), f"Key of {name}: {', '.join(scopes)}. It cannot be shown again. Send it as `Authorization: Bearer …`.")
