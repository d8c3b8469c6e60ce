"""The study of simulations/pilot_then_scale in short: fixed seeds, so a failure here is a bug, not bad luck."""

from pathlib import Path

import pytest

from optimizer.scenarios.notebook import Scenario
from optimizer.scenarios.result import Rehearsed

STUDY = Path(__file__).parents[2] / "simulations" / "pilot_then_scale"
SEED = 1_000


def rehearsed(file: str, replications: int) -> dict[str, Rehearsed]:
    result = Scenario.read(STUDY / file).rehearse(replications=replications, seed=SEED).result
    return {one.guardrails: one for one in result.rehearsed}


@pytest.fixture(scope="module")
def sells() -> dict[str, Rehearsed]:
    return rehearsed("bad-sells.yaml", 2)


def complaints(one: Rehearsed) -> float:
    return one.outcomes["complained"].mean


@pytest.mark.slow
def test_a_pilot_costs_reward_and_a_longer_one_more(sells: dict[str, Rehearsed]) -> None:
    earned = [sells[name].measures["expected_reward"].mean for name in ("as_written", "pilot", "pilot-of-ten-days")]
    assert earned == sorted(earned, reverse=True)
    assert earned[2] < 0.97 * earned[0]


@pytest.mark.slow
def test_a_small_pilot_finds_the_bad_message_later(sells: dict[str, Rehearsed]) -> None:
    days = [sells[name].first_done["pause spring/pushy"].median for name in ("as_written", "pilot")]
    found = [day for day in days if day is not None]
    assert len(found) == len(days)
    assert found[0] < found[1]
    assert sells["pilot"].first_done["advance rollout spring"].share == 1.0  # held or not, people let it go on


@pytest.mark.slow
def test_it_is_the_metric_that_spares_people_and_a_pilot_without_one_hardly_does(sells: dict[str, Rehearsed]) -> None:
    assert complaints(sells["as_written"]) < 0.4 * complaints(sells["at-once-no-metric"])
    assert complaints(sells["pilot-no-metric"]) > 0.6 * complaints(sells["at-once-no-metric"])


@pytest.mark.slow
def test_the_more_is_sent_before_the_first_complaints_the_more_a_pilot_saves() -> None:
    busy = rehearsed("busy.yaml", 1)
    of_bad = [busy[name].by_variant["pushy"]["complained"].mean for name in ("pilot", "as_written")]
    assert of_bad[0] < 0.5 * of_bad[1]
