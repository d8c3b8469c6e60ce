"""Means by day: an interval each, and what days that still mature are expected to come to."""

import pytest

from optimizer.domain.statistics import Sums
from optimizer.insights.day_means import day_means


def sums(n: int, positives: int, worth: int = 1) -> Sums:
    total = positives * worth
    return Sums(n, positives, total * 1_000_000, total * worth * 1_000_000)


def test_days_are_in_order_and_those_without_trials_are_left_out() -> None:
    found = day_means([(3, sums(10, 1)), (1, sums(20, 4)), (2, sums(0, 0))], lambda _: 1.0, counts_successes=True)
    assert [(one.day, one.trials, one.mean) for one in found] == [(1, 20, 0.2), (3, 10, 0.1)]
    assert all(one.low < one.mean < one.high and one.expected is None for one in found)


def test_a_day_half_of_whose_rewards_have_come_is_expected_to_double() -> None:
    old, young = day_means(
        [(1, sums(10_000, 1_000)), (2, sums(10_000, 500))], lambda day: 1.0 if day == 1 else 0.5, counts_successes=True
    )
    assert old.expected is None
    assert young.mean == pytest.approx(0.05)
    assert young.expected == pytest.approx(0.1, rel=0.01)


def test_amounts_still_to_come_are_worth_what_those_so_far_were() -> None:
    days = [(1, sums(10_000, 1_000, 20)), (2, sums(10_000, 500, 20))]
    _, young = day_means(days, lambda day: 1.0 if day == 1 else 0.5, counts_successes=False)
    assert young.mean == pytest.approx(1.0)
    assert young.expected == pytest.approx(2.0, rel=0.01)
    assert young.low < young.mean < young.high


def test_nothing_come_yet_and_nothing_expected_is_no_error() -> None:
    (one,) = day_means([(1, sums(5, 0))], lambda _: 0.0, counts_successes=True)
    assert one.expected == 0.0
