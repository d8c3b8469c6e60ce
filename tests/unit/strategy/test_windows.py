import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from optimizer.domain.daily_window import DailyWindow
from optimizer.strategy.fields import Window
from optimizer.strategy.yaml.source import read_source

WINDOW: TypeAdapter[DailyWindow] = TypeAdapter(Window)
PATTERN = WINDOW.json_schema()["pattern"]

times = st.builds("{:02}:{:02}".format, st.integers(0, 25), st.integers(0, 61))


def said(written: object) -> str:
    with pytest.raises(ValidationError) as raised:
        WINDOW.validate_python(written)
    (details,) = raised.value.errors()
    assert details["type"] == "allowed"
    return details["msg"]


@pytest.mark.parametrize(
    ("written", "window"),
    [
        ("21:00-08:00", DailyWindow(1260, 480)),
        ("08:00-11:30", DailyWindow(480, 690)),
        ("21:00-24:00", DailyWindow(1260, 1440)),
        ("21:00-00:00", DailyWindow(1260, 1440)),
        ("00:00-24:00", DailyWindow(0, 1440)),
        ("00:00-00:01", DailyWindow(0, 1)),
        ("23:59-00:01", DailyWindow(1439, 1)),
    ],
)
def test_two_times_of_day_are_a_window(written: str, window: DailyWindow) -> None:
    assert WINDOW.validate_python(written) == window
    assert re.search(PATTERN, written)


@pytest.mark.parametrize(
    "written",
    [
        *("21:00", "9:00-17:00", "21:00 - 08:00", "24:00-08:00", "08:00-24:01", "08:60-09:00", "25:00-08:00"),
        *("08:00-11:00\n", "0\u0668:00-11:00", "9pm-8am", "", 1260, None, ["21:00", "08:00"]),
    ],
)
def test_anything_else_is_told_how_windows_are_written(written: object) -> None:
    assert "two times of day such as 21:00-08:00" in said(written)


@pytest.mark.parametrize("written", ["08:00-08:00", "00:00-00:00"])
def test_a_window_with_nothing_between_its_times_is_refused_in_words(written: str) -> None:
    assert "two different times of day: 00:00-24:00 for the whole day" in said(written)


def test_a_window_without_quotes_is_text_in_yaml() -> None:
    source = read_source("f.yaml", "plain: 21:00-08:00\nlist: [08:00-11:00]\n")
    assert source.findings == ()
    assert source.value(("plain",)) == "21:00-08:00"
    assert source.value(("list", 0)) == "08:00-11:00"


@given(times, times)
def test_editors_accept_what_is_read_but_for_equal_times(start: str, end: str) -> None:
    written = f"{start}-{end}"
    try:
        window = WINDOW.validate_python(written)
    except ValidationError:
        assert start == end or not re.search(PATTERN, written)
    else:
        assert re.search(PATTERN, written)
        assert str(window) == written.replace("-00:00", "-24:00")
