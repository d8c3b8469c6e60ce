"""Aside: what pages show is worked out in processes of its own, so that nobody who decides waits for it.

Reports of a large past take seconds of Python. In a thread of the serving process they would take turns with every
decision; here they get what processor time is left over, from a ledger that is opened to be read only.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TypeVar

from optimizer.deployment import ReadOnlyDeployment, now
from optimizer.domain.instants import Instant
from optimizer.errors import Unavailable
from optimizer.settings import Settings
from optimizer.web.garbage import keep_what_is_there

T = TypeVar("T")
NICENESS = 10  # nine tenths of a processor that both want go to those who decide
LANES = 2  # processes: what takes long does not keep waiting what is worked out at once
_READERS: list[ReadOnlyDeployment] = []  # of a process aside: the one it has opened


class Aside:
    """Processes that read; each begins when it is first needed and ends with its parent, however that ends.

    Args:
        folder: the workspace.
        settings: those of the serving process.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._opened_with = (folder, settings)
        self._pool: ProcessPoolExecutor | None = None

    def begin(self) -> None:
        """Begin now what would begin with the first reading: somebody is about to look."""
        self._running().submit(_ready)

    async def value(self, use_case: Callable[..., T], *args: object) -> tuple[T, Instant]:
        """What a use case finds, and the instant it was asked at.

        Args:
            use_case: a function of a module, called with ``(ledger, live, *args, now)``.
            args: with the result, whatever can be sent from process to process.

        Raises:
            Unavailable: a process has ended; the next reading begins another.
            OptimizerError: what the use case raises.
        """
        pool = self._running()
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, _worked_out, use_case, args)
        except BrokenProcessPool as error:
            if self._pool is pool:
                self._pool = None
            raise Unavailable("console: found that the process that reads has ended; another begins now") from error

    def end(self) -> None:
        """End them; what they work on is of no use to anybody any more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked: threads of the serving process may hold any lock at this moment.
            self._pool = ProcessPoolExecutor(LANES, get_context("spawn"), _open, self._opened_with)
        return self._pool


def _open(folder: Path, settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    os.nice(NICENESS)
    Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    _READERS.append(ReadOnlyDeployment(folder, settings))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def _ready() -> None:
    """Nothing: by then it is open."""


def _worked_out(use_case: Callable[..., T], args: tuple[object, ...]) -> tuple[T, Instant]:
    if not gc.get_freeze_count():  # the modules of the use case are there by now, and stay
        keep_what_is_there()  # a large page has Python look for cycles several times, through all of these each time
    reader, at = _READERS[0], now()
    with reader.store.reading() as ledger:
        return use_case(ledger, reader.live, *args, at), at
