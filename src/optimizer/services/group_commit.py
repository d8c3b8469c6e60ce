"""Group commit: requests that arrive together share one transaction, and are answered after it is durable.

A durable commit costs a flush of the disk, whoever waits for it. Everything that has queued up while the last flush
ran shares the next transaction, and is answered once that is durable (compare DeWitt et al. 1984, "Implementation
techniques for main memory database systems", section on group commit).

One event loop asks, threads wait for the database. SQLite's statements only touch memory, so those of a small
transaction run on the loop, and a thread is given no more than what may wait: taking the file's lock and the flush.
PostgreSQL answers every statement over a socket, and a large transaction takes long: those run in a thread from
beginning to end. Either way the loop hears once of the whole batch.

SQLite has one writer at a time. On PostgreSQL two transactions may be under way, so that we work on one of them while
the server works on the other; to the ledger they are what two workers are. One of them is large: what is small costs
the server less the more of it shares a transaction.

Large work, a part of a blast, gives way to small: a transaction begins with all that is small and one that is large,
and goes on with large ones only while nothing small waits. Many of them in one transaction are worth it: a page of an
index that a thousand decisions change is written once and not once for every hundred of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from time import monotonic
from typing import Any, Protocol, TypeVar

from optimizer.errors import Draining, OptimizerError, Overloaded, Unavailable
from optimizer.storage.store import Ledger, Store, is_transient

MOST_ITEMS = 10_000  # in the transactions under way: they take a second, and are begun anew should they lose a race
MOST_SECONDS = 1.0  # that a transaction goes on growing, however slow the database: others may wait for what it locks
MOST_ON_THE_LOOP = 128  # items whose statements may run on the loop: some milliseconds, in which nobody else is served
MOST_WAITING = 50_000
AT_ONCE = 2  # transactions on PostgreSQL: each waits for the server for more than half of its time
ATTEMPTS = 5  # at a transaction that only lost a race against another worker's

T = TypeVar("T")
Handler = Callable[[Ledger, Sequence[Any]], Sequence[Any]]
"""Does the work for several requests, in order; returns a result or an `OptimizerError` for each item of each."""

_Results = dict[Handler, Sequence[Any]]
"""What every handler gave for all its items."""


class Watcher(Protocol):
    """Whoever counts what becomes of transactions; called from the loop and from the thread."""

    def batch(self, items: int, work_seconds: float, commit_seconds: float) -> None:
        """A transaction of so many items is durable: time of its statements, and from there until it was."""

    def retried(self) -> None:
        """A transaction has lost a race and is tried again."""

    def failed(self, error: Unavailable) -> None:
        """The database could not take a transaction, and why."""

    def refused(self, items: int) -> None:
        """So many items were refused, as too many are waiting."""


class Unwatched:
    """Nobody counts."""

    def batch(self, items: int, work_seconds: float, commit_seconds: float) -> None:
        """Nothing."""

    def retried(self) -> None:
        """Nothing."""

    def failed(self, error: Unavailable) -> None:
        """Nothing."""

    def refused(self, items: int) -> None:
        """Nothing."""


UNWATCHED = Unwatched()


@dataclass(slots=True, eq=False)
class _Work:
    handler: Handler
    items: Sequence[Any]
    answer: asyncio.Future[list[Any]]


class GroupCommit:
    """All writers of a process, in front of a store; used from one event loop.

    Args:
        store: where the transactions happen.
        handlers: everything that can be asked of it, in the order in which one transaction does them. A fixed order
            keeps two workers on one PostgreSQL from waiting for each other's locks in a circle.
        slow: handlers that may take long even for one item, and so never run on the loop.
        watcher: hears of every transaction.
        heard: what is told of a handler's results once they are durable, all of a transaction at once.
    """

    def __init__(
        self,
        store: Store,
        handlers: Sequence[Handler],
        slow: Collection[Handler] = (),
        watcher: Watcher = UNWATCHED,
        heard: Mapping[Handler, Callable[[Sequence[Any]], None]] | None = None,
    ) -> None:
        self._store = store
        self._watcher = watcher
        self._heard = heard or {}
        self._order = {handler: place for place, handler in enumerate(handlers)}
        self._slow = frozenset(slow)
        self._queue: deque[_Work] = deque()
        self._large: deque[_Work] = deque()
        self._taking = Lock()  # something large: the loop takes it, or the thread of a transaction
        self._waiting = 0
        self._closed = False
        self._writing: asyncio.Task[None] | None = None
        self._at_once = 1 if store.is_sqlite else AT_ONCE
        self._under_way: dict[asyncio.Task[None], bool] = {}  # and whether it is large
        self._news = asyncio.Event()  # that a transaction has ended, or that something large waits
        self._threads = ThreadPoolExecutor(self._at_once, "ledger-writer")

    def submit(self, handler: Handler, items: Sequence[Any]) -> asyncio.Future[list[Any]]:
        """Have `handler` work on `items`; the future holds its results once they are durable.

        Raises:
            Overloaded: too much is waiting already.
            Draining: the service is shutting down.
        """
        if self._closed:
            raise Draining("the service is shutting down")
        if self._waiting + len(items) > MOST_WAITING:
            self._watcher.refused(len(items))
            raise Overloaded(f"{self._waiting} requests are waiting already")
        loop = asyncio.get_running_loop()
        work = _Work(handler, items, loop.create_future())
        if _is_large(work):
            self._large.append(work)
            self._news.set()
        else:
            self._queue.append(work)
        self._waiting += len(items)
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        return work.answer

    @property
    def waiting(self) -> int:
        """How many items wait for their transaction, or for its end."""
        return self._waiting

    @property
    def _most_items(self) -> int:
        """How many may share a transaction: of two blasts at once, one shall be answered while the other is written."""
        return MOST_ITEMS // self._at_once

    async def close(self) -> None:
        """Refuse new work, finish what was accepted, and stop."""
        self._closed = True
        if self._writing is not None:
            await self._writing
        await asyncio.gather(*self._under_way)
        self._threads.shutdown()

    async def _write(self) -> None:
        """Begin one transaction after the other, until nothing waits any more."""
        while self._queue or self._large:
            while not self._may_begin():
                self._news.clear()
                await self._news.wait()
            await self._others_join()
            if batch := self._next():  # else nobody waits for it any more, or one under way has taken it
                transaction = asyncio.create_task(self._commit(batch))
                self._under_way[transaction] = any(map(_is_large, batch))
                transaction.add_done_callback(self._ended)
        self._writing = None

    def _may_begin(self) -> bool:
        """Whether a transaction may begin now; of two under way one is large."""
        if not self._under_way:
            return True
        return len(self._under_way) < self._at_once and (bool(self._large) or any(self._under_way.values()))

    def _ended(self, transaction: asyncio.Task[None]) -> None:
        del self._under_way[transaction]
        self._news.set()

    async def _others_join(self) -> None:
        """Let those in who are at the door; nobody waits for anybody who has not come yet.

        Whoever was just answered often asks again at once, and all who share a transaction pay its price once.
        """
        waiting = 0
        while waiting < len(self._queue) and self._waiting < MOST_ON_THE_LOOP:
            waiting = len(self._queue)
            await asyncio.sleep(0)

    def _next(self) -> list[_Work]:
        """Everything small that waits, up to a bound, and something large, without what nobody waits for any more."""
        batch: list[_Work] = []
        n_items = 0
        while self._queue and n_items < self._most_items:
            work = self._queue.popleft()
            if work.answer.cancelled():
                self._waiting -= len(work.items)
            else:
                batch.append(work)
                n_items += len(work.items)
        while n_items < self._most_items:
            with self._taking:
                large = self._large.popleft() if self._large else None
            if large is None:
                break
            if large.answer.cancelled():
                self._waiting -= len(large.items)
            else:
                return [*batch, large]
        return batch

    def _another(self, batch: Sequence[_Work]) -> _Work | None:
        """Something large that a transaction may go on with, as nobody else waits for it to end; from its thread.

        It is of the kind that is there already, so that no transaction takes locks in an order of its own.
        """
        with self._taking:
            if self._queue or not self._large:
                return None
            work = self._large[0]
            if any(each.handler != work.handler for each in batch):
                return None
            if sum(len(each.items) for each in (*batch, work)) > self._most_items:
                return None
            return self._large.popleft()

    async def _commit(self, batch: list[_Work], *, may_grow: bool = True) -> None:
        """Answer all of a batch. Whoever leaves from here on leaves without an answer, but it is done all the same."""
        try:
            results = await self._durable(batch, may_grow=may_grow)
        except Exception as error:  # whatever it was, those who wait must hear of it
            if isinstance(error, Unavailable):
                self._watcher.failed(error)
            elif len(batch) > 1:
                for work in batch:  # one of them is at fault; the others shall not suffer for it
                    await self._commit([work], may_grow=False)
                return
            for work in batch:
                self._waiting -= len(work.items)
                if not work.answer.done():
                    work.answer.set_exception(error)
        else:
            self._hand_out(batch, results)

    def _hand_out(self, batch: Sequence[_Work], results: _Results) -> None:
        """Give everyone what is theirs of what the handlers gave."""
        for handler, answers in results.items():
            if handler in self._heard:
                self._heard[handler](answers)
        remaining = {handler: iter(answers) for handler, answers in results.items()}
        for work in batch:
            answer = list(islice(remaining[work.handler], len(work.items)))
            self._waiting -= len(answer)
            if not work.answer.done():
                work.answer.set_result(answer)

    async def _durable(self, batch: list[_Work], *, may_grow: bool) -> _Results:
        """What every handler gave, in a transaction that is durable when this returns."""
        is_quick = self._is_quick(batch)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if is_quick:
                    return await self._on_the_loop(batch, alone=attempt > 1)
                return await self._in_the_thread(batch, alone=attempt > 1, may_grow=may_grow and attempt == 1)
            except Exception as error:
                if attempt == ATTEMPTS or not is_transient(error):
                    raise
                self._watcher.retried()
        raise AssertionError("unreachable")

    def _is_quick(self, batch: Sequence[_Work]) -> bool:
        return (
            self._store.is_sqlite
            and sum(len(work.items) for work in batch) <= MOST_ON_THE_LOOP
            and self._slow.isdisjoint(work.handler for work in batch)
        )

    async def _on_the_loop(self, batch: Sequence[_Work], *, alone: bool) -> _Results:
        began = monotonic()
        transaction = self._store.begin_if_free()  # mostly it is, and to ask the thread would take longer
        if transaction is None:
            transaction = await self._waited(lambda: self._store.begin(alone=alone))
        with transaction.working() as ledger:
            results = self._worked(ledger, batch)
        transaction.flush()
        worked = monotonic()
        await self._waited(transaction.commit)
        self._watched(batch, began, worked)
        return results

    async def _in_the_thread(self, batch: list[_Work], *, alone: bool, may_grow: bool) -> _Results:
        def write() -> _Results:
            began = monotonic()
            with self._store.writing(alone=alone) as ledger:
                results = self._worked(ledger, batch)
                while may_grow and monotonic() - began < MOST_SECONDS and (work := self._another(batch)) is not None:
                    batch.append(work)
                    more = self._worked(ledger, [work])[work.handler]
                    results[work.handler] = [*results[work.handler], *more]
                worked = monotonic()
            self._watched(batch, began, worked)
            return results

        return await self._waited(write)

    def _watched(self, batch: Sequence[_Work], began: float, worked: float) -> None:
        self._watcher.batch(sum(len(work.items) for work in batch), worked - began, monotonic() - worked)

    async def _waited(self, function: Callable[[], T]) -> T:
        """What a function gives that may wait for the database."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    def _worked(self, ledger: Ledger, batch: Sequence[_Work]) -> _Results:
        asked: dict[Handler, list[Any]] = {}
        for work in batch:
            asked.setdefault(work.handler, []).extend(work.items)
        results: _Results = {}
        for handler in sorted(asked, key=self._order.__getitem__):
            items = asked[handler]
            answers = results[handler] = handler(ledger, items)
            if len(answers) != len(items):
                raise RuntimeError(f"{handler!r} gave {len(answers)} answers to {len(items)} items")
        return results


def _is_large(work: _Work) -> bool:
    return len(work.items) > MOST_ON_THE_LOOP


def result_of(answers: Sequence[Any]) -> Any:
    """The only answer of a request with one item.

    Raises:
        OptimizerError: if that is what the answer is.
    """
    (answer,) = answers
    if isinstance(answer, OptimizerError):
        raise answer
    return answer
