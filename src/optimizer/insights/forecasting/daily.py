"""Days of a campaign in the strategy's time zone: what came on each, and which of them say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import HOUR, Instant, instant, moment

Floats = NDArray[np.float64]

_LEAST_KNOWN = 0.25  # share of a day that must have been open for it to count
_SURELY_BUSY = 10.0  # decisions that a day without any must have been expected to bring to count as an interruption
_EVEN = 24.0  # hours' worth of an even day that the profile of the hours begins with


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """``D`` days one after another.

    Attributes:
        first: the first day, as `date.toordinal` counts.
        counts: what came on each while it was open, ``[D]``.
        known: share of each day's traffic that could have come, ``[D]``: less than 1 for the day on which the campaign
            began, 0 for days that say nothing, such as those of a pause.
    """

    first: int
    counts: Floats
    known: Floats

    def until(self, n: int) -> Daily:
        """The first `n` days."""
        return Daily(self.first, self.counts[:n], self.known[:n])


@dataclass(frozen=True, slots=True, eq=False)
class Hours:
    """``B`` hours of a campaign in which something came.

    Attributes:
        buckets: their starts, ``[B]``, increasing.
        counts: what came in each, ``[B]``.
    """

    buckets: NDArray[np.int64]
    counts: Floats


@dataclass(frozen=True, slots=True)
class Closed:
    """A stretch of time in which a campaign was not open, so that what did not come says nothing."""

    begins: Instant
    ends: Instant


def weekdays(first: int, n: int) -> NDArray[np.int64]:
    """0 for Monday, of `n` days from one on, ``[n]``; day 1 of the calendar was a Monday."""
    return (np.arange(first, first + n) - 1) % 7


def day_of(at: Instant, zone: ZoneInfo) -> int:
    """The day that an instant is on."""
    return moment(at).astimezone(zone).date().toordinal()


def begins_at(day: int, zone: ZoneInfo) -> Instant:
    """The first instant of a day."""
    return instant(datetime.combine(date.fromordinal(day), time(), zone))


def profile(hours: Hours, zone: ZoneInfo) -> Floats:
    """Share of a day's traffic that comes in each hour of the clock, ``[24]``, even where nothing is known."""
    found = np.full(24, _EVEN / 24.0)
    clock = [moment(at).astimezone(zone).hour for at in hours.buckets.tolist()]
    np.add.at(found, clock, hours.counts / max(float(hours.counts.mean()), 1.0) if clock else hours.counts)
    return found / found.sum()


def share_before(at: Instant, shares: Floats, zone: ZoneInfo) -> float:
    """Share of its day's traffic that comes before an instant, by the `profile` of the hours."""
    local = moment(at).astimezone(zone)
    within = (local.minute * 60 + local.second) / 3600.0
    return float(shares[: local.hour].sum() + within * shares[local.hour])


def daily(hours: Hours, begins: Instant, ends: Instant, zone: ZoneInfo, closed: Sequence[Closed] = ()) -> Daily:
    """Whole days from the one on which a campaign began up to, and without, the one that `ends` is on.

    A day counts by the share of its usual traffic that could have come; one on which nothing at all came although ten
    or more were usual that weekday is an interruption, such as a caller that was down, and no traffic of zero.

    Args:
        hours: what came.
        begins: when the first could have come.
        ends: now.
        zone: days begin at its midnights.
        closed: pauses, in any order.
    """
    first, last = day_of(begins, zone), day_of(ends, zone)
    n = max(last - first, 0)
    shares = profile(hours, zone)
    counts, known = np.zeros(n), np.ones(n)
    places = np.array([day_of(at, zone) - first for at in hours.buckets.tolist()], np.int64)
    within = (places >= 0) & (places < n)
    np.add.at(counts, places[within], (hours.counts * _open_shares(hours, closed))[within])
    if n:
        known[0] -= share_before(begins, shares, zone)
    for gap in closed:
        _close(known, gap, first, shares, zone)
    known = np.where(known < _LEAST_KNOWN, 0.0, known)
    return Daily(first, counts, np.where(_interrupted(counts, known, first), 0.0, known))


def _open_shares(hours: Hours, closed: Sequence[Closed]) -> Floats:
    """Share of each hour outside all pauses, ``[B]``: callers may go on asking in one, and that is no part of a day."""
    shares = np.ones(len(hours.buckets))
    for gap in closed:
        inside = np.minimum(hours.buckets + HOUR, gap.ends) - np.maximum(hours.buckets, gap.begins)
        shares -= np.maximum(inside, 0) / HOUR
    return np.maximum(shares, 0.0)


def _close(known: Floats, gap: Closed, first: int, shares: Floats, zone: ZoneInfo) -> None:
    """Take a pause out of the days it touches."""
    for day in range(max(day_of(gap.begins, zone), first), min(day_of(gap.ends, zone) + 1, first + len(known))):
        begins, after = begins_at(day, zone), begins_at(day + 1, zone)
        before = share_before(gap.begins, shares, zone) if gap.begins > begins else 0.0
        until = share_before(gap.ends, shares, zone) if gap.ends < after else 1.0
        known[day - first] = max(known[day - first] - (until - before), 0.0)


def _interrupted(counts: Floats, known: Floats, first: int) -> NDArray[np.bool_]:
    """Days without anything where the same weekday, or else any day, usually brings a lot."""
    found = np.zeros(len(counts), np.bool_)
    of_day = weekdays(first, len(counts))
    for day in np.flatnonzero((counts == 0.0) & (known > 0.0)).tolist():
        others = (known > 0.0) & (np.arange(len(counts)) != day)
        alike = others & (of_day == of_day[day])
        some = counts[alike if alike.sum() >= 2 else others]
        found[day] = len(some) > 0 and float(np.median(some)) >= _SURELY_BUSY
    return found


def hours_of(counts: dict[Instant, float]) -> Hours:
    """Hours from counts by their start."""
    buckets = sorted(counts)
    return Hours(np.array(buckets, np.int64), np.array([counts[at] for at in buckets], np.float64))


def as_date(day: int) -> str:
    """``2026-12-01``."""
    return (date.min + timedelta(days=day - 1)).isoformat()


def date_words(written: str) -> str:
    """``1 Dec 2026``, as every page says days, of ``2026-12-01``."""
    day = date.fromisoformat(written)
    return f"{day.day} {day:%b %Y}"
