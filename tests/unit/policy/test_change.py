"""Change: an alarm for a variant that is no longer what it was, and none for seasons that all share."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR
from optimizer.policy.change import changes

Floats = NDArray[np.float64]


def by_day(trials: Floats, positives: Floats) -> Evidence:
    """``[A, D]``, each day's in two buckets."""
    n, k = (np.repeat(sums[None] / 2, 2, axis=2) for sums in (trials, positives))
    buckets = (np.arange(trials.shape[1])[:, None] * DAY + np.array([0, 7 * HOUR])).ravel()
    return Evidence(buckets, n, k, k, k)


def exact(days: int, *rates: float, each: float = 300.0, season: Floats | None = None) -> tuple[Floats, Floats]:
    n = np.full((len(rates), days), each)
    return n, n * np.array(rates)[:, None] * (np.ones(days) if season is None else season)


def test_a_drop_is_found_with_its_day_and_its_rates() -> None:
    n, k = exact(40, 0.08, 0.06, 0.05)
    k[0, 30:] /= 2
    (found,) = changes(by_day(n, k), 40 * DAY)[:1]
    assert (found.arm, found.since) == (0, 30 * DAY)
    assert (found.before, found.after) == (pytest.approx(0.08), pytest.approx(0.04))
    assert (found.others_before, found.others_after) == (pytest.approx(0.055), pytest.approx(0.055))
    assert found.ratio == pytest.approx(0.5)
    assert found.score < -5


def test_seasons_that_all_share_are_no_change_however_shares_move() -> None:
    season = np.where(np.arange(40) % 7 >= 5, 3.0, 1.0) * np.where(np.arange(40) >= 20, 0.5, 1.0)
    n, k = exact(40, 0.08, 0.06, 0.05, season=season)
    share = np.linspace(0.1, 5.0, 40)
    n[0], k[0] = n[0] * share, k[0] * share
    assert changes(by_day(n, k), 40 * DAY) == []


def test_the_day_that_is_not_over_and_days_before_an_answer_are_left_out() -> None:
    n, k = exact(40, 0.08, 0.06, 0.05)
    k[0, 30:] /= 2
    found = by_day(n, k)
    assert changes(found, 31 * DAY - 1) == []
    assert changes(found, 40 * DAY, since=30 * DAY) == []
    assert changes(found, 40 * DAY, since=10 * DAY) != []


def test_one_variant_alone_or_one_day_tells_nothing() -> None:
    n, k = exact(40, 0.08)
    k[0, 30:] /= 2
    assert changes(by_day(n, k), 40 * DAY) == []
    assert changes(by_day(*exact(1, 0.08, 0.05)), DAY) == []
    assert changes(Evidence.none(1, 2), DAY) == []


def first_alarm(rng: np.random.Generator, days: int, dropped_from: int) -> tuple[int, int] | None:
    """Day of the first alarm and its arm, of four variants whose shares follow what is learned; the last drops."""
    rates, n, k = np.array([0.05, 0.05, 0.06, 0.08]), np.zeros((4, days)), np.zeros((4, days))
    share = np.full(4, 0.25)
    for day in range(days):
        season = 1.5 if day % 7 >= 5 else 1.0
        now = rates * season * np.where((np.arange(4) == 3) & (day >= dropped_from), 0.5, 1.0)
        n[:, day] = rng.multinomial(400 if day % 7 >= 5 else 1_000, share)
        k[:, day] = rng.binomial(n[:, day].astype(int), now)
        wins = rng.beta(1 + k.sum(axis=1), 1 + (n - k).sum(axis=1), (200, 4)).argmax(axis=1)
        share = 0.02 + 0.92 * np.bincount(wins, minlength=4) / 200
        found = changes(by_day(n[:, : day + 1], k[:, : day + 1]), (day + 1) * DAY)
        if found:
            return day + 1, found[0].arm
    return None


@pytest.mark.slow
def test_false_alarms_are_as_rare_as_said_in_sixty_days_with_weekends() -> None:
    rng = np.random.Generator(np.random.PCG64(11))
    false = sum(first_alarm(rng, 60, 99) is not None for _ in range(150))
    assert false <= 150 * 0.01 + 3 * (150 * 0.01) ** 0.5  # expected at most 1.5, and 3 standard errors


@pytest.mark.slow
def test_a_leader_that_drops_to_half_is_found_within_a_month_by_half_or_more() -> None:
    """The others have 2 % of the traffic each: what it is compared with decides how soon."""
    rng = np.random.Generator(np.random.PCG64(12))
    found = [first_alarm(rng, 60, 30) for _ in range(30)]
    assert all(one is None or one[0] > 30 for one in found)
    assert sum(one is not None for one in found) >= 15
