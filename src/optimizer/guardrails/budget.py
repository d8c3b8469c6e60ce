"""Budgets: what one more decision may cost, and from when on there is room again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant, instant, moment
from optimizer.domain.meters import EVER, STRATEGY, UNUSED, Allowance, MeterKey, Reading, campaign_scope, channel_scope
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.limits import Budget, Sends


class Span(StrEnum):
    """How long a limit is for."""

    EVER = "ever"
    MONTH = "month"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be in use in one scope, in each period of a span."""

    scope: str
    span: Span
    allowance: Allowance

    def key(self, now: Instant, zone: ZoneInfo) -> MeterKey:
        """The meter that counts it now."""
        return MeterKey(self.scope, period(self.span, now, zone)[0])


def limits_of(strategy: Strategy, campaign: Campaign) -> tuple[Limit, ...]:
    """Every limit on money and sends that a decision of a campaign is under."""
    found = [*_budget_limits(STRATEGY, strategy.budget)]
    channel = strategy.channels.get(campaign.channel)
    if channel and channel.sends_per_day is not None:
        found.append(Limit(channel_scope(campaign.channel), Span.DAY, Allowance(sends=channel.sends_per_day)))
    return (*found, *_budget_limits(campaign_scope(campaign.campaign), campaign.budget))


def _budget_limits(scope: str, budget: Budget) -> list[Limit]:
    allowances: dict[Span, Allowance] = {}
    sends = budget.sends or Sends()
    stated = (
        (Span(budget.per or Span.EVER), budget.total, None),
        (Span.MONTH, budget.monthly, None),
        (Span.DAY, budget.daily, None),
        (Span.EVER, None, sends.total),
        (Span.MONTH, None, sends.monthly),
        (Span.DAY, None, sends.daily),
    )
    for span, money, most_sends in stated:
        if money is not None or most_sends is not None:
            allowance = Allowance(None if money is None else money.amount, most_sends)
            allowances[span] = allowances.get(span, Allowance()).both(allowance)
    return [Limit(scope, span, allowances[span]) for span in Span if span in allowances]


def period(span: Span, now: Instant, zone: ZoneInfo) -> tuple[str, Instant | None, Instant | None]:
    """Label, first instant and first instant after the period of a span that `now` is in; None where it is open."""
    if span is Span.EVER:
        return EVER, None, None
    today = moment(now).astimezone(zone).date().isoformat()
    label = today if span is Span.DAY else today.rpartition("-")[0]
    return label, *bounds(label, zone)


def bounds(label: str, zone: ZoneInfo) -> tuple[Instant | None, Instant | None]:
    """First instant of the period with a label, and first instant after it; None where it is open."""
    span = span_of(label)
    if span is Span.EVER:
        return None, None
    first = date.fromisoformat(label if span is Span.DAY else f"{label}-01")
    after = first + timedelta(days=1) if span is Span.DAY else (first + timedelta(days=31)).replace(day=1)
    starts, ends = (instant(datetime.combine(day, time(), zone)) for day in (first, after))
    return starts, ends


def span_of(label: str) -> Span:
    """The span whose periods have labels like this one: ``ever``, ``2026-12`` or ``2026-12-01``."""
    return Span.EVER if label == EVER else Span.MONTH if label.count("-") == 1 else Span.DAY


def periods_containing(at: Instant, zone: ZoneInfo) -> dict[Span, str]:
    """Label of the period of each span that an instant is in."""
    return {span: period(span, at, zone)[0] for span in Span}


@dataclass(frozen=True, slots=True, eq=False)
class Affordable:
    """Which variants there is room for.

    Attributes:
        sends: whether one more message may be sent at all.
        money: ``[A]``, whether the most each variant can cost still fits.
    """

    sends: bool
    money: NDArray[np.bool_]

    @property
    def everything(self) -> bool:
        """Whether there is room for every variant."""
        return self.sends and bool(self.money.all())

    def same_as(self, other: Affordable) -> bool:
        """Whether there is room for the same variants."""
        return self.sends == other.sends and bool((self.money == other.money).all())


def affordable(
    limits: Sequence[Limit], keys: Sequence[MeterKey], readings: Mapping[MeterKey, Reading], most: NDArray[np.int64]
) -> Affordable:
    """What fits into every limit.

    Args:
        limits: the limits of a campaign.
        keys: the meter of each.
        readings: what is in use on each meter; absent means nothing.
        most: ``[A]``, the most each variant can cost, micro-units.
    """
    sends, room = True, None
    for limit, key in zip(limits, keys, strict=True):
        reading = readings.get(key, UNUSED)
        if limit.allowance.sends is not None:
            sends = sends and reading.sends < limit.allowance.sends
        if limit.allowance.money is not None:
            left = limit.allowance.money - reading.money
            room = left if room is None else min(room, left)
    fits = np.ones(len(most), dtype=bool) if room is None else (most <= room) | (most == 0)
    return Affordable(sends, fits)


def room_again_at(
    limits: Sequence[Limit],
    keys: Sequence[MeterKey],
    readings: Mapping[MeterKey, Reading],
    cost: int,
    now: Instant,
    zone: ZoneInfo,
) -> Instant | None:
    """When the periods that are used up are over; None when nothing but another budget, or a settlement, makes room.

    Args:
        limits: as for `affordable`.
        keys: likewise.
        readings: likewise.
        cost: the most the variant can cost, micro-units.
        now: the instant of the decision.
        zone: the strategy's time zone.
    """
    again = now
    for limit, key in zip(limits, keys, strict=True):
        used = readings.get(key, UNUSED)
        if not limit.allowance.admits(used.plus(Reading(cost, 0, 1))):
            ends = period(limit.span, now, zone)[2]
            if ends is None:
                return None
            again = max(again, ends)
    return again if again > now else None
