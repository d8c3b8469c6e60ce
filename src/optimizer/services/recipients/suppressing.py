"""Suppress: recipients who get nothing, because a person said so.

The audit trail says how many they were and names none of them: it can never be changed, and they may be erased. Who is
on the list, since when and because of whom, the list itself says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from optimizer.domain.instants import Instant
from optimizer.errors import Conflict, InvalidRequest, RequestFinding
from optimizer.policy.draw import recipient_key, recipient_keys, tombstones
from optimizer.services.auditing import about_nobody
from optimizer.services.live import DOCUMENTS, Live
from optimizer.services.recipients.memberships import changed_all
from optimizer.storage.audit import AuditEntry
from optimizer.storage.controls import EVERY_CHANNEL, Suppression
from optimizer.storage.store import Ledger

RECIPIENT_PATTERN = r"^[A-Za-z0-9._:@+=/~|-]{1,128}$"  # what callers may send as a recipient
ERASED = "erased after a no"  # source of an entry of which only a tombstone is left


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
        InvalidRequest: the note says nothing or names one of them, a recipient is none, or the documents have no
            such channel.
        Conflict: a channel is named, but no documents are in force that could have it.
    """
    said, keys = about_nobody(note, recipients), _keys(ledger, live, recipients)
    ledger.revisions.hold(DOCUMENTS)  # the one order of locks: documents, then the audit trail
    _check_channel(ledger, live, channel)
    chosen = EVERY_CHANNEL if channel is None else channel
    listed = ledger.suppressions.of(keys)
    new = [key for key in keys if chosen not in listed.get(key, ())]
    if new:
        ledger.suppressions.add(Suppression(key, chosen, now, f"by {actor}") for key in new)
        changed_all(ledger, live, dict.fromkeys(new), now)  # whoever is told of their segments hears of it now
        entry = AuditEntry(now, actor, "suppress", people(len(new)), said, "", _on(chosen))
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
        InvalidRequest: the note says nothing or names one of them, or a recipient is none.
    """
    said, keys = about_nobody(note, recipients), _keys(ledger, live, recipients)
    ledger.revisions.hold(DOCUMENTS)
    listed = ledger.suppressions.of(keys)
    gone: list[str] = []
    for key, hashed in zip(keys, _tombstones(ledger, live, keys), strict=True):
        channels = sorted(listed.get(key, ())) if channel is None else [channel]
        removed = [name for name in channels if ledger.suppressions.remove(key, name)]
        exhumed = 0 if hashed is None else ledger.tombstones.remove(hashed, channel)
        gone += [key] if removed or exhumed else []
    chosen = EVERY_CHANNEL if channel is None else channel
    if gone:
        changed_all(ledger, live, dict.fromkeys(gone), now)
        ledger.audit.append(AuditEntry(now, actor, "unsuppress", people(len(gone)), said, _on(chosen), ""))
    return Suppressed(len(gone), len(keys) - len(gone), chosen)


def suppression(ledger: Ledger, live: Live, recipient: str) -> list[Suppression]:
    """Why, since when and on which channels a recipient gets nothing; empty when they are not on the list."""
    key = live.at(ledger).pseudonyms.key_of(recipient_key(live.secret, recipient))
    (hashed,) = _tombstones(ledger, live, [key])
    buried = [] if hashed is None else ledger.tombstones.entries(hashed)
    return [*ledger.suppressions.entries(key), *(Suppression(key, one.channel, one.at, ERASED) for one in buried)]


def check_recipients(recipients: Sequence[str]) -> None:
    """Refuse what cannot be a recipient.

    Raises:
        InvalidRequest: naming the first that is none.
    """
    for number, recipient in enumerate(recipients, start=1):
        if re.fullmatch(RECIPIENT_PATTERN, recipient) is None:
            allowed = "1 to 128 letters, digits or any of . _ : @ + = / ~ | -"
            raise InvalidRequest(RequestFinding(f"/recipients/{number}", f"{recipient!r:.60}", allowed))


def people(n: int) -> str:
    """So many recipients, in words."""
    return "1 recipient" if n == 1 else f"{n:,} recipients"


def _keys(ledger: Ledger, live: Live, recipients: Sequence[str]) -> list[str]:
    """Keys of the recipients, each once, in their order."""
    check_recipients(recipients)
    persons = list(dict.fromkeys(recipient_keys(live.secret, recipients)))
    return live.at(ledger).pseudonyms.keys_of(persons)


def _tombstones(ledger: Ledger, live: Live, keys: Sequence[str]) -> list[str | None]:
    """What would be left of each of them, had they been erased; None for all while nothing is left of anybody."""
    loaded = live.at(ledger)
    if not loaded.has_tombstones:
        return [None] * len(keys)
    return list(tombstones(live.secret, loaded.pseudonyms.persons_of(keys)))


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


def _on(channel: str) -> str:
    return "every channel" if channel == EVERY_CHANNEL else channel
