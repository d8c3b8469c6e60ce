"""The life of an API key: made, rotated, revoked; each change is in the audit trail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optimizer.domain.instants import Duration, Instant, isoformat
from optimizer.errors import Conflict, InvalidRequest, NotFound, RequestFinding
from optimizer.services.keys.api_keys import Scope, hint_of, key_hash
from optimizer.services.keys.rates import Rate
from optimizer.storage.access import StoredKey
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

LONGEST_NAME = 64


def create_key(
    ledger: Ledger,
    key: str,
    *,
    name: str,
    scopes: Iterable[Scope],
    actor: str,
    now: Instant,
    expires_at: Instant | None = None,
    rate: Rate | None = None,
) -> StoredKey:
    """Store a new key's hash, name, scopes, end and rate.

    Raises:
        InvalidRequest: the name is empty, long or not printable, or the key would have expired already.
    """
    stored = _inserted(ledger, key, name=name, scopes=scopes, now=now, expires_at=expires_at, rate=rate)
    ledger.audit.append(AuditEntry(now, actor, "create key", name, stored.scopes, after=_said(stored)))
    return stored


def rotate_key(
    ledger: Ledger,
    key: str,
    *,
    name: str,
    overlap: Duration,
    actor: str,
    now: Instant,
    expires_at: Instant | None = None,
) -> StoredKey:
    """Store a new key beside the live ones of the same name, which end after the overlap.

    It has their scopes and rate. Unless said otherwise it lasts as long as the newest of them was meant to.

    Raises:
        NotFound: no live key has this name.
        Conflict: those that have it differ in scopes, so that nobody knows which is meant.
    """
    before = live_keys(ledger, name, now)
    newest = before[-1]
    if any(old.scopes != newest.scopes for old in before):
        found = " and ".join(sorted({old.scopes for old in before}))
        raise Conflict(f"key {name}: found keys with different scopes ({found}); allowed a name whose keys agree")
    if expires_at is None and newest.expires_at is not None:
        expires_at = now + newest.expires_at - newest.created_at
    rate = None if newest.per_second is None or newest.burst is None else Rate(newest.per_second, newest.burst)
    scopes = [Scope(scope) for scope in newest.scopes.split()]
    stored = _inserted(ledger, key, name=name, scopes=scopes, now=now, expires_at=expires_at, rate=rate)
    ends_at = now + overlap
    for old in before:
        if old.expires_at is None or old.expires_at > ends_at:
            ledger.keys.end(old._replace(expires_at=ends_at))
    old_ones = ", ".join(old.hint or "…" for old in before)
    note = f"{old_ones} until {isoformat(ends_at)}"
    ledger.audit.append(AuditEntry(now, actor, "rotate key", name, note, after=_said(stored)))
    return stored


def revoke_keys(ledger: Ledger, name: str, *, ending: str | None, actor: str, now: Instant) -> list[StoredKey]:
    """Make live keys of a name open nothing any more: all of them, or the one whose hint ends so.

    Raises:
        NotFound: no live key has this name and ending.
    """
    revoked = [key._replace(revoked_at=now) for key in live_keys(ledger, name, now, ending=ending)]
    for key in revoked:
        ledger.keys.end(key)
        ledger.audit.append(AuditEntry(now, actor, "revoke key", name, key.scopes, before=_said(key)))
    return revoked


def is_live(key: StoredKey, now: Instant) -> bool:
    """Whether a key opens anything."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


def live_keys(ledger: Ledger, name: str, now: Instant, *, ending: str | None = None) -> Sequence[StoredKey]:
    """The live keys of a name, the oldest first; at least one.

    Raises:
        NotFound: there is none.
    """
    live = [key for key in ledger.keys.all() if is_live(key, now)]
    found = [key for key in live if key.name == name and (ending is None or key.hint.endswith(ending))]
    if not found:
        wanted = repr(name) if ending is None else f"{name!r} ending in {ending!r}"
        named = ", ".join(sorted({key.name for key in live})) or "none; no key is live"
        raise NotFound(f"key: found no live key {wanted}; allowed {named}")
    return found


def _inserted(
    ledger: Ledger,
    key: str,
    *,
    name: str,
    scopes: Iterable[Scope],
    now: Instant,
    expires_at: Instant | None,
    rate: Rate | None,
) -> StoredKey:
    if not name.isprintable() or not 1 <= len(name.strip()) <= len(name) <= LONGEST_NAME:
        raise InvalidRequest(RequestFinding("name", f"{len(name)} characters", f"1 to {LONGEST_NAME} printable ones"))
    if expires_at is not None and expires_at <= now:
        raise InvalidRequest(RequestFinding("expires", isoformat(expires_at), f"a time after {isoformat(now)}"))
    stored = StoredKey(
        key_hash=key_hash(key),
        name=name,
        scopes=" ".join(sorted(set(scopes))),
        created_at=now,
        hint=hint_of(key),
        expires_at=expires_at,
        per_second=None if rate is None else rate.per_second,
        burst=None if rate is None else rate.burst,
    )
    ledger.keys.insert(stored)
    return stored


def _said(key: StoredKey) -> str:
    """A key in the audit trail."""
    parts = [key.hint]
    if key.expires_at is not None:
        parts.append(f"until {isoformat(key.expires_at)}")
    if key.per_second is not None:
        parts.append(f"{key.per_second}/s, {key.burst} at once")
    return ", ".join(part for part in parts if part)
