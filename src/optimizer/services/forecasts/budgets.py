"""Budgets to come: the limits a campaign is under as its paths meet them, and when each of them ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY, Instant
from optimizer.domain.meters import Reading, campaign_scope
from optimizer.domain.micros import units
from optimizer.engine.pricing import paced_budget
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.budget import Limit, Span, period
from optimizer.insights.forecasting.daily import begins_at, date_words
from optimizer.insights.forecasting.fans import WhenExpected, when
from optimizer.insights.forecasting.spending import Ceiling, Costs, Spent, spent
from optimizer.policy.pacing import BudgetPeriod
from optimizer.services.budgets import BudgetLine, budget_lines
from optimizer.services.forecasts.past_days import RECENT, Past
from optimizer.storage.outlays import Outlay
from optimizer.storage.store import Ledger

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BudgetForecast:
    """One limit, and when it leaves no room for what is asked.

    Attributes:
        scope: ``campaign:winback``, ``strategy``, ``channel:email``.
        period: ``ever``, a month or a day.
        in_sends: whether it counts messages; else money, in units of currency.
        amount: the limit.
        used: what is in use now.
        ends: when, on the days of the forecast and within the current period.
        sentence: the same in words.
    """

    scope: str
    period: str
    in_sends: bool
    amount: float
    used: float
    ends: WhenExpected
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class Spending:
    """What a campaign's paths are under.

    Attributes:
        costs: of a message.
        ceilings: one for each limit on money and for each on sends, with its line and the days its period has left.
        in_use: money of the campaign itself that is in use now, in units of currency.
    """

    costs: Costs
    ceilings: tuple[tuple[Ceiling, BudgetLine, int], ...]
    in_use: float

    def spent(self, wanted: Floats) -> Spent:
        """What is sent and spent of what is wanted, ``[N, H]``."""
        return spent(wanted, self.costs, [ceiling for ceiling, _, _ in self.ceilings])


def spending_of(ledger: Ledger, tactic: Tactic, past: Past, now: Instant, first: int, n_days: int) -> Spending:
    """The limits and costs of a campaign, from a day on and for so many days."""
    in_use = ledger.commitments.sum_of(campaign_id=tactic.campaign_id, channel=None, starts=None, ends=None)
    found: list[tuple[Ceiling, BudgetLine, int]] = []
    for line, limit in zip(budget_lines(ledger, tactic, now), tactic.budget_limits, strict=True):
        left = n_days if line.ends_at is None else _days_until(line.ends_at, tactic, first, n_days)
        others = _others(ledger, tactic, past, limit, now)
        for in_sends, amount in ((False, limit.allowance.money), (True, limit.allowance.sends)):
            if amount is None:
                continue
            most = float(amount) if in_sends else units(amount)
            used = float(line.reading.sends) if in_sends else units(line.reading.money)
            course = _course(tactic, limit, now, first, n_days, in_sends=in_sends)
            shared = float(others.sends) if in_sends else units(others.money)
            ceiling = Ceiling(most, in_sends, used, _renews(limit, tactic, first, n_days), shared, course)
            found.append((ceiling, line, left))
    return Spending(_costs(tactic, past, in_use, now), tuple(found), units(in_use.money))


def budget_forecasts(
    tactic: Tactic, spending: Spending, found: Spent, days: tuple[str, ...]
) -> tuple[BudgetForecast, ...]:
    """When each limit ends, of the limits of the campaign and those it shares."""
    rows = []
    for (ceiling, line, left), places in zip(spending.ceilings, found.exhausted, strict=True):
        within = days[:left]
        # What runs out on the last day of all has lasted.
        last = len(within) - 1 if line.ends_at is not None or tactic.limits.ends_at is not None else len(within)
        ends = when(within, np.where(places >= last, len(within), places))
        sentence = _sentence(ceiling, line, ends, within)
        scope, label = line.key
        rows.append(BudgetForecast(scope, label, ceiling.in_sends, ceiling.amount, ceiling.used, ends, sentence))
    return tuple(rows)


def course_of(tactic: Tactic, now: Instant, first: int, n_days: int) -> tuple[float, ...]:
    """What should be in use of the campaign's own budget for ever by the end of each day; empty where none is paced."""
    for limit in tactic.budget_limits:
        if limit.span is Span.EVER:
            course = _course(tactic, limit, now, first, n_days, in_sends=False)
            if course is not None:
                return tuple(course.tolist())
    return ()


def _sentence(ceiling: Ceiling, line: BudgetLine, ends: WhenExpected, days: tuple[str, ...]) -> str:
    what = f"{line.key.scope.replace(':', ' ')}, {line.key.period}, {'messages' if ceiling.in_sends else 'money'}"
    if ceiling.used >= ceiling.amount or line.exhausted:
        return f"{what}: used up now"
    if not days:
        return f"{what}: not before its end"
    last = date_words(days[-1])
    if ends.probability < 0.05:
        return f"{what}: not before {last}"
    by = f"with probability {ends.probability:.2f} by {last}"
    if ends.median is None or ends.early is None:
        return f"{what}: may be used up, {by}"
    late = f"and {date_words(ends.late)}" if ends.late is not None else f"or not before {last}"
    about, early = date_words(ends.median), date_words(ends.early)
    return f"{what}: used up about {about} (80 % interval {early} {late}), {by}"


def _renews(limit: Limit, tactic: Tactic, first: int, n_days: int) -> NDArray[np.bool_]:
    labels = [period(limit.span, begins_at(day, tactic.zone), tactic.zone)[0] for day in range(first, first + n_days)]
    return np.array([place > 0 and label != labels[place - 1] for place, label in enumerate(labels)], bool)


def _days_until(ends_at: Instant, tactic: Tactic, first: int, n_days: int) -> int:
    return sum(begins_at(day, tactic.zone) < ends_at for day in range(first, first + n_days))


def _course(tactic: Tactic, limit: Limit, now: Instant, first: int, n_days: int, *, in_sends: bool) -> Floats | None:
    """What may be in use by the end of each day of the budget that is paced; None for any other limit."""
    paced = paced_budget(tactic, now)
    label = period(limit.span, now, tactic.zone)[0]
    if paced is None or paced.key != (limit.scope, label) or paced.in_sends != in_sends:
        return None
    found = np.empty(n_days)
    for place in range(n_days):
        begins, evening = begins_at(first + place, tactic.zone), begins_at(first + place + 1, tactic.zone)
        _, starts, ends = period(limit.span, begins, tactic.zone)
        if limit.span is Span.EVER or starts is None or ends is None:
            starts, ends = paced.budget.start, paced.budget.end
        found[place] = BudgetPeriod(starts, ends, paced.budget.limit, paced.budget.pacing).target(min(evening, ends))
    return found


def _costs(tactic: Tactic, past: Past, in_use: Reading, now: Instant) -> Costs:
    """What messages cost, over the last four weeks; at most and as the documents say before there were any."""
    lasts = max(-(-tactic.reward_rule.window // DAY), 1)
    recent = [outlay for outlay in past.outlays if outlay.hour >= now - RECENT and outlay.sends]
    sends = sum(outlay.sends for outlay in recent)
    if not sends:
        may = tactic.limits.may_be_chosen.any(axis=0)
        most = float(np.mean([units(int(cost)) for cost in tactic.most[may]])) if may.any() else 0.0
        return Costs(most, most, lasts, units(in_use.reserved), 0.0)
    most = units(sum(outlay.most for outlay in recent)) / sends
    closed = [outlay for outlay in past.outlays if not outlay.reserved and outlay.most]
    due = sum(o.settled for o in closed) / sum(o.most for o in closed) if closed else 1.0
    return Costs(most, most * due, lasts, units(in_use.reserved), units(in_use.reserved) * (1.0 - due) / lasts)


def _others(ledger: Ledger, tactic: Tactic, past: Past, limit: Limit, now: Instant) -> Reading:
    """What other campaigns use of a shared limit a day, as over the last four weeks."""
    if limit.scope == campaign_scope(tactic.campaign_id):
        return Reading()
    since = now - RECENT
    channel = limit.scope.removeprefix("channel:") if limit.scope.startswith("channel:") else None
    everybody = ledger.outlays.by_hour(since, channel=channel)
    mine = [outlay for outlay in past.outlays if outlay.hour >= since]
    first = min((outlay.hour for outlay in everybody), default=now)
    days = max((now - first) / DAY, 1.0)
    money = _sum(everybody) - _sum(mine)
    sends = sum(o.sends for o in everybody) - sum(o.sends for o in mine)
    return Reading(0, round(money / days), round(sends / days))


def _sum(outlays: Sequence[Outlay]) -> int:
    return sum(outlay.settled + outlay.reserved for outlay in outlays)
