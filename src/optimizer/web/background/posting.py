"""Posting: a serving process tells receivers what was announced, beside everything else it does.

Standard Webhooks (https://www.standardwebhooks.com): JSON, an id that stays the same however often it is tried, the
time of the attempt, and a signature over all three. Nothing of it runs in the writer but short transactions, and what a
receiver takes its time over keeps nobody waiting but itself.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from time import monotonic
from typing import Final

import httpx
import orjson
import structlog

from optimizer import __version__
from optimizer.deployment import Deployment
from optimizer.deployment import now as the_time
from optimizer.domain.instants import SECOND, Instant, isoformat
from optimizer.errors import Draining, Overloaded, Unavailable
from optimizer.insights.notice_words import slack_message
from optimizer.services.live import Live
from optimizer.services.notices.announcing import address, forget_old
from optimizer.services.notices.delivering import LEASE, Attempt, Letter, let_go, settle, take
from optimizer.settings import Receiver
from optimizer.storage.notices import Due
from optimizer.storage.store import Ledger
from optimizer.strategy.notify import Notify
from optimizer.web.desk import Desk
from optimizer.web.observing import telemetry

TICK_SECONDS = 1.0
TIMEOUT_SECONDS: Final = 10.0  # of one attempt, from the look-up of the name to the end of the answer
PORTION: Final = 32  # notices that are taken at once for one receiver
LANES: Final = 8  # posted at once to one receiver: notices about different people may overtake each other
MOST_ANSWER: Final = 1 << 16  # bytes of an answer that are read, so that the connection can be used again
FORGET_SECONDS: Final = 900.0
END_SECONDS: Final = 2.0
_GONE = 410
_BUSY = frozenset({408, 425, 429})

log = structlog.get_logger("optimizer")


@dataclass(frozen=True, slots=True)
class _Address:
    """A receiver as the strategy and the environment together describe it."""

    notify: Notify
    receiver: Receiver


@dataclass(frozen=True, slots=True)
class _Look:
    unaddressed: bool
    due: Sequence[str]
    notify: Mapping[str, Notify]


class Posting:
    """What one serving process posts.

    Args:
        desk: how it gets at the ledger.
        deployment: gives the receivers, and the worker's name on their leases.
        now: the instant.
    """

    def __init__(self, desk: Desk, deployment: Deployment, now: Callable[[], Instant] = the_time) -> None:
        self._desk, self._now = desk, now
        self._worker = deployment.worker
        self._receivers = deployment.settings.receivers
        self._client: httpx.AsyncClient | None = None
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._warned: set[str] = set()
        self._forget_at = 0.0
        self._running: asyncio.Task[None] | None = None
        for name in ("httpx", "httpcore"):  # they would write URLs into the log, and a chat's URL is a secret
            logging.getLogger(name).setLevel(logging.WARNING)

    def begin(self) -> None:
        """Post from now on, until `end`."""
        self._running = asyncio.create_task(self._run())

    async def end(self) -> None:
        """Stop, and leave the receivers to other workers; what was posted and not written down is posted again."""
        tasks = [*self._serving.values(), *([] if self._running is None else [self._running])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=END_SECONDS)
        if self._client is not None:
            await self._client.aclose()
        if self._serving:
            leaving = partial(_let_go, receivers=sorted(self._serving), worker=self._worker)
            try:
                await asyncio.wait_for(self._desk.change(leaving), END_SECONDS)
            except (Unavailable, TimeoutError):
                log.info("receivers were not given up; their leases expire by themselves")

    async def turn(self) -> None:
        """Address what is new, and begin to post what is due."""
        look = await self._desk.read(lambda ledger, live: _look(ledger, live, self._now()))
        if look.unaddressed:
            await self._desk.change(lambda ledger, live: address(ledger, live, self._now(), 16 * PORTION))
        for receiver in look.due:
            known = self._address_of(receiver, look.notify)
            if known is not None and (receiver not in self._serving or self._serving[receiver].done()):
                self._serving[receiver] = asyncio.create_task(self._serve(receiver, known))
        if monotonic() >= self._forget_at:
            n = await self._desk.change(lambda ledger, _: forget_old(ledger, self._now(), 16 * PORTION))
            self._forget_at = monotonic() + (0.0 if n else FORGET_SECONDS)

    async def settled(self) -> None:
        """Wait until nothing is being posted."""
        await asyncio.gather(*self._serving.values())

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
            except (Unavailable, Overloaded, Draining):
                pass  # the keeper says so; what waits is in the ledger
            except Exception as error:
                log.warning("notices are delayed", error=type(error).__name__)
            await asyncio.sleep(TICK_SECONDS)

    def _address_of(self, receiver: str, notify: Mapping[str, Notify]) -> _Address | None:
        """Where and how to post; None, and one line in the log, when the environment does not say."""
        trouble = None
        if receiver not in self._receivers:
            trouble = "OPTIMIZER_RECEIVERS does not say where it is"
        elif notify[receiver].format == "standard" and not self._receivers[receiver].secrets:
            trouble = "OPTIMIZER_RECEIVERS has no secret to sign with"
        if trouble is None:
            return _Address(notify[receiver], self._receivers[receiver])
        if receiver not in self._warned:
            log.warning("notices wait", receiver=receiver, trouble=trouble)
        self._warned.add(receiver)
        return None

    async def _serve(self, receiver: str, known: _Address) -> None:
        """Post what is due for one receiver, until nothing is."""
        try:
            while True:
                letters = await self._desk.change(
                    partial(take, receiver=receiver, worker=self._worker, now=self._now(), most=PORTION)
                )
                if not letters:
                    return
                # Well before the lease is over, the rest is left to whoever holds the receiver next.
                until = monotonic() + LEASE / SECOND - 2 * TIMEOUT_SECONDS
                if not await self._post_all(receiver, known, letters, until):
                    await self._desk.change(partial(_let_go, receivers=[receiver], worker=self._worker))
                    return
        except (Unavailable, Overloaded, Draining):
            pass  # what was posted and not written down is posted again

    async def _post_all(self, receiver: str, known: _Address, letters: Sequence[Letter], until: float) -> bool:
        """Post some notices, those about one recipient in their order; whether the receiver could be reached."""
        lanes: dict[str, list[Letter]] = defaultdict(list)
        for letter in letters:
            about = letter.due.announced.about
            lanes["" if about is None else about.recipient_key].append(letter)
        turns, reached = asyncio.Semaphore(LANES), True

        async def post_in_order(lane: Sequence[Letter]) -> None:
            nonlocal reached
            async with turns:
                for letter in lane:
                    if not reached or monotonic() >= until:
                        return
                    attempt = await self._post(known, letter)
                    reached = reached and attempt.reached
                    telemetry.posted(receiver, "delivered" if attempt.delivered else "failed")
                    await self._desk.change(
                        partial(_settle, receiver=receiver, due=letter.due, attempt=attempt, now=self._now())
                    )

        await asyncio.gather(*map(post_in_order, lanes.values()))
        return reached

    async def _post(self, known: _Address, letter: Letter) -> Attempt:
        if letter.data is None:
            return Attempt(delivered=False, trouble="whom it is about cannot be said any more", again=False)
        body = body_of(known.notify, letter)
        secrets = known.receiver.secrets
        headers = {"content-type": "application/json"}
        if secrets:
            seconds = self._now() // SECOND
            headers |= signed_headers(secrets, letter.due.announced.notice_id, seconds, body)
        if self._client is None:
            self._client = _client()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                url = known.receiver.url.get_secret_value()
                async with self._client.stream("POST", url, content=body, headers=headers) as answer:
                    await _read_little(answer)
        except (TimeoutError, httpx.TimeoutException):
            return Attempt(delivered=False, trouble=f"no answer within {TIMEOUT_SECONDS:.0f} seconds", reached=False)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # its text could name the URL
            return Attempt(delivered=False, trouble=f"not reached: {type(error).__name__}", reached=False)
        return judged(answer.status_code)


def body_of(notify: Notify, letter: Letter) -> bytes:
    """What is posted; the same at every attempt."""
    announced = letter.due.announced
    data, at = dict(letter.data or {}), isoformat(announced.at)
    if notify.format == "slack":
        return orjson.dumps(slack_message(announced.kind, announced.campaign_id, data, at))
    return orjson.dumps({"type": announced.kind.value, "timestamp": at, "data": data})


def signed_headers(secrets: Sequence[str], notice_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: id, time of the attempt, and a signature with each secret (v1: HMAC-SHA256).

    Args:
        secrets: ``whsec_`` and a key in base64 each; see `settings.Receiver`.
        notice_id: stays the same at every attempt.
        seconds: since 1970.
        body: that is posted.
    """
    signed = f"{notice_id}.{seconds}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    signatures = [base64.b64encode(hmac.digest(key, signed, sha256)).decode() for key in keys]
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def judged(status: int) -> Attempt:
    """What an answer means: only 2xx is a success, and redirects are not followed."""
    if 200 <= status < 300:
        return Attempt(delivered=True)
    return Attempt(
        delivered=False,
        trouble=f"answered {status}",
        again=status != _GONE,
        reached=status < 500 and status not in _BUSY,
    )


async def _read_little(answer: httpx.Response) -> None:
    n = 0
    async for part in answer.aiter_raw():
        n += len(part)
        if n > MOST_ANSWER:
            return


def _client() -> httpx.AsyncClient:
    # A proxy that the environment names is used, as the operator wishes, but not on the way to this very machine.
    here = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}
    agent = {"user-agent": f"optimizer/{__version__}"}
    return httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, headers=agent, mounts=here)


def _look(ledger: Ledger, live: Live, now: Instant) -> _Look:
    workspace = live.at(ledger).workspace
    notify = {} if workspace is None else {one.id: one for one in workspace.strategy.notify}
    return _Look(ledger.notices.has_unaddressed(), ledger.notices.receivers_due(list(notify), now), notify)


def _settle(ledger: Ledger, _live: Live, *, receiver: str, due: Due, attempt: Attempt, now: Instant) -> None:
    settle(ledger, receiver, due, attempt, now)


def _let_go(ledger: Ledger, _live: Live, *, receivers: Sequence[str], worker: str) -> None:
    let_go(ledger, receivers, worker)
