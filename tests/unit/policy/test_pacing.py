import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.policy.pacing import TRICKLE, BudgetPeriod, Pace, Pacing, carried_over, next_pace, target_share

Curve = Callable[[float], NDArray[np.float64]]

shares = st.floats(0, 1)


def logistic(value: float, cost: float, steepness: float = 8.0) -> Curve:
    """A segment whose decisions are worth `value` each, give or take: half are sent at price ``value / cost``."""

    def spend_at(price: float) -> NDArray[np.float64]:
        return np.array([cost / (1 + (price * cost / value) ** steepness)])

    return spend_at


class TestTarget:
    @given(st.sampled_from(["even", "front", "none"]), shares, shares)
    def test_a_course_only_rises_and_ends_at_the_whole_budget(self, pacing: Pacing, one: float, other: float) -> None:
        early, late = sorted((one, other))
        assert 0 <= target_share(pacing, early) <= target_share(pacing, late) <= target_share(pacing, 1) == 1

    def test_the_courses(self) -> None:
        assert [target_share("even", t) for t in (-1, 0, 0.25, 2)] == [0, 0, 0.25, 1]
        assert [target_share("front", t) for t in (0, 0.25, 0.5, 1)] == [0, 0.4375, 0.75, 1]
        assert [target_share("none", t) for t in (0, 1)] == [1, 1]


class Loop:
    """A deterministic world: traffic arrives as told, spend is what the curve says times a hidden share."""

    def __init__(
        self, limit: float, spend_at: Curve, highest: float, hidden: float = 1.0, pacing: Pacing = "even"
    ) -> None:
        self.period = BudgetPeriod(0, 10 * DAY, limit, pacing)
        self.spend_at, self.highest, self.hidden = spend_at, highest, hidden
        self.pace: Pace | None = None
        self.spent, self.decisions, self.worst = 0.0, 0.0, 0.0

    def run(self, per_hour: Callable[[int], float], refresh: int = 30 * MINUTE) -> None:
        for now in range(0, self.period.length, refresh):
            self.pace = next_pace(
                self.pace, now, self.spent, [self.decisions], self.period, self.spend_at, self.highest
            )
            came = per_hour(now) * refresh / HOUR
            wanted = came * self.hidden * float(self.spend_at(self.pace.price)[0])
            self.spent += min(wanted, self.period.limit - self.spent)
            self.decisions += came
            if now > 0.05 * self.period.length:
                departure = abs(self.spent - self.period.target(now + refresh)) / max(self.period.limit, 1e-300)
                self.worst = max(self.worst, departure)


class TestControl:
    @settings(max_examples=15)
    @given(
        st.floats(-4, 1).map(lambda p: 10.0**p),
        st.floats(-3, -0.7).map(lambda p: 10.0**p),
        st.floats(1, 5).map(lambda p: 10.0**p),
    )
    def test_it_holds_the_course_from_price_zero_whatever_the_units(
        self, cost: float, value: float, traffic: float
    ) -> None:
        loop = Loop(traffic * 240 * cost / 3, logistic(value, cost), 1 / cost)
        loop.run(lambda _: traffic, 2 * HOUR)
        assert loop.worst < 0.02
        assert loop.spent == pytest.approx(loop.period.limit, rel=0.02)

    @pytest.mark.parametrize("pacing", ["even", "front"])
    @pytest.mark.parametrize("steepness", [1.5, 8, 200])
    def test_it_holds_either_course_on_gentle_and_on_steep_curves(self, pacing: Pacing, steepness: float) -> None:
        loop = Loop(1000 * 240 * 0.01 / 3, logistic(0.03, 0.01, steepness), 100.0, pacing=pacing)
        loop.run(lambda _: 1000.0)
        assert loop.worst < 0.02

    @pytest.mark.parametrize("hidden", [0.5, 0.8])
    def test_it_learns_what_the_demand_curve_cannot_know(self, hidden: float) -> None:
        """Guardrails silently refuse a share of what the curve expects to be sent."""
        loop = Loop(1000 * 240 * 0.01 / 3, logistic(0.03, 0.01), 100.0, hidden)
        loop.run(lambda _: 1000.0)
        assert loop.worst < 0.02
        assert loop.pace is not None
        assert loop.pace.realised / loop.pace.foreseen == pytest.approx(hidden, rel=0.05)

    def test_it_follows_days_and_nights_and_bursts(self) -> None:
        def per_hour(now: int) -> float:
            daily = 1000 * (1 - 0.8 * np.cos(2 * np.pi * now / DAY))
            return daily * (10 if now // HOUR in (60, 61, 130) else 1)

        loop = Loop(1000 * 240 * 0.01 / 3, logistic(0.03, 0.01), 100.0)
        loop.run(per_hour, 15 * MINUTE)
        assert loop.worst < 0.05

    @pytest.mark.parametrize("factor", [0.4, 5.0])
    def test_it_forgets_the_traffic_of_earlier_days(self, factor: float) -> None:
        loop = Loop(1000 * 240 * 0.01 / 3, logistic(0.03, 0.01), 100.0)
        loop.run(lambda now: 1000 * (factor if now >= 5 * DAY else 1))
        assert loop.worst < 0.02

    def test_enough_budget_for_all_has_no_price(self) -> None:
        loop = Loop(2 * 1000 * 240 * 0.01, logistic(0.03, 0.01), 100.0)
        loop.run(lambda _: 1000.0)
        assert loop.pace is not None
        assert loop.pace.price == 0.0

    def test_without_pacing_the_price_is_zero(self) -> None:
        loop = Loop(100.0, logistic(0.03, 0.01), 100.0, pacing="none")
        loop.run(lambda _: 1000.0)
        assert loop.pace is not None
        assert loop.pace.price == 0.0

    def test_a_spent_budget_has_the_highest_price(self) -> None:
        period = BudgetPeriod(0, DAY, 10.0)
        assert next_pace(None, HOUR, 10.0, [500], period, logistic(0.03, 0.01), 100.0).price == 100.0
        assert next_pace(None, HOUR, 0.0, [500], replace(period, limit=0.0), logistic(0.03, 0.01), 100.0).price == 100.0

    def test_being_ahead_leaves_a_trickle_to_learn_from(self) -> None:
        period = BudgetPeriod(0, 10 * DAY, 10.0)
        pace = next_pace(None, DAY, 9.0, [24_000], period, logistic(0.03, 0.01), 100.0)
        assert 1000 * pace.expected[0] == pytest.approx(TRICKLE * 10.0 / 240, rel=0.01)

    @given(st.floats(0.1, 0.9), st.floats(0.1, 0.9))
    def test_having_spent_more_never_lowers_the_price(self, one: float, other: float) -> None:
        period, curve = BudgetPeriod(0, 10 * DAY, 100.0), logistic(0.03, 0.01, 3.0)
        before = next_pace(None, 4 * DAY, 40.0, [60_000], period, curve, 100.0)
        less, more = sorted((one, other))
        found = [
            next_pace(replace(before, spent=100.0 * s), 4 * DAY + HOUR, 100.0 * s + 0.5, [60_600], period, curve, 100.0)
            for s in (less, more)
        ]
        assert found[1].price >= found[0].price * (1 - 0.01)


class TestState:
    period = BudgetPeriod(0, 10 * DAY, 100.0)

    def test_before_any_traffic_the_price_stays(self) -> None:
        curve = logistic(0.03, 0.01)
        assert next_pace(None, 0, 0.0, [0], self.period, curve, 100.0).price == 0.0
        assert next_pace(None, HOUR, 0.0, [0], self.period, curve, 100.0).price == 0.0

    def test_a_pace_survives_json(self) -> None:
        curve = logistic(0.03, 0.01)
        pace = next_pace(None, DAY, 10.0, [12_000], self.period, curve, 100.0)
        read = Pace(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(json.dumps(asdict(pace))).items()}
        )
        assert read == pace
        later = [next_pace(p, DAY + HOUR, 10.4, [12_500], self.period, curve, 100.0) for p in (read, pace)]
        assert later[0] == later[1]

    def test_a_new_period_begins_at_the_last_price_and_with_its_traffic(self) -> None:
        curve = logistic(0.03, 0.01)
        last = next_pace(None, 9 * DAY, 90.0, [216_000], self.period, curve, 100.0)
        following = BudgetPeriod(10 * DAY, 20 * DAY, 100.0)
        first = next_pace(carried_over(last, following), 10 * DAY + HOUR, 0.4, [1000], following, curve, 100.0)
        assert last.price > 0
        assert first.price == pytest.approx(last.price, rel=0.2)
        assert first.decisions == (1000,)

    def test_a_second_refresh_at_the_same_instant_changes_nothing(self) -> None:
        curve = logistic(0.03, 0.01)
        pace = next_pace(None, DAY, 10.0, [12_000], self.period, curve, 100.0)
        assert next_pace(pace, DAY, 10.0, [12_000], self.period, curve, 100.0) == pace

    def test_released_reservations_do_not_turn_the_gain_negative(self) -> None:
        curve = logistic(0.03, 0.01)
        pace = next_pace(None, DAY, 20.0, [12_000], self.period, curve, 100.0)
        after = next_pace(pace, DAY + HOUR, 0.0, [12_500], self.period, curve, 100.0)
        assert 0 <= after.price < pace.price

    @pytest.mark.parametrize(("start", "end", "limit"), [(5, 5, 1.0), (5, 4, 1.0), (0, 1, -1.0), (0, 1, np.nan)])
    def test_a_period_has_a_length_and_a_limit(self, start: int, end: int, limit: float) -> None:
        with pytest.raises(ValueError, match="budget"):
            BudgetPeriod(start, end, limit)
