"""Advice on audiences: enough, fewer variants, pool, too small."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.insights.audience import Advice, Audience, Horizon, is_hopeless, outlooks
from optimizer.insights.learning_time import trials_per_arm, trials_to_best

MONTH = Horizon(days=30.0, window_days=2.0)


def segment(name: str = "all", n: int = 3, daily: float | None = 1e4, rate: float | None = 0.05) -> Audience:
    return Audience(name, n, daily, rate)


@given(n=st.integers(2, 12), daily=st.floats(1, 1e6), rate=st.floats(0.001, 0.5), window=st.floats(0, 20))
def test_the_days_are_those_of_the_trials_and_of_the_window(n: int, daily: float, rate: float, window: float) -> None:
    (found,) = outlooks([segment(n=n, daily=daily, rate=rate)], Horizon(days=30.0, window_days=window))
    assert found.trials_per_variant == trials_to_best(n, rate)
    assert found.trials_per_variant is not None
    assert found.days == pytest.approx(found.trials_per_variant * n / daily + window)
    # What is advised follows from the days, and the other way round.
    assert (found.advice is Advice.ENOUGH) == (found.days <= 30.0)


@given(n=st.integers(2, 12), daily=st.floats(10, 1e5))
def test_with_the_suggested_number_of_variants_the_answer_comes_in_time(n: int, daily: float) -> None:
    (found,) = outlooks([segment(n=n, daily=daily)], MONTH)
    assert found.suggested_variants is not None
    if found.suggested_variants > 1:
        (again,) = outlooks([segment(n=found.suggested_variants, daily=daily)], MONTH)
        assert again.advice is Advice.ENOUGH
    if found.suggested_variants < n:
        (more,) = outlooks([segment(n=found.suggested_variants + 1, daily=daily)], MONTH)
        assert more.advice is not Advice.ENOUGH


def test_the_detectable_lift_is_that_of_the_trials_until_the_end() -> None:
    (found,) = outlooks([segment(n=2, daily=1_000)], MONTH)
    assert found.detectable_lift is not None
    assert trials_per_arm(0.05, found.detectable_lift) == pytest.approx(1_000 / 2 * 28, abs=2)


def test_segments_that_are_too_small_alone_are_pooled() -> None:
    (needed,) = outlooks([segment(n=2)], MONTH)
    assert needed.trials_per_variant is not None
    enough = 2 * needed.trials_per_variant / MONTH.learning_days
    one, other, large = outlooks(
        [segment("one", 2, 0.6 * enough), segment("other", 2, 0.6 * enough), segment("large", 2, 9 * enough)], MONTH
    )
    assert (one.advice, one.pool_with) == (Advice.POOL, ("other",))
    assert (other.advice, other.pool_with) == (Advice.POOL, ("one",))
    assert large.advice is Advice.ENOUGH
    assert "make one segment of it and other" in one.sentence


def test_what_is_too_small_even_together_goes_to_the_next_larger_segment() -> None:
    tiny, middle, large = outlooks(
        [segment("tiny", daily=1.0), segment("middle", daily=3_000.0), segment("large", daily=9_000.0)], MONTH
    )
    assert (tiny.advice, tiny.pool_with) == (Advice.POOL, ("middle",))
    assert (middle.pool_with, large.pool_with) == ((), ())


def test_an_audience_that_is_too_small_altogether_is_hopeless() -> None:
    found = outlooks([segment("one", daily=3.0), segment("other", daily=4.0), segment("sole", n=1)], MONTH)
    assert [one.advice for one in found] == [Advice.TOO_SMALL, Advice.TOO_SMALL, Advice.NOTHING_TO_LEARN]
    assert is_hopeless([one.advice for one in found])
    assert not is_hopeless([Advice.TOO_SMALL, Advice.ENOUGH])
    assert not is_hopeless([Advice.NOTHING_TO_LEARN])
    assert not is_hopeless([Advice.UNKNOWN, Advice.TOO_SMALL])


@pytest.mark.parametrize(
    ("audience", "said"),
    [
        (segment(n=1, rate=0.1), "fewer than two variants"),
        (segment(rate=None), "the success rate is not known"),
        (segment(rate=None, daily=None), "the success rate and the traffic are not known"),
        (segment(daily=None), "the traffic is not known"),
        (segment(daily=0.0), "no decision is expected"),
        (segment(rate=0.95), "no test tells"),
    ],
)
def test_what_is_not_known_is_said(audience: Audience, said: str) -> None:
    (found,) = outlooks([audience], MONTH)
    assert found.days is None
    assert said in found.unknown


def test_a_campaign_shorter_than_its_window_learns_nothing() -> None:
    (found,) = outlooks([segment(daily=1e6)], replace(MONTH, window_days=31.0))
    assert (found.advice, found.suggested_variants, found.detectable_lift) == (Advice.TOO_SMALL, 1, None)
