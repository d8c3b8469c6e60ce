"""The desk: what the routes ask of the house. Writes go through group commit; reads through a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
from starlette.concurrency import run_in_threadpool

from optimizer.deployment import Deployment, now
from optimizer.domain.snapshot import Snapshot
from optimizer.errors import Contended, OptimizerError
from optimizer.services.deciding import Answer, DecisionRequest, decide
from optimizer.services.group_commit import GroupCommit, Handler, result_of
from optimizer.services.keys import KeyRing
from optimizer.services.learning import learn_campaign
from optimizer.services.live import Live
from optimizer.services.profiles import put_profile
from optimizer.services.recording import OutcomeReport, Recorded, record_outcomes
from optimizer.storage.access import StoredKey
from optimizer.storage.recipients import Profile
from optimizer.storage.store import Ledger

T = TypeVar("T")
CHUNK = 1_000  # items of a large batch in one transaction; others are served between two chunks
LEARNER_TICK_SECONDS = 0.25

log = structlog.get_logger("optimizer")


class Desk:
    """Everything one serving process can do."""

    def __init__(self, deployment: Deployment) -> None:
        self._store = deployment.store
        self._live = deployment.live
        handlers: list[Handler] = [self._change, self._record, self._put_profiles, self._decide, self._learn]
        self._writer = GroupCommit(self._store, handlers)
        self.keys = KeyRing(self._load_keys)

    async def decide(self, requests: Sequence[DecisionRequest]) -> list[Answer | OptimizerError]:
        """Answer requests, durably."""
        return await self._in_chunks(self._decide, requests)

    async def record(self, reports: Sequence[OutcomeReport]) -> list[Recorded | OptimizerError]:
        """Record outcomes, durably."""
        return await self._in_chunks(self._record, reports)

    async def put_profile(self, recipient: str, profile: Profile) -> None:
        """Replace a recipient's profile."""
        result_of(await self._submitted(self._put_profiles, [(recipient, profile)]))

    async def change(self, use_case: Callable[[Ledger, Live], T]) -> T:
        """The result of a use case that people ask for, durably; its errors undo nothing but itself."""
        return result_of(await self._submitted(self._change, [use_case]))

    async def learn(self, campaign_id: str) -> Snapshot:
        """Learn now."""
        return result_of(await self._submitted(self._learn, [campaign_id]))

    async def read(self, query: Callable[[Ledger, Live], T]) -> T:
        """The result of a query on one consistent view of the ledger, away from the event loop."""

        def run() -> T:
            with self._store.reading() as ledger:
                return query(ledger, self._live)

        return await run_in_threadpool(run)

    async def keep_learning(self) -> None:
        """Learn every campaign at its own cadence, until cancelled."""
        due: dict[str, int] = {}
        while True:
            await asyncio.sleep(LEARNER_TICK_SECONDS)
            try:
                loaded = await self.read(lambda ledger, live: live.at(ledger))
                for campaign_id, tactic in loaded.tactics.items():
                    if now() >= due.setdefault(campaign_id, now() + tactic.policy.refresh):
                        await self.learn(campaign_id)
                        due[campaign_id] = now() + tactic.policy.refresh
            except Exception as error:  # whatever one round met, the next one shall come
                log.warning("learning is delayed", error=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Finish what was accepted and stop."""
        self._writer.close()

    async def _in_chunks(self, handler: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        """Results of all items; when some chunks fail and others are durable already, the error of each failed item."""
        chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
        futures = [self._submitted(handler, chunk) for chunk in chunks]
        done = await asyncio.gather(*futures, return_exceptions=True)
        if all(isinstance(result, BaseException) for result in done) and done:
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

    async def _submitted(self, handler: Callable[..., Any], items: Sequence[Any]) -> list[Any]:
        return await asyncio.wrap_future(self._writer.submit(handler, items))

    def _decide(self, ledger: Ledger, requests: Sequence[DecisionRequest]) -> Sequence[Any]:
        return decide(ledger, self._live, requests, now())

    def _record(self, ledger: Ledger, reports: Sequence[OutcomeReport]) -> Sequence[Any]:
        return record_outcomes(ledger, self._live, reports, now())

    def _put_profiles(self, ledger: Ledger, profiles: Sequence[tuple[str, Profile]]) -> Sequence[Any]:
        return [_caught(put_profile, ledger, self._live, recipient, profile, now()) for recipient, profile in profiles]

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
