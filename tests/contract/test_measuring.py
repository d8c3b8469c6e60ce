"""Measuring: what a campaign and the strategy earn, from a ledger in which the truth is known."""

from __future__ import annotations

import random
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.errors import NotFound
from optimizer.insights.measures.comparison import Verdict
from optimizer.services.measures.measuring import measured, strategy_measured
from optimizer.web.shapes.measurement_answers import (
    MeasurementOut,
    StrategyMeasurementOut,
    measurement_json,
    strategy_measurement_json,
)


def lived(house: Any, *, days: int = 5, people: int = 220, lift: float = 0.4) -> None:
    """Most of what was sent is rewarded, little of what was not; every purchase is worth 20 USD."""
    chance = random.Random(1)
    for day in range(days):
        requests = [
            house.request(f"p{one}", f"d{day}", "members", attributes={"vip": True})
            for one in range(people)
            if chance.random() < 0.6
        ]
        answers, reports = house.decide(*requests), []
        for answer in answers:
            one, held = answer.decision, answer.decision.variant_id is None
            if not held:
                reports.append(house.report(one.decision_id, "opened", occurred_at=house.now + HOUR))
            if chance.random() < (0.15 if held else 0.15 + lift):
                reports.append(house.report(one.decision_id, "clicked", occurred_at=house.now + 2 * HOUR))
                money = {"value": 20_000_000, "currency": "USD"}
                reports.append(house.report(one.decision_id, "purchase", occurred_at=house.now + 3 * HOUR, **money))
        house.later(DAY)
        house.record(*reports)


def found(house: Any) -> Any:
    with house.deployment.store.reading() as ledger:
        return measured(ledger, house.deployment.live, "members", house.now)


def test_before_anything_happened_it_says_so_and_guesses_nothing(sqlite_house: Any) -> None:
    one = found(sqlite_house)
    assert (one.lift.trials, one.lift.matured, one.money, one.people, one.fatigue) == (0, None, None, None, None)
    assert one.notes[0].startswith("Nothing has been tried yet")
    assert "nothing can be said in money" in one.no_money
    MeasurementOut.model_validate(measurement_json(one))


def test_trials_count_once_their_window_is_over_and_the_lift_is_found(sqlite_house: Any) -> None:
    house = sqlite_house
    lived(house)
    one = found(house)
    assert one.lift.maturing > 0
    house.later(3 * DAY)
    one = found(house)
    assert one.lift.maturing == 0
    assert one.lift.matured == one.lift.so_far
    assert one.lift.matured.verdict is Verdict.ABOVE
    assert one.lift.matured.low < 0.4 < one.lift.matured.high
    assert one.lift.matured.against == "the holdout"
    assert one.money.worth_of == "purchase"
    assert one.money.worth.found.value == pytest.approx(20 * one.lift.matured.found.value, rel=1e-6)
    assert one.money.gained.value == pytest.approx(one.money.worth.found.value * one.money.worth.n)
    assert one.money.roi is None, "nothing costs anything here"
    assert one.people.rewarded.verdict is Verdict.ABOVE
    assert one.people.worth.mean > one.people.worth.other_mean
    assert len(one.fatigue.steps) >= 2
    assert one.operations.rates[0].kind == "opened"
    assert one.operations.median_delay is not None
    MeasurementOut.model_validate(measurement_json(one))


def test_the_strategy_says_the_same_objective_by_objective(sqlite_house: Any) -> None:
    house = sqlite_house
    lived(house, days=3)
    house.later(3 * DAY)
    with house.deployment.store.reading() as ledger:
        whole = strategy_measured(ledger, house.deployment.live, house.now)
    assert [one.subject.objective_id for one in whole.objectives] == ["buy", "clicks", "opens"]
    opens = whole.objectives[2]
    alone = found(house)
    assert opens.lift.matured.found.value == pytest.approx(alone.lift.matured.found.value)
    assert opens.strategy_wide is not None
    assert opens.strategy_wide.trials < opens.lift.trials
    assert opens.people.against == "the strategy-wide holdout"
    StrategyMeasurementOut.model_validate(strategy_measurement_json(whole))


def test_a_campaign_that_is_not_there_is_named(sqlite_house: Any) -> None:
    with sqlite_house.deployment.store.reading() as ledger, pytest.raises(NotFound, match="nowhere"):
        measured(ledger, sqlite_house.deployment.live, "nowhere", sqlite_house.now)
