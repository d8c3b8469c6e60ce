import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.daily_window import MINUTES_PER_DAY, DailyWindow

NINE, NOON, EVENING, NIGHT = 9 * 60, 12 * 60, 21 * 60, 23 * 60

bounds = st.tuples(st.integers(0, MINUTES_PER_DAY - 1), st.integers(1, MINUTES_PER_DAY)).filter(lambda b: b[0] != b[1])


def minutes_walked(start: int, end: int) -> set[int]:
    """Every minute a clock shows on its way from the start to the end."""
    walked = {start}
    while (minute := (start + len(walked)) % MINUTES_PER_DAY) != end % MINUTES_PER_DAY:
        walked.add(minute)
    return walked


def test_a_window_holds_its_start_and_not_its_end() -> None:
    morning = DailyWindow(NINE, NOON)
    assert [morning.contains(minute) for minute in (NINE - 1, NINE, NOON - 1, NOON)] == [False, True, True, False]


def test_a_window_whose_end_comes_first_goes_past_midnight() -> None:
    night = DailyWindow(EVENING, NINE)
    inside = [night.contains(minute) for minute in (EVENING - 1, EVENING, NIGHT, 0, NINE - 1, NINE)]
    assert inside == [False, True, True, True, True, False]


def test_a_window_may_end_at_midnight_and_last_all_day() -> None:
    late = DailyWindow(EVENING, MINUTES_PER_DAY)
    assert late.contains(MINUTES_PER_DAY - 1)
    assert not late.contains(0)
    assert all(DailyWindow(0, MINUTES_PER_DAY).contains(minute) for minute in range(MINUTES_PER_DAY))


@given(bounds)
def test_a_window_holds_the_minutes_a_clock_shows_from_start_to_end(start_end: tuple[int, int]) -> None:
    window = DailyWindow(*start_end)
    minutes = np.arange(MINUTES_PER_DAY)
    inside = set(minutes[window.contains(minutes)].tolist())
    assert inside == minutes_walked(*start_end)
    assert inside == {minute for minute in minutes.tolist() if window.contains(minute)}


@pytest.mark.parametrize(("start", "end"), [(-1, 60), (1440, 60), (0, 0), (60, 60), (60, 1441), (60, -1)])
def test_no_window_has_bounds_outside_the_day_or_nothing_between_them(start: int, end: int) -> None:
    with pytest.raises(ValueError, match=f"found minutes {start} to {end}; allowed"):
        DailyWindow(start, end)


@pytest.mark.parametrize(
    ("window", "written"),
    [
        (DailyWindow(EVENING, 8 * 60 + 5), "21:00-08:05"),
        (DailyWindow(0, MINUTES_PER_DAY), "00:00-24:00"),
    ],
)
def test_a_window_reads_as_it_is_written(window: DailyWindow, written: str) -> None:
    assert str(window) == written
