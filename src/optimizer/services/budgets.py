"""Budgets as people look at them: what is in use of every limit a campaign is under."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from optimizer.domain.instants import Instant
from optimizer.domain.meters import Allowance, MeterKey, Reading
from optimizer.engine.supplies import meters_of
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.budget import bounds, period
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """One limit in its current period.

    Attributes:
        key: scope and period.
        allowance: the most that may be in use.
        reading: what is in use.
        ends_at: when the period is over and another begins; None for limits that are for ever.
        exhausted: whether not even the cheapest variant fits into what is left.
    """

    key: MeterKey
    allowance: Allowance
    reading: Reading
    ends_at: Instant | None
    exhausted: bool


def budget_lines(ledger: Ledger, tactic: Tactic, now: Instant) -> tuple[BudgetLine, ...]:
    """Every limit on money and sends a campaign is under, with what is in use of it."""
    keys = meters_of(tactic, now)
    found = ledger.meters.of(keys)
    cheapest = Reading(int(tactic.most.min()), 0, 1)
    lines = []
    for key, limit in zip(keys, tactic.budget_limits, strict=True):
        # A meter begins with the first decision that counts on it; until then it is read from the commitments.
        reading = found[key] if key in found else reading_of(ledger, key, tactic.zone)
        exhausted = not limit.allowance.admits(reading.plus(cheapest))
        lines.append(BudgetLine(key, limit.allowance, reading, period(limit.span, now, tactic.zone)[2], exhausted))
    return tuple(lines)


def reading_of(ledger: Ledger, key: MeterKey, zone: ZoneInfo) -> Reading:
    """What the commitments that a meter counts add up to."""
    starts, ends = bounds(key.period, zone)
    kind, _, name = key.scope.partition(":")
    return ledger.commitments.sum_of(
        campaign_id=name if kind == "campaign" else None,
        channel=name if kind == "channel" else None,
        starts=starts,
        ends=ends,
    )
