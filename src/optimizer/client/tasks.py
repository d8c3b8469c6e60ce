"""The client for event loops."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self, Unpack

from optimizer.client.answers import Batch, Decision, Recipient
from optimizer.client.core import CHUNK, Attributes, Core, Options, chunks_of, recipient_of
from optimizer.client.driving import AsyncDriver
from optimizer.client.progress import progress_of
from optimizer.client.reporting import CLOSING_SECONDS


class AsyncClient(Core):
    """Asks the service from an event loop; see `Core` for what it is made with, and `Client` for what calls do."""

    def __init__(self, url: str | None = None, key: str | None = None, **options: Unpack[Options]) -> None:
        super().__init__(url, key, **options)
        self._driver = AsyncDriver(self._url, self._key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def decide(
        self,
        campaign: str,
        recipient: str,
        *,
        attributes: Attributes | None = None,
        request_id: str | None = None,
        exclude: Iterable[str] = (),
        consent: Mapping[str, bool] | None = None,
        time_zone: str | None = None,
        defer_exposure: bool = False,
    ) -> Decision:
        """Which variant for this recipient? See `Client.decide`."""
        one = recipient_of(recipient, attributes, request_id, exclude, consent, time_zone)
        return await self._driver.run(self._deciding(campaign, one, deferred=defer_exposure))

    async def decide_many(
        self,
        campaign: str,
        recipients: Iterable[str | Recipient],
        *,
        request_id: str | None = None,
        defer_exposure: bool = False,
        progress: bool = False,
        chunk: int = CHUNK,
    ) -> Batch:
        """Which variant for each of these recipients? See `Client.decide_many`."""
        name = request_id or secrets.token_hex(16)
        with progress_of(campaign, recipients, shown=progress) as done:
            chunks = chunks_of(recipients, chunk)
            return await self._driver.run(self._deciding_many(campaign, chunks, name, done, deferred=defer_exposure))

    @asynccontextmanager
    async def exposure(self, campaign: str, recipient: str, **asked: Any) -> AsyncIterator[Decision]:
        """Decide, and say that it was shown once the block ends; see `Client.exposure`."""
        decision = await self.decide(campaign, recipient, **asked, defer_exposure=True)
        try:
            yield decision
        except BaseException:
            self.withdraw(decision)
            raise
        if decision.variant is not None:
            self.expose(decision)

    async def flush(self, timeout: float = 10.0) -> bool:
        """Deliver what was reported; whether the service has all of it."""
        return await asyncio.to_thread(self._reporter.flush, timeout)

    async def close(self, timeout: float = CLOSING_SECONDS) -> bool:
        """Deliver what was reported, and close; whether nothing was left. A spool keeps what was."""
        done = await asyncio.to_thread(self._reporter.close, timeout)
        await self._driver.close()
        return done
