"""Spend as people look at it: every limit a campaign is under, and the course of its own against its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from optimizer.domain.instants import DAY, Instant, bucket
from optimizer.domain.meters import EVER, STRATEGY, campaign_scope
from optimizer.domain.micros import units
from optimizer.engine.pricing import PacedBudget, paced_budget
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.budget import bounds, span_of
from optimizer.insights.campaign_words import Spent
from optimizer.services.budgets import BudgetLine
from optimizer.storage.store import Ledger

_PLAN_POINTS: Final = 24
MESSAGES: Final = "messages"


@dataclass(frozen=True, slots=True)
class SpendLine:
    """One limit in its current period; one of money, or one of messages.

    Attributes:
        whose: ``this campaign``, ``all campaigns`` or a channel.
        period: ``for ever``, a month or a day.
        own: whether it is the campaign's own.
        reserved, settled: in micro-units, or messages (then all of them are settled).
        limit: the most, likewise.
        plan: what pacing wants in use by now, in units; None where nothing is paced.
        ends_at: when the period is over.
    """

    whose: str
    period: str
    own: bool
    in_messages: bool
    reserved: int
    settled: int
    limit: int
    plan: float | None
    ends_at: Instant | None
    exhausted: bool

    @property
    def share(self) -> float:
        """How much of it is in use."""
        return (self.reserved + self.settled) / self.limit if self.limit else 1.0

    def spent(self, currency: str) -> Spent:
        """The same in units, for words."""
        used, limit = float(self.reserved + self.settled), float(self.limit)
        if self.in_messages:
            return Spent(used, limit, self.plan, MESSAGES, self.exhausted)
        return Spent(used / 1e6, limit / 1e6, self.plan, currency, self.exhausted)


@dataclass(frozen=True, slots=True)
class SpendCourse:
    """How one of the campaign's own limits was used up in its period, in units of currency or messages.

    Attributes:
        at: ends of days, and the present.
        settled, in_use: by each of them.
        plan_at, plan: to the end of the period; empty where nothing is paced.
        limit: the most; None where the campaign has no limit of its own.
    """

    at: tuple[Instant, ...]
    settled: tuple[float, ...]
    in_use: tuple[float, ...]
    plan_at: tuple[Instant, ...]
    plan: tuple[float, ...]
    limit: float | None
    in_messages: bool


def spend_lines(tactic: Tactic, budget: Sequence[BudgetLine], now: Instant) -> tuple[SpendLine, ...]:
    """A line for each limit of money or messages, the campaign's own first."""
    paced = paced_budget(tactic, now)
    found = []
    for line in budget:
        money, sends = line.allowance
        if money is not None:
            found.append(_line(tactic, line, paced, now, (line.reading.reserved, line.reading.settled), money))
        if sends is not None:
            found.append(_line(tactic, line, paced, now, (0, line.reading.sends), sends, in_messages=True))
    return tuple(sorted(found, key=lambda line: not line.own))


def spend_course(
    ledger: Ledger, tactic: Tactic, budget: Sequence[BudgetLine], first: Instant | None, now: Instant
) -> SpendCourse:
    """How the campaign's paced limit was used, or its first one, or without one what it spent.

    Args:
        ledger: the ledger.
        tactic: the campaign.
        budget: its limits.
        first: its first decision; None before it.
        now: the instant.
    """
    paced = paced_budget(tactic, now)
    own = [line for line in budget if line.key.scope == campaign_scope(tactic.campaign_id)]
    line = next((one for one in own if paced is not None and one.key == paced.key), next(iter(own), None))
    starts = None if line is None else bounds(line.key.period, tactic.zone)[0]
    since = starts if starts is not None else first
    in_messages = line is not None and line.allowance.money is None
    limit: float | None = None
    if line is not None:
        limit = float(line.allowance.sends or 0) if in_messages else units(line.allowance.money or 0)
    at, settled, in_use = _used(ledger, tactic, since, now, in_messages=in_messages)
    plan_at: tuple[Instant, ...] = ()
    plan: tuple[float, ...] = ()
    if paced is not None and line is not None and paced.key == line.key:
        step = max((paced.budget.end - paced.budget.start) // _PLAN_POINTS, 1)
        plan_at = (*range(paced.budget.start, paced.budget.end, step), paced.budget.end)
        plan = tuple(paced.budget.target(one) for one in plan_at)
    return SpendCourse(at, settled, in_use, plan_at, plan, limit, in_messages)


def _used(
    ledger: Ledger, tactic: Tactic, since: Instant | None, now: Instant, *, in_messages: bool
) -> tuple[tuple[Instant, ...], tuple[float, ...], tuple[float, ...]]:
    """What was settled, and in use, by the end of each day in UTC."""
    if since is None:
        return (), (), ()
    at, settled, in_use = [since], [0.0], [0.0]
    due = reserved = sends = 0
    for hour in ledger.outlays.by_hour(since, campaign_id=tactic.campaign_id):
        due, reserved, sends = due + hour.settled, reserved + hour.reserved, sends + hour.sends
        end = min(bucket(hour.hour, DAY) + DAY, now)
        if end != at[-1]:
            at, settled, in_use = [*at, end], [*settled, 0.0], [*in_use, 0.0]
        settled[-1] = float(sends) if in_messages else units(due)
        in_use[-1] = float(sends) if in_messages else units(due + reserved)
    if at[-1] < now:
        at, settled, in_use = [*at, now], [*settled, settled[-1]], [*in_use, in_use[-1]]
    return tuple(at), tuple(settled), tuple(in_use)


def _line(
    tactic: Tactic,
    line: BudgetLine,
    paced: PacedBudget | None,
    now: Instant,
    used: tuple[int, int],
    limit: int,
    *,
    in_messages: bool = False,
) -> SpendLine:
    own = line.key.scope == campaign_scope(tactic.campaign_id)
    is_paced = paced is not None and paced.key == line.key and paced.in_sends is in_messages
    return SpendLine(
        whose=_whose(line.key.scope, own=own),
        period=_period(line.key.period),
        own=own,
        in_messages=in_messages,
        reserved=used[0],
        settled=used[1],
        limit=limit,
        plan=paced.budget.target(now) if paced is not None and is_paced else None,
        ends_at=line.ends_at,
        exhausted=line.exhausted,
    )


def _whose(scope: str, *, own: bool) -> str:
    if own:
        return "this campaign"
    return "all campaigns" if scope == STRATEGY else f"channel {scope.partition(':')[2]}"


def _period(period: str) -> str:
    return "for ever" if period == EVER else f"{span_of(period).value} {period}"
