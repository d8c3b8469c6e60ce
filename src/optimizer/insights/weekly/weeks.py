"""Weeks as people name them: ``2026-W47``, from Monday to Sunday in the strategy's time zone."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from optimizer.domain.instants import Instant, instant, moment
from optimizer.errors import InvalidRequest, RequestFinding

_LABEL = re.compile(r"(\d{4})-W(\d{2})").fullmatch
_FIRST_YEAR, _LAST_YEAR = 1970, 9_998  # between which instants are
_ALLOWED = "a week such as 2026-W47"


@dataclass(frozen=True, slots=True)
class Week:
    """One week.

    Attributes:
        label: ``2026-W47``, after ISO 8601.
        begins: first instant.
        ends: first instant after it.
    """

    label: str
    begins: Instant
    ends: Instant

    @property
    def middle(self) -> Instant:
        """An instant within it, whatever clocks do."""
        return (self.begins + self.ends) // 2


def week_named(label: str, zone: ZoneInfo) -> Week:
    """The week with this name.

    Raises:
        InvalidRequest: there is no such week.
    """
    monday = _monday(label)
    if monday is None:
        raise InvalidRequest(RequestFinding("/week", repr(label[:40]), _ALLOWED))
    return Week(label, _midnight(monday, zone), _midnight(monday + timedelta(days=7), zone))


def week_of(at: Instant, zone: ZoneInfo) -> Week:
    """The week that an instant is in."""
    year, number, _ = moment(at).astimezone(zone).isocalendar()
    return week_named(f"{year:04d}-W{number:02d}", zone)


def week_before(week: Week, zone: ZoneInfo) -> Week:
    """The week before."""
    return week_of(week.begins - 1, zone)


def week_after(week: Week, zone: ZoneInfo) -> Week:
    """The week after."""
    return week_of(week.ends, zone)


def _monday(label: str) -> date | None:
    found = _LABEL(label)
    with suppress(ValueError):
        if found is not None and _FIRST_YEAR <= int(found[1]) <= _LAST_YEAR:
            return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    return None


def _midnight(day: date, zone: ZoneInfo) -> Instant:
    return instant(datetime.combine(day, time(), zone))
