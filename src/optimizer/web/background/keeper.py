"""The keeper: what a serving process does by itself. It learns what is due, looks after its clock and its ledger."""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic

import structlog

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import SECOND, Duration, Instant
from optimizer.errors import Draining, Overloaded, Unavailable
from optimizer.services.clock import Clock
from optimizer.services.learning.lease import begin_lease, learn_if_due, may_learn
from optimizer.services.live import Live, Loaded
from optimizer.storage.leases import Lease
from optimizer.storage.store import Ledger
from optimizer.web.background.asking import asked
from optimizer.web.background.letting_go import LettingGo
from optimizer.web.background.posting import Posting
from optimizer.web.background.suggesting import Suggesting
from optimizer.web.background.sweeping import Sweeping
from optimizer.web.desk import Desk
from optimizer.web.observing import telemetry

TICK_SECONDS = 0.25
RETRY_SECONDS = 1.0  # after something failed
PROVE_SECONDS = 10.0  # between two proofs that the ledger takes writes
TOLD_SECONDS = 60.0  # between two lines of the log about turns that failed: a defect is there in every turn
LOOK_SECONDS = 2.0  # whoever asks whether we are ready is told so within this time, whatever the database does
END_SECONDS = 2.0  # for what can be left to others when a worker stops

log = structlog.get_logger("optimizer")


class Keeper:
    """The background work of one serving process.

    Args:
        desk: how it gets at the ledger: in turn with what callers ask for.
        deployment: the process's; its worker's name stands on leases.
        clock: the process's clock.
    """

    def __init__(self, desk: Desk, deployment: Deployment, clock: Clock) -> None:
        self._desk = desk
        self._deployment = deployment
        self._worker = deployment.worker
        self._clock = clock
        self._not_before: dict[str, float] = {}  # by the monotonic clock: when each campaign may be learned again
        self._failed: set[str] = set()  # campaigns that could not be learned when it was last tried
        self._letting_go = LettingGo(desk)
        self._sweeping = Sweeping(desk)
        ask = partial(asked, deployment.folder, deployment.settings)
        self._suggesting = Suggesting(desk, deployment.worker, ask)
        self._posting = Posting(desk, deployment)
        self._prove_at = 0.0
        self._tell_at = 0.0  # by the monotonic clock: when a turn that failed may be told again
        self._outage: tuple[float, Unavailable] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._running: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Do everything once, and go on until `end`."""
        await self._turn()
        self._running = asyncio.create_task(self._run())
        self._posting.begin()

    async def end(self) -> None:
        """Stop, and let other workers learn what this one would have."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running], timeout=END_SECONDS)
        await self._suggesting.end()
        await self._posting.end()
        try:
            leaving = self._desk.change(lambda ledger, _: ledger.leases.give_up(self._worker))
            await asyncio.wait_for(leaving, END_SECONDS)
        except (Unavailable, TimeoutError):
            log.info("leases were not given up; they expire by themselves")

    async def ready(self) -> tuple[str, ...]:
        """What to know about a service that is ready, in sentences; nothing when all is well.

        Raises:
            Unavailable: it is not ready, and why.
        """
        if self._deployment.draining:
            raise Draining("the service is shutting down")
        if self._outage is not None:
            raise Unavailable(str(self._outage[1])) from self._outage[1].__cause__
        if self._looking is None or self._looking.done():  # one look at a time, however many ask
            self._looking = asyncio.create_task(self._look())
            self._looking.add_done_callback(_heed)
        done, _ = await asyncio.wait([self._looking], timeout=LOOK_SECONDS)
        if not done:
            raise Unavailable(f"ledger: found no answer within {LOOK_SECONDS:.0f} seconds")
        await self._looking
        return () if self._clock.trouble is None else (self._clock.trouble,)

    async def _look(self) -> None:
        await self._desk.read(lambda ledger, live: live.at(ledger))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS if self._outage is None else RETRY_SECONDS)
            await self._turn()

    async def _turn(self) -> None:
        """One round; whatever it meets, the next one shall come."""
        try:
            loaded, leases, reference = await self._desk.read(_state)
            self._compare(reference)
            await self._prove()
            for campaign_id, tactic in loaded.tactics.items():
                await self._keep(campaign_id, leases.get(campaign_id), tactic.policy.refresh)
            await self._letting_go.turn()
            await self._sweeping.turn()
            self._suggesting.turn()
        except (Overloaded, Draining):
            pass  # there is no lack of a ledger, only of time
        except Unavailable as error:
            self._miss(error)
        except Exception as error:
            if monotonic() >= self._tell_at:
                self._tell_at = monotonic() + TOLD_SECONDS
                log.warning("background work failed", error=f"{type(error).__name__}: {error}", exc_info=True)

    async def _keep(self, campaign_id: str, lease: Lease | None, refresh: Duration) -> None:
        if lease is None:
            first = partial(_begin, campaign_id=campaign_id, worker=self._worker, refresh=refresh)
            await self._desk.change(first)
            return
        # Whatever the clocks say, nothing is learned in a frenzy: the cadence is also kept by one that nobody sets.
        if not may_learn(lease, self._worker, refresh, now()) or monotonic() < self._not_before.get(campaign_id, 0):
            return
        try:
            await self._desk.change(partial(_learn, campaign_id=campaign_id, worker=self._worker))
        except Unavailable:
            raise
        except Exception as error:
            self._not_before[campaign_id] = monotonic() + RETRY_SECONDS
            if campaign_id not in self._failed:  # one warning, however often it is tried again
                log.warning("learning is delayed", campaign=campaign_id, error=f"{type(error).__name__}: {error}")
            self._failed.add(campaign_id)
        else:
            self._not_before[campaign_id] = monotonic() + refresh / SECOND / 2
            if campaign_id in self._failed:
                log.info("learning goes on", campaign=campaign_id)
            self._failed.discard(campaign_id)

    async def _prove(self) -> None:
        """Find out whether the ledger takes writes: a full disk can still be read."""
        if monotonic() < self._prove_at:
            return
        await self._desk.change(lambda ledger, _: ledger.leases.prove(self._worker, now()))
        self._prove_at = monotonic() + PROVE_SECONDS
        if self._outage is not None:
            log.info("the ledger is back", after_seconds=round(monotonic() - self._outage[0], 1))
            self._outage = None

    def _miss(self, error: Unavailable) -> None:
        self._prove_at = 0.0
        if self._outage is None:  # one warning for an outage, however long
            log.warning("the ledger is out of reach", error=str(error), cause=telemetry.cause_of(error))
            self._outage = monotonic(), error

    def _compare(self, reference: Instant | None) -> None:
        before = self._clock.trouble
        self._clock.compare(reference)
        trouble = self._clock.trouble
        if (trouble is None) != (before is None):
            log.warning("the clocks differ", trouble=trouble) if trouble else log.info("the clocks agree again")


def _state(ledger: Ledger, live: Live) -> tuple[Loaded, dict[str, Lease], Instant | None]:
    return live.at(ledger), ledger.leases.all(), ledger.leases.clock()


def _begin(ledger: Ledger, _live: Live, *, campaign_id: str, worker: str, refresh: Duration) -> None:
    begin_lease(ledger, campaign_id, worker, refresh, now())


def _learn(ledger: Ledger, live: Live, *, campaign_id: str, worker: str) -> None:
    began = monotonic()
    if learn_if_due(ledger, live, campaign_id, worker, now()) is not None:
        telemetry.learned(monotonic() - began)


def _heed(task: asyncio.Task[None]) -> None:
    """Take note of how a task ended that nobody may be waiting for any more."""
    if not task.cancelled():
        task.exception()
