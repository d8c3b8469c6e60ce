"""Past days: what the ledger knows of a campaign by the hour, and when it was not open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import DAY, Instant
from optimizer.domain.micros import units
from optimizer.domain.reasons import Group
from optimizer.domain.statistics import DECIDED, NOTHING, WITHHELD, Cell, Sums, reward_metric
from optimizer.engine.tactic import Tactic
from optimizer.insights.forecasting.daily import Closed, Daily, as_date, daily, day_of, hours_of, profile
from optimizer.insights.forecasting.traffic import MOST_DAYS
from optimizer.storage.outlays import Outlay
from optimizer.storage.store import Ledger

Cells = Sequence[tuple[Cell, Sums]]

RECENT = 28 * DAY  # four whole weeks, that shares and rates are read from
_PAGE = 200
_CLOSING = {"pause": True, "stop": True, "resume": False}


@dataclass(frozen=True, slots=True)
class PastDay:
    """One day of a campaign, by the day of the decision.

    Attributes:
        day: ``2026-12-01``, in the strategy's time zone.
        decisions: made on it.
        known: share of it in which decisions could have come; 0 for a day that says nothing.
        sends: messages.
        settled: what is due for them so far, in units of currency.
        reserved: what may yet become due.
        reward: what they have earned so far, all groups together.
    """

    day: str
    decisions: float
    known: float
    sends: int
    settled: float
    reserved: float
    reward: float


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What a forecast is made from.

    Attributes:
        as_of: until when.
        cells: the campaign's statistics.
        recent: those of the last four weeks.
        daily: whole days so far; None before the first decision.
        hours: share of a day's traffic by the hour of the clock, ``[24]``.
        outlays: of the campaign, by the hour.
        closed: when it was paused or stopped.
    """

    as_of: Instant
    cells: Cells
    recent: Cells
    daily: Daily | None
    hours: NDArray[np.float64]
    outlays: tuple[Outlay, ...]
    closed: tuple[Closed, ...]


def past_of(ledger: Ledger, tactic: Tactic, now: Instant) -> Past:
    """Everything a forecast looks at, up to an instant."""
    cells = [(cell, sums) for cell, sums in ledger.statistics.of_campaign(tactic.campaign_id) if cell.bucket <= now]
    since = now - MOST_DAYS * DAY
    made: dict[Instant, float] = {}
    for cell, sums in cells:
        if cell.metric == DECIDED and cell.bucket >= since:
            made[cell.bucket] = made.get(cell.bucket, 0.0) + sums.n
    hours = hours_of(made)
    closed = closed_times(ledger, tactic.campaign_id, since, now)
    return Past(
        as_of=now,
        cells=cells,
        recent=[(cell, sums) for cell, sums in cells if cell.bucket >= now - RECENT],
        daily=daily(hours, int(hours.buckets[0]), now, tactic.zone, closed) if made else None,
        hours=profile(hours, tactic.zone),
        outlays=ledger.outlays.by_hour(since, campaign_id=tactic.campaign_id),
        closed=closed,
    )


def closed_times(ledger: Ledger, campaign_id: str, since: Instant, now: Instant) -> tuple[Closed, ...]:
    """When a campaign was paused or stopped after an instant, as the audit trail has it; one that is, until now."""
    turns: list[tuple[Instant, bool]] = []
    for links in ledger.audit.pages(_PAGE, subject=campaign_id):
        of_campaign = [link.entry for link in links if link.entry.subject == campaign_id and link.entry.at <= now]
        turns += [(entry.at, _CLOSING[entry.action]) for entry in of_campaign if entry.action in _CLOSING]
        if links[-1].entry.at < since:
            break
    found: list[Closed] = []
    begins: Instant | None = None
    for at, closes in sorted(turns):
        if closes and begins is None:
            begins = at
        elif not closes and begins is not None:
            found.append(Closed(begins, at))
            begins = None
    return tuple(found) if begins is None else (*found, Closed(begins, now))


def past_days(tactic: Tactic, past: Past, now: Instant) -> tuple[PastDay, ...]:
    """Days so far, today's part of one included; empty before the first decision."""
    if past.daily is None:
        return ()
    zone, first = tactic.zone, past.daily.first
    n = day_of(now, zone) - first + 1
    decisions, rewards = np.zeros(n), np.zeros(n)
    sends, settled, reserved = np.zeros(n, np.int64), np.zeros(n), np.zeros(n)
    metric = reward_metric(tactic.reward_rule.objective_id)
    days: dict[Instant, int] = {}
    for cell, sums in past.cells:
        place = days.setdefault(cell.bucket, day_of(cell.bucket, zone) - first)
        if not 0 <= place < n:
            continue
        if cell.metric == DECIDED:
            decisions[place] += sums.n
        elif cell.metric == metric:
            rewards[place] += units(sums.total)
    for outlay in past.outlays:
        place = day_of(outlay.hour, zone) - first
        if 0 <= place < n:
            sends[place] += outlay.sends
            settled[place] += units(outlay.settled)
            reserved[place] += units(outlay.reserved)
    known = [*past.daily.known.tolist(), 1.0]
    columns = (decisions, known, sends, settled, reserved, rewards)
    return tuple(
        PastDay(as_date(first + place), float(d), float(k), int(s), float(due), float(held), float(r))
        for place, (d, k, s, due, held, r) in enumerate(zip(*columns, strict=True))
    )


@dataclass(frozen=True, slots=True)
class Mix:
    """How the decisions of a campaign divide, over four weeks.

    Attributes:
        inside: share of them in the audience.
        segments: share of those in each segment, ``[S]``.
        sent: share of the learning group's decisions that send, or would if budget were not kept for others.
        sent_others: share of the others' decisions that send.
        exposed: trials for each message to the learning group.
    """

    inside: float
    segments: tuple[float, ...]
    sent: float
    sent_others: float
    exposed: float


def mix_of(tactic: Tactic, recent: Cells, now: Instant) -> Mix:
    """How decisions divide; as if everything were sent and everybody took part where nothing is known yet."""
    names = tactic.rules.segment_ids
    # Hours without a message are those of a pause, of an empty budget, before the start: they say nothing of the rest.
    unsent = {NOTHING, WITHHELD}
    open_ = {cell.bucket for cell, sums in recent if cell.metric == DECIDED and cell.variant_id not in unsent}
    decided = [(cell, sums.n) for cell, sums in recent if cell.metric == DECIDED and cell.bucket in open_]
    total = sum(n for _, n in decided)
    inside = sum(n for cell, n in decided if cell.segment_id)
    of_segment = [sum(n for cell, n in decided if cell.segment_id == name) + 1.0 / len(names) for name in names]
    learning = [(cell, n) for cell, n in decided if cell.group == Group.LEARNING and cell.segment_id]
    others = [(cell, n) for cell, n in decided if cell.group != Group.LEARNING and cell.segment_id]
    metric, settled = reward_metric(tactic.reward_rule.objective_id), now - DAY
    sends = sum(n for cell, n in learning if cell.variant_id not in unsent and cell.bucket < settled)
    trials = sum(
        sums.n
        for cell, sums in recent
        if cell.metric == metric and cell.group == Group.LEARNING and cell.bucket < settled
    )
    return Mix(
        inside=inside / total if total else 1.0,
        segments=tuple(n / sum(of_segment) for n in of_segment),
        sent=_share(learning, {NOTHING}),
        sent_others=_share(others, unsent),
        exposed=min(trials / sends, 1.0) if sends else 1.0,
    )


def _share(decided: Sequence[tuple[Cell, int]], unsent: set[str]) -> float:
    total = sum(n for _, n in decided)
    return sum(n for cell, n in decided if cell.variant_id not in unsent) / total if total else 1.0
