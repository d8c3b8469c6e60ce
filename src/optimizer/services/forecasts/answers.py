"""The day of a useful answer: by segment, from what is believed now and the messages to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, Instant
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.gathering import evidence_of
from optimizer.engine.lateness import curve_of
from optimizer.engine.tactic import Tactic
from optimizer.insights.forecasting.answers import FEWEST_TRIALS, Beliefs, answered
from optimizer.insights.forecasting.daily import date_words
from optimizer.insights.forecasting.fans import WhenExpected, when
from optimizer.insights.learning_time import PROB_BEST
from optimizer.policy.delay import DelayCurve
from optimizer.services.forecasts.outlooks import SegmentOutlook, campaign_outlook
from optimizer.services.forecasts.past_days import Mix, Past
from optimizer.services.live import Loaded
from optimizer.storage.store import Ledger

Floats = NDArray[np.float64]

N_ANSWERS = 300  # paths that answers are played forward on


@dataclass(frozen=True, slots=True, eq=False)
class _Ahead:
    """The days to come, and the trials of one segment that show their outcome on each of them.

    Attributes:
        days: ``H`` of them.
        to_make: trials of all variants together that are still to be made, ``[N, H]``.
        made: trials made already, of each variant, ``[A, H]``.
    """

    days: tuple[str, ...]
    to_make: Floats
    made: Floats


@dataclass(frozen=True, slots=True)
class Answer:
    """When one segment's best variant is known.

    Attributes:
        leader: the variant most likely to be the best of those that may be chosen; None where none may be.
        p_best: how likely.
        day: when P(best) reaches .9; None where it has, where there is nothing to compare, or where too little is known
            to say more than `sentence` does.
        sentence: the same in words.
    """

    segment_id: str
    leader: str | None
    p_best: float
    day: WhenExpected | None
    sentence: str


def answers_of(
    ledger: Ledger,
    loaded: Loaded,
    tactic: Tactic,
    past: Past,
    mix: Mix,
    trials: Floats,
    days: tuple[str, ...],
    rng: np.random.Generator,
) -> tuple[Answer, ...]:
    """When each segment of a campaign has a useful answer.

    Args:
        ledger: the ledger.
        loaded: documents and snapshots in force.
        tactic: the campaign.
        past: what is known of it.
        mix: how its decisions divide.
        trials: of the learning group on each day to come, all segments together, ``[N, H]``.
        days: the days.
        rng: chance.
    """
    table, evidence = loaded.tables[tactic.campaign_id], evidence_of(tactic, past.cells)
    seen = evidence.trials.sum(axis=(1, 2))
    few = bool((seen < FEWEST_TRIALS).any())
    outlook = campaign_outlook(ledger, tactic, loaded.declared, past.as_of) if few else []
    curve = curve_of(tactic, evidence, past.as_of)
    shown, coming = trials[:N_ANSWERS] @ _shown(curve, len(days)), _coming(curve, evidence, past.as_of, len(days))
    found = []
    for segment, share in enumerate(mix.segments):
        row = outlook[segment] if few else None
        ahead = _Ahead(days, shown * share, coming[segment])
        found.append(_answer(tactic, table, evidence, segment, row, ahead, rng))
    return tuple(found)


def _answer(
    tactic: Tactic,
    table: AllocationTable,
    evidence: Evidence,
    segment: int,
    outlook: SegmentOutlook | None,
    ahead: _Ahead,
    rng: np.random.Generator,
) -> Answer:
    may = tactic.limits.may_be_chosen[segment]
    row, name = table.row(segment, may), tactic.rules.segment_ids[segment]
    if not may.any():
        return Answer(name, None, 0.0, None, "nothing may be chosen here now")
    best = int(row.p_best.argmax())
    leader, p_best = tactic.variant_ids[best], float(row.p_best[best])

    def answer(sentence: str, day: WhenExpected | None = None) -> Answer:
        return Answer(name, leader, p_best, day, sentence)

    if may.sum() < 2:
        return answer("there is nothing to compare with fewer than two variants that may be chosen")
    if tactic.pinned is not None:
        return answer("nothing is learned while a variant is pinned")
    seen = float(evidence.trials[segment].sum())
    if seen < FEWEST_TRIALS and outlook is not None:
        return answer(_from_outlook(outlook, seen))
    if p_best >= PROB_BEST:
        return answer(f"known now: {leader} is the best with probability {p_best:.2f}")
    beliefs = _beliefs(tactic, table, evidence, segment, may, ahead.made)
    day = when(ahead.days, answered(beliefs, ahead.to_make, rng))
    return answer(_sentence(day, ahead.days, leader, p_best), day)


def _sentence(day: WhenExpected, days: tuple[str, ...], leader: str, p_best: float) -> str:
    now = f"{leader} leads with probability {p_best:.2f}"
    last = date_words(days[-1])
    if day.median is None or day.early is None:
        return f"not before {last}, more likely than not (probability {day.probability:.2f} by then); {now}"
    late = f"and {date_words(day.late)}" if day.late is not None else f"or after {last}"
    return f"about {date_words(day.median)} (80 % interval {date_words(day.early)} {late}); {now}"


def _from_outlook(outlook: SegmentOutlook, seen: float) -> str:
    few = f"{seen:,.0f} trials say too little yet"
    if outlook.days is None:
        return f"{few}; {outlook.unknown}" if outlook.unknown else few
    lift = "if the best variant is better by what the campaign expects, or a fifth"
    return f"{few}; about {outlook.days:,.0f} days from the start, {lift}"


def _beliefs(
    tactic: Tactic, table: AllocationTable, evidence: Evidence, segment: int, may: NDArray[np.bool_], coming: Floats
) -> Beliefs:
    trials, rewards, squares = (
        each[segment].sum(axis=-1) for each in (evidence.trials, evidence.rewards, evidence.squares)
    )
    total = max(float(trials.sum()), 1.0)
    overall = max(float(squares.sum()) / total - (float(rewards.sum()) / total) ** 2, 1e-9)
    own = np.divide(squares, trials, out=np.zeros_like(squares), where=trials > 0.0)
    own -= np.divide(rewards, trials, out=np.zeros_like(rewards), where=trials > 0.0) ** 2
    variance = np.where((trials >= FEWEST_TRIALS) & (own > 0.0), own, overall)
    penalties = np.asarray(tactic.reward_rule.penalty_units) @ evidence.penalty_counts[:, segment].sum(axis=(1, 2))
    return Beliefs.of(
        table,
        tactic.policy,
        segment,
        may,
        variance=variance,
        trials=trials,
        coming=coming,
        penalised=float(penalties) / total,
    )


def _shown(curve: DelayCurve, n_days: int) -> Floats:
    """Share of the outcomes of one day that show on each later one, ``[H, H]``: rows are days of decisions."""
    age = np.arange(n_days)[np.newaxis, :] - np.arange(n_days)[:, np.newaxis]
    until = np.where(age >= 0, curve.share(np.maximum(age + 0.5, 0.0) * DAY), 0.0)
    before = np.where(age >= 1, curve.share(np.maximum(age - 0.5, 0.0) * DAY), 0.0)
    return np.asarray(until - before)


def _coming(curve: DelayCurve, evidence: Evidence, now: Instant, n_days: int) -> Floats:
    """Trials made already that show their outcome on each day to come, ``[S, A, H]``."""
    until = np.array([curve.of_buckets(evidence.buckets, now + day * DAY) for day in range(n_days + 1)])  # [H + 1, B]
    return np.asarray(evidence.trials @ np.diff(until, axis=0).T)
