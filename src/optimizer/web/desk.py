"""The desk: what the routes ask of the house. Writes go through group commit; reads through a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from optimizer.deployment import Deployment, now
from optimizer.domain.snapshot import Snapshot
from optimizer.errors import Contended, OptimizerError, Unavailable
from optimizer.services.decisions.deciding import Answer, DecisionRequest, decide
from optimizer.services.group_commit import GroupCommit, Handler, result_of
from optimizer.services.keys.api_keys import KeyRing
from optimizer.services.keys.rates import Rate
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.services.live import Live
from optimizer.services.outcomes.recording import OutcomeReport, Recorded, record_outcomes
from optimizer.services.recipients.memberships import seen
from optimizer.services.recipients.profiles import Told, hear, put_profile
from optimizer.settings import secret_texts
from optimizer.storage.access import StoredKey
from optimizer.storage.recipients import Profile
from optimizer.storage.scrubbing import scrub
from optimizer.storage.store import Ledger
from optimizer.web.observing import telemetry

T = TypeVar("T")
CHUNK = 1_000  # items of a large batch that are worked on at a time; others who wait come between two chunks
CHUNKS_AT_ONCE = 10  # of one batch that wait for the writer, which may take them into one transaction


class Desk:
    """Everything one serving process can do."""

    def __init__(self, deployment: Deployment) -> None:
        self.owes_scrub = False  # whether what was erased is still in the files, because somebody read them
        self._store = deployment.store
        self._live = deployment.live
        handlers: list[Handler] = [
            self._change,
            self._record,
            self._put_profiles,
            self._hear,
            self._decide,
            self._learn,
        ]
        self._writer = GroupCommit(
            self._store,
            handlers,
            slow=[self._change, self._learn],
            watcher=telemetry,
            heard={self._decide: telemetry.decided, self._record: telemetry.recorded},
        )
        rate = Rate(deployment.settings.rate_per_second, deployment.settings.rate_burst)
        self.keys = KeyRing(self._load_keys, now, rate)
        self.keys.watch()
        self.webhooks = secret_texts(deployment.settings.webhooks)

    def ask(self, request: DecisionRequest) -> asyncio.Future[list[Answer | OptimizerError]]:
        """Have one request answered; the future holds the only answer once it is durable.

        Raises:
            Overloaded: too much is waiting already.
            Draining: the service is shutting down.
        """
        return self._writer.submit(self._decide, [request])

    async def decide(self, requests: Sequence[DecisionRequest]) -> list[Answer | OptimizerError]:
        """Answer requests, durably."""
        return await self._in_chunks(self._decide, requests)

    async def record(self, reports: Sequence[OutcomeReport]) -> list[Recorded | OptimizerError]:
        """Record outcomes, durably."""
        return await self._in_chunks(self._record, reports)

    async def put_profile(
        self, recipient: str, profile: Profile, texts: Mapping[str, str] | None = None, source: str | None = None
    ) -> None:
        """Replace what a source says of a recipient, and the words of consents unless they are None."""
        result_of(await self._writer.submit(self._put_profiles, [(recipient, profile, texts, source)]))

    async def hear(self, told: Sequence[Told]) -> None:
        """Add what sources say of recipients, durably."""
        for error in await self._in_chunks(self._hear, told):
            result_of([error])

    async def change(self, use_case: Callable[[Ledger, Live], T]) -> T:
        """The result of a use case that people ask for, durably; its errors undo nothing but itself."""
        return result_of(await self._writer.submit(self._change, [use_case]))

    async def learn(self, campaign_id: str) -> Snapshot:
        """Learn now."""
        return result_of(await self._writer.submit(self._learn, [campaign_id]))

    @property
    def live(self) -> Live:
        """What this process has loaded, for what may be looked at without the ledger."""
        return self._live

    @property
    def waiting(self) -> int:
        """How many items wait for their transaction."""
        return self._writer.waiting

    async def read(self, query: Callable[[Ledger, Live], T]) -> T:
        """The result of a query on one consistent view of the ledger, away from the event loop."""

        def run() -> T:
            with self._store.reading() as ledger:
                return query(ledger, self._live)

        return await run_in_threadpool(run)

    async def scrub(self) -> bool:
        """Take what was erased out of the files of the database too; whether that could be done at once."""

        def run() -> bool:
            try:
                return scrub(self._store, whole=False)
            except Unavailable:
                return False  # it is erased all the same; old copies go with a later scrub

        done = await run_in_threadpool(run)
        self.owes_scrub = not done and self._store.is_sqlite  # PostgreSQL needs more than that, and an operator
        return done

    async def close(self) -> None:
        """Finish what was accepted and stop."""
        await self._writer.close()
        await asyncio.to_thread(self.keys.close)

    async def _in_chunks(self, handler: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        """Results of all items; when some chunks fail and others are durable already, the error of each failed item."""
        if len(items) <= CHUNK:
            return await self._writer.submit(handler, items) if items else []
        chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
        turns = asyncio.Semaphore(CHUNKS_AT_ONCE)

        async def in_turn(chunk: Sequence[Any]) -> list[Any]:
            async with turns:
                return await self._writer.submit(handler, chunk)

        done = await asyncio.gather(*map(in_turn, chunks), return_exceptions=True)
        if all(isinstance(result, BaseException) for result in done):
            raise done[0]  # type: ignore[misc]
        results: list[Any] = []
        for chunk, result in zip(chunks, done, strict=True):
            if isinstance(result, OptimizerError):
                results += [result] * len(chunk)
            elif isinstance(result, BaseException):
                raise result
            else:
                results += result
        return results

    def _decide(self, ledger: Ledger, requests: Sequence[DecisionRequest]) -> Sequence[Any]:
        return decide(ledger, self._live, requests, now())

    def _record(self, ledger: Ledger, reports: Sequence[OutcomeReport]) -> Sequence[Any]:
        return record_outcomes(ledger, self._live, reports, now())

    def _put_profiles(
        self, ledger: Ledger, profiles: Sequence[tuple[str, Profile, Mapping[str, str] | None, str | None]]
    ) -> Sequence[Any]:
        done = [
            _caught(put_profile, ledger, self._live, recipient, profile, now(), texts, source)
            for recipient, profile, texts, source in profiles
        ]
        seen(ledger, self._live, [one[0] for one, error in zip(profiles, done, strict=True) if error is None], now())
        return done

    def _hear(self, ledger: Ledger, told: Sequence[Told]) -> Sequence[Any]:
        heard = _caught(hear, ledger, self._live, told, now())
        if heard is None:
            seen(ledger, self._live, [one.recipient for one in told], now())
        return [heard] * len(told)

    def _change(self, ledger: Ledger, use_cases: Sequence[Callable[[Ledger, Live], Any]]) -> Sequence[Any]:
        return [_caught(use_case, ledger, self._live) for use_case in use_cases]

    def _learn(self, ledger: Ledger, campaign_ids: Sequence[str]) -> Sequence[Any]:
        return [_caught(learn_campaign, ledger, self._live, name, now()) for name in campaign_ids]

    def _load_keys(self) -> list[StoredKey]:
        with self._store.reading() as ledger:
            return ledger.keys.all()


def _caught(function: Callable[..., T], *arguments: Any) -> T | OptimizerError:
    """The result, or the error that explains why there is none: one item must not undo the others."""
    try:
        return function(*arguments)
    except Contended:
        raise  # the whole transaction is tried again
    except OptimizerError as error:
        return error
