"""Courses: how a campaign's traffic was shared day by day, what is in force now, and how much of it explored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np

from optimizer.domain.instants import Instant, instant
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import DECIDED, NOTHING, WITHHELD
from optimizer.engine.allocations import AllocationRow, AllocationTable
from optimizer.engine.memory import Memory
from optimizer.engine.tactic import Tactic
from optimizer.services.live import Live
from optimizer.storage.readings import DaySums, day_of
from optimizer.storage.store import Ledger

MOST_DAYS: Final = 92  # that are drawn one by one
_MOST_EXPLORED: Final = 46  # of which it is worked out how much explored


@dataclass(frozen=True, slots=True)
class SegmentCourse:
    """How one segment's traffic was shared.

    Attributes:
        at: beginnings of days, then the present.
        shares: by variant id: of the learning group's decisions of each day, and at last the allocation in force.
        withheld: likewise: what was sent nothing, to keep budget.
        exploring: probability of another variant than the leader, under the newest snapshot of each day.
    """

    segment_id: str
    at: tuple[Instant, ...]
    shares: dict[str, tuple[float, ...]]
    withheld: tuple[float, ...]
    exploring: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Share of each day's decisions that both holdouts had."""

    at: tuple[Instant, ...]
    share: tuple[float, ...]


Counts = Mapping[str, int]
_Explored = Memory[tuple[str, int], Mapping[str, float]]
_remembered: WeakKeyDictionary[Live, _Explored] = WeakKeyDictionary()  # days that are over do not change


def courses(
    ledger: Ledger, live: Live, tactic: Tactic, days: Sequence[DaySums], now: Instant
) -> tuple[SegmentCourse, ...]:
    """How the traffic of each segment in force was shared.

    Args:
        ledger: the ledger.
        live: what is in force.
        tactic: the campaign.
        days: its decisions by the strategy's days.
        now: the instant.
    """
    table = live.at(ledger).tables[tactic.campaign_id]
    by_segment: dict[str, dict[int, dict[str, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    for one in days:
        if one.metric == DECIDED and one.group == Group.LEARNING and one.variant_id != NOTHING:
            by_segment[one.segment_id][one.day][one.variant_id] += one.sums.n
    explored = _explored(ledger, live, tactic, by_segment, now)
    return tuple(
        _course(tactic, table, segment, by_segment[segment_id], explored, now)
        for segment, segment_id in enumerate(tactic.rules.segment_ids)
    )


def held_out(tactic: Tactic, days: Sequence[DaySums]) -> HeldOut:
    """How much of each day's decisions was held out."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for one in days:
        if one.metric == DECIDED:
            counts[one.day][0] += one.sums.n if one.group in HOLDOUTS else 0
            counts[one.day][1] += one.sums.n
    shown = sorted(day for day, (_, n) in counts.items() if n)[-MOST_DAYS:]
    return HeldOut(tuple(begins(day, tactic) for day in shown), tuple(counts[day][0] / counts[day][1] for day in shown))


def begins(day: int, tactic: Tactic) -> Instant:
    """First instant of one of the strategy's days, counted from 1970."""
    return instant(datetime.combine(day_of(day), time(), tactic.zone))


def _course(
    tactic: Tactic,
    table: AllocationTable,
    segment: int,
    counts: Mapping[int, Counts],
    explored: Mapping[int, Mapping[str, float]],
    now: Instant,
) -> SegmentCourse:
    sent_on = sorted(day for day, of_day in counts.items() if sum(of_day.values()) > 0)[-MOST_DAYS:]
    totals = {day: sum(counts[day].values()) for day in sent_on}
    row = table.row(segment, tactic.limits.may_be_chosen[segment])
    others = {name for day in sent_on for name in counts[day]} - {*tactic.variant_ids, WITHHELD}
    shares = {
        name: (*(counts[day].get(name, 0) / totals[day] for day in sent_on), float(share))
        for name, share in (
            *zip(tactic.variant_ids, row.allocation.tolist(), strict=True),
            *((name, 0.0) for name in sorted(others)),
        )
    }
    exploring = [explored.get(day, {}).get(tactic.rules.segment_ids[segment]) for day in sent_on]
    return SegmentCourse(
        tactic.rules.segment_ids[segment],
        (*(begins(day, tactic) for day in sent_on), now),
        shares,
        (*(counts[day].get(WITHHELD, 0) / totals[day] for day in sent_on), row.withheld),
        (*_carried(exploring), _exploring(row)),
    )


def _explored(
    ledger: Ledger, live: Live, tactic: Tactic, by_segment: Mapping[str, Mapping[int, Counts]], now: Instant
) -> dict[int, Mapping[str, float]]:
    """How much explored on some of the days, by segment."""
    days = sorted({day for of_segment in by_segment.values() for day in of_segment})[-MOST_DAYS:]
    if not days:
        return {}
    remembered = _remembered.setdefault(live, Memory())
    found: dict[int, Mapping[str, float]] = {}
    for place in np.linspace(0, len(days) - 1, min(len(days), _MOST_EXPLORED)).round():
        day = days[int(place)]
        of_day = remembered.get((tactic.campaign_id, day))
        if of_day is None:
            over_at = begins(day + 1, tactic)
            sent = {segment_id: of_segment.get(day, {}) for segment_id, of_segment in by_segment.items()}
            of_day = _explored_on(ledger, tactic, sent, min(over_at, now))
            if over_at <= now:
                remembered[tactic.campaign_id, day] = of_day
        found[day] = of_day
    return found


def _explored_on(ledger: Ledger, tactic: Tactic, sent: Mapping[str, Counts], at: Instant) -> dict[str, float]:
    """How much explored under the newest snapshot at an instant, among the variants that were sent."""
    snapshot = ledger.snapshots.as_of(tactic.campaign_id, at)
    if snapshot is None:
        return {}
    table = AllocationTable(snapshot)
    return {
        segment_id: _exploring(
            table.row(segment, np.array([counts.get(name, 0) > 0 for name in snapshot.variant_ids], np.bool_))
        )
        for segment, segment_id in enumerate(snapshot.segment_ids)
        if (counts := sent.get(segment_id))
    }


def _exploring(row: AllocationRow) -> float:
    return max(1.0 - float(row.allocation[row.leader]) - row.withheld, 0.0) if row.leader >= 0 else 0.0


def _carried(values: Sequence[float | None]) -> list[float]:
    """What is not known is what it was before."""
    found: list[float] = []
    for value in values:
        found.append(value if value is not None else found[-1] if found else 0.0)
    return found
