"""Over many logs: what a learned policy is said to be worth, beside what it is worth."""

import numpy as np
import pytest

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import numbered
from optimizer.evaluation.fitted_models import reward_model
from optimizer.evaluation.policy_learning import LearnedPolicy, best_by_model, best_by_segment, policy_value
from optimizer.evaluation.targets import SegmentShares

SHARES = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [0.1, 0.6, 0.3], [0.4, 0.2, 0.4]])
NOISE = np.full((4, 3), 0.3)
SIGNAL = np.array([[0.3, 0.2, 0.25], [0.2, 0.5, 0.3], [0.35, 0.3, 0.3], [0.1, 0.1, 0.15]])
SLOPE = 0.1  # what the feature adds to the third arm's rate, both ways


def a_log(rates: np.ndarray, n: int, rng: np.random.Generator, slope: float = 0.0) -> LoggedFeedback:
    segments, features = rng.integers(4, size=n), rng.choice([-1.0, 1.0], size=(n, 1))
    shares = SHARES[segments]
    arms = (rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(max=2)
    mean = rates[segments, arms] + slope * features[:, 0] * (arms == 2)
    return LoggedFeedback(
        variant_ids=("a", "b", "c"),
        segment_ids=("s", "t", "u", "v"),
        arms=arms,
        segments=segments,
        propensities=shares[np.arange(n), arms],
        rewards=(rng.random(n) < mean).astype(float),
        features=features,
        feature_names=("x",),
    )


def true_value(learned: LearnedPolicy, log: LoggedFeedback, rates: np.ndarray, slope: float) -> float:
    """What the cross-fitted policies earn on the very rows they are judged on, in expectation."""
    (rows,) = numbered([log])
    mean = rates[log.segments].copy()
    mean[:, 2] += slope * log.features[:, 0]
    return float((learned.cross_fitted.probabilities(rows) * mean).sum(axis=1).mean())


def standard_error(draws: list[float]) -> float:
    return float(np.std(draws, ddof=1) / np.sqrt(len(draws)))


def test_under_pure_noise_the_plug_in_value_is_optimistic_and_the_honest_one_is_not() -> None:
    learned = [best_by_segment([a_log(NOISE, 300, np.random.default_rng(seed))], seed=seed) for seed in range(250)]
    honest, plug_in = [one.honest.value for one in learned], [one.plug_in.value for one in learned]
    assert abs(np.mean(honest) - 0.3) < 3 * standard_error(honest)
    assert np.mean(plug_in) > 0.3 + 20 * standard_error(plug_in)
    assert np.mean(plug_in) > 0.35


@pytest.mark.parametrize("kind", ["segment", "cells", pytest.param("logistic", marks=pytest.mark.slow)])
def test_honest_values_are_right_on_average(kind: str) -> None:
    slope = SLOPE if kind == "logistic" else 0.0
    gaps = []
    for seed in range(300):
        log = a_log(SIGNAL, 400, np.random.default_rng([seed, 1]), slope)
        learned = best_by_segment([log], seed=seed) if kind == "segment" else best_by_model([log], kind, seed=seed)
        gaps.append(learned.honest.value - true_value(learned, log, SIGNAL, slope))
    assert abs(np.mean(gaps)) < 3 * standard_error(gaps)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rates", "least", "most"),
    [
        pytest.param(SIGNAL, 0.88, 1.12, id="clear"),  # a standard deviation of 400 draws: 3.4 / sqrt(2 x 400) = .12
        pytest.param(NOISE, 1.0, 1.5, id="alike"),  # then all folds choose by the same luck, as the docstring says
    ],
)
def test_the_standard_error_is_right_where_the_best_arm_is_clear(rates: np.ndarray, least: float, most: float) -> None:
    gaps, reported = [], []
    for seed in range(400):
        log = a_log(rates, 10_000, np.random.default_rng([seed, 4]))
        learned = best_by_segment([log], seed=seed)
        gaps.append(learned.honest.value - true_value(learned, log, rates, 0.0))
        reported.append(learned.honest.standard_error)
    assert least < np.std(gaps, ddof=1) / np.mean(reported) < most


@pytest.mark.parametrize("kind", ["cells", pytest.param("logistic", marks=pytest.mark.slow)])
def test_the_doubly_robust_value_of_a_fixed_policy_is_right_on_average_even_by_a_poor_model(kind: str) -> None:
    target = SegmentShares(np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]]))
    truth = (target.shares * SIGNAL).sum(axis=1).mean()
    found = []
    for seed in range(300):
        log = a_log(SIGNAL, 150, np.random.default_rng([seed, 2]), SLOPE)  # a dozen rows of a cell
        found.append(policy_value(target, reward_model([log], kind, folds=2, seed=seed), [log]).value)
    assert abs(np.mean(found) - truth) < 3 * standard_error(found)


def test_without_cross_fitting_the_model_leaks_into_the_value() -> None:
    """Why folds: a model that saw its rows hides its own errors, here where a cell has few rows and luck."""
    values = {1: [], 5: []}
    for seed in range(200):
        log = a_log(NOISE, 200, np.random.default_rng([seed, 3]))
        for folds, found in values.items():
            learned = best_by_model([log], "cells", folds, seed)
            found.append(learned.honest.value)  # with one fold, the policy's own rows judge it
    assert abs(np.mean(values[5]) - 0.3) < 3 * standard_error(values[5])
    assert np.mean(values[1]) > 0.3 + 10 * standard_error(values[1])
