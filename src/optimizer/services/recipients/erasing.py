"""Erase: nothing of a person stays in the ledger, and everything that was counted stays as it was.

Statistics, meters and snapshots are sums over many; they hold nobody. Decisions, outcomes and commitments are what
those sums are made of, so their rows stay, with everything taken out that says or leads to whom they were about.
Profiles, consents, suppressions and reports in quarantine are about one person alone: they go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from optimizer.domain.instants import DAY, Instant
from optimizer.policy.draw import recipient_keys, tombstones
from optimizer.services.auditing import about_nobody
from optimizer.services.live import DOCUMENTS, TOMBSTONES, Live
from optimizer.services.recipients.suppressing import check_recipients, people
from optimizer.storage.audit import AuditEntry
from optimizer.storage.consents import Tombstone
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure found and took out.

    Attributes:
        recipients: how many were asked for.
        profiles: of how many of them there was a profile.
        decisions: how many decisions are anonymous now.
        quarantined: how many reports left the quarantine.
        tombstones: how many entries bar somebody who said no from being contacted again.
    """

    recipients: int
    profiles: int
    decisions: int
    quarantined: int
    tombstones: int


def erase(
    ledger: Ledger,
    live: Live,
    recipients: Sequence[str],
    *,
    forget_suppressions: bool,
    random_id: Callable[[], str],
    actor: str,
    now: Instant,
    note: str = "",
) -> Erased:
    """Leave nothing of some people.

    Whoever was suppressed, or refused a channel, keeps a tombstone: a hash that nothing else in the ledger has, from
    which no decision can be found, and that only somebody who knows the recipient's id and the secret can compute.

    Args:
        ledger: the ledger.
        live: gives the secret and the pseudonyms.
        recipients: the callers' ids.
        forget_suppressions: leave no tombstones either: whoever comes back may be contacted again.
        random_id: gives a new random id at each call.
        actor: who does it; the audit trail names nobody else.
        now: the instant.
        note: why, as the audit trail keeps it for ever; empty when nobody said.

    Raises:
        InvalidRequest: a recipient is none, or the note names one.
    """
    check_recipients(recipients)
    note = about_nobody(note, recipients) if note else ""
    persons = list(dict.fromkeys(recipient_keys(live.secret, recipients)))
    ledger.revisions.hold(DOCUMENTS)
    keys = live.at(ledger).pseudonyms.keys_of(persons)
    profiles = ledger.recipients.of(keys)
    left = [] if forget_suppressions else _tombstones(ledger, live, dict(zip(keys, persons, strict=True)), now)
    decisions = ledger.persons.decided_about(keys)
    quarantined = ledger.persons.quarantined(keys, [decision.decision_id for decision in decisions])
    ledger.persons.empty(decisions, random_id)
    ledger.persons.forget(keys)
    ledger.quarantine.release(quarantined)
    if forget_suppressions:
        for hashed in tombstones(live.secret, persons):
            ledger.tombstones.remove(hashed)
    elif left:
        ledger.tombstones.add(left)
        if not live.at(ledger).has_tombstones:
            ledger.revisions.bump(TOMBSTONES)
    ledger.audit.append(AuditEntry(now, actor, "erase", people(len(persons)), note))
    return Erased(len(persons), len(profiles), len(decisions), len(quarantined), len(left))


def _tombstones(ledger: Ledger, live: Live, person_of: dict[str, str], now: Instant) -> list[Tombstone]:
    """One for each channel that somebody is kept from, dated to the day.

    The instant of the suppression would be that of the outcome that caused it, and so lead to a decision.
    """
    keys = list(person_of)
    barred = {key: set(channels) for key, channels in ledger.suppressions.of(keys).items()}
    for key, profile in ledger.recipients.of(keys).items():
        barred.setdefault(key, set()).update(channel for channel, agreed in profile.consent.items() if not agreed)
    day = now - now % DAY
    hashes = tombstones(live.secret, [person_of[key] for key in barred])
    return [
        Tombstone(hashed, channel, day)
        for hashed, channels in zip(hashes, barred.values(), strict=True)
        for channel in sorted(channels)
    ]
