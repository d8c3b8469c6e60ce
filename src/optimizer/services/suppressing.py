"""Suppress: recipients who get nothing, because a person said so. The trail names them by their keyed hash only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from optimizer.domain.instants import Instant
from optimizer.errors import Conflict, InvalidRequest, RequestFinding
from optimizer.policy.draw import recipient_key
from optimizer.services.auditing import noted
from optimizer.services.live import DOCUMENTS, Live
from optimizer.storage.audit import AuditEntry
from optimizer.storage.controls import EVERY_CHANNEL, Suppression
from optimizer.storage.store import Ledger

RECIPIENT_PATTERN = r"^[A-Za-z0-9._:@+=/~|-]{1,128}$"  # what callers may send as a recipient
_NAMED_ONE_BY_ONE = 20  # in the audit trail; of longer lists it keeps a digest


class Suppressed(NamedTuple):
    """What became of a wish about the suppression list.

    Attributes:
        changed: recipients whose entries changed.
        unchanged: recipients for whom it was so already.
        channel: the channel, or `EVERY_CHANNEL`.
    """

    changed: int
    unchanged: int
    channel: str


def suppress(
    ledger: Ledger,
    live: Live,
    recipients: Sequence[str],
    channel: str | None,
    *,
    actor: str,
    note: str,
    now: Instant,
) -> Suppressed:
    """Put recipients on the suppression list of a channel; of every channel when that is None.

    Raises:
        InvalidRequest: the note says nothing, a recipient is none, or the documents have no such channel.
        Conflict: a channel is named, but no documents are in force that could have it.
    """
    said, keys = noted(note), _keys(live, recipients)
    ledger.revisions.hold(DOCUMENTS)  # the one order of locks: documents, then the audit trail
    _check_channel(ledger, live, channel)
    chosen = EVERY_CHANNEL if channel is None else channel
    listed = ledger.suppressions.of(keys)
    new = [key for key in keys if chosen not in listed.get(key, ())]
    if new:
        ledger.suppressions.add(Suppression(key, chosen, now, f"by {actor}") for key in new)
        entry = AuditEntry(now, actor, "suppress", _subject(new), said, "", f"{_on(chosen)}: {_named(new)}")
        ledger.audit.append(entry)
    return Suppressed(len(new), len(keys) - len(new), chosen)


def unsuppress(
    ledger: Ledger,
    live: Live,
    recipients: Sequence[str],
    channel: str | None,
    *,
    actor: str,
    note: str,
    now: Instant,
) -> Suppressed:
    """Take recipients off the suppression list of a channel, or off all of it when that is None.

    Somebody who is on the list of every channel stays there when one channel is named.

    Raises:
        InvalidRequest: the note says nothing, or a recipient is none.
    """
    said, keys = noted(note), _keys(live, recipients)
    ledger.revisions.hold(DOCUMENTS)
    listed = ledger.suppressions.of(keys)
    gone: list[str] = []
    for key in keys:
        channels = sorted(listed.get(key, ())) if channel is None else [channel]
        removed = [name for name in channels if ledger.suppressions.remove(key, name)]
        gone += [key] * bool(removed)
    chosen = EVERY_CHANNEL if channel is None else channel
    if gone:
        entry = AuditEntry(now, actor, "unsuppress", _subject(gone), said, f"{_on(chosen)}: {_named(gone)}", "")
        ledger.audit.append(entry)
    return Suppressed(len(gone), len(keys) - len(gone), chosen)


def suppression(ledger: Ledger, live: Live, recipient: str) -> list[Suppression]:
    """Why, since when and on which channels a recipient gets nothing; empty when they are not on the list."""
    return ledger.suppressions.entries(recipient_key(live.secret, recipient))


def _keys(live: Live, recipients: Sequence[str]) -> list[str]:
    """Keys of the recipients, each once, in their order."""
    for number, recipient in enumerate(recipients, start=1):
        if re.fullmatch(RECIPIENT_PATTERN, recipient) is None:
            allowed = "1 to 128 letters, digits or any of . _ : @ + = / ~ | -"
            raise InvalidRequest(RequestFinding(f"/recipients/{number}", f"{recipient!r:.60}", allowed))
    return list(dict.fromkeys(recipient_key(live.secret, recipient) for recipient in recipients))


def _check_channel(ledger: Ledger, live: Live, channel: str | None) -> None:
    if channel is None:
        return
    workspace = live.at(ledger).workspace
    if workspace is None:
        raise Conflict(f"channel: found {channel!r}, but no documents are in force; allowed none, which is every one")
    known = {*workspace.strategy.channels, *(campaign.channel for campaign in workspace.campaigns.values())}
    if channel not in known:
        allowed = ", ".join(sorted(known)) or "none: the documents in force name no channel"
        raise InvalidRequest(RequestFinding("/channel", f"{channel!r:.60}", allowed))


def _subject(keys: Sequence[str]) -> str:
    return f"recipient {keys[0]}" if len(keys) == 1 else f"{len(keys)} recipients"


def _named(keys: Sequence[str]) -> str:
    if len(keys) <= _NAMED_ONE_BY_ONE:
        return ", ".join(keys)
    return f"SHA-256 of their keys, sorted, a line each: {sha256(chr(10).join(sorted(keys)).encode()).hexdigest()}"


def _on(channel: str) -> str:
    return "every channel" if channel == EVERY_CHANNEL else channel
