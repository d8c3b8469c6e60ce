"""Overview: every campaign in one line. What costs little is read at each look; lifts, which cost more, apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np

from optimizer.domain.instants import Instant
from optimizer.domain.meters import STRATEGY
from optimizer.domain.micros import micros
from optimizer.domain.statistics import reward_metric
from optimizer.engine.comparing import compared, held_out, sent
from optimizer.engine.pricing import paced_budget
from optimizer.engine.tactic import Tactic
from optimizer.insights.leading_words import Leading, leading_words
from optimizer.insights.measures.alikeness import Alikeness
from optimizer.insights.ranking_words import reward_unit
from optimizer.services.budgets import BudgetLine
from optimizer.services.documents.agreeing import state_digest
from optimizer.services.learning.alikeness import alikeness
from optimizer.services.live import Live, Loaded
from optimizer.services.oversight.states import Learning, State
from optimizer.services.reports.summaries import summary
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Spend:
    """What is in use of one of a campaign's limits on money.

    Attributes:
        shared: whether other campaigns spend from it, too.
        period: ``2026-12`` or ``2026-12-24``; empty for one that is for ever.
        limit: micro-units, as all amounts here.
        reserved: may yet become due.
        settled: is due.
        planned: what the pacing would have spent by now; None where nothing is paced.
        exhausted: whether not even the cheapest variant fits into what is left.
    """

    shared: bool
    period: str
    limit: int
    reserved: int
    settled: int
    planned: int | None
    exhausted: bool

    @property
    def used(self) -> int:
        """Reserved and settled."""
        return self.reserved + self.settled


@dataclass(frozen=True, slots=True)
class CampaignLine:
    """One campaign.

    Attributes:
        objective: id of what it serves.
        objective_why: why the strategy wants that.
        why: why the campaign is there.
        frozen_since: since when nothing is learned; None while something is.
        alarms: sentences nobody has answered.
        awaiting: variants that wait for approval.
        spend: None where no money is limited.
        sends_used_up: the period and the size of a limit on messages that keeps the campaign from sending, if one does.
        leader: which variant leads where, in a sentence.
        seen: how it stands, for a form that changes it; see `services.agreeing`.
    """

    campaign_id: str
    objective: str
    objective_why: str | None
    why: str | None
    state: State
    learning: Learning
    frozen_since: Instant | None
    rollout_share: float
    alarms: tuple[str, ...]
    awaiting: int
    spend: Spend | None
    sends_used_up: tuple[str, int] | None
    leader: str
    seen: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Every campaign in force, in the order of their ids.

    Attributes:
        strategy: its id; empty while none is in force.
    """

    strategy: str
    currency: str
    campaigns: tuple[CampaignLine, ...]


@dataclass(frozen=True, slots=True)
class Lift:
    """Mean reward of the learning group less that of the holdout, within segments and days.

    Attributes:
        unit: a share of the trials, rewards, or a currency.
        value: None while there is nothing to compare.
        low: of the 95 % interval that holds at every look; None while too little has been seen for one.
        high: likewise.
        trials: of both sides, those that could be compared.
        alike: how alike trials of one recipient are, by which the interval has been widened.
    """

    unit: str
    value: float | None
    low: float | None
    high: float | None
    trials: int
    alike: Alikeness


def overview(ledger: Ledger, live: Live, now: Instant) -> Overview:
    """How every campaign stands. Reads no statistics: its cost does not grow with traffic."""
    loaded = live.at(ledger)
    if loaded.workspace is None:
        return Overview("", "", ())
    strategy = loaded.workspace.strategy
    last = ledger.audit.latest(1)
    number = last[0].number if last else 0
    lines = tuple(_line(ledger, live, loaded, campaign_id, number, now) for campaign_id in sorted(loaded.tactics))
    return Overview(strategy.strategy, strategy.currency, lines)


def lifts(ledger: Ledger, live: Live, _now: Instant) -> Mapping[str, Lift]:
    """What each campaign adds, by id: from the sums of days that the database makes."""
    loaded = live.at(ledger)
    return {campaign_id: _lift(ledger, tactic, loaded.currency) for campaign_id, tactic in loaded.tactics.items()}


def _lift(ledger: Ledger, tactic: Tactic, currency: str) -> Lift:
    cells = ledger.daily_sums.of_campaign(tactic.campaign_id, [reward_metric(tactic.reward_rule.objective_id)])
    here = [(cell, sums) for cell, sums in cells if cell.segment_id in tactic.rules.segment_ids]
    sides = sent(here), held_out(here)
    alike = alikeness(ledger, tactic.campaign_id, sum(sums.n for _, sums in cells))
    found = alike.widened(compared(tactic.reward_rule, *sides))
    trials = sum(sums.n for side in sides for _, sums in side)
    value, low, high = (float(end) if isfinite(end) else None for end in (found.value, *found.anytime_interval()))
    tried = round(trials * (1.0 - found.left_out))
    return Lift(reward_unit(tactic.reward_rule, currency), value, low, high, tried, alike)


def _line(ledger: Ledger, live: Live, loaded: Loaded, campaign_id: str, number: int, now: Instant) -> CampaignLine:
    tactic = loaded.tactic(campaign_id)
    stands = summary(ledger, live, campaign_id, now)
    objectives = {one.id: one.why for one in loaded.workspace.strategy.objectives} if loaded.workspace else {}
    return CampaignLine(
        campaign_id=campaign_id,
        objective=stands.serves,
        objective_why=objectives.get(stands.serves),
        why=stands.why,
        state=stands.state,
        learning=stands.learning,
        frozen_since=stands.frozen_since,
        rollout_share=stands.rollout_share,
        alarms=tuple(stands.alarms.values()),
        awaiting=len(stands.awaiting_approval),
        spend=_spend(tactic, stands.budget, now),
        sends_used_up=_sends_used_up(stands.budget),
        leader=leading_words(_leading(loaded, tactic)),
        seen=f"{number}.{state_digest(loaded, campaign_id)}",
    )


def _spend(tactic: Tactic, lines: tuple[BudgetLine, ...], now: Instant) -> Spend | None:
    """The limit on money that keeps the campaign from sending; else the one that is paced; else the fullest one."""
    limited = [line for line in lines if line.allowance.money]
    if not limited:
        return None
    paced = paced_budget(tactic, now)
    plan = None if paced is None or paced.in_sends else paced
    shown = max(
        limited,
        key=lambda line: (
            _is_without_money(line),
            plan is not None and plan.key == line.key,
            line.reading.money / (line.allowance.money or 1),
        ),
    )
    has_plan = plan is not None and plan.key == shown.key
    return Spend(
        shared=shown.key.scope == STRATEGY,
        period="" if shown.ends_at is None else shown.key.period,
        limit=shown.allowance.money or 0,
        reserved=shown.reading.reserved,
        settled=shown.reading.settled,
        planned=micros(round(plan.budget.target(now), 6)) if plan is not None and has_plan else None,
        exhausted=_is_without_money(shown),
    )


def _sends_used_up(lines: tuple[BudgetLine, ...]) -> tuple[str, int] | None:
    for line in filter(_is_without_sends, lines):
        return "" if line.ends_at is None else line.key.period, line.allowance.sends or 0
    return None


def _is_without_sends(line: BudgetLine) -> bool:
    return line.allowance.sends is not None and line.reading.sends >= line.allowance.sends


def _is_without_money(line: BudgetLine) -> bool:
    return line.exhausted and not _is_without_sends(line)


def _leading(loaded: Loaded, tactic: Tactic) -> list[Leading]:
    """Who leads in each segment that has something to choose from."""
    table = loaded.tables.get(tactic.campaign_id)
    found = []
    for segment, segment_id in enumerate(tactic.rules.segment_ids):
        eligible = tactic.limits.may_be_chosen[segment]
        if table is None or eligible.sum() < 2:
            continue
        row = table.row(segment, eligible)
        best = int(np.argmax(row.p_best))
        found.append(Leading(segment_id, tactic.variant_ids[best], float(row.p_best[best]), int(eligible.sum())))
    return found
