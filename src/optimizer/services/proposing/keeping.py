"""Keep: of what the evidence suggests now, what is new is kept and told of, and what it no longer says is withdrawn.

What people have decided is not asked again for the same evidence. What was rejected may come back once its campaign's
evidence has doubled, and not within a week; what was accepted, once a week of the change has been seen. What was
withdrawn and is suggested again is the same proposal as before, and nobody is told of it twice.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from optimizer.domain.instants import DAY, HOUR, Duration, Instant
from optimizer.domain.notices import Notice, NoticeKind
from optimizer.domain.proposals import Kept, Proposal, ProposalState
from optimizer.errors import Conflict
from optimizer.insights.proposing.all import proposals
from optimizer.insights.proposing.looked import Looked
from optimizer.services.live import DOCUMENTS, Live, Loaded
from optimizer.services.notices.announcing import announce
from optimizer.services.proposing.fitting import proposed_documents
from optimizer.services.proposing.looking import looked_at
from optimizer.storage.proposals import Round
from optimizer.storage.store import Ledger
from optimizer.strategy.workspace import Workspace

EVERY: Final[Duration] = DAY  # a campaign's evidence is asked what it suggests
AFTER_CHANGES: Final[Duration] = HOUR  # and so long after documents have changed, whatever the day
REST: Final[Duration] = 7 * DAY  # before what was decided may be suggested again
GROWN: Final = 2  # times the evidence there was when it was rejected
UNSUPPORTED: Final = "the evidence no longer says so"
LEFT: Final = "its campaign is not in the documents any more"
_UNDECIDED: Final = (ProposalState.OPEN, ProposalState.WITHDRAWN)


@dataclass(frozen=True, slots=True)
class Made:
    """What the evidence of a campaign suggests.

    Attributes:
        at: the instant it is as of.
        strategy_version: documents in force then.
        trials: how many trials of the learning group it counted.
        proposals: those that fit the documents.
        misfits: why others do not; a proposal that nobody could accept is of no use to anybody.
        seen: trials of all groups.
        design: times by which variances are larger because recipients have several of them.
    """

    campaign_id: str
    at: Instant
    strategy_version: int
    trials: int
    proposals: tuple[Proposal, ...]
    misfits: tuple[str, ...] = ()
    seen: int = 0
    design: float = 1.0


def is_due(last: Round | None, version: int, now: Instant) -> bool:
    """Whether a campaign's evidence shall be asked again.

    Args:
        last: when it was last asked; None for never.
        version: documents in force.
        now: the instant.
    """
    if last is None or last.at > now:  # a clock that was ahead does not hold it up
        return True
    return now - last.at >= (EVERY if last.strategy_version == version else AFTER_CHANGES)


def made(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Made:
    """What the evidence of a campaign suggests now. Nothing is written: any view of the ledger will do.

    Raises:
        NotFound: no such campaign in the documents in force.
    """
    return suggested(looked_at(ledger, live, campaign_id, now), live.at(ledger))


def suggested(looked: Looked, loaded: Loaded) -> Made:
    """The same of what was looked at, without the ledger: an open view of it makes those who write slower."""
    fit: list[Proposal] = []
    misfits: list[str] = []
    for proposal in proposals(looked):
        try:
            _check(loaded.workspace, proposal)
        except Conflict as error:
            misfits.append(f"{proposal.headline} {error}")
        else:
            fit.append(proposal)
    trials = int(looked.learning.trials.sum())
    return Made(
        campaign_id=looked.tactic.campaign_id,
        at=looked.now,
        strategy_version=loaded.version,
        trials=trials,
        proposals=tuple(fit),
        misfits=tuple(misfits),
        seen=looked.seen,
        design=looked.design,
    )


def keep(ledger: Ledger, live: Live, found: Made, now: Instant) -> list[Kept]:
    """Keep what was made; the open proposals of the campaign, the newest first.

    Nothing changes when other documents have been put in force meanwhile: what was made is not about those.
    """
    ledger.revisions.hold(DOCUMENTS)  # nobody decides, or applies, between what is read here and what is written
    loaded = live.at(ledger)
    if loaded.version == found.strategy_version:
        _withdraw_of(ledger, loaded.tactics.keys(), now)
        last = ledger.proposals.last_of_each(found.campaign_id)
        wanted = {proposal.fingerprint: proposal for proposal in found.proposals}
        for kept in last.values():
            if kept.state is ProposalState.OPEN and kept.proposal.fingerprint not in wanted:
                ledger.proposals.update(_withdrawn(kept, UNSUPPORTED, now))
        for fingerprint, proposal in wanted.items():
            _keep_one(ledger, last.get(fingerprint), proposal, found)
        ledger.proposals.note_round(
            Round(found.campaign_id, found.at, found.strategy_version, found.seen, found.design)
        )
    return ledger.proposals.newest(1_000, campaign_id=found.campaign_id, states=[ProposalState.OPEN])


def may_return(before: Kept, trials: int, now: Instant) -> bool:
    """Whether a proposal that somebody has decided about may be made again.

    Args:
        before: as it was decided.
        trials: that the evidence counts now.
        now: the instant.
    """
    if before.decided_at is not None and now - before.decided_at < REST:
        return False
    return before.state is ProposalState.ACCEPTED or trials >= max(1, GROWN * before.trials)


def _check(workspace: Workspace | None, proposal: Proposal) -> None:
    """Raise Conflict if nobody could accept it."""
    if workspace is not None and proposal.edits:
        proposed_documents(workspace, proposal)


def _keep_one(ledger: Ledger, before: Kept | None, proposal: Proposal, found: Made) -> None:
    kept = Kept(
        number=0,
        proposal=proposal,
        made_at=found.at,
        as_of=found.at,
        strategy_version=found.strategy_version,
        state=ProposalState.OPEN,
        trials=found.trials,
    )
    if before is not None and before.state in _UNDECIDED:
        ledger.proposals.update(replace(kept, number=before.number, made_at=before.made_at))
    elif before is None or may_return(before, found.trials, found.at):
        kept = replace(kept, number=ledger.proposals.next_number())
        ledger.proposals.insert(kept)
        data = {"proposal": kept.number, "proposes": proposal.kind.value, "because": proposal.headline}
        once = f"proposal/{kept.number}"
        announce(ledger, Notice(NoticeKind.PROPOSAL_MADE, proposal.campaign_id, data, found.at, once))


def _withdraw_of(ledger: Ledger, campaigns: Collection[str], now: Instant) -> None:
    """Withdraw what is open about campaigns that have left the documents."""
    for campaign_id in ledger.proposals.n_open():
        if campaign_id not in campaigns:
            for kept in ledger.proposals.newest(1_000, campaign_id=campaign_id, states=[ProposalState.OPEN]):
                ledger.proposals.update(_withdrawn(kept, LEFT, now))


def _withdrawn(kept: Kept, why: str, now: Instant) -> Kept:
    return replace(kept, state=ProposalState.WITHDRAWN, decided_at=now, note=why)
