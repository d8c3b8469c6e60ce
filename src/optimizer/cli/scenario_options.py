"""What commands about scenarios and logs share: options, progress, and how results are shown and written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from optimizer.cli.terminal import CANNOT, err, fail, out, say, unwound_by_sigterm

if TYPE_CHECKING:
    from optimizer.scenarios.result import Result
    from optimizer.scenarios.spreading import Workers

SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed instead of the scenario's; equal ones give equal results.")
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="How many processes; the result is the same.")]
BackendOption = Annotated[
    Literal["loky", "dask", "ray"],
    typer.Option("--backend", help="loky: this machine; dask, ray: a cluster, a small one here without --scheduler."),
]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of a running cluster, such as tcp://host:8786.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="DIR", file_okay=False, help="Where results go; default results/ beside it."),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", envvar="OPTIMIZER_DATA", help="Where to look for histories, too."),
]

VariantColumnOption = Annotated[
    str | None, typer.Option("--variant", metavar="COLUMN", help="Of a log alone: which column is the variant.")
]
RewardColumnOption = Annotated[str | None, typer.Option("--reward", metavar="COLUMN", help="Likewise: the reward.")]
PropensityOption = Annotated[
    str | None,
    typer.Option("--propensity", metavar="COLUMN|NUMBER", help="Likewise: a column, a number, or `estimate`."),
]
SegmentColumnOption = Annotated[
    str | None, typer.Option("--segment", metavar="COLUMN", help="Likewise: the segment, if there is one.")
]


@contextmanager
def workers(jobs: int, backend: Literal["loky", "dask", "ray"], scheduler: str | None) -> Iterator[Workers]:
    """Who does the work, with a progress bar on stderr while it is a terminal."""
    from optimizer.scenarios.spreading import Workers

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = err()
    with (
        unwound_by_sigterm() as end_if_told,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("reading", total=None)

        def show(done: int, total: int | None, what: str) -> None:
            end_if_told()
            bar.update(task, completed=done, total=total, description=what)

        yield Workers(jobs, backend, scheduler, show)


def finish(result: Result, folder: Path, *, json: bool) -> None:
    """Write a result and show it."""
    from optimizer.scenarios.writing import write_all

    try:
        written = write_all(result, folder)
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}", CANNOT)
    _show(result, written, json=json)


def show_again(path: Path, *, json: bool) -> None:
    """Show a result that was written, and make the report beside it anew."""
    from optimizer.scenarios.result import read_result
    from optimizer.scenarios.writing import report_of

    result = read_result(path)
    try:
        written = (report_of(result, path.parent),)
    except OSError as error:
        fail(f"cannot write {error.filename}: {error.strerror}", CANNOT)
    _show(result, written, json=json)


def _show(result: Result, written: tuple[Path, ...], *, json: bool) -> None:
    from optimizer.cli.judgement_tables import show_judgement
    from optimizer.cli.rehearsal_tables import show_rehearsal, show_replay
    from optimizer.scenarios.result import result_bytes

    if json:
        typer.echo(result_bytes(result).decode(), nl=False)
        return
    show = {"rehearsal": show_rehearsal, "replay": show_replay, "evaluation": show_judgement}[result.kind]
    show(out(), result)
    for path in written:
        say(out(), f"Wrote {path}", "cyan")
