"""Outlook: what a campaign's segments can still learn, from what is known by now."""

from __future__ import annotations

import numpy as np

from optimizer.domain.instants import DAY
from optimizer.insights.audience import HORIZON_DAYS, Advice, Audience, Horizon, Outlook, horizon_of, outlooks
from optimizer.insights.proposing.looked import Looked

ENOUGH_TRIALS = 100  # a segment with fewer is taken to succeed as often as its campaign
LIKELY_BEST = 0.9  # P(best) from which on a segment has its answer


def remaining(looked: Looked) -> Horizon:
    """The days from now on until the campaign ends; four weeks and the window where that is open."""
    whole, ends = horizon_of(looked.tactic), looked.tactic.limits.ends_at
    window = looked.tactic.reward_rule.window / DAY
    days = HORIZON_DAYS + window if ends is None else max((ends - looked.now) / DAY, 0.0)
    return Horizon(days, window, whole.lift)


def segment_outlooks(looked: Looked) -> tuple[Outlook, ...]:
    """What each segment can learn from now on."""
    daily, n_variants = looked.per_day(), looked.may.sum(axis=1)
    names = looked.tactic.rules.segment_ids
    audiences = [
        Audience(name, int(n_variants[segment]), float(daily[segment]), rate_of(looked, segment))
        for segment, name in enumerate(names)
    ]
    return outlooks(audiences, remaining(looked))


def learns(looked: Looked, segment: int, share: float) -> bool:
    """Whether that share of a segment would find its best variant in time, among all that it may get."""
    n, daily = int(looked.may[segment].sum()), float(looked.per_day()[segment])
    audience = Audience("part", n, daily * share, rate_of(looked, segment))
    return outlooks([audience], remaining(looked))[0].advice is Advice.ENOUGH


def has_answer(looked: Looked, segment: int) -> bool:
    """Whether one variant of a segment is likely the best."""
    row = looked.row(segment)
    return row is not None and float(row.p_best.max(initial=0.0)) >= LIKELY_BEST


def rate_of(looked: Looked, segment: int) -> float | None:
    """Successes per settled trial of a segment; of all segments where it has few, None where nobody knows."""
    trials, positives = (
        np.asarray(sums[..., looked.settled].sum(axis=(1, 2)), np.float64)
        for sums in (looked.learning.trials, looked.learning.positives)
    )
    for n, won in ((trials[segment], positives[segment]), (trials.sum(), positives.sum())):
        if n >= ENOUGH_TRIALS and won > 0:
            return float(won / n)
    return None
