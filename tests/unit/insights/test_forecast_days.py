"""Days: pauses, the day it began, and callers that were down are no traffic of zero."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from optimizer.domain.instants import DAY, HOUR, instant
from optimizer.insights.forecasting.daily import (
    Closed,
    Hours,
    as_date,
    daily,
    date_words,
    day_of,
    profile,
    share_before,
    weekdays,
)

LONDON = ZoneInfo("Europe/London")
MONDAY = instant(datetime(2026, 11, 2, tzinfo=LONDON))


def hours(days: int, per_hour: float, without: set[int] = frozenset()) -> Hours:
    places = [n for n in range(24 * days) if n // 24 not in without]
    return Hours(np.array([MONDAY + n * HOUR for n in places]), np.full(len(places), per_hour))


def test_whole_days_are_counted_and_today_is_not() -> None:
    found = daily(hours(4, 2.0), MONDAY, MONDAY + 3 * DAY + 5 * HOUR, LONDON)
    assert found.counts.tolist() == [48.0, 48.0, 48.0]
    assert found.known.tolist() == [1.0, 1.0, 1.0]
    assert weekdays(found.first, 3).tolist() == [0, 1, 2]
    assert as_date(found.first) == "2026-11-02"
    assert date_words(as_date(found.first)) == "2 Nov 2026"


def test_the_day_on_which_it_began_counts_by_the_share_that_could_have_come() -> None:
    late = MONDAY + 12 * HOUR
    found = daily(hours(3, 2.0), late, MONDAY + 3 * DAY, LONDON)
    assert found.known[0] == pytest.approx(0.5, abs=0.01)


def test_a_pause_is_no_traffic_of_zero() -> None:
    found = daily(
        hours(10, 2.0, {4, 5}), MONDAY, MONDAY + 10 * DAY, LONDON, [Closed(MONDAY + 4 * DAY, MONDAY + 6 * DAY)]
    )
    assert found.known.tolist() == [1, 1, 1, 1, 0, 0, 1, 1, 1, 1]


def test_half_a_day_of_a_pause_leaves_the_other_half() -> None:
    found = daily(hours(5, 2.0), MONDAY, MONDAY + 5 * DAY, LONDON, [Closed(MONDAY + DAY + 12 * HOUR, MONDAY + 2 * DAY)])
    assert found.known[1] == pytest.approx(0.5, abs=0.01)
    assert found.known[2] == 1.0


def test_whoever_asks_on_during_a_pause_makes_the_rest_of_its_day_no_busier() -> None:
    pauses = [
        Closed(MONDAY + DAY + 12 * HOUR, MONDAY + 2 * DAY),
        Closed(MONDAY + 3 * DAY, MONDAY + 3 * DAY + HOUR // 2),
    ]
    found = daily(hours(5, 2.0), MONDAY, MONDAY + 5 * DAY, LONDON, pauses)
    assert found.counts.tolist() == [48.0, 24.0, 48.0, 47.0, 48.0]
    assert found.counts / found.known == pytest.approx(48.0, rel=0.01)


def test_a_caller_that_was_down_for_a_day_is_no_traffic_of_zero() -> None:
    assert daily(hours(21, 2.0, {9}), MONDAY, MONDAY + 21 * DAY, LONDON).known[9] == 0.0


def test_a_campaign_that_never_sends_on_sundays_has_known_sundays() -> None:
    found = daily(hours(28, 2.0, {6, 13, 20, 27}), MONDAY, MONDAY + 28 * DAY, LONDON)
    assert (found.known == 1.0).all()


def test_a_few_decisions_a_day_may_well_be_none() -> None:
    found = daily(Hours(np.array([MONDAY, MONDAY + 5 * DAY]), np.ones(2)), MONDAY, MONDAY + 6 * DAY, LONDON)
    assert (found.known == 1.0).all()


def test_the_share_of_a_day_that_is_over_follows_the_hours_of_the_campaign() -> None:
    mornings = Hours(np.array([MONDAY + n * DAY + 8 * HOUR for n in range(60)]), np.full(60, 50.0))
    shares = profile(mornings, LONDON)
    assert share_before(MONDAY + 12 * HOUR, shares, LONDON) > 0.8
    assert share_before(MONDAY + 6 * HOUR, shares, LONDON) < 0.2
    assert shares.sum() == pytest.approx(1.0)


def test_days_are_those_of_the_zone_even_when_clocks_change() -> None:
    change = instant(datetime(2026, 10, 25, 12, tzinfo=LONDON))  # a day of 25 hours
    assert day_of(change + 12 * HOUR, LONDON) == day_of(change, LONDON) + 1
    assert weekdays(day_of(change, LONDON), 1).tolist() == [6]
