"""Retire a variant that does worse than those sent beside it, wherever it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.proposals import Confidence, Edit, Proposal, ProposalKind
from optimizer.evaluation.stratified import StratifiedDifference
from optimizer.insights.proposing.certainty import HOPELESS, certainty, combined
from optimizer.insights.proposing.looked import Looked
from optimizer.insights.proposing.words import as_of, count, effect, per_trial, percent


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of something that may go.

    Attributes:
        gain: what its traffic earns more a day with the others.
        each: the same of one trial.
        share: of all traffic that it gets.
        hope: its largest probability of being the best in a segment to which anybody came.
    """

    sure: Confidence
    gain: StratifiedDifference
    each: StratifiedDifference
    share: float
    hope: float


def retirements(looked: Looked) -> Iterator[Proposal]:
    """A proposal for each message, or targeting, that may go.

    What is gained is what its share of the traffic earns more with the others: within segments and days, those that
    were sent beside it. It must be hopeless in every segment to which anybody came: one that is best for a few stays.
    Control stays, since holdouts get it, and so does everything while a person has pinned something.
    """
    if looked.controls.pinned is not None or looked.table is None:
        return
    candidates = [(section, name, arms) for section, name, arms in _pieces(looked) if _may_go(looked, arms)]
    for section, name, arms in candidates:
        found = _judged(looked, arms, len(candidates))
        if found is not None:
            yield _proposal(looked, section, name, arms, found)


def _pieces(looked: Looked) -> Iterator[tuple[str, str, list[int]]]:
    """Section, id and arms of everything that can be retired by itself."""
    arms = list(enumerate(looked.tactic.variants))
    for message in looked.campaign.messages:
        yield "messages", message.id, [arm for arm, variant in arms if variant.message.id == message.id]
    for targeting in looked.campaign.targetings or ():
        of_it = [arm for arm, variant in arms if variant.targeting and variant.targeting.id == targeting.id]
        yield "targetings", targeting.id, of_it


def _may_go(looked: Looked, arms: Sequence[int]) -> bool:
    """Whether it is sent at all, is not control, and leaves something to send wherever it is sent."""
    here = looked.may[:, arms].any(axis=1)
    if not here.any() or looked.tactic.control in arms:
        return False
    return bool(_others(looked, arms)[here].any(axis=1).all())


def _others(looked: Looked, arms: Sequence[int]) -> NDArray[np.bool_]:
    """``[S, A]``, what would be sent instead."""
    others = looked.may.copy()
    others[:, arms] = False
    return others


def _judged(looked: Looked, arms: Sequence[int], n: int) -> _Found | None:
    """What speaks for its going, one of `n` that may; None where too little does."""
    shares, hopes = _shares(looked, arms)
    visited = looked.learning.trials.sum(axis=(1, 2)) > 0.0  # where nobody ever came nothing is known, or lost
    hope = float(hopes[visited].max(initial=0.0))
    if hope > HOPELESS or shares.max() <= 0.0:
        return None
    daily = looked.per_day()
    found = []
    for days in (looked.settled, looked.all_days):
        of_segments = [_ahead(looked, segment, arms, days) for segment in range(len(daily))]
        found.append(combined(zip((daily * shares).tolist(), of_segments, strict=True)))
    everything = found[1]
    sure = None if everything is None else certainty(found[0], everything, n)
    if sure is None or everything is None:
        return None
    lost = float((daily * shares).sum())
    each = combined([(1.0 / lost, everything)]) if lost else None
    return None if each is None else _Found(sure, everything, each, lost / float(daily.sum()), hope)


def _ahead(looked: Looked, segment: int, arms: Sequence[int], days: NDArray[np.bool_]) -> StratifiedDifference:
    """By how much a trial of the others in the segment is ahead."""
    others = np.flatnonzero(_others(looked, arms)[segment]).tolist()
    here = looked.learning
    return looked.difference(here.side([segment], others, days), here.side([segment], list(arms), days))


def _shares(looked: Looked, arms: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Its share of each segment's traffic, and its largest probability of being the best there, ``[S]`` each."""
    rows = [looked.row(segment) for segment in range(len(looked.may))]
    shares = [0.0 if row is None else float(row.allocation[arms].sum()) for row in rows]
    return np.array(shares), np.array([0.0 if row is None else float(row.p_best[arms].max()) for row in rows])


def _proposal(looked: Looked, section: str, name: str, arms: Sequence[int], found: _Found) -> Proposal:
    trials = float(looked.learning.trials[:, arms].sum())
    return Proposal(
        kind=ProposalKind.RETIRE_VARIANT,
        campaign_id=looked.tactic.campaign_id,
        subject=name,
        headline=f"Retire {name}: the others do better wherever it is sent.",
        evidence=(
            f"What is sent beside {name} on the same days earns {per_trial(found.each, looked.unit)} more than it, "
            f"after {count(trials, 'trials')} of its own.",
            f"In no segment that anybody came to is it the best with a probability above {percent(found.hope)}; "
            f"it still gets {percent(found.share)} of the traffic.",
            as_of(looked),
        ),
        expected=effect(found.gain, looked),
        risk="What it is good for later is not found out any more; its words stay in the document and can come back.",
        confidence=found.sure,
        edits=(Edit(looked.tactic.campaign_id, (section, name, "retired"), "set", value=True),),
    )
