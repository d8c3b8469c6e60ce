"""Budgets: what one more decision may cost, and from when on there is room again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from math import inf
from typing import NamedTuple
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
    label = periods_containing(now, zone)[span]
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


@lru_cache(maxsize=64)  # every decision of a batch is made at the same instant
def periods_containing(at: Instant, zone: ZoneInfo) -> Mapping[Span, str]:
    """Label of the period of each span that an instant is in."""
    today = moment(at).astimezone(zone).date().isoformat()
    return {Span.EVER: EVER, Span.MONTH: today.rpartition("-")[0], Span.DAY: today}


@dataclass(frozen=True, eq=False)
class Affordable:
    """Which variants there is room for.

    Attributes:
        sends: whether one more message may be sent at all.
        money: ``[A]``, whether the most each variant can cost still fits.
    """

    sends: bool
    money: NDArray[np.bool_]

    @cached_property
    def everything(self) -> bool:
        """Whether there is room for every variant."""
        return self.sends and bool(self.money.all())

    def same_as(self, other: Affordable) -> bool:
        """Whether there is room for the same variants."""
        return self is other or (self.sends == other.sends and bool((self.money == other.money).all()))


class Left(NamedTuple):
    """What is left of the tightest of some limits; None where nothing is limited.

    Attributes:
        sends: messages.
        money: micro-units.
    """

    sends: int | None
    money: int | None

    def affordable(self, most: Sequence[int]) -> Affordable:
        """What fits, given the most each variant can cost, micro-units; what fits alike is one object."""
        money = inf if self.money is None else self.money
        fits = [cost <= money or cost == 0 for cost in most]
        return _affordable(self.sends is None or self.sends > 0, *fits)

    def spare(self, dearest: int) -> float:
        """How many more decisions, none costing more than so much, cannot change what fits; infinite without limits."""
        spare = inf if self.sends is None else self.sends - 1
        return spare if self.money is None or dearest == 0 else min(spare, self.money // dearest - 1)


def left(limits: Sequence[Limit], keys: Sequence[MeterKey], readings: Mapping[MeterKey, Reading]) -> Left:
    """What is left.

    Args:
        limits: the limits of a campaign.
        keys: the meter of each.
        readings: what is in use on each meter; absent means nothing.
    """
    sends: int | None = None
    money: int | None = None
    for limit, key in zip(limits, keys, strict=True):
        most, most_sends = limit.allowance
        reserved, settled, sent = readings.get(key, UNUSED)
        if most_sends is not None and (sends is None or most_sends - sent < sends):
            sends = most_sends - sent
        if most is not None and (money is None or most - reserved - settled < money):
            money = most - reserved - settled
    return Left(sends, money)


@lru_cache(maxsize=1_024)
def _affordable(sends: bool, *fits: bool) -> Affordable:  # noqa: FBT001 - a key
    return Affordable(sends, np.array(fits, dtype=bool))


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
        limits: as for `left`.
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
