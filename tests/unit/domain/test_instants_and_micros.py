from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.instants import HOUR, bucket, duration, instant, isoformat, moment
from optimizer.domain.micros import micros, units


def test_an_instant_counts_microseconds_since_1970() -> None:
    assert instant(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == 1_000_005


def test_the_zone_of_a_datetime_does_not_change_its_instant() -> None:
    paris = timezone(timedelta(hours=1))
    assert instant(datetime(2026, 12, 1, 10, tzinfo=paris)) == instant(datetime(2026, 12, 1, 9, tzinfo=UTC))


def test_a_datetime_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        instant(datetime(2026, 12, 1))  # noqa: DTZ001


@given(st.datetimes(timezones=st.just(UTC)))
def test_instant_and_moment_are_inverse(at: datetime) -> None:
    assert moment(instant(at)) == at
    assert datetime.fromisoformat(isoformat(instant(at))) == at


@given(st.integers(-(10**17), 10**17))
def test_a_bucket_holds_its_instant(at: int) -> None:
    assert bucket(at) <= at < bucket(at) + HOUR
    assert bucket(at) % HOUR == 0


def test_a_duration_is_exact() -> None:
    assert duration(timedelta(days=1, microseconds=1)) == 86_400_000_001


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("9.99", 9_990_000), (0.1, 100_000), (3, 3_000_000), (Decimal("-0.0000005"), 0), ("1e3", 10**9)],
)
def test_micros_read_amounts_exactly(amount: str | float | Decimal, expected: int) -> None:
    assert micros(amount) == expected


@pytest.mark.parametrize("amount", ["ten", float("nan"), float("inf"), "1e10", -1e12, ""])
def test_what_is_no_amount_is_refused_with_what_is_allowed(amount: str | float) -> None:
    with pytest.raises(ValueError, match=r"found .*; allowed "):
        micros(amount)


@given(st.integers(-(10**12), 10**12))
def test_units_and_micros_are_inverse(amount: int) -> None:
    assert micros(units(amount)) == amount
