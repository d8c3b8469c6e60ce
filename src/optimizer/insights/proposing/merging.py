"""Merge two segments that answer alike, so that they learn from each other's recipients.

That two things are alike is never as sure as that they differ, and what it gains is time, not a number: these
proposals are never of high confidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.proposing.certainty import ERROR, combined, turned
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.outlook import has_answer, rate_of
from optimizer.insights.proposing.segment_edits import put_together
from optimizer.insights.proposing.words import as_of, listed, size

MARGIN = 0.5  # of the lift that matters: variants that differ by less between segments are alike


def merges(looked: Looked) -> Iterator[Proposal]:
    """A proposal for each two segments of which one has no answer yet, and that are alike within the margin."""
    names = looked.tactic.rules.segment_ids
    pairs = list(combinations(range(len(names)), 2))
    for one, other in pairs:
        if has_answer(looked, one) and has_answer(looked, other):
            continue
        margin = _margin(looked, one, other)
        found = _interactions(looked, one, other)
        if margin is None or not found or not all(_within(each, margin, len(pairs)) for _, each in found):
            continue
        edits = put_together(looked, names[one], names[other])
        if edits is not None:
            yield _proposal(looked, (names[one], names[other]), margin, found, edits)


def _margin(looked: Looked, one: int, other: int) -> float | None:
    """Half of what the best variant is expected to be better by, in rewards."""
    rates = [rate_of(looked, one), rate_of(looked, other)]
    known = [rate for rate in rates if rate is not None]
    expects = looked.campaign.expects
    return MARGIN * (0.2 if expects is None else expects.lift) * min(known) if len(known) == len(rates) else None


def _interactions(looked: Looked, one: int, other: int) -> Sequence[tuple[int, StratifiedDifference]]:
    """Of each variant: by how much more it is ahead of those beside it in one segment than in the other."""
    arms = np.flatnonzero(looked.may[one] & looked.may[other]).tolist()
    found = []
    for arm in arms:
        others = [each for each in arms if each != arm]
        ahead = [
            looked.difference(
                looked.learning.side([segment], [arm], looked.settled),
                looked.learning.side([segment], others, looked.settled),
            )
            for segment in (one, other)
        ]
        between = combined([(1.0, ahead[0]), (1.0, turned(ahead[1]))])
        if between is None or min(each.seen for each in ahead) <= 0.0:
            return []
        found.append((arm, between))
    return found


def _within(found: StratifiedDifference, margin: float, n: int) -> bool:
    low, high = found.anytime_interval(1.0 - 2.0 * ERROR / n)  # alike: both one-sided questions at this error
    return low > -margin and high < margin


def _proposal(
    looked: Looked,
    names: tuple[str, str],
    margin: float,
    found: Sequence[tuple[int, StratifiedDifference]],
    edits: tuple[Edit, ...],
) -> Proposal:
    widest = max(abs(end) for _, each in found for end in each.anytime_interval())
    return Proposal(
        kind=ProposalKind.MERGE_SEGMENTS,
        campaign_id=looked.tactic.campaign_id,
        subject=" ".join(sorted(names)),
        headline=f"Make one segment of {listed(names)}: they answer alike.",
        evidence=(
            f"No variant is ahead of the others in one of them by {size(widest, looked.unit)} more than in the other "
            f"(95 % intervals, valid at every look); less than {size(margin, looked.unit)} counts as alike.",
            as_of(looked),
        ),
        expected=None,
        risk="If they come to differ later, one allocation serves both.",
        confidence=Confidence.MEDIUM,
        edits=edits,
    )
