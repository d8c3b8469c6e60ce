"""What a rehearsed audience can learn, judged by what came of it: days, lifts that can be seen, how many variants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.engine.tactic import compile_tactic
from optimizer.insights.audience import Advice, Audience, horizon_of, is_hopeless, outlooks
from optimizer.strategy.documents import Campaign, Strategy

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SegmentLearning:
    """What one segment can learn.

    Attributes:
        n_variants: variants meant for it.
        trials_per_day, rate: of its learning group, a mean over days and replications.
        trials_per_variant: until the best one is so with probability .9, in four of five cases.
        days: until then, the attribution window included; None when nothing came.
        detectable_lift: smallest lift a test at the campaign's end finds with probability .8.
        suggested_variants: the most variants whose best one is found by then.
        advice, sentence: what to do; the sentence is empty where nothing has to be done.
    """

    n_variants: int
    trials_per_day: float
    rate: float | None
    trials_per_variant: int | None
    days: float | None
    detectable_lift: float | None
    suggested_variants: int | None
    advice: str
    sentence: str


def learning_outlook(
    strategy: Strategy, campaign: Campaign, trials: Floats, successes: Floats, days: float
) -> dict[str, SegmentLearning]:
    """What each segment can learn by the campaign's end, or that of the rehearsal where it has none.

    Args:
        strategy: the strategy.
        campaign: a campaign of it.
        trials: of the learning group, ``[S, A]``.
        successes: of those trials, ``[S, A]``.
        days: that the rehearsal lasted.
    """
    tactic = compile_tactic(strategy, campaign, 1, ())
    n_variants = tactic.limits.meant.sum(axis=1)
    of_segment, won = trials.sum(axis=1), successes.sum(axis=1)
    audiences = [
        Audience(
            segment_id,
            int(n_variants[s]),
            float(of_segment[s]) / days,
            float(won[s] / of_segment[s]) if won[s] > 0 else None,
        )
        for s, segment_id in enumerate(tactic.rules.segment_ids)
    ]
    found = outlooks(audiences, horizon_of(tactic, days))
    return {
        one.segment_id: SegmentLearning(
            n_variants=audience.n_variants,
            trials_per_day=audience.trials_per_day or 0.0,
            rate=audience.rate,
            trials_per_variant=one.trials_per_variant,
            days=one.days,
            detectable_lift=one.detectable_lift,
            suggested_variants=one.suggested_variants,
            advice=one.advice.value,
            sentence=one.sentence,
        )
        for audience, one in zip(audiences, found, strict=True)
    }


def refusal(outlook: dict[str, SegmentLearning]) -> str | None:
    """Why this audience teaches nothing, in a sentence; None when it does."""
    if not is_hopeless([Advice(one.advice) for one in outlook.values()]):
        return None
    return "refuse: no segment is large enough to find the better of two variants before the campaign ends"
