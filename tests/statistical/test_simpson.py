"""A season and shares that adapt: raw means are fooled, differences within days are not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from optimizer.evaluation.stratified import Side, StratifiedDifference, stratified_difference

RUNS, DAYS, PER_DAY, DRAWS, HALF_LIFE = 1_000, 28, 1_500, 64, 2.0
WORKDAY, WEEKEND = 0.04, 0.12

Floats = NDArray[np.float64]


def a_campaign(rng: np.random.Generator, apart: float) -> tuple[Floats, Floats]:
    """Trials and successes, ``[RUNS, DAYS, 2]``, of two arms shared out daily by Thompson sampling that forgets."""
    season = np.where(np.arange(DAYS) % 7 >= 5, WEEKEND, WORKDAY)
    trials, successes = np.zeros((RUNS, DAYS, 2)), np.zeros((RUNS, DAYS, 2))
    for day in range(DAYS):
        weights = 0.5 ** (np.arange(day, 0, -1) / HALF_LIFE)
        seen, won = (np.einsum("rda,d->ra", one[:, :day], weights) for one in (trials, successes))
        drawn = rng.beta(1.0 + won, 1.0 + seen - won, size=(DRAWS, RUNS, 2))
        share = 0.1 + 0.8 * (drawn[..., 0] > drawn[..., 1]).mean(axis=0)
        first = rng.binomial(PER_DAY, share)
        trials[:, day] = np.stack([first, PER_DAY - first], axis=-1)
        successes[:, day] = rng.binomial(trials[:, day].astype(int), season[day] + np.array([apart, 0.0]))
    return trials, successes


def compared(trials: Floats, successes: Floats) -> list[StratifiedDifference]:
    return [
        stratified_difference(
            *(Side(trials[run, :, arm], successes[run, :, arm], successes[run, :, arm]) for arm in range(2)),
            successes=True,
        )
        for run in range(RUNS)
    ]


def raw_interval(trials: Floats, successes: Floats) -> tuple[Floats, Floats]:
    """What two proportions would say of arm means alone, ``[RUNS]`` each: difference and its standard error."""
    n, p = trials.sum(axis=1), successes.sum(axis=1) / trials.sum(axis=1)
    return p[:, 0] - p[:, 1], np.sqrt((p * (1 - p) / n).sum(axis=1))


@pytest.mark.parametrize("apart", [0.0, 0.01, -0.01])
def test_within_days_the_truth_is_covered_where_raw_means_are_fooled(apart: float) -> None:
    rng = np.random.default_rng(20_261_122)
    trials, successes = a_campaign(rng, apart)
    found = compared(trials, successes)
    intervals = np.array([one.interval() for one in found])
    covered = ((intervals[:, 0] <= apart) & (apart <= intervals[:, 1])).mean()
    assert 0.93 <= covered <= 0.97  # of 1,000 runs the share has a standard error of .7 %
    raw, error = raw_interval(trials, successes)
    assert (np.abs(raw - apart) <= 1.96 * error).mean() < 0.85
    assert np.abs([one.value for one in found] - np.float64(apart)).mean() < 0.8 * np.abs(raw - apart).mean()


def test_a_variant_that_was_sent_on_good_days_looks_better_raw_and_is_said_to_mislead() -> None:
    trials = np.array([[100.0, 900.0], [900.0, 100.0]])
    successes = trials * np.array([[0.05, 0.06], [0.20, 0.21]])
    one, other = (Side(trials[:, arm], successes[:, arm], successes[:, arm]) for arm in range(2))
    found = stratified_difference(one, other, successes=True)
    assert found.raw > 0.1
    assert found.value == pytest.approx(-0.01)
    assert found.misleads
