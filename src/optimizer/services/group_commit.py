"""Group commit: requests that arrive together share one transaction, and are answered after it is durable.

A durable commit costs a flush of the disk, whoever waits for it. One writer thread takes everything that has queued
up while the last flush ran, does it in one transaction, and only then resolves the answers (compare DeWitt et al.
1984, "Implementation techniques for main memory database systems", section on group commit).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from optimizer.errors import OptimizerError, Unavailable
from optimizer.storage.store import Ledger, Store, is_transient

MOST_ITEMS = 2_000  # in one transaction: beyond this a longer transaction saves nothing and delays everyone
MOST_WAITING = 20_000
ATTEMPTS = 5  # at a transaction that only lost a race against another worker's

Handler = Callable[[Ledger, Sequence[Any]], Sequence[Any]]
"""Does the work for several requests, in order; returns a result or an `OptimizerError` for each item of each."""


@dataclass(slots=True)
class _Work:
    handler: Handler
    items: Sequence[Any]
    future: Future[list[Any]] = field(default_factory=Future)


class GroupCommit:
    """A writer thread in front of a store.

    Args:
        store: where the transactions happen.
        handlers: everything that can be asked of it, in the order in which one transaction does them. A fixed order
            keeps two workers on one PostgreSQL from waiting for each other's locks in a circle.
    """

    def __init__(self, store: Store, handlers: Sequence[Handler]) -> None:
        self._store = store
        self._order = {handler: place for place, handler in enumerate(handlers)}
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = Lock()
        self._waiting = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, handler: Handler, items: Sequence[Any]) -> Future[list[Any]]:
        """Have `handler` work on `items`; the future holds its results once they are durable.

        Raises:
            Unavailable: too much is waiting already, or the service is shutting down.
        """
        work = _Work(handler, items)
        with self._lock:
            if self._closed:
                raise Unavailable("the service is shutting down")
            if self._waiting + len(items) > MOST_WAITING:
                raise Unavailable(f"{self._waiting} requests are waiting already")
            self._waiting += len(items)
            self._queue.put(work)
        return work.future

    def close(self) -> None:
        """Refuse new work, finish what was accepted, and stop."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._take()
            if batch:
                self._commit(batch)
                self._done(batch)

    def _done(self, batch: Sequence[_Work]) -> None:
        with self._lock:
            self._waiting -= sum(len(work.items) for work in batch)

    def _take(self) -> tuple[list[_Work], bool]:
        """Everything that waits, up to a bound; waits for the first."""
        batch: list[_Work] = []
        n_items = 0
        while n_items < MOST_ITEMS:
            try:
                work = self._queue.get(block=not batch)
            except Empty:
                break
            if work is None:
                return batch, False
            # Whoever waits may have left already; from here on they may leave, but can no longer cancel it.
            if work.future.set_running_or_notify_cancel():
                batch.append(work)
                n_items += len(work.items)
            else:
                self._done([work])
        return batch, True

    def _commit(self, batch: Sequence[_Work]) -> None:
        try:
            results = self._results(batch)
        except Exception as error:  # whatever it was, those who wait must hear of it
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for work in batch:  # one of them is at fault; the others shall not suffer for it
                    self._commit([work])
                return
            for work in batch:
                work.future.set_exception(error)
            return
        for work, result in zip(batch, results, strict=True):
            work.future.set_result(result)

    def _results(self, batch: Sequence[_Work]) -> list[list[Any]]:
        """The results of every work, in a transaction that is durable when this returns."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._store.writing(alone=attempt > 1) as ledger:
                    return self._worked(ledger, batch)
            except Exception as error:
                if attempt == ATTEMPTS or not is_transient(error):
                    raise
        raise AssertionError("unreachable")

    def _worked(self, ledger: Ledger, batch: Sequence[_Work]) -> list[list[Any]]:
        results: dict[int, list[Any]] = {}
        for handler in sorted({work.handler for work in batch}, key=self._order.__getitem__):
            alike = [work for work in batch if work.handler == handler]
            answers = iter(handler(ledger, [item for work in alike for item in work.items]))
            for work in alike:
                results[id(work)] = [next(answers) for _ in work.items]
        return [results[id(work)] for work in batch]


def result_of(answers: Sequence[Any]) -> Any:
    """The only answer of a request with one item.

    Raises:
        OptimizerError: if that is what the answer is.
    """
    (answer,) = answers
    if isinstance(answer, OptimizerError):
        raise answer
    return answer
