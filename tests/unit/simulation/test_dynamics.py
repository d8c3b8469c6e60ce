from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit

from optimizer.domain.instants import DAY, HOUR, instant
from optimizer.simulation.dynamics import Drift, Dynamic, Fatigue, Novelty, Scene, WeeklySeason, shifts

MONDAY = instant(datetime(2026, 11, 30, tzinfo=UTC))
AUCKLAND = ZoneInfo("Pacific/Auckland")  # 13 hours ahead of UTC in December
CLICKED, UNSUBSCRIBED = 0, 1


def moved(dynamic: Dynamic, at: int = MONDAY, earlier: int = 0) -> np.ndarray:
    """Shift of the log-odds, [kind, type, arm], of two kinds, two types (UTC, Auckland) and two arms."""
    scene = Scene(("clicked", "unsubscribed"), [None, AUCKLAND], 2, at, np.array([earlier]))
    return dynamic.log_odds(scene)[:, 0]


def test_a_sudden_drift_holds_from_its_instant_to_the_next() -> None:
    drift = Drift(("clicked",), ((MONDAY, 0.5), (MONDAY + DAY, -1.0)))
    at = {MONDAY - 1: 0.0, MONDAY: 0.5, MONDAY + DAY - 1: 0.5, MONDAY + DAY: -1.0, MONDAY + 99 * DAY: -1.0}
    assert {instant_: drift.shift(instant_) for instant_ in at} == at


def test_a_slow_drift_moves_on_straight_lines() -> None:
    drift = Drift(("clicked",), ((MONDAY, 0.0), (MONDAY + 4 * DAY, 2.0), (MONDAY + 6 * DAY, 1.0)), sudden=False)
    days = np.array([-1.0, 0.0, 1.0, 4.0, 5.0, 6.0, 100.0])
    found = [drift.shift(MONDAY + int(day * DAY)) for day in days]
    assert found == pytest.approx([0.0, 0.0, 0.5, 2.0, 1.5, 1.0, 1.0])


def test_a_drift_moves_only_what_it_names() -> None:
    one = moved(Drift(("unsubscribed",), ((MONDAY, 2.0),), arm=1, of_type=0))
    assert one[UNSUBSCRIBED, 0, 1] == 2.0
    assert one.sum() == 2.0
    organic = moved(Drift(("clicked",), ((MONDAY, 2.0),), arm=-1))
    assert organic[CLICKED, :, 2].tolist() == [2.0, 2.0]
    assert organic.sum() == 4.0
    assert (moved(Drift((), ((MONDAY, 2.0),))) == 2.0).all()


def test_a_season_is_that_of_the_day() -> None:
    season = WeeklySeason(tuple(float(day) for day in range(7)), kinds=("clicked",))
    for day in range(14):
        found = moved(season, MONDAY + day * DAY + 23 * HOUR)
        assert (found[CLICKED] == day % 7).all()
        assert (found[UNSUBSCRIBED] == 0.0).all()


def test_a_local_season_goes_by_the_day_of_the_recipients() -> None:
    season = WeeklySeason(tuple(float(day) for day in range(7)), local=True)
    assert moved(season, MONDAY + 10 * HOUR)[CLICKED, :, 0].tolist() == [0.0, 0.0]
    assert moved(season, MONDAY + 11 * HOUR)[CLICKED, :, 0].tolist() == [0.0, 1.0]  # midnight in Auckland


def test_a_season_of_factors_multiplies_the_odds() -> None:
    season = WeeklySeason.of_odds([2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5], arm=1)
    monday, sunday = moved(season), moved(season, MONDAY - DAY)
    assert monday[CLICKED, 0].tolist() == pytest.approx([0.0, np.log(2.0), 0.0])
    assert sunday[CLICKED, 0].tolist() == pytest.approx([0.0, -np.log(2.0), 0.0])


def test_novelty_halves_with_messages_and_with_time_and_never_for_nothing_sent() -> None:
    novelty = Novelty(0.8, messages=2.0, half_life=3 * DAY, since=MONDAY)
    assert moved(novelty)[CLICKED, 0].tolist() == [0.8, 0.8, 0.0]
    assert moved(novelty, earlier=2)[CLICKED, 0, 0] == pytest.approx(0.4)
    assert moved(novelty, MONDAY + 3 * DAY, earlier=4)[CLICKED, 0, 0] == pytest.approx(0.1)
    assert moved(novelty, MONDAY - 30 * DAY)[CLICKED, 0, 0] == 0.8
    assert moved(Novelty(0.8, arm=1), earlier=1)[CLICKED, 0].tolist() == pytest.approx([0.0, 0.4, 0.0])


def test_fatigue_adds_up_message_by_message_until_its_most() -> None:
    fatigue = Fatigue(0.3, most=4)
    for earlier, expected in ((0, 0.0), (1, 0.3), (4, 1.2), (9, 1.2)):
        found = moved(fatigue, earlier=earlier)
        assert found[UNSUBSCRIBED, 0].tolist() == pytest.approx([expected, expected, 0.0])
        assert not found[CLICKED].any()


@given(st.floats(0.01, 0.99), st.floats(-3, 3), st.floats(-3, 3))
def test_shifts_add_whatever_their_order(rate: float, first: float, second: float) -> None:
    scene = Scene(("clicked",), [None], 1, MONDAY, np.arange(3))
    one, other = Drift((), ((0, first),)), Fatigue(second, kinds=())
    together = shifts([one, other], scene)
    assert together == pytest.approx(shifts([other, one], scene))
    assert together[0, :, 0, 0] == pytest.approx(first + second * np.arange(3))
    assert logit(rate) + together[0, 0, 0, 0] == pytest.approx(logit(rate) + first)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Drift((), ()), "drift: found changes at"),
        (lambda: Drift((), ((5, 0.0), (5, 1.0))), "each after the last"),
        (lambda: WeeklySeason((0.0,) * 6), "season: found 6 days; allowed 7"),
        (lambda: WeeklySeason.of_odds([0.0] * 7), "season: found factors"),
        (lambda: Novelty(1.0, messages=None), "novelty: found messages None and half_life None"),
        (lambda: Novelty(1.0, messages=0.0), "allowed one or both, above 0"),
        (lambda: moved(Fatigue(1.0, ("opened",))), "found the kind opened; allowed clicked, unsubscribed"),
        (lambda: moved(Drift((), ((0, 1.0),), arm=2)), "found the arm 2; allowed -1 to 1"),
        (lambda: moved(Drift((), ((0, 1.0),), of_type=-1)), "found the type -1; allowed 0 to 1"),
    ],
)
def test_dynamics_that_cannot_be_are_refused(make: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()  # type: ignore[operator]
