"""Merge a segment that has no answer yet into one whose answer does for it too.

What stays keeps what it has learned, what goes takes nothing along: evidence is counted by segment. So only a segment
that is sure of its answer is worth going into. That the answer does for the other too, where it is ahead already, is a
test of non-inferiority (Piaggio et al. 2012, "Reporting of noninferiority and equivalence randomized trials", JAMA
308): no variant is ahead of it by as much as the lift that matters to the campaign. That all variants earn the same in
both is neither needed nor to be had: intervals of a tenth of a rate of .1 take some 95,000 trials of each segment, ten
times what an answer takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np

from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.proposing.certainty import certainty
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.outlook import SURE_BEST, answer_of, leader_of, remaining
from optimizer.insights.proposing.segment_edits import put_together
from optimizer.insights.proposing.words import as_of, percent, size


@dataclass(frozen=True, slots=True)
class _Alike:
    """That the answer of one segment does for another one.

    Attributes:
        answer: the variant.
        behind: the most that it may be behind another variant in the other segment, in rewards a trial; below 0 where
            it is ahead of all of them.
        margin: from how much on it would matter.
    """

    answer: int
    behind: float
    margin: float


def merges(looked: Looked) -> Iterator[Proposal]:
    """A proposal for each segment without an answer and each other one whose answer is as good as any in it."""
    names = looked.tactic.rules.segment_ids
    for stays, leaves in permutations(range(len(names)), 2):
        found = _alike(looked, stays, leaves)
        edits = None if found is None else put_together(looked, stays=names[stays], leaves=names[leaves])
        if found is not None and edits is not None:
            yield _proposal(looked, (names[stays], names[leaves]), found, edits)


def _alike(looked: Looked, stays: int, leaves: int) -> _Alike | None:
    answer = answer_of(looked, stays, SURE_BEST)
    if answer is None or leader_of(looked, leaves) != answer or answer_of(looked, leaves) is not None:
        return None
    margin = remaining(looked).lift * _mean_reward(looked, leaves)
    others = [arm for arm in np.flatnonzero(looked.may[leaves]).tolist() if arm != answer]
    ahead = [_ahead(looked, leaves, answer, other) for other in others]
    # All have to hold at once, so none is wrong more often than it would be alone.
    if not ahead or any(certainty(None, replace(one, value=one.value + margin), 1) is None for one in ahead):
        return None
    return _Alike(answer, max(-one.interval()[0] for one in ahead), margin)


def _mean_reward(looked: Looked, segment: int) -> float:
    """Of a trial so far: what is still awaited makes it too low, and the margin with it."""
    trials = float(looked.learning.trials[segment].sum())
    return float(looked.learning.rewards[segment].sum()) / trials if trials else 0.0


def _ahead(looked: Looked, segment: int, one: int, other: int) -> StratifiedDifference:
    """By how much a trial of one variant earns more than one of another, of all days."""
    learning, days = looked.learning, looked.all_days
    return looked.difference(learning.side([segment], [one], days), learning.side([segment], [other], days))


def _proposal(looked: Looked, names: tuple[str, str], found: _Alike, edits: tuple[Edit, ...]) -> Proposal:
    stays, leaves = names
    answer = looked.tactic.variant_ids[found.answer]
    most = (
        f"is behind another variant by {size(found.behind, looked.unit)} at most"
        if found.behind > 0.0
        else "is ahead of all others"
    )
    return Proposal(
        kind=ProposalKind.MERGE_SEGMENTS,
        campaign_id=looked.tactic.campaign_id,
        subject=" ".join(sorted(names)),
        headline=f"Make {leaves} a part of {stays}: the answer of {stays} does for it too.",
        evidence=(
            f"In {stays}, {answer} is the best with a probability of at least {percent(SURE_BEST)}; "
            f"{leaves} has no answer yet.",
            f"In {leaves}, {answer} {most} (95 % intervals, for one look); "
            f"what matters to the campaign is {size(found.margin, looked.unit)}.",
            as_of(looked),
        ),
        expected=None,
        risk=f"If they come to differ later, one allocation serves both; what {leaves} has shown is not counted.",
        confidence=Confidence.LOW,  # of those that held at every look no more improved anything (the study)
        edits=edits,
    )
