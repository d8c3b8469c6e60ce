from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optimizer.domain.daily_window import MINUTES_PER_DAY, DailyWindow
from optimizer.domain.instants import DAY, HOUR, MINUTE, Instant, instant, moment
from optimizer.guardrails.hours import (
    UNKNOWN,
    Hours,
    local_minutes,
    next_open,
    outside_window,
    quiet_now,
    zone_unknown,
)
from optimizer.strategy.fields import parsed_window

NEW_YORK, SAMOA, LORD_HOWE = ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia"), ZoneInfo("Australia/Lord_Howe")
KATHMANDU, CHATHAM = ZoneInfo("Asia/Kathmandu"), ZoneInfo("Pacific/Chatham")

# Days on which clocks changed, in zones that change them in every way there is (IANA time zone database).
CHANGES = [
    ("America/New_York", date(2026, 3, 8)),  # an hour forward at 2:00
    ("America/New_York", date(2026, 11, 1)),
    ("Europe/Dublin", date(2026, 3, 29)),  # winter is the exception there
    ("Europe/Dublin", date(2026, 10, 25)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # half an hour
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Antarctica/Troll", date(2026, 3, 29)),  # two hours
    ("America/Sao_Paulo", date(2018, 11, 4)),  # at midnight: the day begins at 1:00
    ("America/Havana", date(2026, 11, 1)),  # at 1:00, back to midnight
    ("Africa/Cairo", date(2026, 10, 29)),  # at midnight, back into the day before
    ("Pacific/Chatham", date(2026, 9, 27)),  # 12:45 ahead, at 2:45
    ("Asia/Pyongyang", date(2015, 8, 14)),  # half an hour back for good
    ("America/Caracas", date(2016, 5, 1)),
    ("Pacific/Apia", date(2011, 12, 30)),  # a day that never was
    ("Pacific/Kwajalein", date(1993, 8, 21)),  # another, called the 20th or 21st
    ("Asia/Kathmandu", date(1986, 1, 1)),  # a quarter of an hour
    ("UTC", date(2026, 1, 1)),
]

minutes_of_day = st.integers(0, MINUTES_PER_DAY - 1) | st.integers(0, 240)
windows = (
    st.tuples(minutes_of_day, minutes_of_day.map(lambda minute: minute or MINUTES_PER_DAY) | st.just(MINUTES_PER_DAY))
    .filter(lambda bounds: bounds[0] != bounds[1])
    .map(lambda bounds: DailyWindow(*bounds))
)
maybe_windows = st.none() | windows
zones = st.sampled_from(sorted({name for name, _ in CHANGES})).map(ZoneInfo)
around_changes = st.builds(
    lambda change, offset: (ZoneInfo(change[0]), instant(datetime(*change[1].timetuple()[:3], tzinfo=UTC)) + offset),
    st.sampled_from(CHANGES),
    st.integers(-3 * DAY, 2 * DAY) | st.integers(-36 * 60, 36 * 60).map(lambda minutes: minutes * MINUTE),
)


def window(written: str | None) -> DailyWindow | None:
    return None if written is None else parsed_window(written)


def hours(quiet: str | None = None, *send: str | None, assumed: ZoneInfo | None = None) -> Hours:
    return Hours(window(quiet), tuple(map(window, send)), assumed)


def at(text: str, zone: tzinfo = UTC, fold: int = 0) -> Instant:
    return instant(datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold))


def opens(of: Hours, now: Instant, zone: ZoneInfo | None) -> str | None:
    found = next_open(of, 0, now, zone)
    assert found is None or found % MINUTE == 0
    return None if found is None else moment(found).astimezone(zone).strftime("%Y-%m-%d %H:%M %z")


def shown_inside(window: DailyWindow, clock: datetime) -> bool:
    """The definition: minutes are counted from the window's start, over midnight if need be."""
    length = (window.end - window.start) % MINUTES_PER_DAY or MINUTES_PER_DAY
    return (clock.hour * 60 + clock.minute - window.start) % MINUTES_PER_DAY < length


def may_send(quiet: DailyWindow | None, send: DailyWindow | None, at: Instant, zone: ZoneInfo) -> bool:
    clock = moment(at).astimezone(zone)
    return not (quiet and shown_inside(quiet, clock)) and (send is None or shown_inside(send, clock))


def never_open(of: Hours) -> list[int]:
    return [arm for arm in range(len(of.send)) if of.depends_on_time_of_day(arm) and not of.openings(arm)]


# What a local clock shows


def test_each_contact_has_the_minute_of_the_own_day() -> None:
    noon = at("2026-07-01T12:00:59.999999")
    found = local_minutes(noon, [NEW_YORK, None, KATHMANDU, CHATHAM, NEW_YORK])
    assert found.tolist() == [8 * 60, UNKNOWN, 17 * 60 + 45, 45, 8 * 60]
    assert found.dtype == np.int64
    assert local_minutes(noon, []).shape == (0,)


def test_an_unknown_zone_is_the_assumed_one() -> None:
    assert local_minutes(0, [None, NEW_YORK], assumed=KATHMANDU).tolist() == [5 * 60 + 30, 19 * 60]


def test_each_zone_is_converted_once_however_many_contacts_live_there() -> None:
    class Counted(ZoneInfo):
        conversions = 0

        def fromutc(self, when: datetime) -> datetime:
            Counted.conversions += 1
            return super().fromutc(when)

    berlin, lima = Counted("Europe/Berlin"), Counted("America/Lima")
    assert len(set(local_minutes(0, [berlin, lima, None] * 1_000).tolist())) == 3
    assert Counted.conversions == 2


@given(st.lists(st.none() | zones, max_size=8), around_changes, st.none() | zones)
def test_local_minutes_are_those_on_the_clock(
    lived_in: list[ZoneInfo | None], change: tuple[ZoneInfo, Instant], assumed: ZoneInfo | None
) -> None:
    now = change[1]
    for zone, minute in zip(lived_in, local_minutes(now, lived_in, assumed).tolist(), strict=True):
        known = zone or assumed
        clock = moment(now).astimezone(known) if known else None
        assert minute == (clock.hour * 60 + clock.minute if clock else UNKNOWN)


# Which rule applies


def test_the_three_rules_are_told_apart() -> None:
    of = hours("21:00-08:00", "06:00-10:00", None)
    minutes = np.array([7 * 60, 9 * 60, 12 * 60, 23 * 60, UNKNOWN])
    assert quiet_now(of, minutes).tolist() == [True, False, False, True, False]
    assert outside_window(of, minutes)[:, 0].tolist() == [False, False, True, True, False]
    assert outside_window(of, minutes)[:, 1].tolist() == [False] * 5
    assert zone_unknown(of, minutes).tolist() == [[False, False]] * 4 + [[True, True]]


def test_an_arm_for_any_time_needs_no_zone_on_a_channel_without_quiet_hours() -> None:
    of = hours(None, "06:00-10:00", None)
    assert zone_unknown(of, np.array([UNKNOWN])).tolist() == [[True, False]]
    assert of.any_depends_on_time_of_day
    assert next_open(of, 0, 5, None) is None
    assert next_open(of, 1, 5, None) == 6


def test_a_campaign_without_hours_never_cares_about_zones() -> None:
    of = hours(None, None, None)
    unknown = np.array([UNKNOWN, 0])
    assert not of.any_depends_on_time_of_day
    assert not quiet_now(of, unknown).any()
    assert not outside_window(of, unknown).any()
    assert not zone_unknown(of, unknown).any()
    assert quiet_now(of, unknown).shape == (2,)
    assert outside_window(of, unknown).shape == zone_unknown(of, unknown).shape == (2, 2)


@given(maybe_windows, st.lists(maybe_windows, min_size=1, max_size=4), around_changes, zones, st.none() | zones)
def test_masks_are_the_definition_for_each_contact_and_arm(
    quiet: DailyWindow | None,
    send: list[DailyWindow | None],
    change: tuple[ZoneInfo, Instant],
    other: ZoneInfo,
    assumed: ZoneInfo | None,
) -> None:
    zone, now = change
    of = Hours(quiet, tuple(send), assumed)
    lived_in = [zone, None, other]
    minutes = local_minutes(now, lived_in, assumed)
    is_quiet, is_outside, is_unknown = quiet_now(of, minutes), outside_window(of, minutes), zone_unknown(of, minutes)
    for contact, home in enumerate(lived_in):
        known = home or assumed
        clock = moment(now).astimezone(known) if known else None
        assert is_quiet[contact] == bool(clock and quiet and shown_inside(quiet, clock))
        for arm, arm_window in enumerate(send):
            assert is_outside[contact, arm] == bool(clock and arm_window and not shown_inside(arm_window, clock))
            assert is_unknown[contact, arm] == (clock is None and (quiet is not None or arm_window is not None))


@given(
    quiet=maybe_windows,
    send=st.lists(maybe_windows, min_size=2, max_size=4),
    minutes=st.lists(st.integers(UNKNOWN, MINUTES_PER_DAY - 1), min_size=1),
    added=windows,
    where=st.sampled_from(["quiet hours", "send window"]),
)
def test_adding_quiet_hours_or_a_window_never_opens_anything(
    quiet: DailyWindow | None, send: list[DailyWindow | None], minutes: list[int], added: DailyWindow, where: str
) -> None:
    def blocked(of: Hours) -> np.ndarray:
        local = np.array(minutes)
        return quiet_now(of, local)[:, np.newaxis] | outside_window(of, local) | zone_unknown(of, local)

    adds_quiet = where == "quiet hours"
    less = Hours(None if adds_quiet else quiet, tuple(send) if adds_quiet else (None, *send[1:]), None)
    more = replace(less, quiet=added) if adds_quiet else replace(less, send=(added, *send[1:]))
    assert (blocked(more) >= blocked(less)).all()
    assert set(never_open(more)) >= set(never_open(less))


# When it opens


def test_quiet_hours_end_in_the_recipients_morning() -> None:
    night = hours("21:00-08:00", None)
    now = at("2026-07-01T23:00", NEW_YORK)
    assert opens(night, now, NEW_YORK) == "2026-07-02 08:00 -0400"
    assert opens(night, now, ZoneInfo("Europe/London")) == "2026-07-02 08:00 +0100"
    assert next_open(night, 0, now, KATHMANDU) == now + 1  # where it is 8:45 already


def test_a_window_opens_at_its_start_or_where_quiet_hours_end_inside_it() -> None:
    noon = at("2026-07-01T12:00", NEW_YORK)
    assert opens(hours(None, "09:00-11:00"), noon, NEW_YORK) == "2026-07-02 09:00 -0400"
    assert opens(hours("21:00-08:00", "06:00-10:00"), noon, NEW_YORK) == "2026-07-02 08:00 -0400"
    assert opens(hours("07:00-08:00", "06:00-10:00"), noon, NEW_YORK) == "2026-07-02 06:00 -0400"


def test_the_very_next_instant_is_the_answer_where_that_is_open() -> None:
    morning = hours(None, "09:00-11:00")
    opening, closing = at("2026-07-01T09:00", NEW_YORK), at("2026-07-01T11:00", NEW_YORK)
    assert next_open(morning, 0, opening - 1, NEW_YORK) == opening
    assert next_open(morning, 0, opening, NEW_YORK) == opening + 1
    assert next_open(morning, 0, closing - 2, NEW_YORK) == closing - 1
    assert next_open(morning, 0, closing - 1, NEW_YORK) == opening + DAY


def test_a_window_lost_in_the_hour_that_spring_skips_opens_a_day_later() -> None:
    now = at("2026-03-08T01:00", NEW_YORK)  # 2:00 to 3:00 does not exist
    assert opens(hours(None, "02:15-02:45"), now, NEW_YORK) == "2026-03-09 02:15 -0400"


def test_a_window_that_begins_in_the_hour_that_spring_skips_opens_when_it_is_over() -> None:
    now = at("2026-03-08T01:00", NEW_YORK)
    assert opens(hours(None, "02:30-05:00"), now, NEW_YORK) == "2026-03-08 03:00 -0400"
    assert opens(hours("21:00-02:30", None), now, NEW_YORK) == "2026-03-08 03:00 -0400"


def test_a_window_in_the_hour_that_autumn_repeats_opens_twice() -> None:
    half_past_one = hours(None, "01:15-01:45")
    first = next_open(half_past_one, 0, at("2026-11-01T00:00", NEW_YORK), NEW_YORK)
    assert first == at("2026-11-01T05:15")  # 1:15 summer time
    assert next_open(half_past_one, 0, first + 29 * MINUTE, NEW_YORK) == first + 29 * MINUTE + 1
    assert next_open(half_past_one, 0, first + 30 * MINUTE - 1, NEW_YORK) == first + HOUR
    assert opens(half_past_one, first + HOUR + 30 * MINUTE, NEW_YORK) == "2026-11-02 01:15 -0500"


def test_quiet_hours_that_end_in_the_hour_that_autumn_repeats_begin_again() -> None:
    until_half_past_one = hours("21:00-01:30", None)
    half_past_one, clocks_change = at("2026-11-01T05:30"), at("2026-11-01T06:00")
    assert next_open(until_half_past_one, 0, at("2026-11-01T04:00"), NEW_YORK) == half_past_one
    assert next_open(until_half_past_one, 0, clocks_change - 1, NEW_YORK) == clocks_change + 30 * MINUTE


def test_turning_back_the_clock_can_open_a_window_in_its_middle() -> None:
    # At 2:00 summer time it is 1:30 again on Lord Howe Island.
    now = at("2026-04-05T01:40", LORD_HOWE)
    assert opens(hours(None, "01:20-01:40"), now, LORD_HOWE) == "2026-04-05 01:30 +1030"


def test_half_an_hour_of_summer_time_is_skipped_exactly() -> None:
    now = at("2026-10-04T01:00", LORD_HOWE)
    assert opens(hours(None, "02:10-02:25"), now, LORD_HOWE) == "2026-10-05 02:10 +1100"
    assert opens(hours(None, "02:10-02:50"), now, LORD_HOWE) == "2026-10-04 02:30 +1100"


def test_a_day_that_was_skipped_has_no_window() -> None:
    # Samoa went from 29 December 2011, 23:59, to 31 December, 0:00.
    evening = at("2011-12-29T22:00", SAMOA)
    assert opens(hours(None, "09:00-10:00"), evening, SAMOA) == "2011-12-31 09:00 +1400"
    assert next_open(hours(None, "00:00-01:00"), 0, evening, SAMOA) == evening + 2 * HOUR


def test_an_unknown_zone_opens_by_the_assumed_one_or_never() -> None:
    now = at("2026-07-01T12:00", NEW_YORK)
    assert opens(hours("21:00-08:00", "09:00-11:00"), now, None) is None
    assumed = hours("21:00-08:00", "09:00-11:00", assumed=NEW_YORK)
    assert next_open(assumed, 0, now, None) == at("2026-07-02T09:00", NEW_YORK)
    assert next_open(assumed, 0, now, KATHMANDU) == at("2026-07-02T09:00", KATHMANDU)


@pytest.mark.parametrize(
    ("quiet", "send", "never"),
    [
        ("21:00-08:00", "06:00-08:00", True),
        ("21:00-08:00", "21:00-08:00", True),
        ("21:00-08:00", "23:00-00:00", True),
        ("21:00-08:00", "06:00-08:01", False),
        ("21:00-08:00", "20:59-08:00", False),
        ("21:00-08:00", None, False),
        (None, "06:00-08:00", False),
        (None, "00:00-24:00", False),
        (None, None, False),
        ("00:00-24:00", None, True),
        ("12:00-11:59", "00:00-24:00", False),
    ],
)
def test_a_window_that_lies_wholly_in_quiet_hours_never_opens(quiet: str | None, send: str | None, never: bool) -> None:
    of = hours(quiet, send)
    assert never_open(of) == ([0] if never else [])
    assert (next_open(of, 0, at("2026-07-01T07:00"), KATHMANDU) is None) == never


def test_arms_that_never_open_are_told_from_the_others() -> None:
    assert never_open(hours("21:00-08:00", "06:00-09:00", "06:00-07:00", None, "22:00-23:00")) == [1, 3]


@given(maybe_windows, maybe_windows, around_changes)
@example(parsed_window("21:00-02:30"), None, (NEW_YORK, at("2026-03-08T06:00")))
@example(None, parsed_window("01:15-01:45"), (NEW_YORK, at("2026-11-01T05:45")))
@example(None, parsed_window("01:20-01:40"), (LORD_HOWE, at("2026-04-04T14:45")))
@example(parsed_window("21:00-00:00"), None, (SAMOA, at("2011-12-30T09:00")))
def test_the_next_opening_is_the_first_minute_of_three_days_that_is_open(
    quiet: DailyWindow | None, send: DailyWindow | None, change: tuple[ZoneInfo, Instant]
) -> None:
    zone, now = change
    of = Hours(quiet, (send,), None)
    # Offsets from UTC are whole minutes here, so that what opens later than at once opens on one.
    minutes = range(now - now % MINUTE + MINUTE, now + 3 * DAY, MINUTE)
    scanned = next((later for later in (now + 1, *minutes) if may_send(quiet, send, later, zone)), None)
    assert next_open(of, 0, now, zone) == scanned
    assert never_open(of) == ([0] if scanned is None else [])


@given(windows, maybe_windows, around_changes)
def test_nothing_between_now_and_the_next_opening_is_open(
    quiet: DailyWindow, send: DailyWindow | None, change: tuple[ZoneInfo, Instant]
) -> None:
    zone, now = change
    found = next_open(Hours(quiet, (send,), None), 0, now, zone)
    if found is not None:
        assert found > now
        assert found - now <= timedelta(days=3) // timedelta(microseconds=1)
        assert may_send(quiet, send, found, zone)
        assert found == now + 1 or not may_send(quiet, send, found - 1, zone)
