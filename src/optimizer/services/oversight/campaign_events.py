"""What happened to a campaign, from the audit trail: who did what, when and why, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from optimizer.domain.instants import Instant
from optimizer.engine.raising import SILENCE
from optimizer.figures.marks import MarkKind
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

MOST_EVENTS: Final = 60
_MOST_VERSIONS: Final = 40

_KINDS: Final = {
    "apply": MarkKind.STRATEGY,
    "approve": MarkKind.APPROVAL,
    "pause": MarkKind.PAUSE,
    "stop": MarkKind.PAUSE,
    "resume": MarkKind.RESUME,
    "alert": MarkKind.BREACH,
    "begin rollout": MarkKind.STAGE,
    "advance rollout": MarkKind.STAGE,
    "advance": MarkKind.STAGE,
    "release": MarkKind.STAGE,
    "roll back": MarkKind.STAGE,
    "hold rollout": MarkKind.BREACH,
}


@dataclass(frozen=True, slots=True)
class CampaignEvent:
    """Something that happened.

    Attributes:
        kind: what it is drawn as.
        who: name of a person's key, or ``optimizer``.
        what: in words, such as ``pause last-chance``.
        why: the note of a person, or the sentence of a guardrail.
        became: what it is now, where the trail says so.
    """

    at: Instant
    kind: MarkKind
    who: str
    what: str
    why: str
    became: str


def campaign_events(ledger: Ledger, campaign_id: str) -> tuple[CampaignEvent, ...]:
    """What happened to a campaign, newest first: the last of it, and versions of the strategy that changed it."""
    own = ledger.audit.latest(MOST_EVENTS, subject=campaign_id)
    versions = [
        link for link in ledger.audit.latest(_MOST_VERSIONS, action="apply") if _changes(link.entry, campaign_id)
    ]
    links = sorted([*own, *versions], key=lambda link: -link.number)[:MOST_EVENTS]
    return tuple(_event(link.entry, campaign_id) for link in links)


def _changes(entry: AuditEntry, campaign_id: str) -> bool:
    """Whether a version says something of this campaign, or of all; long lists are cut short and may not say it."""
    about = entry.after
    return f"campaign {campaign_id}:" in about or f"campaign {campaign_id} " in about or "strategy" in about


def _event(entry: AuditEntry, campaign_id: str) -> CampaignEvent:
    kind = _KINDS.get(entry.action, MarkKind.PERSON)
    if entry.action == "alert" and entry.after == f"alarm: {SILENCE}":
        kind = MarkKind.SILENCE
    part = "" if entry.subject == campaign_id else entry.subject.removeprefix(f"{campaign_id}/").partition(" (")[0]
    return CampaignEvent(entry.at, kind, entry.actor, f"{entry.action} {part}".strip(), entry.note, entry.after)
