"""API keys: made once, shown once, kept as a hash, compared in constant time, read again every second."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from threading import Event, Lock, Thread
from time import monotonic

import structlog

from optimizer.domain.instants import Instant
from optimizer.services.keys.rates import Bucket, Rate, Strangers
from optimizer.storage.access import StoredKey

PREFIX = "opt"
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
RANDOM_BYTES = 24
_CHECKSUM = 6
_SHOWN = 4
_SELECTOR = 16  # of the 64 digits of a hash
REFRESH_SECONDS = 1.0  # a revoked key opens nothing after this, and the time it takes to read a small table
GENEROUS = Rate(100_000, 200_000)  # of a key that has no rate of its own: about what one worker can do
LOOK_UPS = Rate(50, 200)  # reads of the ledger for keys nobody has heard of; each finds every new key
WRONG_KEYS = Rate(5, 100)  # from one client address
MOST_ADDRESSES = 10_000

log = structlog.get_logger("optimizer")


class Scope(StrEnum):
    """What a key may do."""

    DECIDE = "decide"
    REPORT_OUTCOMES = "report_outcomes"
    MANAGE = "manage"
    ANALYSE = "analyse"
    EVALUATE_LOCALLY = "evaluate_locally"  # gives the secret away: see docs/security.md


def new_key(environment: str, random: bytes) -> str:
    """A key ``opt_<environment>_<random><checksum>``; the checksum lets scanners and typos be told apart."""
    number = int.from_bytes(random)
    digits = ""
    while len(digits) < len(random) * 8 * 100 // 517 + 1:  # log2(36) is 5.17 bits a digit
        number, digit = divmod(number, 36)
        digits += _ALPHABET[digit]
    body = f"{PREFIX}_{environment}_{digits}"
    return body + _checksum(body)


def well_formed(key: str) -> bool:
    """Whether a text could be one of our keys: its checksum fits."""
    body, checksum = key[:-_CHECKSUM], key[-_CHECKSUM:]
    return key.startswith(f"{PREFIX}_") and hmac.compare_digest(
        _checksum(body).encode(), checksum.encode("utf-8", "surrogatepass")
    )


def key_hash(key: str) -> str:
    """What is stored of a key."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def hint_of(key: str) -> str:
    """Enough of a key to know a leaked one again, and too little to help a guess: 37 of its 192 bits at most."""
    start = key.rfind("_") + 1 + _SHOWN
    return f"{key[:start]}…{key[-_SHOWN:]}"


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """Who is calling, as their key says.

    Attributes:
        expires_at: from when on the key opens nothing; None while nobody has said so.
        bucket: what is left of the key's rate in this process.
    """

    key_hash: str
    name: str
    scopes: frozenset[Scope]
    expires_at: Instant | None = None
    bucket: Bucket = field(default_factory=lambda: Bucket(GENEROUS))

    def take(self, n: int) -> float:
        """0.0 if ``n`` items may pass now under the key's rate, and they are counted; else the seconds to wait."""
        return self.bucket.take(n)

    def owe(self, n: int) -> None:
        """Count ``n`` more items of a request that has passed already."""
        self.bucket.owe(n)


class KeyRing:
    """The keys a worker knows. An unknown key is looked for in the ledger before it is refused.

    A key is looked up by the first quarter of its SHA-256, and the whole hash is then compared in constant time. What
    the look-up's own time tells is about a hash, which nobody can steer towards a stored one without knowing the key.

    Args:
        load: every key of the ledger.
        now: the instant; keys expire by it at every use.
        rate: of keys that have none of their own.
        clock: seconds that never run backwards.
    """

    def __init__(
        self,
        load: Callable[[], Iterable[StoredKey]],
        now: Callable[[], Instant],
        rate: Rate = GENEROUS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.strangers = Strangers(WRONG_KEYS, MOST_ADDRESSES, clock)
        self._load = load
        self._now = now
        self._rate = rate
        self._clock = clock
        self._look_ups = Bucket(LOOK_UPS, clock)
        self._stored: frozenset[StoredKey] = frozenset()
        self._callers: Mapping[str, Caller] = {}
        self._lock = Lock()
        self._closing = Event()
        self._watcher: Thread | None = None

    def known(self, key: str) -> Caller | None:
        """Who holds this key, as far as is loaded; None if nobody does or it has expired. Cheap."""
        return self.holder(key_hash(key))

    def holder(self, hashed: str) -> Caller | None:
        """Who holds the key with this hash, as far as is loaded; as `known`."""
        caller = self._callers.get(hashed[:_SELECTOR])
        if caller is None or not hmac.compare_digest(caller.key_hash, hashed):
            return None
        return None if caller.expires_at is not None and self._now() >= caller.expires_at else caller

    def caller(self, key: str) -> Caller | None:
        """Who holds this key, asking the ledger once more; None if nobody does.

        A mistyped key is known by its checksum. Beyond `LOOK_UPS` nobody asks the ledger here: a new key then waits
        for the next refresh.
        """
        return self.looked_up(key_hash(key)) if well_formed(key) else None

    def looked_up(self, hashed: str) -> Caller | None:
        """Who holds the key with this hash, asking the ledger once more, as `caller` does; None if nobody does."""
        if self.holder(hashed) is None:
            with self._lock:
                may_ask = self._look_ups.take(1) == 0.0
            if may_ask:
                self.refresh()
        return self.holder(hashed)

    def refresh(self) -> None:
        """Read the keys; a key that has not changed keeps its bucket."""
        with self._lock:
            stored = frozenset(self._load())
            if stored == self._stored:
                return
            self._callers = {
                key.key_hash[:_SELECTOR]: self._callers[key.key_hash[:_SELECTOR]]
                if key in self._stored
                else self._caller(key)
                for key in stored
                if key.revoked_at is None
            }
            self._stored = stored

    def watch(self) -> None:
        """Refresh every `REFRESH_SECONDS` from now on, until closed.

        While the ledger cannot be read the keys stay as they were: then nothing can be decided or read with them.
        """
        self._watcher = Thread(target=self._keep_fresh, name="key-ring", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()

    def _keep_fresh(self) -> None:
        failing = False
        while not self._closing.wait(REFRESH_SECONDS):
            try:
                self.refresh()
                failing = False
            except Exception as error:  # whatever it was, the next second is another chance; it is said once
                if not failing:
                    log.warning("keys could not be read; revoked ones may still work", error=type(error).__name__)
                failing = True

    def _caller(self, key: StoredKey) -> Caller:
        rate = self._rate if key.per_second is None or key.burst is None else Rate(key.per_second, key.burst)
        scopes = frozenset(Scope(scope) for scope in key.scopes.split())
        return Caller(key.key_hash, key.name, scopes, key.expires_at, Bucket(rate, self._clock))


def _checksum(body: str) -> str:
    return sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:_CHECKSUM]
