"""Outlook: what a campaign's segments can still learn, from what is known by now."""

from __future__ import annotations

import numpy as np

from optimizer.domain.instants import DAY
from optimizer.insights.audience import HORIZON_DAYS, Advice, Audience, Horizon, Outlook, horizon_of, outlooks
from optimizer.insights.forecasting.answers import FEWEST_TRIALS, Beliefs, answered
from optimizer.insights.learning_time import PROB_BEST
from optimizer.insights.proposing.certainty import HOPELESS
from optimizer.insights.proposing.looked import Looked

ENOUGH_TRIALS = 100  # a segment with fewer is taken to succeed as often as its campaign
SURE_BEST = 1.0 - HOPELESS  # P(best) from which on an answer is good enough for another segment too
PATHS = 200  # that an answer is played forward on: odds are exact within .07


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


def leader_of(looked: Looked, segment: int) -> int | None:
    """The variant of a segment that is likeliest the best; None where none may be chosen, or nothing is believed."""
    row = looked.row(segment)
    return int(row.p_best.argmax()) if row is not None and row.p_best.any() else None


def answer_of(looked: Looked, segment: int, p_best: float = PROB_BEST) -> int | None:
    """The variant of a segment that is the best with at least this probability; None where none is."""
    row, leader = looked.row(segment), leader_of(looked, segment)
    return leader if row is not None and leader is not None and row.p_best[leader] >= p_best else None


def odds_of(looked: Looked, segment: int, going: tuple[int, ...] = ()) -> float | None:
    """Probability that a segment has its answer in the days that remain, from what is believed now.

    Variants that are alike never have one however many recipients there are, and one far ahead has it soon however few:
    a sample size for a supposed lift knows neither. See `insights.forecasting.answers`.

    Args:
        looked: everything.
        segment: which; its traffic is taken to stay what it was in the last week.
        going: variants that would not be sent any more.

    Returns:
        None where nothing may be sent, or fewer than `FEWEST_TRIALS` leave beliefs to what was believed before.
    """
    here = looked.learning
    trials, rewards, squares = (float(sums[segment].sum()) for sums in (here.trials, here.rewards, here.squares))
    may = looked.may[segment].copy()
    may[list(going)] = False
    if looked.table is None or not may.any() or trials < FEWEST_TRIALS:
        return None
    beliefs = Beliefs.of(
        looked.table,
        looked.tactic.policy,
        segment,
        may,
        variance=np.full(len(may), max(squares / trials - (rewards / trials) ** 2, 1e-9)),
        trials=here.trials[segment].sum(axis=-1),
    )
    n_days = max(round(remaining(looked).learning_days), 0)
    coming = np.full((PATHS, n_days), float(looked.per_day()[segment]))
    same = np.random.Generator(np.random.PCG64(0))  # for the same evidence
    days = answered(beliefs, coming, same)
    return float((days < n_days).mean())


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
