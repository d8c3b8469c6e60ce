"""How often guardrail metrics alarm when they are asked again and again: the study's numbers, by other means."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from optimizer.guardrails.metrics import PAUSE_VARIANT, MetricRule, breach_probability, breaches

STUDY = Path(__file__).parents[2] / "simulations" / "guardrail_false_alarms"
README = (STUDY / "README.md").read_text()
RESULT = json.loads((STUDY / "result.json").read_text())
N_RUNS = RESULT["runs_per_case"]
CASES = {(row["limit"], row["confidence"], row["true_rate_in_limits"]): row for row in RESULT["cases"]}


@cache
def events_needed(limit: float, confidence: float, every: int, until: int) -> tuple[int, ...]:
    """Fewest events that are an alarm at each look, found by counting up: it never falls as exposures are added."""
    needed, k = [], 0
    for n in range(every, until + 1, every):
        while breach_probability(k, n, limit) < confidence:
            k += 1
        needed.append(k)
    return tuple(needed)


def alarm_chances(limit: float, confidence: float, times: float, every: int, until: int) -> np.ndarray:
    """Chance of an alarm by each look, exactly: the law of the events so far, without the runs that have alarmed."""
    needed = events_needed(limit, confidence, every, until)
    step = binom.pmf(np.arange(every + 1), every, limit * times)
    step = step[: int(np.flatnonzero(step > 1e-17)[-1]) + 1]
    law, silent = np.ones(1), []
    for k in needed:
        law = np.convolve(law, step)[:k]
        silent.append(law.sum())
    return 1.0 - np.array(silent)


def agrees(found: float, chance: float, n_runs: int) -> bool:
    """Within 4.5 standard errors and two runs: the latter for chances so small that hardly a run alarms."""
    return abs(found - chance) <= 4.5 * (chance * (1 - chance) / n_runs) ** 0.5 + 2 / n_runs


@pytest.mark.slow
def test_the_study_agrees_with_the_exact_chances() -> None:
    assert len(CASES) == 63
    for (limit, confidence, times), row in CASES.items():
        exact = alarm_chances(limit, confidence, times, RESULT["look_every"], 50_000)
        for by in (20_000, 50_000):
            place = by // RESULT["look_every"] - 1
            assert agrees(row[f"alarm_by_{by}"], exact[place], N_RUNS), (row, exact[place])
        if "median_exposures_until_alarm" in row:
            # The exact median look, give or take the looks between which one half lies within the error.
            place = row["median_exposures_until_alarm"] // RESULT["look_every"] - 1
            before = exact[place - 1] if place else 0.0
            error = 4.5 * 0.5 / N_RUNS**0.5
            assert before - error <= 0.5 <= exact[place] + error, row


@pytest.mark.slow
@pytest.mark.parametrize("times", [0.25, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_the_study_agrees_with_the_exact_chances_of_looking_after_every_exposure(
    confidence: float, times: float
) -> None:
    found = CASES[0.005, confidence, times]["alarm_by_20000_looking_after_every_exposure"]
    assert agrees(found, alarm_chances(0.005, confidence, times, 1, 20_000)[-1], N_RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_rules_asked_at_every_refresh_alarm_as_often_as_the_study_says(times: float) -> None:
    """Four thousand variants live through 100 refreshes; the alarms are those of `breaches` itself."""
    rng = np.random.Generator(np.random.PCG64(31))
    n_variants, rule = 4_000, MetricRule("unsubscribed", 0.005, 0.95, PAUSE_VARIANT)
    events, alarmed = np.zeros(n_variants, np.int64), np.zeros(n_variants, np.bool_)
    for look in range(1, 101):
        events += rng.binomial(100, 0.005 * times, n_variants)
        found = breaches([rule], {"unsubscribed": events}, np.full(n_variants, 100 * look))
        alarmed[[one.arm for one in found]] = True
    assert agrees(alarmed.mean(), alarm_chances(0.005, 0.95, times, 100, 10_000)[-1], n_variants)


def test_one_look_at_the_limit_alarms_as_often_as_the_confidence_leaves_over() -> None:
    """The prior takes no side, so a single look is wrong once in twenty; at many exposures, where events are many."""
    rng = np.random.Generator(np.random.PCG64(32))
    n_runs, exposures = 40_000, np.int64(200_000)
    alarms = breach_probability(rng.binomial(exposures, 0.005, n_runs), exposures, 0.005) >= 0.95
    # 1,000 events more or less by 32: rounding to whole events moves the share by 0.0017 at most.
    assert abs(alarms.mean() - 0.05) <= 4.5 * (0.05 * 0.95 / n_runs) ** 0.5 + 0.0017


def test_the_readmes_false_alarms_are_the_studys() -> None:
    names = {0.25: "a quarter of the limit", 0.5: "half the limit", 0.8: "0.8 of the limit", 1.0: "exactly the limit"}
    for times, name in names.items():
        spans = []
        for confidence in (0.9, 0.95, 0.99):
            rows = [CASES[limit, confidence, times] for limit in (0.003, 0.005, 0.02)]
            least = min(row["alarm_by_20000"] for row in rows)
            most = max(row["alarm_by_20000_looking_after_every_exposure"] for row in rows)
            spans.append(f"{100 * least:.1f} to {100 * most:.1f} %")
        assert f"| {name} | {' | '.join(spans)} |" in README


def test_the_readmes_exposures_until_an_alarm_are_the_studys() -> None:
    for limit in (0.003, 0.005, 0.02):
        for times in (1.5, 2.0, 4.0):
            rows = [CASES[limit, confidence, times] for confidence in (0.9, 0.95, 0.99)]
            halves = [
                f"{row['median_exposures_until_alarm']:,} ({row['exposures_until_9_of_10_alarmed']:,})" for row in rows
            ]
            assert f"| {100 * limit:g} % | {times:g} times | {' | '.join(halves)} |" in README
            assert times == 1.5 or all(row["alarm_by_20000"] == 1.0 for row in rows)


def test_the_readmes_other_claims_hold() -> None:
    at_limit = [CASES[limit, 0.95, 1.0] for limit in (0.003, 0.005, 0.02)]
    for row in at_limit:
        assert row["alarm_if_looked_at_only_once_at_20000"] == pytest.approx(0.05, abs=0.01)  # one in twenty
        assert row["alarm_by_50000"] > row["alarm_by_20000"] + 0.04  # keeps growing
    for limit in (0.003, 0.005):
        for row in (CASES[limit, confidence, times] for confidence in (0.9, 0.95) for times in (0.5, 0.8, 1.0)):
            assert row["alarm_by_20000_looking_after_every_exposure"] < 1.75 * row["alarm_by_20000"]
    for times, among_eight in ((0.5, 0.11), (0.8, 0.53)):  # one campaign of ten, one of two
        worst = max(
            CASES[limit, 0.95, times]["alarm_by_20000_looking_after_every_exposure"] for limit in (0.003, 0.005, 0.02)
        )
        assert 1 - (1 - worst) ** 8 < among_eight
    assert events_needed(0.005, 0.95, 100, 1_000)[0] == 3
    assert events_needed(0.005, 0.95, 100, 1_000)[-1] == 10
    assert breach_probability(2, 25, 0.005) >= 0.95 > breach_probability(2, 26, 0.005)
