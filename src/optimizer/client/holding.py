"""Bundles as a client holds them: fetched in the background, used while they are young, and no longer."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from typing import Final

from msgspec import Struct
from msgspec.json import Decoder

from optimizer.client.answers import Message, Targeting
from optimizer.client.calls import bundle_call
from optimizer.client.driving import Driver
from optimizer.client.errors import ClientError, Refused
from optimizer.client.exchange import Patience
from optimizer.domain.instants import SECOND, Instant, instant
from optimizer.engine.apart import Apart
from optimizer.engine.basis import BUNDLE_FORMAT, read_basis
from optimizer.strategy.variants import Variant

log = logging.getLogger("optimizer.client")
TIME_HEADER: Final = "x-optimizer-time"
EVERY_SECONDS: Final = 5.0
_CHANCE: Final = 0.2  # by which a wait is longer or shorter, so that clients do not ask all at once


class _Said(Struct, frozen=True):
    """What the service answers."""

    format: int
    local: bool
    reason: str | None = None
    bundle: int = 0
    most_age_seconds: float = 0.0
    secret: str = ""
    asks: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    basis: str = ""


_SAID = Decoder(_Said)
Words = tuple[str, Message, Targeting | None]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A bundle that decides.

    Attributes:
        number: for the upload.
        apart: the campaign, ready to decide.
        asks: attributes a request must say.
        words: id, message and targeting of each arm.
        most_age: seconds after which nobody may decide by it any more.
    """

    number: int
    apart: Apart
    asks: tuple[str, ...]
    words: Sequence[Words]
    most_age: float


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of a campaign.

    Attributes:
        held: what decides; None where the service must.
        reason: why it must.
        etag: of the answer.
        asked_at: when it was asked for, by the steady clock: it may be as old as that.
        heard_at: when the answer came.
        time: the service's clock when it answered.
    """

    held: Held | None
    reason: str | None
    etag: str | None
    asked_at: float
    heard_at: float
    time: Instant

    def now(self, clock: float) -> Instant:
        """The instant by the service's clock; the one of this machine may be wrong."""
        return self.time + int((clock - self.heard_at) * SECOND)


UNASKED: Final = Known(None, "the service has not been asked yet", None, 0.0, 0.0, 0)


def steady() -> float:
    """Seconds by a clock that nobody sets, and that goes on while the machine sleeps where there is such a one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Holding:
    """Keeps the bundles of some campaigns.

    Args:
        campaigns: to decide for.
        driver: asks.
        patience: how long for.
        most_age: seconds after which a bundle that was not confirmed decides nothing; never more than it says itself.
        every: seconds between two questions.
    """

    def __init__(
        self, campaigns: Sequence[str], driver: Driver, patience: Patience, most_age: float, every: float
    ) -> None:
        self._driver, self._patience = driver, patience
        self._most_age, self._every = most_age, every
        self._known: dict[str, Known] = dict.fromkeys(campaigns, UNASKED)
        self._closing, self._asked = Event(), Event()
        self._thread = Thread(target=self._keep, name="optimizer-bundles", daemon=True)
        self._thread.start()

    def usable(self, campaign: str, clock: float) -> tuple[Held, Instant] | None:
        """What decides a campaign now, and the instant; None where the service must."""
        known = self._known.get(campaign)
        if known is None or known.held is None or clock - known.asked_at > known.held.most_age:
            return None
        return known.held, known.now(clock)

    def reasons(self) -> Mapping[str, str | None]:
        """By campaign, why the service must decide; None where it need not."""
        clock = steady()
        return {
            campaign: known.reason
            if known.held is None or clock - known.asked_at <= known.held.most_age
            else f"age: found a bundle of {clock - known.asked_at:.0f} s; allowed {known.held.most_age:.0f} s"
            for campaign, known in self._known.items()
        }

    def wait(self, timeout: float) -> None:
        """Wait until every campaign has been asked for once."""
        self._asked.wait(timeout)

    def close(self) -> None:
        """Ask for nothing more, and forget what there is: it holds a secret."""
        self._closing.set()
        self._thread.join(self._patience.timeouts.total)
        self._known.clear()

    def _keep(self) -> None:
        while not self._closing.is_set():
            for campaign in list(self._known):
                if not self._closing.is_set():
                    self._known[campaign] = self._asked_again(campaign, self._known[campaign])
            self._asked.set()
            self._closing.wait(self._every * (1 + _CHANCE * (2 * random.random() - 1)))  # noqa: S311 - no secret

    def _asked_again(self, campaign: str, before: Known) -> Known:
        asked_at = steady()
        try:
            reply = self._driver.run(self._patience.exchange(bundle_call(campaign, before.etag)))
            at = instant(datetime.fromisoformat(reply.headers[TIME_HEADER]))
            heard_at = steady()
            if reply.status == 304:
                return Known(before.held, before.reason, before.etag, asked_at, heard_at, at)
            held, reason = self._read(reply.body)
            return Known(held, reason, reply.headers.get("etag"), asked_at, heard_at, at)
        except Refused as error:  # it may no longer have what it had
            return self._none(before, str(error))
        except ClientError as error:
            log.warning("bundle of %s: %s", campaign, error)
            return before  # it grows old meanwhile
        except Exception as error:  # a bundle that cannot be used decides nothing
            return self._none(before, f"bundle: found one that cannot be used ({type(error).__name__})")

    def _read(self, body: bytes) -> tuple[Held | None, str | None]:
        said = _SAID.decode(body)
        if said.format != BUNDLE_FORMAT:
            older = "so the client is older than the service"
            return None, f"format: found {said.format}; allowed {BUNDLE_FORMAT}, {older}"
        if not said.local:
            return None, said.reason or "the service says so"
        basis = read_basis(said.basis.encode())
        nobody = (frozenset(said.suppressed), frozenset(said.barred), frozenset(said.refused))
        apart = Apart(basis, bytes.fromhex(said.secret), *nobody)
        words = [_words(variant) for variant in apart.tactic.variants]
        most_age = min(self._most_age, said.most_age_seconds)
        return Held(said.bundle, apart, said.asks, words, most_age), None

    @staticmethod
    def _none(before: Known, reason: str) -> Known:
        if before.reason != reason:
            log.warning("%s", reason)
        return Known(None, reason, None, before.asked_at, before.heard_at, before.time)


def _words(variant: Variant) -> Words:
    message, targeting = variant.message, variant.targeting
    return (
        variant.variant_id,
        Message(message.id, message.subject, message.body, dict(message.fields or {})),
        None if targeting is None else Targeting(targeting.id, dict(targeting.fields or {})),
    )
