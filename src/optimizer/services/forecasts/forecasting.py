"""Forecast: decisions, rewards and spend to come, the day a budget ends, and the day of a useful answer.

Everything is counted on the same paths, drawn with a seed of the campaign and the hour: asking twice within the hour
gives the same figures. What is assumed and cannot be read from documents or ledger is said in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import UNTOUCHED, Status
from optimizer.domain.instants import HOUR, Instant
from optimizer.domain.meters import campaign_scope
from optimizer.domain.micros import units
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import rollout_state
from optimizer.guardrails.budget import Limit, Span
from optimizer.insights.forecasting.daily import as_date, begins_at, day_of, share_before
from optimizer.insights.forecasting.fans import N_PATHS, Expected, Fan, expected, fan
from optimizer.insights.forecasting.spending import Spent
from optimizer.insights.forecasting.stages import stages_ahead
from optimizer.insights.forecasting.tracking import Kept, record_words, track_record
from optimizer.insights.forecasting.traffic import Traffic, expected_traffic, traffic
from optimizer.insights.ranking_words import reward_unit
from optimizer.services.forecasts.answers import Answer, answers_of
from optimizer.services.forecasts.budgets import BudgetForecast, budget_forecasts, course_of, spending_of
from optimizer.services.forecasts.past_days import Mix, Past, PastDay, mix_of, past_days, past_of
from optimizer.services.forecasts.rewards import earning_of, reward_so_far
from optimizer.services.live import Live, Loaded
from optimizer.storage.store import Ledger

Floats = NDArray[np.float64]

OPEN_DAYS = 28  # of a campaign that has no end
MOST_DAYS_AHEAD = 183


@dataclass(frozen=True, slots=True)
class CampaignForecast:
    """What to expect of a campaign, day by day; money in units of currency.

    Attributes:
        zone: the strategy's time zone, whose days these are.
        unit: what rewards are counted in.
        days: today and the days to come; empty where nothing can be said.
        last: why the forecast ends where it does, in words.
        history: days so far.
        decisions: on each day; today's are those still to come.
        decisions_in_all: of all days to come together.
        reward: of everything decided by the end of each day, once its outcomes are in, all groups together.
        reward_so_far: reported up to now.
        reward_maturing: still to come of what was decided so far.
        reward_in_all: all of it by the last day.
        spend: in use by the end of each day, reserved or due; None where nothing costs anything.
        plan: what should be in use by then, where the budget is paced; else empty.
        limit: the most money that may ever be in use; None without such a limit.
        budgets: every limit, and when it ends.
        answers: by segment.
        record: what earlier weekly forecasts of the decisions would have been, and what came.
        record_words: the record in a sentence.
        assumed: what is assumed, a sentence each.
        unknown: why there is no forecast; empty when there is one.
    """

    campaign_id: str
    as_of: Instant
    zone: str
    currency: str
    unit: str
    days: tuple[str, ...]
    last: str
    history: tuple[PastDay, ...]
    decisions: Fan
    decisions_in_all: Expected | None
    reward: Fan
    reward_so_far: float
    reward_maturing: Expected | None
    reward_in_all: Expected | None
    spend: Fan | None
    plan: tuple[float, ...]
    limit: float | None
    budgets: tuple[BudgetForecast, ...]
    answers: tuple[Answer, ...]
    record: tuple[Kept, ...]
    record_words: str
    assumed: tuple[str, ...]
    unknown: str


@dataclass(frozen=True, slots=True, eq=False)
class _Ahead:
    """The days to come: first day, names, and the share of each in which messages may be sent."""

    first: int
    days: tuple[str, ...]
    open: Floats
    left: Floats
    words: str


def forecast(ledger: Ledger, live: Live, campaign_id: str, now: Instant, days: int | None = None) -> CampaignForecast:
    """What to expect of a campaign from now to its end, or for so many days.

    Args:
        ledger: the ledger.
        live: the documents in force.
        campaign_id: the campaign.
        now: the instant up to which the ledger is read.
        days: how many to look ahead, today included; None: to the campaign's end, or four weeks where it has none.

    Raises:
        NotFound: no such campaign.
        Conflict: no strategy is in force.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    past = past_of(ledger, tactic, now)
    rng = np.random.Generator(np.random.PCG64(_seed(campaign_id, now)))
    known, said = _traffic(tactic, past, now)
    ahead = _ahead(tactic, past, now, days)
    why = _why_not(tactic, known, now)
    if known is None or why:
        return _nothing(loaded, tactic, past, now, why)
    mix = mix_of(tactic, past.recent, now)
    decisions = known.paths(len(ahead.days) + ahead.first - known.after, N_PATHS, rng)[:, ahead.first - known.after :]
    decisions = rng.binomial(decisions.astype(np.int64), ahead.left).astype(np.float64)
    evenings = [begins_at(ahead.first + place + 1, tactic.zone) for place in range(len(ahead.days))]
    state = rollout_state(loaded.controls.get(campaign_id, UNTOUCHED), now)
    shares, said_of_stages = stages_ahead(tactic.stages, state, now, evenings)
    learning, others = _divided(tactic, decisions, mix, shares)
    wanted_learning, wanted_others = learning * mix.sent * ahead.open, others * mix.sent_others * ahead.open
    spending = spending_of(ledger, tactic, past, now, ahead.first, len(ahead.days))
    wanted = wanted_learning + wanted_others
    spent = spending.spent(wanted)
    kept = np.divide(spent.sends, wanted, out=np.ones_like(wanted), where=wanted > 0.0)
    earning = earning_of(tactic, loaded.tables[campaign_id], past, mix, now, N_PATHS, rng)
    reward = earning.paths(wanted_learning * kept, others, rng)
    record = () if past.daily is None else track_record(past.daily)
    return CampaignForecast(
        campaign_id=campaign_id,
        as_of=now,
        zone=tactic.zone.key,
        currency=loaded.currency,
        unit=reward_unit(tactic.reward_rule, loaded.currency),
        days=ahead.days,
        last=ahead.words,
        history=past_days(tactic, past, now),
        decisions=fan(ahead.days, decisions),
        decisions_in_all=expected(decisions.sum(axis=1)),
        reward=fan(ahead.days, reward),
        reward_so_far=earning.so_far,
        reward_maturing=expected(earning.maturing),
        reward_in_all=expected(reward[:, -1]),
        spend=_spend_fan(ahead, spending.in_use, spent) if spending.costs.most > 0.0 else None,
        plan=course_of(tactic, now, ahead.first, len(ahead.days)),
        limit=_money_limit(tactic),
        budgets=budget_forecasts(tactic, spending, spent, ahead.days),
        answers=answers_of(ledger, loaded, tactic, past, mix, wanted_learning * kept * mix.exposed, ahead.days, rng),
        record=record,
        record_words=record_words(record),
        assumed=(*said, *said_of_stages, *_assumed(tactic, now)),
        unknown="",
    )


def _seed(campaign_id: str, now: Instant) -> int:
    return int.from_bytes(blake2b(f"{campaign_id}/{now // HOUR}".encode(), digest_size=8).digest())


def _traffic(tactic: Tactic, past: Past, now: Instant) -> tuple[Traffic | None, tuple[str, ...]]:
    """What is known about traffic, from whole days; before there are any, what the campaign expects."""
    known = None if past.daily is None else traffic(past.daily)
    if known is not None:
        return known, ()
    expects = tactic.campaign.expects
    if expects is None:
        return None, ()
    said = f"{expects.decisions_per_day:g} decisions a day, as the campaign expects; no whole day is known yet"
    return expected_traffic(day_of(now, tactic.zone), expects.decisions_per_day), (said,)


def _why_not(tactic: Tactic, known: Traffic | None, now: Instant) -> str:
    """Why nothing can be forecast; empty when something can."""
    if tactic.limits.status is Status.STOPPED:
        return "the campaign is stopped: nothing is sent any more"
    if tactic.limits.phase(now)[2]:
        return "the campaign has ended"
    if known is None:
        return "no whole day of traffic is known yet, and the campaign does not say what it expects (`expects`)"
    return ""


def _ahead(tactic: Tactic, past: Past, now: Instant, days: int | None) -> _Ahead:
    first, ends_at, starts_at = day_of(now, tactic.zone), tactic.limits.ends_at, tactic.limits.starts_at
    if ends_at is None:
        n, words = OPEN_DAYS, "the campaign has no end: four weeks"
    else:
        n, words = max(day_of(max(ends_at - 1, now), tactic.zone) - first + 1, 1), "to the campaign's end"
    if days is not None and (ends_at is None or days < n):
        n, words = days, f"{days} days, as asked"
    if n > MOST_DAYS_AHEAD:
        n, words = MOST_DAYS_AHEAD, f"{MOST_DAYS_AHEAD} days: nobody knows more"
    left, open_ = np.ones(n), np.ones(n)
    left[0] -= share_before(now, past.hours, tactic.zone)
    for place in range(n):
        begins, evening = (begins_at(first + place + after, tactic.zone) for after in (0, 1))
        open_[place] = _open_share(begins, evening, starts_at, ends_at)
    return _Ahead(first, tuple(as_date(first + place) for place in range(n)), open_, np.clip(left, 0.0, 1.0), words)


def _open_share(begins: Instant, evening: Instant, starts_at: Instant | None, ends_at: Instant | None) -> float:
    """Share of a day on which the campaign is on, by the clock."""
    since = begins if starts_at is None else max(begins, starts_at)
    until = evening if ends_at is None else min(evening, ends_at)
    return max(until - since, 0) / (evening - begins)


def _divided(tactic: Tactic, decisions: Floats, mix: Mix, rollout: Floats) -> tuple[Floats, Floats]:
    """Decisions of the learning group, and of everybody else in the audience, ``[N, H]`` each."""
    shares = tactic.shares
    learning = (1.0 - shares.strategy_holdout) * (1.0 - shares.campaign_holdout) * rollout
    inside = decisions * mix.inside
    return inside * learning, inside * (1.0 - learning)


def _spend_fan(ahead: _Ahead, in_use: float, found: Spent) -> Fan:
    return fan(ahead.days, np.maximum(in_use + found.money, 0.0))


def _money_limit(tactic: Tactic) -> float | None:
    """The most money that may ever be in use of the campaign's own budget."""
    own: list[Limit] = [
        limit
        for limit in tactic.budget_limits
        if limit.scope == campaign_scope(tactic.campaign_id) and limit.span is Span.EVER
    ]
    return next((units(limit.allowance.money) for limit in own if limit.allowance.money is not None), None)


def _assumed(tactic: Tactic, now: Instant) -> tuple[str, ...]:
    said = ["the allocation stays as it is now: what is still to be learned is not counted on"]
    if tactic.limits.status is Status.PAUSED:
        said.append("somebody resumes the campaign now: while it is paused, nothing is sent")
    if tactic.silent_since is not None:
        said.append("outcomes that fail to come in since the silence began are still to come")
    if tactic.limits.phase(now)[0]:
        said.append("somebody reviews the campaign now: while its review is overdue, nothing is sent")
    return tuple(said)


def _nothing(loaded: Loaded, tactic: Tactic, past: Past, now: Instant, why: str) -> CampaignForecast:
    """No forecast, with the history there is."""
    record = () if past.daily is None else track_record(past.daily)
    empty = Fan((), ())
    return CampaignForecast(
        campaign_id=tactic.campaign_id,
        as_of=now,
        zone=tactic.zone.key,
        currency=loaded.currency,
        unit=reward_unit(tactic.reward_rule, loaded.currency),
        days=(),
        last="",
        history=past_days(tactic, past, now),
        decisions=empty,
        decisions_in_all=None,
        reward=empty,
        reward_so_far=reward_so_far(tactic, past),
        reward_maturing=None,
        reward_in_all=None,
        spend=None,
        plan=(),
        limit=_money_limit(tactic),
        budgets=(),
        answers=(),
        record=record,
        record_words=record_words(record),
        assumed=(),
        unknown=why,
    )
