"""How far a long walk has come, where somebody looks: a line in a terminal, a bar in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from optimizer.analysis.sources import Read

LONG: Final = 20_000  # decisions
Shown = Callable[[int], None]


def shown_progress(walk: Iterable[Read], doing: str, wanted: bool | None) -> Iterator[Read]:  # noqa: FBT001
    """The portions of a walk, showing meanwhile how far it has come.

    Args:
        walk: gives the portions.
        doing: what is being done, in words.
        wanted: None for where it takes long and somebody looks.
    """
    portions = iter(walk)
    for first in portions:
        show_it = first.total >= LONG and first.decisions < first.total if wanted is None else wanted
        with _bar(doing, first.total, show_it=show_it) as shown:
            shown(first.decisions)
            yield first
            for portion in portions:
                shown(portion.decisions)
                yield portion


@contextmanager
def _bar(doing: str, total: int, *, show_it: bool) -> Iterator[Shown]:
    notebook = _notebook_display()
    if show_it and notebook is not None:
        yield _in_a_notebook(notebook, doing, total)
        return
    console = Console(stderr=True)
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TextColumn("decisions"), TimeRemainingColumn())
    hidden = not (show_it and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda done: progress.update(task, completed=done)


def _notebook_display() -> Any:
    """IPython's `display` in a notebook's kernel, else None; rich would ask for widgets there."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if ipython is None or shell is None or not hasattr(shell, "kernel"):
        return None
    return ipython.display


def _in_a_notebook(display: Any, doing: str, total: int) -> Shown:
    """A bar of HTML that is written over: nothing of it needs an extension."""

    def bar(done: int) -> Any:
        return display.HTML(f"{doing} <progress value={done} max={max(total, 1)}></progress> {done:,} of {total:,}")

    handle = display.display(bar(0), display_id=True)
    return lambda done: handle.update(bar(done))
