"""Everything that may be proposed about one campaign now: few things at once, and none that contradict each other."""

from __future__ import annotations

from collections.abc import Iterable

from optimizer.domain.controls import Status
from optimizer.domain.proposals import Confidence, Proposal, ProposalKind
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.merging import merges
from optimizer.insights.proposing.retiring import retirements
from optimizer.insights.proposing.spending import budgets
from optimizer.insights.proposing.splitting import splits
from optimizer.insights.proposing.staging import stages
from optimizer.insights.proposing.tiring import lower_caps
from optimizer.insights.proposing.widening import wider_audiences
from optimizer.insights.proposing.writing import new_messages

MOST = 5  # proposals about one campaign at once: more are not read
_ORDER = (Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW)
_GROWS = {ProposalKind.MOVE_BUDGET, ProposalKind.RAISE_BUDGET, ProposalKind.ADVANCE_STAGE}


def proposals(looked: Looked) -> tuple[Proposal, ...]:
    """What to propose, the surest first.

    Nothing is proposed about a campaign that is over or stopped, nor while its outcomes do not come in.
    """
    ends_at, controls = looked.tactic.limits.ends_at, looked.controls
    over = ends_at is not None and looked.now >= ends_at
    if over or controls.status is Status.STOPPED or controls.silent_since is not None:
        return ()
    makers = (stages, retirements, splits, lower_caps, budgets, merges, new_messages, wider_audiences)
    found = sorted((one for maker in makers for one in maker(looked)), key=lambda one: _ORDER.index(one.confidence))
    return tuple(_agreeing(found))[:MOST]


def _agreeing(found: Iterable[Proposal]) -> list[Proposal]:
    """Of those that contradict each other, the first."""
    kept: list[Proposal] = []
    for one in found:
        if not any(_contradict(one, other) for other in kept):
            kept.append(one)
    return kept


def _contradict(one: Proposal, other: Proposal) -> bool:
    """Whether both together are not what either of them is about."""
    kinds = {one.kind, other.kind}
    if ProposalKind.ROLL_BACK_STAGE in kinds and kinds & _GROWS:
        return True
    if kinds == {ProposalKind.RETIRE_VARIANT, ProposalKind.FIX_AUDIENCE}:
        return True
    return bool(_segments(one) & _segments(other))


def _segments(one: Proposal) -> set[str]:
    """Segments whose rules a proposal changes."""
    if one.kind in {ProposalKind.SPLIT_SEGMENT, ProposalKind.MERGE_SEGMENTS, ProposalKind.FIX_AUDIENCE}:
        return set(one.subject.split())
    return set()
