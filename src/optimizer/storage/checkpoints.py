"""Checkpoints of SQLite's write-ahead log, beside the writer instead of in its way."""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Lock, Thread

import sqlalchemy as sa

from optimizer.storage.connections import DRIVER_ERRORS
from optimizer.storage.rows import driver_of

FEW_COMMITS = 50  # whoever writes less than this leaves the checkpoint to SQLite, and needs no thread
PAUSE_SECONDS = 0.1  # between two of them: pages that are written again meanwhile are copied once


class Checkpoints:
    """A thread that copies what was committed from the log into the database file, while others go on committing.

    By itself SQLite does this inside the COMMIT that makes the log 1,000 pages long, which at 64 decisions is every
    fifth, and keeps everyone waiting while it writes those pages to wherever they belong and flushes the disk twice.
    A passive checkpoint waits for nobody and keeps nobody waiting. While commits follow one another without a break
    it never reaches the end of the log, so the log is not begun anew; what then keeps it from growing is SQLite's own
    checkpoint, see `connections.LONGEST_LOG_PAGES`, which finds nearly everything done.

    Args:
        engine: of the database file.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._commits = 0
        self._written, self._stopping = Event(), Event()
        self._lock = Lock()
        self._thread: Thread | None = None

    def after_commit(self) -> None:
        """Say that something was committed."""
        self._commits += 1
        if self._commits >= FEW_COMMITS:
            if self._thread is None:
                self._start()
            self._written.set()

    def close(self) -> None:
        """Stop; it can begin again."""
        with self._lock:
            thread, self._thread, self._commits = self._thread, None, 0
        if thread is not None:
            self._stopping.set()
            self._written.set()
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._stopping.clear()
                self._thread = Thread(target=self._run, name="ledger-checkpoints", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._written.wait()
            self._written.clear()
            # A disk that is full or gone is told to those who write; here it is tried again after the next commit.
            with suppress(*DRIVER_ERRORS), self._engine.connect() as connection:
                driver_of(connection).execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            self._stopping.wait(PAUSE_SECONDS)
