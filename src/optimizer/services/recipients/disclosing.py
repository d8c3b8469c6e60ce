"""Disclose: everything the ledger keeps about one recipient, for whoever has asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Decision
from optimizer.domain.happenings import Happening
from optimizer.domain.instants import Instant
from optimizer.domain.outcome import Outcome
from optimizer.policy.draw import recipient_key
from optimizer.services.live import Live
from optimizer.services.recipients.profiles import believed_sources, known_profiles
from optimizer.services.recipients.suppressing import suppression
from optimizer.storage.consents import Consent
from optimizer.storage.controls import Suppression
from optimizer.storage.memberships import Membership
from optimizer.storage.notices import Announced
from optimizer.storage.outcomes import Kept
from optimizer.storage.recipients import Profile
from optimizer.storage.store import Ledger
from optimizer.strategy.variants import Variant


@dataclass(frozen=True, slots=True)
class About:
    """One decision, with the words it sent and what came of it."""

    decision: Decision
    variant: Variant | None
    commitment: Commitment | None
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Everything that is kept about one recipient.

    Attributes:
        recipient: the caller's id.
        recipient_key: what stands for it in the ledger.
        at: instant of the disclosure.
        profile: with what each source said; None when there is none.
        believed: by attribute, the source that decisions go by.
        consents: every change of a consent, the oldest first.
        suppressions: why nothing is sent, if so.
        decisions: in order of time.
        behaviour: what attributes follow from, in order of time.
        quarantine: reports that could not be used.
        memberships: which segments the recipient is in, of campaigns that announce it.
        notices: what others are, or were a day ago, told about the recipient.
    """

    recipient: str
    recipient_key: str
    at: Instant
    profile: Profile | None
    believed: Mapping[str, str | None]
    consents: Sequence[Consent]
    suppressions: Sequence[Suppression]
    decisions: Sequence[About]
    behaviour: Sequence[Happening]
    quarantine: Sequence[Kept]
    memberships: Sequence[Membership]
    notices: Sequence[Announced]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept."""
        return (
            self.profile is None
            and not (self.consents or self.suppressions or self.decisions or self.behaviour or self.quarantine)
            and not (self.memberships or self.notices)
        )


def disclose(ledger: Ledger, live: Live, recipient: str, now: Instant) -> Disclosure:
    """Everything that is kept about a recipient; decisions that are anonymous already cannot be found any more."""
    loaded = live.at(ledger)
    key = loaded.pseudonyms.key_of(recipient_key(live.secret, recipient))
    profile = known_profiles(ledger, loaded, [key], now).get(key)
    decision_ids = [one.decision_id for one in ledger.persons.decided_about([key], lock=False)]
    decisions = ledger.decisions.by_id(decision_ids)
    outcomes = ledger.outcomes.of(decision_ids)
    return Disclosure(
        recipient=recipient,
        recipient_key=key,
        at=now,
        profile=profile,
        believed={} if profile is None else believed_sources(loaded, profile.said, now),
        consents=ledger.consents.of(key),
        suppressions=suppression(ledger, live, recipient),
        decisions=[
            About(
                decision,
                live.variant(ledger, decision),
                ledger.commitments.read(decision),
                sorted(outcomes.get(decision.decision_id, ()), key=lambda o: (o.occurred_at, o.event_id)),
            )
            for decision in sorted(decisions.values(), key=lambda d: (d.decided_at, d.decision_id))
        ],
        behaviour=sorted(ledger.happenings.of([key]).get(key, ()), key=lambda h: (h.occurred_at, h.event_id)),
        quarantine=ledger.quarantine.of(ledger.persons.quarantined([key], decision_ids)),
        memberships=ledger.memberships.of_recipient(key),
        notices=ledger.notices.about(key),
    )
