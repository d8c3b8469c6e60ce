"""``optimizer tour``."""

from __future__ import annotations

import secrets
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from optimizer.cli.documents import write_new
from optimizer.cli.terminal import Command, JsonOption, emit, err, examples, out, say


def add_to(app: typer.Typer) -> None:
    app.command(cls=Command, epilog=examples("optimizer tour shop && optimizer serve --workspace shop"))(tour)


def tour(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    days: Annotated[
        int, typer.Option("--days", min=10, max=365, metavar="N", help="How many days it has behind it.")
    ] = 30,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Whose month; random by default.")] = None,
    json: JsonOption = False,
) -> None:
    """Make up a shop with a month of messages behind it, to look at in the console.

    Everything in it came about as it would live: decided, learned, paused and approved by the same code. Its people and
    what they like are invented.
    """
    from optimizer.demo.tour import documents, live_through
    from optimizer.deployment import Deployment, now
    from optimizer.services.keys.api_keys import Scope
    from optimizer.settings import Settings

    write_new(folder, documents())
    deployment = Deployment(folder, Settings(database_url=None, secret=None, actor="tour"))
    columns = (
        SpinnerColumn(),
        TextColumn("living through it"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=err(), transient=True) as bar:
            task = bar.add_task("", total=None)
            live_through(
                deployment,
                now(),
                seed=secrets.randbelow(1_000_000) if seed is None else seed,
                days=days,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        key = deployment.create_key("tour", [Scope.MANAGE, Scope.ANALYSE, Scope.DECIDE, Scope.REPORT_OUTCOMES])
    finally:
        deployment.close()
    if json:
        emit({"workspace": str(folder.resolve()), "key": key})
        return
    console = out()
    say(console, f"Made a shop with {days} days behind it in {folder}", "green")
    say(console, "Next:")
    say(console, f"  optimizer serve --workspace {quote(str(folder))}", "cyan")
    say(console, "and sign in at its /console with this key, which is shown only now:")
    say(console, f"  {key}", "cyan")
