"""API keys: made once, shown once, kept as a hash, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from threading import Lock

from optimizer.domain.instants import Instant
from optimizer.storage.access import StoredKey
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

PREFIX = "opt"
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
RANDOM_BYTES = 24
_CHECKSUM = 6


class Scope(StrEnum):
    """What a key may do."""

    DECIDE = "decide"
    REPORT_OUTCOMES = "report_outcomes"
    MANAGE = "manage"
    ANALYSE = "analyse"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, as their key says."""

    name: str
    scopes: frozenset[Scope]


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


def create_key(ledger: Ledger, key: str, *, name: str, scopes: Iterable[Scope], actor: str, now: Instant) -> None:
    """Store a new key's hash, name and scopes."""
    chosen = " ".join(sorted(set(scopes)))
    ledger.keys.insert(StoredKey(key_hash(key), name, chosen, now))
    ledger.audit.append(AuditEntry(now, actor, "create key", name, chosen))


class KeyRing:
    """The keys a worker knows. An unknown key is looked for once more in the ledger before it is refused."""

    def __init__(self, load: Callable[[], list[StoredKey]]) -> None:
        self._load = load
        self._callers: dict[str, Caller] = {}
        self._lock = Lock()

    def known(self, key: str) -> Caller | None:
        """Who holds this key, as far as is loaded."""
        return self._callers.get(key_hash(key))

    def caller(self, key: str) -> Caller | None:
        """Who holds this key; None if nobody does.

        The look-up is by SHA-256 of the key: what an attacker could learn from its timing is about a hash they
        cannot steer towards a stored one.
        """
        if not well_formed(key):
            return None
        hashed = key_hash(key)
        caller = self._callers.get(hashed)
        if caller is None:
            with self._lock:
                self._callers = {
                    stored.key_hash: Caller(stored.name, frozenset(map(Scope, stored.scopes.split())))
                    for stored in self._load()
                }
            caller = self._callers.get(hashed)
        return caller


def _checksum(body: str) -> str:
    return sha256(body.encode("utf-8", "surrogatepass")).hexdigest()[:_CHECKSUM]
