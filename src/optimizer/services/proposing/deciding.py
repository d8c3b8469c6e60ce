"""Accept and reject: what people decide about proposals. Each is one transaction, with a reason, and audited.

Accepting carries the change out in the same transaction: a new version of the documents, or a step of the rollout.
Whatever is refused is refused before anything is written, for others may share the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from optimizer.domain.instants import Instant, isoformat
from optimizer.domain.proposal_json import digest
from optimizer.domain.proposals import Kept, ProposalState
from optimizer.errors import Conflict, NotFound
from optimizer.services.auditing import noted
from optimizer.services.documents.applying import apply_workspace, awaiting_approval
from optimizer.services.live import DOCUMENTS, Live, Loaded
from optimizer.services.oversight import steering
from optimizer.services.proposing.fitting import proposed_documents
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger
from optimizer.strategy.variants import variants
from optimizer.strategy.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a proposal.

    Attributes:
        kept: as it is now.
        sentence: what is so now.
        awaiting: ``(campaign id, variant id)`` of what is not served any more, or not yet, until someone approves it.
        warnings: of putting the documents in force.
    """

    kept: Kept
    sentence: str
    awaiting: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def accept(
    ledger: Ledger, live: Live, number: int, *, actor: str, note: str, now: Instant, seen: str | None = None
) -> Decided:
    """Carry a proposal out.

    New words that it brings are drafts: nobody has approved them. Where the strategy asks for no approval they are
    paused instead, so that either way none is sent before somebody has read it.

    Args:
        ledger: where it is kept.
        live: the documents in force.
        number: which.
        actor: who decides.
        note: why.
        now: the instant.
        seen: `digest` of the proposal as the actor has looked at it; None does not ask.

    Raises:
        NotFound: no such proposal.
        InvalidRequest: the note says nothing.
        Conflict: it is not open any more, says something else than what was seen, or does not fit the documents any
            more; or the strategy names approvers, and the actor is none of them.
        Contended: other transactions may be writing.
    """
    said = noted(note)
    kept = _open(ledger, number)
    if seen is not None and seen != digest(kept.proposal):
        raise Conflict(
            f"proposal {number}: found other figures than those you have looked at; allowed the newest, as of "
            f"{isoformat(kept.as_of)}: look at them again"
        )
    loaded = live.at(ledger)
    approvers = loaded.workspace.strategy.approval.approvers if loaded.workspace else None
    if approvers is not None and actor not in approvers:
        raise Conflict(f"actor: found {actor}; allowed an approver of the strategy: {', '.join(approvers)}")
    if kept.proposal.steering is not None:
        done = _steered(ledger, live, kept, actor, said, now)
    else:
        done = _applied(ledger, live, loaded, kept, actor, said, now)
    became = done.kept.became_version
    after = f"accepted: {done.sentence}"
    ledger.proposals.update(done.kept)
    before = "open" if became is None else f"open; documents of version {loaded.version}"
    ledger.audit.append(AuditEntry(now, actor, "accept proposal", _subject(kept), said, before, after))
    return done


def reject(ledger: Ledger, number: int, *, actor: str, note: str, now: Instant) -> Decided:
    """Say no, and why; see `keeping` for when it may be made again.

    Raises:
        NotFound: no such proposal.
        InvalidRequest: the note says nothing.
        Conflict: it is not open any more.
    """
    said = noted(note)
    kept = _decided(_open(ledger, number), ProposalState.REJECTED, actor, said, now)
    ledger.proposals.update(kept)
    ledger.audit.append(AuditEntry(now, actor, "reject proposal", _subject(kept), said, "open", "rejected"))
    return Decided(kept, f"proposal {number} is rejected: it is not made again for the same evidence")


def proposal(ledger: Ledger, number: int) -> Kept:
    """One of them.

    Raises:
        NotFound: no such proposal.
    """
    kept = ledger.proposals.get(number)
    if kept is None:
        raise NotFound(f"proposal: found number {number}; allowed one of those that were made, see the list")
    return kept


def _open(ledger: Ledger, number: int) -> Kept:
    """The proposal, which nobody else decides about until this transaction ends."""
    ledger.revisions.hold(DOCUMENTS)
    kept = proposal(ledger, number)
    if kept.state is not ProposalState.OPEN:
        by = "" if kept.decided_by is None else f" by {kept.decided_by}"
        when = "" if kept.decided_at is None else f" at {isoformat(kept.decided_at)}"
        raise Conflict(f"proposal {number}: found it {kept.state.value}{by}{when}; allowed an open one")
    return kept


def _steered(ledger: Ledger, live: Live, kept: Kept, actor: str, said: str, now: Instant) -> Decided:
    """The rollout is moved by the use case that people have; it names the stage, if the proposal does."""
    named = kept.proposal.subject.removeprefix("stage ")
    stage = int(named) if named.isascii() and named.isdigit() else None
    step = steering.advance if kept.proposal.steering == "advance" else steering.roll_back
    done = step(ledger, live, kept.proposal.campaign_id, stage=stage, actor=actor, note=said, now=now)
    return Decided(_decided(kept, ProposalState.ACCEPTED, actor, said, now), done.sentence)


def _applied(ledger: Ledger, live: Live, loaded: Loaded, kept: Kept, actor: str, said: str, now: Instant) -> Decided:
    """The documents in force with the change, put in force."""
    number, before = kept.number, loaded.workspace
    if before is None:
        raise Conflict(f"proposal {number}: found no documents in force; allowed those it is about")
    try:
        after = proposed_documents(before, kept.proposal)
    except Conflict as error:
        raise Conflict(f"proposal {number} does not fit the documents in force: {error}") from error
    applied = apply_workspace(ledger, after, actor=actor, note=f"proposal {number}: {said}", now=now)
    sentence = f"version {applied.version} is in force"
    if not after.strategy.approval.required:
        drafts = _new_words(before, after)
        for campaign_id, variant_id in drafts:
            why = f"a draft of proposal {number}, which nobody has read yet"
            steering.pause_variant(ledger, live, campaign_id, variant_id, actor=actor, note=why, now=now)
        if drafts:
            names = ", ".join(f"{campaign_id}/{variant_id}" for campaign_id, variant_id in drafts)
            sentence += f"; {names} is paused until somebody resumes it"
    awaited = {pair for tactic in loaded.tactics.values() for pair in awaiting_approval(tactic)}
    awaiting = tuple(pair for pair in applied.awaiting if pair not in awaited)
    decided = _decided(kept, ProposalState.ACCEPTED, actor, said, now)
    return Decided(replace(decided, became_version=applied.version), sentence, awaiting, applied.warnings)


def _new_words(before: Workspace, after: Workspace) -> list[tuple[str, str]]:
    """``(campaign id, variant id)`` of what could not be sent before."""
    known = {
        (name, variant.variant_id) for name, campaign in before.campaigns.items() for variant in variants(campaign)
    }
    found = [(name, variant.variant_id) for name, campaign in after.campaigns.items() for variant in variants(campaign)]
    return [pair for pair in found if pair not in known]


def _decided(kept: Kept, state: ProposalState, actor: str, note: str, now: Instant) -> Kept:
    return replace(kept, state=state, decided_by=actor, decided_at=now, note=note)


def _subject(kept: Kept) -> str:
    return f"{kept.proposal.campaign_id}/proposal {kept.number}"
