"""The study of simulations/guardrail_pause in short: fixed seeds, so a failure here is a bug, not bad luck."""

from pathlib import Path

import pytest

from optimizer.scenarios.notebook import Scenario
from optimizer.scenarios.result import Measured, Rehearsed, Result

STUDY = Path(__file__).parents[2] / "simulations" / "guardrail_pause"
SEED = 1_000
ANNOYING = "pause weekly/last-chance"


def rehearsed(file: str, replications: int) -> dict[str, Rehearsed]:
    result: Result = Scenario.read(STUDY / file).rehearse(replications=replications, seed=SEED).result
    return {one.guardrails: one for one in result.rehearsed}


@pytest.fixture(scope="module")
def few() -> dict[str, Rehearsed]:
    return rehearsed("500-a-day.yaml", 6)


def annoyed(one: Rehearsed) -> Measured:
    return one.by_variant["last-chance"]["unsubscribed"]


@pytest.mark.slow
def test_what_annoys_is_paused_within_days_and_sooner_the_less_confidence_is_asked_for(
    few: dict[str, Rehearsed],
) -> None:
    paused = [few[name].first_done[ANNOYING] for name in ("confidence-90", "as_written", "confidence-99")]
    days = [one.median for one in paused if one.median is not None]
    assert len(days) == len(paused)
    assert days == sorted(days)
    assert days[1] <= 7.0
    assert ANNOYING not in few["no-metric"].first_done


@pytest.mark.slow
def test_a_pause_spares_at_least_half_of_those_whom_nothing_would_have_spared(few: dict[str, Rehearsed]) -> None:
    """By three standard errors of each of the two."""
    spared, not_spared = annoyed(few["as_written"]), annoyed(few["no-metric"])
    assert spared.standard_error is not None
    assert not_spared.standard_error is not None
    assert spared.mean + 3 * spared.standard_error < 0.5 * not_spared.mean + 3 * not_spared.standard_error
    assert spared.mean < 0.5 * not_spared.mean


@pytest.mark.slow
def test_a_penalty_alone_moves_traffic_away_and_a_metric_beside_it_adds_to_that(few: dict[str, Rehearsed]) -> None:
    assert annoyed(few["penalty-only"]).mean < 0.7 * annoyed(few["no-metric"]).mean
    assert annoyed(few["penalty-and-95"]).mean < annoyed(few["penalty-only"]).mean


@pytest.mark.slow
def test_where_people_are_tired_every_message_is_paused_and_a_contact_rule_keeps_them() -> None:
    found = rehearsed("fatigue.yaml", 2)
    assert sum(what.startswith("pause ") for what in found["as_written"].first_done) == 3
    assert not any(what.startswith("pause ") for what in found["once-a-week"].first_done)
    per_send = {name: one.outcomes["unsubscribed"].mean / one.measures["sends"].mean for name, one in found.items()}
    assert per_send["once-a-week"] < 0.6 * per_send["no-metric"]
