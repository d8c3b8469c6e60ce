"""``optimizer demo``."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from optimizer.cli.terminal import (
    CANNOT,
    NOT_FINE,
    Command,
    JsonOption,
    emit,
    err,
    examples,
    fail,
    out,
    say,
    unwound_by_sigterm,
)


def add_to(app: typer.Typer) -> None:
    app.command(
        cls=Command,
        epilog=examples("optimizer demo", "optimizer demo --no-segments --floor 0 --seed 7 --keep /tmp/demo"),
    )(demo)


def demo(  # noqa: PLR0913, PLR0917 - one for each option
    customers: Annotated[
        int | None, typer.Option("--customers", min=100, metavar="N", help="How many customers; all by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Repeats a run exactly; random by default.")] = None,
    segments: Annotated[
        bool, typer.Option("--segments/--no-segments", help="Learn for each segment, or for everyone together.")
    ] = True,
    floor: Annotated[
        float | None, typer.Option("--floor", min=0, max=0.33, help="Least share of each mail; 0.02 by default.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=10, max=5_000, help="Size of the first, smallest batch.")] = 300,
    objective: Annotated[
        Literal["visit", "purchase"], typer.Option("--objective", help="What the campaign maximises.")
    ] = "visit",
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="OPTIMIZER_DATA", help="Folder with hillstrom.csv.gz, for the real history."),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Make the workspace in this folder, and keep it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """See the main job end to end: the real service, on SQLite, driven over HTTP by a real history.

    Each customer of the history gets a decision. Where it agrees with the mail they were sent in 2008, their real
    outcomes are reported; otherwise the decision is withdrawn. The service learns, and the mail that works wins.
    """
    from optimizer.cli.demo_tables import result_table, verdict
    from optimizer.demo.history import load_history
    from optimizer.demo.job import Choices, do_main_job
    from optimizer.demo.results import counted_alike, result_json

    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    history = load_history(data, chosen).shuffled(chosen, customers)
    console = err()
    say(console, f"history: {history.source}", "" if history.is_real else "yellow")
    say(console, f"seed {chosen}: {len(history.customers):,} customers in a random order")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with (
        unwound_by_sigterm() as end_if_told,
        _folder(keep) as folder,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("starting", total=len(history.customers))

        def show(done: int, accepted: int, mean: float) -> None:
            end_if_told()
            said = f"{objective} rate [bold]{100 * mean:5.2f} %[/bold] of {accepted:,} trials"
            bar.update(task, completed=done, description=said)

        def begin(stage: str) -> None:
            end_if_told()
            bar.update(task, description=stage)
            say(bar.console, stage, "dim")

        choices = Choices(chosen, objective, segments, floor, batch)
        done, verified = do_main_job(folder, history, choices, progress=show, stage=begin)
    if json:
        emit(result_json(done, verified, history.source))
    else:
        out().print(result_table(done, objective, out().width))
        say(out(), "")
        out().print(verdict(done, verified, objective))
        if keep is not None:
            say(out(), f"Kept in {keep}; see more: optimizer report --workspace {keep}", "cyan")
    if not (verified.get("ok") and counted_alike(done)):
        raise typer.Exit(NOT_FINE)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with TemporaryDirectory(prefix="optimizer-demo-") as folder:
            yield Path(folder)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        fail(f"--keep: found something in {keep}; allowed a new or empty folder", 2)
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(f"--keep: cannot make {keep}: {error.strerror}", CANNOT)
    yield keep
