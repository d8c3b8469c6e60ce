"""Fix an audience that is too small to learn: fewer variants, or segments put together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.insights.audience import Advice, Outlook
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.outlook import has_answer, segment_outlooks
from optimizer.insights.proposing.segment_edits import put_together
from optimizer.insights.proposing.words import as_of, listed

DAYS_KNOWN = 7  # of traffic, before anything is said about its size


def wider_audiences(looked: Looked) -> Iterator[Proposal]:
    """At most one proposal. It rests on how many trials there will be, not on what they say: confidence is low."""
    if len(looked.days) < DAYS_KNOWN or looked.controls.pinned is not None or looked.table is None:
        return
    open_ = [one for segment, one in enumerate(segment_outlooks(looked)) if not has_answer(looked, segment)]
    pooled = next((found for one in open_ if one.advice is Advice.POOL and (found := _pool(looked, one))), None)
    if pooled is not None:
        yield pooled
        return
    short = [one for one in open_ if one.advice in {Advice.FEWER_VARIANTS, Advice.TOO_SMALL}]
    if short and len(short) == len(looked.tactic.rules.segment_ids):
        fewer = _fewer(looked, short)
        if fewer is not None:
            yield fewer


def _pool(looked: Looked, outlook: Outlook) -> Proposal | None:
    """One segment of this one and the first with which rules can say it."""
    for other in outlook.pool_with:
        edits = put_together(looked, outlook.segment_id, other)
        if edits is not None:
            days = "never before the end" if outlook.days is None else f"after {outlook.days:,.0f} days"
            return Proposal(
                kind=ProposalKind.FIX_AUDIENCE,
                campaign_id=looked.tactic.campaign_id,
                subject=" ".join(sorted((outlook.segment_id, other))),
                headline=f"Make one segment of {outlook.segment_id} and {other}: alone it is too small to learn.",
                evidence=(f"{outlook.segment_id} has its answer {days}; {outlook.sentence}.", as_of(looked)),
                expected=None,
                risk="If they answer differently, one allocation serves both.",
                confidence=Confidence.LOW,
                edits=edits,
            )
    return None


def _fewer(looked: Looked, short: list[Outlook]) -> Proposal | None:
    """The variants that seem worst retire, so that as many stay as the largest segment can tell apart."""
    if looked.campaign.targetings:
        return None  # which of the two factors to thin out is for people to say
    keep = max(2, *(one.suggested_variants or 1 for one in short))
    sent = [arm for arm in range(looked.may.shape[1]) if looked.may[:, arm].any()]
    going = [arm for arm in _worst_first(looked, sent) if arm != looked.tactic.control][: len(sent) - keep]
    if not going:
        return None
    names = [looked.tactic.variant_ids[arm] for arm in going]
    cid = looked.tactic.campaign_id
    return Proposal(
        kind=ProposalKind.FIX_AUDIENCE,
        campaign_id=cid,
        subject=" ".join(sorted(names)),
        headline=f"Retire {listed(names)}: there are too few recipients for {len(sent)} variants.",
        evidence=(
            *(f"{one.segment_id}: {one.sentence}." for one in short),
            f"{listed(names)} seemed worst so far, which may well be chance.",
            as_of(looked),
        ),
        expected=None,
        risk="The best one may be among those that go: too little is known yet to tell.",
        confidence=Confidence.LOW,
        edits=tuple(Edit(cid, ("messages", name, "retired"), "set", value=True) for name in names),
    )


def _worst_first(looked: Looked, arms: list[int]) -> list[int]:
    """By the chance of being the best, over all segments as their traffic is."""
    daily = looked.per_day()
    hopes = np.zeros(looked.may.shape[1])
    for segment, n in enumerate(daily):
        row = looked.row(segment)
        hopes += 0.0 if row is None else n * row.p_best
    return sorted(arms, key=lambda arm: (hopes[arm], arm))
