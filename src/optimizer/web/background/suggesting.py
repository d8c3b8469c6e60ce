"""What a serving process does once a day for each campaign it learns: ask what the evidence suggests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from time import monotonic

import structlog

from optimizer.deployment import now
from optimizer.errors import Draining, Overloaded, Unavailable
from optimizer.services.live import Live
from optimizer.services.proposing.keeping import Made, is_due, keep
from optimizer.storage.store import Ledger
from optimizer.web.desk import Desk

FIRST_SECONDS = 600.0  # after a process has begun: it has other things to do first, and a day is long
LOOK_SECONDS = 10.0  # between two looks whether anything is due
RETRY_SECONDS = 600.0  # after a campaign's evidence could not be asked

Asking = Callable[[Sequence[str]], AsyncGenerator[tuple[str, Made | str], None]]
log = structlog.get_logger("optimizer")


class Suggesting:
    """The proposals of the campaigns that this worker learns.

    Args:
        desk: how what was made is kept: in a short change, in turn with what callers ask for.
        worker: whose name stands on the leases.
        ask: gives what the evidence of campaigns suggests, or why it could not be asked; see `asking`.
    """

    def __init__(self, desk: Desk, worker: str, ask: Asking) -> None:
        self._desk = desk
        self._worker = worker
        self._ask = ask
        self._look_at = monotonic() + FIRST_SECONDS
        self._not_before: dict[str, float] = {}
        self._round: asyncio.Task[None] | None = None

    def turn(self) -> None:
        """Begin to ask what is due, unless that is being asked already; it returns at once."""
        if monotonic() < self._look_at or (self._round is not None and not self._round.done()):
            return
        self._look_at = monotonic() + LOOK_SECONDS
        self._round = asyncio.create_task(self.round())

    async def round(self) -> None:
        """Ask every campaign that is due, and keep what is suggested."""
        try:
            due = [name for name in await self._desk.read(self._due) if monotonic() >= self._not_before.get(name, 0.0)]
            if due:
                async with aclosing(self._ask(due)) as answers:  # which ends whoever was asked
                    async for campaign_id, found in answers:
                        await self._take(campaign_id, found)
        except (Unavailable, Overloaded, Draining):
            pass  # another time
        except Exception as error:
            log.warning("nothing could be proposed", error=f"{type(error).__name__}: {error}")

    async def end(self) -> None:
        """Leave what is being asked to others."""
        if self._round is not None:
            self._round.cancel()
            with suppress(asyncio.CancelledError):
                await self._round

    async def _take(self, campaign_id: str, found: Made | str) -> None:
        if isinstance(found, str):
            self._not_before[campaign_id] = monotonic() + RETRY_SECONDS
            log.warning("nothing could be proposed", campaign=campaign_id, error=found)
            return
        await self._desk.change(partial(_kept, found=found))
        for misfit in found.misfits:
            log.warning("a proposal does not fit the documents", campaign=campaign_id, error=misfit)

    def _due(self, ledger: Ledger, live: Live) -> list[str]:
        """The campaigns whose lease this worker holds and whose evidence shall be asked."""
        loaded, leases, rounds, at = live.at(ledger), ledger.leases.all(), ledger.proposals.rounds(), now()
        mine = (name for name in loaded.tactics if name in leases and leases[name].holder == self._worker)
        return [name for name in mine if is_due(rounds.get(name), loaded.version, at)]


def _kept(ledger: Ledger, live: Live, *, found: Made) -> None:
    keep(ledger, live, found, now())
