"""Show: one proposal with what it would change, or has changed, in words and as lines of the documents."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.instants import Instant
from optimizer.domain.proposals import Kept, ProposalState
from optimizer.errors import Conflict
from optimizer.services.live import Live
from optimizer.services.proposing.deciding import proposal
from optimizer.services.proposing.fitting import proposed_documents
from optimizer.storage.store import Ledger
from optimizer.strategy.versions.changes import changes
from optimizer.strategy.versions.editing import unified_diff
from optimizer.strategy.workspace import Workspace, read_stored

PAGE = 25  # closed ones on a page
MOST_OPEN = 500
CLOSED = (ProposalState.ACCEPTED, ProposalState.REJECTED, ProposalState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal and its change.

    Attributes:
        kept: the proposal.
        changes: what changes in words; empty where no document does.
        diff: the same as lines of the documents, as `diff -u` shows it.
        misfit: why an open one cannot be accepted as the documents are now; None when it can.
    """

    kept: Kept
    changes: tuple[str, ...] = ()
    diff: str = ""
    misfit: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The proposals as a page lists them.

    Attributes:
        open: those that wait for somebody, the oldest first, by campaign.
        closed: a page of the others, the newest first.
        following: number from which on the next page goes; None on the last.
    """

    open: tuple[tuple[str, tuple[Kept, ...]], ...]
    closed: tuple[Kept, ...]
    following: int | None


def listed(ledger: Ledger, _live: Live, campaign_id: str | None, before: int | None, _now: Instant) -> Listed:
    """What waits for somebody, and what was decided before.

    Args:
        ledger: where they are kept.
        campaign_id: only those of this campaign.
        before: of the closed ones, only those with a smaller number.
    """
    waiting = ledger.proposals.newest(MOST_OPEN, campaign_id=campaign_id, states=[ProposalState.OPEN])
    closed = ledger.proposals.newest(PAGE + 1, campaign_id=campaign_id, states=CLOSED, before=before)
    by_campaign: dict[str, list[Kept]] = {}
    for kept in sorted(waiting, key=lambda kept: (kept.proposal.campaign_id, kept.number)):
        by_campaign.setdefault(kept.proposal.campaign_id, []).append(kept)
    following = closed[PAGE - 1].number if len(closed) > PAGE else None
    return Listed(tuple((name, tuple(some)) for name, some in by_campaign.items()), tuple(closed[:PAGE]), following)


def show(ledger: Ledger, live: Live, number: int, _now: Instant = 0) -> Shown:
    """One proposal: what it would do to the documents in force; what it did to those of then, once it is accepted.

    Raises:
        NotFound: no such proposal.
    """
    kept = proposal(ledger, number)
    if not kept.proposal.edits:
        return Shown(kept)
    before = _documents(ledger, live, kept)
    if before is None:
        return Shown(kept, misfit="documents: found none in force; allowed those it is about")
    try:
        after = proposed_documents(before, kept.proposal)
    except Conflict as error:
        return Shown(kept, misfit=str(error))
    sentences = tuple(change.sentence for change in changes(before, after))
    return Shown(kept, sentences, unified_diff(before.files, after.files))


def _documents(ledger: Ledger, live: Live, kept: Kept) -> Workspace | None:
    """The documents to show the change in."""
    if kept.state is ProposalState.OPEN:
        return live.at(ledger).workspace
    version = kept.strategy_version if kept.became_version is None else kept.became_version - 1
    stored = ledger.versions.get(version)
    return None if stored is None else read_stored(stored.files)
