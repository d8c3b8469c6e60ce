"""Silence: what should have come is counted in outcomes, carefully, and nothing is expected of what was not sent."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.domain.delays import N_DELAYS, delay_bins
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.silence import (
    IMPOSSIBLE,
    Traffic,
    is_silence,
    is_unheard,
    missing,
    remembered,
    unheard,
)

DAYS = 20
END = DAYS * DAY


def traffic(
    sent: NDArray[np.float64], rate: float, delay: int = 2 * HOUR, dead_from: int = END, *, delays_known: bool = True
) -> Traffic:
    """So much sent in each hour, exactly so much of it rewarded after exactly this delay, heard of until the end."""
    buckets = np.arange(len(sent), dtype=np.int64) * HOUR
    come = buckets + HOUR + delay <= dead_from
    rewarded = np.where(come, sent * rate, 0.0)
    delays = np.zeros((N_DELAYS, len(sent)))
    if delays_known:
        delays[int(delay_bins(np.array([delay]))[0])] = rewarded
    return Traffic(buckets, sent, rewarded[None], rewarded, delays)


def always(hours: int, each: float) -> NDArray[np.float64]:
    return np.full(hours, each)


def test_as_much_is_missing_as_would_have_come_or_somewhat_less() -> None:
    sent = always((DAYS + 2) * 24, 40.0)
    found = missing(traffic(sent, 0.05, dead_from=END), END, END + 2 * DAY, END)
    # 96 successes in two days, less what the last hours would bring later, the lower bound of the rate, bins of delays
    assert 96 * 0.75 <= found.expected <= 96
    assert found.sent == 40 * 48
    assert found.probability == pytest.approx((1 + 0.1 * found.expected) ** -10)


def test_rewards_of_earlier_decisions_count_where_delays_are_known_and_only_there() -> None:
    sent = np.concatenate([always(DAYS * 24, 40.0), np.zeros(3 * 24)])
    late = traffic(sent, 0.05, 2 * DAY, END)
    found = missing(late, END, END + 3 * DAY, END)
    assert 96 * 0.7 <= found.expected <= 96 * 1.05  # what two days of sends still owe
    unknown = traffic(sent, 0.05, 2 * DAY, END, delays_known=False)
    assert missing(unknown, END, END + 3 * DAY, END).expected == 0.0


def test_nothing_is_expected_of_nights_weekends_and_campaigns_that_are_over() -> None:
    sent = np.concatenate([always(DAYS * 24, 40.0), np.zeros(30 * 24)])
    quiet = traffic(sent, 0.05, 2 * HOUR, END)
    at_once, long_after = (missing(quiet, END, END + wait, END).expected for wait in (DAY, 30 * DAY))
    assert long_after == pytest.approx(at_once)
    assert at_once <= 2 * 3 * 3  # three hours of sends were still owed theirs
    assert not is_silence(missing(quiet, END, END + 30 * DAY, END), 0.0)


def test_a_blast_is_not_missed_once_it_has_answered() -> None:
    sent = np.zeros(40 * 24)
    sent[0] = 10_000
    blast = traffic(sent, 0.02)
    assert missing(blast, 3 * DAY, 39 * DAY, 3 * DAY).expected == 0.0


def test_more_silence_is_never_likelier() -> None:
    dead = traffic(always((DAYS + 6) * 24, 10.0), 0.05)
    odds = [missing(dead, END, END + hours * HOUR, END).probability for hours in range(1, 144)]
    assert (np.diff(odds) <= 0).all()
    assert odds[0] > 0.1
    assert odds[-1] < IMPOSSIBLE


def test_the_alarm_waits_for_about_thirty_missing_outcomes_and_for_more_where_days_differ() -> None:
    dead = traffic(always((DAYS + 6) * 24, 10.0), 0.05)
    first = next(h for h in range(200) if is_silence(missing(dead, END, END + h * HOUR, END), 0.0))
    assert 30 <= missing(dead, END, END + first * HOUR, END).expected < 32  # (1 + m / 10)^-10 = 1e-6 at m = 29.8
    uneven = always((DAYS + 6) * 24, 10.0)
    good_days = np.where(np.arange(len(uneven)) // 24 % 2 == 0, 1.9, 0.1)
    rewarded = dead.rewarded * good_days
    moody = Traffic(dead.buckets, dead.sent, rewarded[None], rewarded, dead.delays * good_days)
    same = missing(dead, END, END + first * HOUR, END).probability
    assert missing(moody, END, END + first * HOUR, END).probability > 100 * same


def test_a_pipeline_that_reports_once_a_day_is_known_by_its_earlier_silences() -> None:
    daily = missing(traffic(always((DAYS + 1) * 24, 40.0), 0.05), END, END + DAY, END)
    assert is_silence(daily, 0.0)
    assert not is_silence(daily, daily.expected)
    longer = missing(traffic(always((DAYS + 5) * 24, 40.0), 0.05), END, END + 5 * DAY, END)
    assert is_silence(longer, daily.expected)
    assert remembered(40.0, 14 * DAY) == 20.0


def test_frequent_outcomes_tell_sooner_than_rare_rewards() -> None:
    rare = traffic(always((DAYS + 3) * 24, 40.0), 0.002)
    opened = np.where(rare.buckets + 3 * HOUR <= END, 0.3 * rare.sent, 0.0)
    both = Traffic(rare.buckets, rare.sent, np.array([opened, rare.rewarded]), rare.rewarded, rare.delays)
    alone, together = (missing(found, END, END + DAY, END) for found in (rare, both))
    assert alone.expected < 2
    assert is_silence(together, 0.0)


def test_a_campaign_that_was_never_heard_of_is_judged_by_the_lowest_rate_anybody_has() -> None:
    sent = Traffic(np.array([0]), np.array([5_000.0]), np.zeros((0, 1)), np.zeros(1), np.zeros((N_DELAYS, 1)))
    assert not is_unheard(unheard(sent, 10 * DAY, reported=False))
    assert is_unheard(unheard(sent, 10 * DAY, reported=True))
    assert not is_unheard(unheard(sent, DAY, reported=True))  # all of it may still come
    many = Traffic(sent.buckets, 2 * sent.sent, sent.answered, sent.rewarded, sent.delays)
    assert is_unheard(unheard(many, 10 * DAY, reported=False))
    assert missing(sent, 0, 10 * DAY, 10 * DAY).expected == 0.0
