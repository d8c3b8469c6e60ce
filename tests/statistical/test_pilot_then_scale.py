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
def test_a_pilot_costs_reward_and_shows_the_bad_message_to_far_fewer(sells: dict[str, Rehearsed]) -> None:
    """A tenth of the people for the days until the pause: two replications of some thousand sends differ by less."""
    pilot, at_once = sells["pilot"], sells["as_written"]
    assert pilot.measures["expected_reward"].mean < at_once.measures["expected_reward"].mean
    assert pilot.by_variant["pushy"]["sends"].mean < 0.5 * at_once.by_variant["pushy"]["sends"].mean
    longer = sells["pilot-of-ten-days"]
    assert longer.measures["expected_reward"].mean < pilot.measures["expected_reward"].mean


@pytest.mark.slow
def test_what_is_held_grows_only_after_a_release_and_an_approval(sells: dict[str, Rehearsed]) -> None:
    done = sells["pilot"].first_done
    days = [done[f"{what} spring"].median for what in ("hold rollout", "release rollout", "advance rollout")]
    known = [day for day in days if day is not None]
    assert known == sorted(known)
    assert len(known) == len(days)
    assert known[0] + 1.0 <= known[1]
    assert done["advance rollout spring"].share == 1.0


@pytest.mark.slow
def test_it_is_the_metric_that_spares_people_and_a_pilot_without_one_hardly_does(sells: dict[str, Rehearsed]) -> None:
    assert complaints(sells["as_written"]) < 0.4 * complaints(sells["at-once-no-metric"])
    assert complaints(sells["pilot-no-metric"]) > 0.7 * complaints(sells["at-once-no-metric"])


@pytest.mark.slow
def test_the_more_is_sent_before_the_first_complaints_the_more_a_pilot_saves() -> None:
    busy = rehearsed("busy.yaml", 1)
    of_bad = [busy[name].by_variant["pushy"]["complained"].mean for name in ("pilot", "as_written")]
    assert of_bad[0] < 0.5 * of_bad[1]
