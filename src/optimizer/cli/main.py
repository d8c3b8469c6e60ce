"""``optimizer``: the commands, put together. Heavy imports wait inside the commands that need them."""

from __future__ import annotations

from typing import Annotated

import typer

from optimizer import __version__
from optimizer.cli import (
    audit,
    demo,
    documents,
    evaluate,
    explain,
    forecast,
    keys,
    ledger,
    measure,
    notices,
    plan,
    privacy,
    proposals,
    pull,
    quarantine,
    rank,
    report,
    segments,
    serve,
    simulate,
    steering,
    suppressions,
    tour,
    warm_start,
)
from optimizer.cli.terminal import Commands, examples

app = typer.Typer(
    cls=Commands,
    name="optimizer",
    help="Choose the message that works, for each recipient, inside the limits that marketers write.",
    epilog=examples(
        "optimizer init shop && cd shop",
        "optimizer check",
        f"optimizer simulate {documents.REHEARSAL}",
        "optimizer plan",
        'optimizer apply --note "first version"',
        "optimizer approve winback",
        "optimizer key create --name shop --scope decide --scope report_outcomes",
        "optimizer serve",
    )
    + "\nExit codes\n  0 fine, 1 what was checked is not fine, 2 wrong usage, 3 cannot reach or open something",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # they would print local variables, which may be secret
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"optimizer {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


_FOR_PEOPLE = (
    report,
    measure,
    forecast,
    explain,
    rank,
    proposals,
    steering,
    suppressions,
    privacy,
    quarantine,
    notices,
    audit,
    keys,
    ledger,
)
for _module in (documents, simulate, evaluate, segments, warm_start, plan, pull, serve, *_FOR_PEOPLE, demo, tour):
    _module.add_to(app)


def run() -> None:
    """Entry point of the ``optimizer`` script."""
    app()
