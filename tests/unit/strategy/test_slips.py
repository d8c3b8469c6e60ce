import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from optimizer.strategy.fields import Currency, Span, Window, time_zones
from optimizer.strategy.money import CostPerEvent, MoneyAbove0
from optimizer.strategy.slips import currency_meant, date_advice, money_meant, span_meant, window_meant, zone_meant

KINDS = (Span, Window, CostPerEvent, MoneyAbove0, Currency)
READ: dict[object, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in KINDS}

numerals = st.text("0123456789.,' ", min_size=1, max_size=12)
words = st.sampled_from(["", "$", "€", "USD", "usd", "euro", "k", " ", "-", "per", " per click", "/visit", "a"])
things = st.one_of(
    st.text(max_size=60),
    st.integers(),
    st.floats(allow_nan=False),
    st.booleans(),
    st.none(),
    st.lists(st.text("0123456789:apm.", max_size=6), min_size=2, max_size=2),
    st.dictionaries(st.sampled_from(["amount", "value", "currency"]), st.one_of(numerals, words), max_size=3),
    st.builds("{}{}{}{}".format, words, numerals, words, words),
    st.builds(
        "{}{}{}".format, st.integers(0, 30), st.sampled_from(["", " ", "-"]), st.text("adhmnostuwyk", max_size=8)
    ),
    st.builds("{}{}{}".format, numerals, st.sampled_from(["-", " to ", "am-", "pm\u2013"]), numerals),
)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("7 days", "P7D"), ("1 week", "P7D"), ("two weeks", "P14D"), ("2w", "P14D"), ("week", "P7D")),
        *(("an hour", "PT1H"), ("daily", "P1D")),
        *(("90 min", "PT90M"), ("12h", "PT12H"), ("Twelve Months", "P360D"), ("30-day", "P30D")),
        *(("0 days", None), ("soon", None), ("P1M", None), (7, None), ("", None), ("fortnight days", None)),
    ],
)  # fmt: skip
def test_a_duration_in_words_is_understood(written: object, meant: str | None) -> None:
    assert span_meant(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("9pm-8am", "21:00-08:00"), ("9 p.m. to 8 a.m.", "21:00-08:00"), ("9:00-17:30", "09:00-17:30")),
        *(("12am-12pm", "00:00-12:00"), ("21-08", "21:00-08:00"), ("21:00 \u2013 08:00", "21:00-08:00")),
        *((["21:00", "08:00"], "21:00-08:00"), ("8.30 - 17", "08:30-17:00"), ("13pm-8am", None), ("0am-1am", None)),
        *(("21:00", None), ("25-3", None), ("9am-9am", None), (21, None), (["9"], None), ("", None)),
    ],
)
def test_times_of_day_as_people_say_them_are_understood(written: object, meant: str | None) -> None:
    assert window_meant(written) == meant


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        *(("2026-02-30", "February 2026 has 28 days"), ("2028-02-30", "February 2028 has 29 days")),
        *(("01.12.2026", "2026-12-01"), ("1 December 2026", "2026-12-01"), ("Dec 1st, 2026", "2026-12-01")),
        *((20261201, "2026-12-01"), ("2026/12/1", "2026-12-01"), ("2026-12-01T09:00", "2026-12-01T09:00-05:00")),
    ],
)
def test_a_date_written_another_way_is_understood(written: object, advice: str) -> None:
    assert advice in str(date_advice(written))


@pytest.mark.parametrize(
    "written", ["12/01/2026", "2026-13-01", "1926-12-01", "Ma 1 2026", "tomorrow", "", True, None, 7]
)
def test_a_date_with_several_readings_or_none_is_left_alone(written: object) -> None:
    assert date_advice(written) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *(("$5", "5 USD"), ("5000$", "5000 USD"), (5000, "5000 USD"), (0.0008, "0.0008 USD"), ("US$ 5", "5 USD")),
        *(("9,99 EUR", "9.99 EUR"), ("50,000 USD", "50000 USD"), ("50.000,00 EUR", "50000.00 EUR")),
        *(("1.234.567 EUR", "1234567 EUR"), ("1,234.5 USD", "1234.5 USD"), ("0,008 USD", "0.008 USD")),
        *(("GBP 7", "7 GBP"), ("50k USD", "50000 USD"), ("2m usd", "2000000 USD"), ("-5 USD", "5 USD")),
        *(("5€", "5 EUR"), ("0.50 USD/purchase", "0.50 USD per purchase"), ("$2 a Site Visit", "2 USD per site_visit")),
        *(({"amount": 0.04, "currency": "USD"}, "0.04 USD"), ({"amount": "5"}, "5 USD"), ({"value": 5}, "5 USD")),
        *(("999999k", "999999000 USD"), ("9999999k", None), ("5 USD per \u00e9t\u00e9", "5 USD")),
        *(("0.80 USD per 1000", None), ("$5 EUR", None), ("five", None), ("", None), (True, None), (None, None)),
    ],
)  # fmt: skip
def test_money_as_people_write_it_is_understood(written: object, meant: str | None) -> None:
    assert money_meant(written) == meant


def test_a_currency_by_its_sign_name_or_small_letters_is_understood() -> None:
    assert [currency_meant(written) for written in ("$", "Euro", "usd", "£")] == ["USD", "EUR", "USD", "GBP"]
    assert [currency_meant(written) for written in ("USD", "money", "", 5, None)] == [None] * 5


def test_a_time_zone_is_the_place_that_was_named() -> None:
    for written, zone in {
        "New York": "America/New_York",
        "london": "Europe/London",
        "EST": "America/New_York",
        "PST8": "America/Los_Angeles",
        "Central Standard Time": "America/Chicago",
        "UTC+1": None,
        "Atlantis": None,
        "": None,
    }.items():
        assert zone_meant(written, time_zones()) == zone


@given(things)
def test_what_is_suggested_can_be_read(written: object) -> None:
    if span := span_meant(written):
        READ[Span].validate_python(span)
    if window := window_meant(written):
        READ[Window].validate_python(window)
    if money := money_meant(written):
        READ[CostPerEvent].validate_python(money)
    if (advice := date_advice(written)) and "offset" not in advice:
        date.fromisoformat(re.findall(r"\d{4}-\d{2}-\d{2}", advice)[0])


@pytest.mark.parametrize(
    ("written", "readings"), [("50.000 USD", "50000 USD"), ("1.250 EUR", '"1250 EUR" or "1.25 EUR"')]
)
def test_a_budget_with_two_readings_is_refused(written: str, readings: str) -> None:
    with pytest.raises(ValidationError, match=readings):
        READ[MoneyAbove0].validate_python(written)


@pytest.mark.parametrize("written", ["0.500 USD", "1.2500 USD", "1.250 KWD", "1000.000 USD", "12.50 USD"])
def test_a_budget_with_one_reading_is_not(written: str) -> None:
    assert READ[MoneyAbove0].validate_python(written).amount > 0


@pytest.mark.parametrize("written", ["USD", "EUR", "JPY", "KWD", "XOF"])
def test_a_currency_that_is_used_is_allowed(written: str) -> None:
    assert READ[Currency].validate_python(written) == written
