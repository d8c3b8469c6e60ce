"""The client for threads."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, Unpack

from optimizer.client.answers import Batch, Decision, Recipient
from optimizer.client.core import CHUNK, Attributes, Core, Options, chunks_of, recipient_of
from optimizer.client.driving import Driver
from optimizer.client.progress import progress_of
from optimizer.client.reporting import CLOSING_SECONDS


class Client(Core):
    """Asks the service; for any number of threads. See `Core` for what it is made with."""

    def __init__(self, url: str | None = None, key: str | None = None, **options: Unpack[Options]) -> None:
        super().__init__(url, key, **options)
        self._driver = Driver(self._url, self._key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decide(
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
        """Which variant for this recipient?

        Args:
            campaign: the campaign.
            recipient: your id of the person.
            attributes: declared attributes; None or NaN means unknown.
            request_id: asked again with the same one, the same decision. By default a random one, once per call.
            exclude: variants you do not want this time.
            consent: whether the recipient agreed, by channel.
            time_zone: the recipient's.
            defer_exposure: count it only once you `expose` it.

        Returns:
            The decision; the fallback when nobody answers in time.

        Raises:
            Refused: the service said no: a wrong key, an unknown campaign, an attribute that is not declared.
            Unavailable: nobody answered, and the client is strict.
            Conflict: the client was made before a fork.
        """
        one = recipient_of(recipient, attributes, request_id, exclude, consent, time_zone)
        return self._driver.run(self._deciding(campaign, one, deferred=defer_exposure))

    def decide_many(
        self,
        campaign: str,
        recipients: Iterable[str | Recipient],
        *,
        request_id: str | None = None,
        defer_exposure: bool = False,
        progress: bool = False,
        chunk: int = CHUNK,
    ) -> Batch:
        """Which variant for each of these recipients?

        Args:
            campaign: the campaign.
            recipients: ids, or ids with what is known of them; any number.
            request_id: of the batch. Ask with the same one to go on with a batch that was interrupted.
            defer_exposure: count each only once you `expose` it.
            progress: show a bar.
            chunk: recipients of one call, at most 10,000.

        Raises:
            Refused: the service said no to a whole chunk.
            Unavailable: nobody answered, and the client is strict.
        """
        name = request_id or secrets.token_hex(16)
        with progress_of(campaign, recipients, shown=progress) as done:
            chunks = chunks_of(recipients, chunk)
            return self._driver.run(self._deciding_many(campaign, chunks, name, done, deferred=defer_exposure))

    @contextmanager
    def exposure(self, campaign: str, recipient: str, **asked: Any) -> Iterator[Decision]:
        """Decide, and say that it was shown once the block ends, or that it never was if the block fails.

        Args:
            campaign: the campaign.
            recipient: your id of the person.
            asked: as `decide` takes it.
        """
        decision = self.decide(campaign, recipient, **asked, defer_exposure=True)
        try:
            yield decision
        except BaseException:
            self.withdraw(decision)
            raise
        if decision.variant is not None:
            self.expose(decision)

    def flush(self, timeout: float = 10.0) -> bool:
        """Deliver what was reported; whether the service has all of it."""
        return self._reporter.flush(timeout)

    def close(self, timeout: float = CLOSING_SECONDS) -> bool:
        """Deliver what was reported, and close; whether nothing was left. A spool keeps what was."""
        done = self._reporter.close(timeout)
        self._driver.close()
        return done
