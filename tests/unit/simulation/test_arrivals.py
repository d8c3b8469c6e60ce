from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, poisson

from optimizer.domain.instants import DAY, HOUR, MINUTE, instant
from optimizer.simulation.arrivals import EachOnce, HourlyArrivals
from optimizer.simulation.world import Population

MONDAY = instant(datetime(2026, 11, 30, tzinfo=UTC))
KATHMANDU = ZoneInfo("Asia/Kathmandu")  # 5:45 ahead of UTC
HOURS = tuple(float(hour % 6) for hour in range(24))
DAYS = (2.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0)
ONE_TYPE = np.ones(1)


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def population(n: int, zone: ZoneInfo | None = None, types: np.ndarray | None = None) -> Population:
    return Population([{}] * n, np.zeros(n, np.int64) if types is None else types, [zone] * n, [None] * n)


def test_everyone_comes_once_some_at_every_step() -> None:
    law = EachOnce(MONDAY, per_step=4, step=HOUR)
    comings = law.of(population(10), ONE_TYPE, generator(1))
    came = [comings.between(MONDAY + hour * HOUR, MONDAY + (hour + 1) * HOUR, generator(2)) for hour in range(-2, 5)]
    assert [len(some) for some in came] == [0, 0, 4, 4, 2, 0, 0]
    order = np.concatenate(came)
    assert sorted(order.tolist()) == list(range(10))
    assert order.tolist() != list(range(10))


@given(st.lists(st.integers(-5 * HOUR, 20 * HOUR), min_size=1, max_size=8), st.integers(1, 7))
def test_a_span_brings_the_same_people_however_it_is_cut(cuts: list[int], per_step: int) -> None:
    comings = EachOnce(MONDAY, per_step, step=HOUR).of(population(40), ONE_TYPE, generator(1))
    edges = [MONDAY + cut for cut in sorted({-6 * HOUR, *cuts, 21 * HOUR})]
    parts = [comings.between(a, b, generator(2)) for a, b in pairwise(edges)]
    assert np.concatenate(parts).tolist() == comings.between(edges[0], edges[-1], generator(3)).tolist()


def test_orders_differ_between_worlds_and_every_place_is_as_likely_first() -> None:
    law = EachOnce(MONDAY, per_step=1)
    firsts = [
        int(law.of(population(8), ONE_TYPE, generator(seed)).between(MONDAY, MONDAY + 1, generator(0))[0])
        for seed in range(2_000)
    ]
    assert chisquare(np.bincount(firsts, minlength=8)).pvalue > 0.001


def hourly_counts(law: HourlyArrivals, zone: ZoneInfo | None, n_weeks: int) -> np.ndarray:
    """Arrivals in every hour of the week of UTC, Monday first, [168]."""
    comings = law.of(population(1_000, zone), ONE_TYPE, generator(11))
    rng = generator(12)
    counts = np.zeros(168)
    for hour in range(168 * n_weeks):
        counts[hour % 168] += len(comings.between(MONDAY + hour * HOUR, MONDAY + (hour + 1) * HOUR, rng))
    return counts


def test_arrivals_follow_the_hours_and_days_of_the_curve() -> None:
    law = HourlyArrivals(0.5, HOURS, DAYS)
    expected = 4 * 1_000 * 0.5 / 24 * law.curve
    counts = hourly_counts(law, None, 4)
    assert counts[expected == 0].sum() == 0
    assert chisquare(counts[expected > 0], expected[expected > 0] * counts.sum() / expected.sum()).pvalue > 0.001
    # A Poisson number in all: its standard deviation is the root of its mean, 4 weeks x 7 days x 1,000 x 0.5 = 14,000.
    assert abs(counts.sum() - 14_000) <= 4 * np.sqrt(14_000)


def test_local_hours_are_those_of_the_recipients_to_the_quarter() -> None:
    law = HourlyArrivals(20.0, tuple(float(hour == 9) for hour in range(24)), local=True)
    comings = law.of(population(50, KATHMANDU), ONE_TYPE, generator(13))
    nine = MONDAY + 3 * HOUR + 15 * MINUTE  # in Kathmandu
    assert len(comings.between(MONDAY, nine, generator(14))) == 0
    assert len(comings.between(nine, nine + HOUR, generator(14))) > 800
    some = len(comings.between(MONDAY + 3 * HOUR, MONDAY + 4 * HOUR, generator(14)))  # 8:45 to 9:45 there
    assert abs(some - 750) <= 4 * np.sqrt(750)  # of the thousand that come between nine and ten
    assert len(comings.between(nine + HOUR, MONDAY + DAY, generator(14))) == 0


def test_the_numbers_of_an_interval_are_poisson_however_odd_it_is() -> None:
    comings = HourlyArrivals(0.5).of(population(100), ONE_TYPE, generator(15))
    start, end = MONDAY + 7 * MINUTE, MONDAY + 7 * MINUTE + 2 * HOUR
    rng = generator(16)
    counts = np.array([len(comings.between(start, end, rng)) for _ in range(3_000)])
    expected = poisson(100 * 0.5 * 2 / 24)
    classes = np.minimum(counts, 9)
    chances = np.append(expected.pmf(np.arange(9)), expected.sf(8))
    assert chisquare(np.bincount(classes, minlength=10), 3_000 * chances).pvalue > 0.001


def test_more_active_types_come_more_often_and_the_total_stays() -> None:
    types = np.repeat([0, 1], [300, 100])
    comings = HourlyArrivals(1.0).of(population(400, types=types), np.array([1.0, 3.0]), generator(17))
    came = comings.between(MONDAY, MONDAY + 20 * DAY, generator(18))
    assert abs(len(came) - 8_000) <= 4 * np.sqrt(8_000)
    second = float((types[came] == 1).mean())
    assert abs(second - 0.5) <= 4 * np.sqrt(0.25 / len(came))
    # Within a type everyone is as likely.
    assert chisquare(np.bincount(came[types[came] == 0], minlength=300)).pvalue > 0.001


def test_arrivals_come_in_the_order_of_time() -> None:
    law = HourlyArrivals(50.0, tuple(float(hour == 9) for hour in range(24)), local=True)
    zones = [None, KATHMANDU]  # Kathmandu's nine o'clock is earlier
    both = Population([{}] * 2, np.zeros(2, np.int64), zones, [None] * 2)
    came = law.of(both, ONE_TYPE, generator(1)).between(MONDAY, MONDAY + DAY, generator(2))
    assert came.tolist() == sorted(came.tolist(), reverse=True)
    assert set(came.tolist()) == {0, 1}


def test_a_history_of_arrivals_gives_back_its_curve() -> None:
    law = HourlyArrivals(0.8, HOURS, DAYS)
    curve = law.curve.reshape(7, 24)
    # An exact history: in each hour of four weeks as many as the curve says, in the middle of the hour.
    hours = np.repeat(np.arange(4 * 168), np.round(100 * np.tile(law.curve, 4)).astype(int))
    found = HourlyArrivals.observed(MONDAY + hours * HOUR + 30 * MINUTE, n_recipients=1_000)
    edges = 4 * 168 - 1 - 24  # the last hours, on a Sunday without anyone, are not part of the history
    assert found.per_day == pytest.approx(len(hours) / edges * 24 / 1_000, rel=0.01)
    assert found.curve.reshape(7, 24) == pytest.approx(curve, abs=0.15)
    assert found.curve[curve.ravel() == 0].max() == 0.0


def test_hours_that_a_history_did_not_run_are_as_busy_as_the_mean() -> None:
    times = MONDAY + 9 * HOUR + np.arange(0, 120, 2) * MINUTE  # two hours of one Monday, 30 in each
    found = HourlyArrivals.observed(times, n_recipients=60)
    assert found.hours == (1.0,) * 24
    assert found.days == (1.0,) * 7
    assert found.per_day == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: EachOnce(0, 0), "arrivals: found 0 in"),
        (lambda: HourlyArrivals(0.0), "per_day: found 0; allowed above 0"),
        (lambda: HourlyArrivals(1.0, (1.0,) * 23), "hours: found .* allowed 24 factors"),
        (lambda: HourlyArrivals(1.0, days=(0.0,) * 7), "days: found .* allowed 7 factors"),
        (lambda: HourlyArrivals.observed(np.zeros(0, np.int64), 3), "arrivals: found 0 of 3 recipients"),
    ],
)
def test_arrivals_that_cannot_be_are_refused(make: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()  # type: ignore[operator]
