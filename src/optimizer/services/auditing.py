"""Audit: whether the trail still says what was written into it, and what may be written there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from unicodedata import category

from optimizer.domain.instants import Instant
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.services.live import Live
from optimizer.storage.audit import Link
from optimizer.storage.store import Ledger

LONGEST_NOTE = 1_000
_NOTE = f"a sentence that says why, of at most {LONGEST_NOTE:,} characters; it is kept in the audit trail"


@dataclass(frozen=True, slots=True)
class AuditVerification:
    """What following the chain has found.

    Attributes:
        entries: how many there are.
        chained: how many of them carry a hash; those from before the chain can be changed unseen.
        first_broken: number of the first entry that is not what was written, or that follows a gap.
        sentence: the result in words.
        head: hash of the last entry, empty when there is none. Whoever has kept an earlier head can prove with it
            that nothing was taken off the end since, which the chain alone cannot show.
    """

    entries: int
    chained: int
    first_broken: int | None
    sentence: str
    head: str

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return self.first_broken is None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the trail.

    Attributes:
        links: newest first.
        entries: how many there are, of all kinds.
        next_before: number before which the next page begins; None when this was all.
        campaigns, actors, actions: what may be asked for.
    """

    links: Sequence[Link]
    entries: int
    next_before: int | None
    campaigns: Sequence[str]
    actors: Sequence[str]
    actions: Sequence[str]


PAGE = 50


def audit_page(
    ledger: Ledger,
    live: Live,
    campaign: str | None,
    actor: str | None,
    action: str | None,
    before: int | None,
    _now: Instant,
) -> AuditPage:
    """Who changed what, newest first; only of one campaign, person or kind of action where they are given."""
    links = ledger.audit.latest(PAGE + 1, subject=campaign, before=before, actor=actor, action=action)
    actors, actions = ledger.audit.named()
    next_before = links[PAGE - 1].number if len(links) > PAGE else None
    last = ledger.audit.latest(1)
    entries = last[0].number if last else 0
    return AuditPage(links[:PAGE], entries, next_before, list(live.at(ledger).tactics), actors, actions)


def trail(ledger: Ledger, _live: Live, _now: Instant) -> AuditVerification:
    """Whether the trail is as it was written, for pages."""
    return verify_audit(ledger)


def verify_audit(ledger: Ledger, *, kept: str | None = None) -> AuditVerification:
    """Follow the audit trail from its first entry to its last (Haber & Stornetta 1991).

    Args:
        ledger: where it is.
        kept: hash of an entry that somebody noted earlier and that must still be in the chain.

    Returns:
        The first place at which an entry was changed, left out, put in or moved, if there is any.
    """
    return verification(ledger.audit.stream(), kept=kept)


def verification(links: Iterable[Link], *, kept: str | None = None) -> AuditVerification:
    """As `verify_audit`, of links in the order of their numbers."""
    entries = chained = 0
    broken: tuple[int, str] | None = None
    before: Link | None = None
    is_kept = kept is None
    for link in links:
        entries += 1
        chained += int(link.hash != "")
        is_kept = is_kept or link.hash == kept
        fault = _fault(link, before)
        if fault is not None and broken is None:
            broken = link.number, f"audit entry {link.number}: {fault}"
        before = link
    head = "" if before is None else before.hash
    if not is_kept and broken is None:
        missing = f"audit trail: found no entry with hash {kept}; allowed a trail that still holds it"
        broken = (1 if before is None else before.number + 1), missing
    if broken is not None:
        return AuditVerification(entries, chained, broken[0], broken[1], head)
    old = "" if chained == entries else f" ({entries - chained:,} of them are older than the chain and have no hash)"
    noun = "entry" if entries == 1 else "entries"
    return AuditVerification(entries, chained, None, f"audit trail: {entries:,} {noun}, unchanged{old}", head)


def noted(note: str) -> str:
    """A note for the audit trail, without blanks around it.

    Raises:
        InvalidRequest: it says nothing, is too long, or holds characters that are no text.
    """
    said = note.strip()
    if not said:
        raise InvalidRequest(RequestFinding("/note", "nothing", _NOTE))
    if len(said) > LONGEST_NOTE:
        raise InvalidRequest(RequestFinding("/note", f"{len(said):,} characters", _NOTE))
    # A database may refuse NUL and half a surrogate pair; other control characters would garble a terminal.
    wrong = next((character for character in said if category(character) in {"Cc", "Cs"} and character != "\n"), None)
    if wrong is not None:
        raise InvalidRequest(RequestFinding("/note", f"the character U+{ord(wrong):04X}", _NOTE))
    return said


def about_nobody(note: str, recipients: Sequence[str]) -> str:
    """A note that may be kept for ever, as it does not name the recipients it is about.

    Raises:
        InvalidRequest: it does, or it says nothing.
    """
    said = noted(note)
    for recipient in recipients:
        named = rf"(?<![A-Za-z0-9]){re.escape(recipient)}(?![A-Za-z0-9])"
        if recipient.lower() in said.lower() and re.search(named, said, re.IGNORECASE):
            allowed = "a sentence that does not name them: the audit trail is never changed, and they may be erased"
            raise InvalidRequest(RequestFinding("/note", "the recipient's id", allowed))
    return said


def _fault(link: Link, before: Link | None) -> str | None:
    """What is wrong with an entry, given the one before it."""
    if not link.hash and (before is None or not before.hash):
        return None  # the chain began later, in a trail that was kept before
    following, previous_hash = (1, "") if before is None else (before.number + 1, before.hash)
    faults = (
        (link.number != following, f"found it where number {following} belongs; allowed no gap"),
        (not link.hash, "found it without a hash; allowed only before the first entry that has one"),
        (link.previous_hash != previous_hash, "found another hash of the entry before it; allowed the one it has"),
        (not _is_intact(link), "found it changed after it was written; allowed what its hash says"),
    )
    return next((sentence for applies, sentence in faults if applies), None)


def _is_intact(link: Link) -> bool:
    try:
        return link.is_intact
    except TypeError:  # what stands there now is of a kind that was never written
        return False
