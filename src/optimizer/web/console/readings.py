"""Readings: what pages show, worked out once for all who look, away from those who decide, and kept some seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Generic, TypeVar

import structlog
from fastapi import Request

from optimizer.deployment import now
from optimizer.domain.instants import Instant
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.web.console.aside import Aside
from optimizer.web.desk import Desk

FRESH_SECONDS = 5.0  # how old a reading may be; as long as nobody has changed anything meanwhile
LASTING_SECONDS = 60.0  # how old a slow one may be before the next is begun, whatever changes meanwhile
PATIENCE_SECONDS = 0.15  # how long a page waits for the first value of a slow one
MOST_READINGS = 256

T = TypeVar("T")
log = structlog.get_logger("optimizer")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What a use case has found.

    Attributes:
        value: the result.
        as_of: the instant it was asked at.
    """

    value: T
    as_of: Instant


@dataclass(slots=True)
class _Entry:
    task: asyncio.Task[Reading[Any]]
    until: float
    revisions: tuple[tuple[str, int], ...]


class Readings:
    """The readings of one process.

    Args:
        desk: how the ledger is read.
        aside: the process that works them out; None: a thread of this one.
    """

    def __init__(self, desk: Desk, aside: Aside | None = None) -> None:
        self._desk, self._aside = desk, aside
        self._entries: dict[tuple[Any, ...], _Entry] = {}
        self._shown: dict[tuple[Any, ...], Reading[Any]] = {}
        self._quick, self._slow = asyncio.Semaphore(1), asyncio.Semaphore(1)  # one at a time: decisions come first

    async def quick(self, use_case: Callable[..., T], *args: Any) -> Reading[T]:
        """A reading no older than `FRESH_SECONDS`, and none from before documents, snapshots or controls changed."""
        revisions = await self._revisions()
        key = (use_case, *args)
        entry = self._entries.get(key)
        if entry is None or entry.revisions != revisions or monotonic() >= entry.until:
            entry = self._begin(key, revisions, FRESH_SECONDS, self._quick)
        return await asyncio.shield(entry.task)

    async def slow(self, use_case: Callable[..., T], *args: Any) -> Reading[T] | None:
        """The newest reading that is done; None while the first one is being worked out.

        An old one is shown, with the time it is as of, while a new one is worked out behind it. What kept a reading
        from being worked out is raised once; whoever looks after that sees the next attempt.
        """
        key = (use_case, *args)
        entry = self._entries.get(key)
        if entry is not None and entry.task.done():
            if entry.task.exception() is not None:
                del self._entries[key]
            self._shown[key] = entry.task.result()
        if entry is None or (entry.task.done() and monotonic() >= entry.until):
            entry = self._begin(key, (), LASTING_SECONDS, self._slow)
        if key not in self._shown:
            await asyncio.wait([entry.task], timeout=PATIENCE_SECONDS)
            if entry.task.done():
                self._shown[key] = entry.task.result()
        return self._shown.get(key)

    def forget(self) -> None:
        """Work everything out anew from now on: somebody has just changed something."""
        for key in [key for key, entry in self._entries.items() if entry.task.done()]:
            del self._entries[key]

    async def _revisions(self) -> tuple[tuple[str, int], ...]:
        return await self._desk.read(_revisions)

    def _begin(
        self, key: tuple[Any, ...], revisions: tuple[tuple[str, int], ...], lasts: float, lane: asyncio.Semaphore
    ) -> _Entry:
        for kept in (self._entries, self._shown):
            while len(kept) >= MOST_READINGS:
                kept.pop(next(iter(kept)))
        self._entries.pop(key, None)
        task = asyncio.create_task(self._work_out(lane, *key))
        task.add_done_callback(_heed)
        entry = self._entries[key] = _Entry(task, monotonic() + lasts, revisions)
        return entry

    async def _work_out(self, lane: asyncio.Semaphore, use_case: Callable[..., T], *args: Any) -> Reading[T]:
        async with lane:
            if self._aside is not None:
                return Reading(*await self._aside.value(use_case, *args))
            at = now()
            return Reading(await self._desk.read(lambda ledger, live: use_case(ledger, live, *args, at)), at)


async def reading(request: Request, use_case: Callable[..., T], *args: Any) -> Reading[T]:
    """What a use case finds, shared by all who look at the same within some seconds.

    Args:
        request: the page that is asked for.
        use_case: a function of a module in `services`, called with ``(ledger, live, *args, now)``.
        args: hashable and small; results are frozen, and can be sent from process to process.

    Raises:
        OptimizerError: what the use case raises.
    """
    return await _readings(request).quick(use_case, *args)


async def slow_reading(request: Request, use_case: Callable[..., T], *args: Any) -> Reading[T] | None:
    """The same of a use case that takes longer than somebody waits for a page.

    Returns:
        The newest reading that is done, which may be a minute old or more; None while the first is worked out.
    """
    return await _readings(request).slow(use_case, *args)


def expect(request: Request) -> None:
    """Somebody is about to look."""
    if request.app.state.aside is not None:
        request.app.state.aside.begin()


def forget(request: Request) -> None:
    """Work everything out anew for whoever looks next."""
    _readings(request).forget()


def _readings(request: Request) -> Readings:
    state = request.app.state
    if not hasattr(state, "readings"):
        state.readings = Readings(state.desk, state.aside)
    found: Readings = state.readings
    return found


def _revisions(ledger: Ledger, live: Live) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(live.at(ledger).revisions.items()))


def _heed(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended that nobody may be waiting for any more."""
    if not task.cancelled():
        task.exception()
