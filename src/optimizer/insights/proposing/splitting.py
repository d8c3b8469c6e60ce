"""Split a segment whose inside differs: what discovery has found there, as segments of their own."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

from optimizer.domain.proposals import Confidence, Effect, Proposal, ProposalKind
from optimizer.insights.discovering.found import Amount, Found, FoundSegment
from optimizer.insights.proposing.certainty import ERROR
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.outlook import learns
from optimizer.insights.proposing.segment_edits import may_change, taken_out
from optimizer.insights.proposing.words import as_of, listed, percent, size
from optimizer.insights.ranking_words import SHARE

LOOKS = 20  # a search is made anew each time somebody looks: so many looks are allowed for


def splits(looked: Looked) -> Iterator[Proposal]:
    """A proposal for each segment in which something was found that can still be learned in time."""
    n = max(len(looked.parts), 1)
    for segment_id, found in looked.parts.items():
        if not found.segments or found.honest is None or not may_change(looked, segment_id):
            continue
        sure = _sure(found, found.honest, n)
        segment = looked.tactic.rules.segment_ids.index(segment_id)
        parts = found.segments
        rest = 1.0 - sum(part.share for part in parts)
        if sure is None or not all(learns(looked, segment, share) for share in (*(p.share for p in parts), rest)):
            continue
        yield _proposal(looked, segment, found, found.honest, sure)


def _sure(found: Found, honest: Amount, n: int) -> Confidence | None:
    z = NormalDist().inv_cdf(1.0 - ERROR / (n * LOOKS))
    if honest.value > z * honest.standard_error and found.gain is not None and found.gain.value > 0.0:
        return Confidence.HIGH
    if honest.low <= 0.0:
        return None
    return Confidence.MEDIUM if found.gain is not None and found.gain.low > 0.0 else Confidence.LOW


def _proposal(looked: Looked, segment: int, found: Found, honest: Amount, sure: Confidence) -> Proposal:
    segment_id = looked.tactic.rules.segment_ids[segment]
    daily = float(looked.per_day()[segment])
    names = listed([part.id for part in found.segments])
    unit = "rewards" if looked.unit == SHARE else looked.unit
    return Proposal(
        kind=ProposalKind.SPLIT_SEGMENT,
        campaign_id=looked.tactic.campaign_id,
        subject=segment_id,
        headline=f"Split {segment_id}: {names} answer otherwise than the rest.",
        evidence=(
            f"Choosing by these rules earns {size(honest.value, looked.unit)} more a decision "
            f"({size(honest.low, looked.unit)} to {size(honest.high, looked.unit)}, 95 % interval) than "
            f"{found.best_for_all} for all, judged on recipients the rules were not learned from.",
            *(_part_words(part, looked.unit) for part in found.segments),
            as_of(looked),
        ),
        expected=Effect(daily * honest.value, daily * honest.low, daily * honest.high, unit, "day"),
        risk="Each part learns from its own recipients alone, so it takes longer until the best variant is known.",
        confidence=sure,
        edits=taken_out(looked, segment_id, [(part.id, part.rule.when()) for part in found.segments]),
    )


def _part_words(part: FoundSegment, unit: str) -> str:
    more = "" if part.more is None else f", by {size(part.more.value, unit)} a decision"
    return f"{part.id}: {part.recipients:,} recipients ({percent(part.share)}); best is {part.best}{more}."
