"""Rates: what passes, what waits, and what is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.services.keys.rates import Bucket, Rate, Strangers, address_block


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_at_once_and_then_one_waits_its_turn() -> None:
    clock = Clock()
    bucket = Bucket(Rate(per_second=8, burst=3), clock)
    assert [bucket.take(1) for _ in range(3)] == [0.0] * 3
    assert bucket.take(1) == 0.125
    clock.now += 0.0625
    assert bucket.take(1) == 0.0625
    clock.now += 0.0625
    assert bucket.take(1) == 0.0


def test_a_batch_larger_than_the_burst_is_served_and_worked_off_before_anything_else_passes() -> None:
    clock = Clock()
    bucket = Bucket(Rate(per_second=100, burst=50), clock)
    assert bucket.take(10_000) == 0.0
    assert bucket.take(1) == pytest.approx(99.51)  # 9,950 of debt, and the token of its own
    clock.now += 99.511
    assert bucket.take(10_000) == 0.0


def test_asking_in_vain_costs_nothing() -> None:
    clock = Clock()
    bucket = Bucket(Rate(per_second=1, burst=1), clock)
    assert bucket.take(1) == 0.0
    for _ in range(1_000):
        assert bucket.take(5) > 0
    clock.now += 1.0
    assert bucket.take(1) == 0.0


def test_a_rest_fills_no_more_than_the_burst() -> None:
    clock = Clock()
    bucket = Bucket(Rate(per_second=1_000, burst=2), clock)
    clock.now += 1e9
    assert [bucket.take(1) == 0.0 for _ in range(3)] == [True, True, False]


def test_items_that_turn_up_later_are_owed() -> None:
    clock = Clock()
    bucket = Bucket(Rate(per_second=10, burst=10), clock)
    assert bucket.take(1) == 0.0
    bucket.owe(29)
    assert bucket.wait() == pytest.approx(2.1)


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 1_000), st.integers(1, 40)), min_size=1, max_size=60),
)
def test_over_any_time_no_more_passes_than_burst_and_one_batch_and_what_the_rate_allows(
    per_second: int, burst: int, asked: list[tuple[int, int]]
) -> None:
    clock = Clock()
    bucket = Bucket(Rate(per_second, burst), clock)
    passed: list[tuple[float, int]] = []
    for pause, n in asked:
        clock.now += pause / 1_000
        wait = bucket.take(n)
        if wait == 0.0:
            passed.append((clock.now, n))
        else:
            clock.now += wait + 1e-9  # whoever waits as told is served
            assert bucket.take(n) == 0.0
            passed.append((clock.now, n))
    largest = max(n for _, n in asked)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            total = sum(n for _, n in passed[first : last + 1])
            seconds = passed[last][0] - passed[first][0]
            assert total <= burst + largest + seconds * per_second + 1e-3


def test_each_address_has_wrong_keys_of_its_own() -> None:
    clock = Clock()
    strangers = Strangers(Rate(1, 2), most=10, clock=clock)
    for _ in range(2):
        assert strangers.wait("192.0.2.1") == 0.0
        strangers.count("192.0.2.1")
    assert strangers.wait("192.0.2.1") == pytest.approx(1.0)
    assert strangers.wait("192.0.2.2") == 0.0
    clock.now += 1
    assert strangers.wait("192.0.2.1") == 0.0


def test_no_more_addresses_are_remembered_than_allowed_and_the_latest_are() -> None:
    strangers = Strangers(Rate(1, 1), most=3, clock=Clock())
    for number in range(3):
        strangers.count(f"192.0.2.{number}")
    strangers.count("192.0.2.0")  # heard of again
    strangers.count("192.0.2.99")
    assert len(strangers) == 3
    assert [strangers.wait(f"192.0.2.{number}") > 0 for number in (0, 1, 2, 99)] == [True, False, True, True]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", True),
        ("a socket's path", "another", False),
    ],
)
def test_addresses_of_one_customer_are_counted_together(one: str, other: str, alike: bool) -> None:
    assert (address_block(one) == address_block(other)) == alike
