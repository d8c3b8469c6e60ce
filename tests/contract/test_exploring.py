"""Bounds on the shares, in the service: they are what decisions are drawn from, and come out the same again."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from optimizer.domain.instants import MINUTE
from optimizer.services.decisions.explaining import explain

WINBACK = "campaigns/winback.yaml"
Files, Edit = Mapping[str, str], Callable[..., dict[str, str]]


@pytest.fixture
def make(house: Any, files: Files, edited: Edit) -> Callable[[str], Any]:
    """The sample house, whose campaign has one segment and such a policy."""
    text = files[WINBACK]
    segments = text[text.index("segments:") : text.index("everyone_else")]

    def with_policy(policy: str) -> Any:
        policy = f"{{floor: 0.05, delay: ignored, {policy}}}"
        house.apply(edited(files, WINBACK, ("{floor: 0.05}", policy), (segments, "")))
        return house

    return with_policy


def latest(house: Any) -> Any:
    with house.deployment.store.reading() as ledger:
        return ledger.snapshots.latest("winback")


def steps_of(house: Any, answer: Any) -> Any:
    with house.deployment.store.reading() as ledger:
        found = explain(ledger, house.deployment.live, answer.decision.decision_id)
    assert found.same
    return found.steps


def rewarded(house: Any, n: int, winner: str) -> None:
    """Decisions, of which each of the winner is rewarded and no other."""
    for answer in house.learning(n):
        if answer.decision.variant_id == winner:
            house.recorded(answer.decision.decision_id)
    house.later(MINUTE)
    house.learn()


def test_shares_move_by_the_largest_change_also_when_nothing_is_new(make: Any) -> None:
    house = make("largest_change: 0.2")
    rewarded(house, 60, "hello")
    shares, numbers = [], []
    for _ in range(6):
        (answer,) = house.learning(1)
        steps = steps_of(house, answer)
        assert [step.name for step in steps] == ["posterior", "floor", "cap", "largest_change"]
        shares.append(steps[-1].shares["hello"])
        assert answer.decision.propensity == steps[-1].shares[answer.decision.variant_id]
        numbers.append(latest(house).number)
        house.later(MINUTE)
        house.learn()
    assert shares[0] == pytest.approx(1 / 3 + 0.2)
    assert shares[1] == pytest.approx(1 / 3 + 0.4)
    assert shares[-1] == pytest.approx(0.9, abs=0.01)
    quiet = latest(house).number
    house.learn()
    assert latest(house).number == quiet
    assert house.verify().clean


def test_nobody_is_preferred_before_each_has_the_minimum(make: Any) -> None:
    house = make("minimum_trials: 15")
    rewarded(house, 30, "hello")
    tried = latest(house).trials[0]
    assert tried.min() < 15
    answers = house.learning(20)
    assert [answer.decision.propensity for answer in answers] == pytest.approx([1 / 3] * 20)
    assert [step.name for step in steps_of(house, answers[0])] == ["posterior", "minimum_trials", "floor", "cap"]
    while latest(house).trials[0].min() < 15:
        rewarded(house, 10, "hello")
    (answer,) = house.learning(1)
    assert steps_of(house, answer)[-1].shares["hello"] > 0.85
    assert house.verify().clean


def test_top_two_gives_the_rivals_of_a_sure_leader_half(make: Any) -> None:
    house = make("top_two: 0.5")
    rewarded(house, 60, "hello")
    (answer,) = house.learning(1)
    steps = steps_of(house, answer)
    assert [step.name for step in steps] == ["posterior", "top_two", "floor", "cap"]
    assert steps[0].shares["hello"] > 0.99
    assert steps[1].shares["hello"] == pytest.approx(0.5, abs=0.01)
    reasons = {answer.decision.variant_id: answer.decision.reason for answer in house.learning(30)}
    assert reasons["hello"] == "exploit"
    assert set(reasons.values()) == {"exploit", "explore"}
    assert house.verify().clean
