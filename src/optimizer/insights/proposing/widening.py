"""Fix an audience that is too small to learn: fewer variants, or a segment put together with one that has its answer.

Nothing is proposed by size alone. The forecast from what is believed by now must say that no answer is likelier than
one in the days that remain, and that the change makes it likelier; both odds stand in the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.insights.audience import Advice
from optimizer.insights.proposing.certainty import HOPELESS
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.outlook import SURE_BEST, answer_of, odds_of, remaining, segment_outlooks
from optimizer.insights.proposing.segment_edits import put_together
from optimizer.insights.proposing.words import as_of, listed, percent

DAYS_KNOWN = 7  # of traffic, before anything is said about its size
LIKELIER = 0.5  # than not: the odds of an answer in time below which none is likelier
_SHORT = {Advice.FEWER_VARIANTS, Advice.TOO_SMALL, Advice.POOL}


def wider_audiences(looked: Looked) -> Iterator[Proposal]:
    """At most one proposal. It rests on a forecast, not on what trials have shown: confidence is low."""
    if len(looked.days) < DAYS_KNOWN or looked.controls.pinned is not None or looked.table is None:
        return
    found = _pool(looked) or _fewer(looked)
    if found is not None:
        yield found


def _pool(looked: Looked) -> Proposal | None:
    """A segment without an answer, put together with the first that is sure of one that is likely its own too.

    What stays keeps its evidence and what goes takes none along: two segments without an answer would have less of it
    together than apart.
    """
    names = looked.tactic.rules.segment_ids
    for leaves, stays in product(range(len(names)), repeat=2):
        answer = answer_of(looked, stays, SURE_BEST)
        if answer is None or answer_of(looked, leaves) is not None or answer_of(looked, leaves, LIKELIER) != answer:
            continue
        odds = odds_of(looked, leaves)
        if odds is None or odds >= LIKELIER:
            continue
        edits = put_together(looked, stays=names[stays], leaves=names[leaves])
        if edits is not None:
            return _pooled(looked, (names[stays], names[leaves]), answer, odds, edits)
    return None


def _pooled(looked: Looked, names: tuple[str, str], answer: int, odds: float, edits: tuple[Edit, ...]) -> Proposal:
    stays, leaves = names
    return Proposal(
        kind=ProposalKind.FIX_AUDIENCE,
        campaign_id=looked.tactic.campaign_id,
        subject=" ".join(sorted(names)),
        headline=f"Make {leaves} a part of {stays}: alone it hardly has an answer in time.",
        evidence=(
            f"Alone, {leaves} has its answer within {_days(looked)} with a probability of {percent(odds)}.",
            f"{stays} has its answer: {looked.tactic.variant_ids[answer]}, which is likely the best in {leaves} too.",
            as_of(looked),
        ),
        expected=None,
        risk=f"If they answer differently, one allocation serves both; what {leaves} has shown is not counted.",
        confidence=Confidence.LOW,
        edits=edits,
    )


def _fewer(looked: Looked) -> Proposal | None:
    """The variants that seem worst retire, where no segment can tell so many apart.

    As many stay as the largest segment can tell apart, and all that are needed for the best to be likely among them.
    """
    short = [one for one in segment_outlooks(looked) if one.advice in _SHORT]
    if looked.campaign.targetings or len(short) < len(looked.may):
        return None  # which of two factors to thin out is for people to say
    segments = range(len(looked.may))
    sent = [arm for arm in range(looked.may.shape[1]) if looked.may[:, arm].any()]
    keep = max(2, *(one.suggested_variants or 1 for one in short))
    going = _hopeless(looked, sent)[: max(len(sent) - keep, 0)]
    if not going or any(answer_of(looked, segment) is not None for segment in segments):
        return None
    before = [odds_of(looked, segment) for segment in segments]
    after = [odds_of(looked, segment, tuple(going)) for segment in segments]
    odds = [(one, other) for one, other in zip(before, after, strict=True) if one is not None and other is not None]
    unlikely = len(odds) == len(before) and all(one < LIKELIER for one, _ in odds)
    if not unlikely or sum(other for _, other in odds) <= sum(one for one, _ in odds):
        return None
    return _thinned(looked, [looked.tactic.variant_ids[arm] for arm in going], len(sent), odds)


def _thinned(looked: Looked, names: list[str], n_sent: int, odds: Sequence[tuple[float, float]]) -> Proposal:
    cid, segments = looked.tactic.campaign_id, looked.tactic.rules.segment_ids
    return Proposal(
        kind=ProposalKind.FIX_AUDIENCE,
        campaign_id=cid,
        subject=" ".join(sorted(names)),
        headline=f"Retire {listed(names)}: there are too few recipients for {n_sent} variants.",
        evidence=(
            *(
                f"{name} has its answer within {_days(looked)} with a probability of {percent(one)}, "
                f"and of {percent(other)} without {listed(names)}."
                for name, (one, other) in zip(segments, odds, strict=True)
            ),
            f"That the best is among those that stay has a probability of at least {percent(SURE_BEST)}.",
            as_of(looked),
        ),
        expected=None,
        risk="The best one may be among those that go.",
        confidence=Confidence.LOW,
        edits=tuple(Edit(cid, ("messages", name, "retired"), "set", value=True) for name in names),
    )


def _hopeless(looked: Looked, arms: Sequence[int]) -> list[int]:
    """Variants, the worst first, among which the best is unlikely to be, over all segments as their traffic is."""
    daily = looked.per_day()
    hopes = np.zeros(looked.may.shape[1])
    for segment, n in enumerate(daily / max(float(daily.sum()), 1e-12)):
        row = looked.row(segment)
        hopes += 0.0 if row is None else n * row.p_best
    worst = sorted((arm for arm in arms if arm != looked.tactic.control), key=lambda arm: (hopes[arm], arm))
    together = np.cumsum(hopes[worst])
    return worst[: int((together <= HOPELESS).sum())]


def _days(looked: Looked) -> str:
    return f"{remaining(looked).learning_days:,.0f} days"
