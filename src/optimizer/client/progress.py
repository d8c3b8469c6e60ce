"""A bar that shows how far a batch is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress_of(campaign: str, recipients: Iterable[object], *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Gives what is told of recipients that are done; on standard error, and only where somebody can see it."""
    if not shown:
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(campaign, total=len(recipients) if isinstance(recipients, Sized) else None)
        yield lambda n: bar.advance(task, n)
