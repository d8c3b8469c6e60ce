"""Each estimator is a formula of means, and its gradient is that formula's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.evaluation.columns import Rows, reward
from optimizer.evaluation.estimators.estimator import Estimator
from optimizer.evaluation.estimators.every import ALL, ESTIMATORS
from optimizer.evaluation.estimators.lift import Lift
from optimizer.evaluation.estimators.logged_mean import LoggedMean

EVERY = [*ALL, LoggedMean(), *map(Lift, ALL)]

# Four decisions, worked by hand. Weights 2, 0, .5, 12; rewards 1, 1, 0, 1; the model says q = .5 of every chosen arm
# and expects .25 of the target.
ROWS = Rows(
    rewards=np.array([1.0, 1.0, 0.0, 1.0]),
    weights=np.array([2.0, 0.0, 0.5, 12.0]),
    weight_clip=8.0,
    switch_at=2.0,
    expected=np.full(4, 0.25),
    predicted=np.full(4, 0.5),
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ips", 14 / 4),
        ("clipped_ips", 10 / 4),
        ("snips", 14 / 14.5),
        ("dm", 0.25),
        ("dr", 0.25 + (1 + 0 - 0.25 + 6) / 4),
        ("sndr", 0.25 + (1 + 0 - 0.25 + 6) / 14.5),
        ("switch_dr", 0.25 + (1 + 0 - 0.25) / 4),
    ],
)
def test_each_formula_by_hand(name: str, value: float) -> None:
    estimator = ESTIMATORS[name]
    means = np.array([column(ROWS).mean() for column in estimator.columns])
    assert float(estimator.value(means)) == pytest.approx(value, rel=1e-14)
    lifted = np.append(means, reward(ROWS).mean())
    assert float(Lift(estimator).value(lifted)) == pytest.approx(value - 0.75, rel=1e-14)


@pytest.mark.parametrize("estimator", EVERY, ids=lambda e: f"{type(e).__name__}-{e.name}")
@given(seed=st.integers(0, 2**32 - 1))
def test_gradients_are_those_of_the_value(estimator: Estimator, seed: int) -> None:
    means = np.random.default_rng(seed).uniform(0.5, 2.0, len(estimator.columns))
    step = 1e-6
    moved = means + step * np.eye(len(means))
    back = means - step * np.eye(len(means))
    slopes = (estimator.value(moved) - estimator.value(back)) / (2 * step)
    np.testing.assert_allclose(estimator.gradient(means), slopes, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("estimator", EVERY, ids=lambda e: f"{type(e).__name__}-{e.name}")
def test_many_resamples_are_estimated_at_once(estimator: Estimator) -> None:
    means = np.random.default_rng(4).uniform(0.5, 2.0, (3, 5, len(estimator.columns)))
    found = estimator.value(means)
    assert found.shape == (3, 5)
    assert found[2, 4] == estimator.value(means[2, 4])


@pytest.mark.parametrize("name", ["snips", "sndr"])
def test_without_any_weight_there_is_no_ratio(name: str) -> None:
    estimator = ESTIMATORS[name]
    means = np.zeros(len(estimator.columns))
    assert np.isnan(estimator.value(means))
    assert np.isnan(estimator.gradient(means)).any()


def test_only_estimators_that_ask_a_model_say_so() -> None:
    assert [name for name, estimator in ESTIMATORS.items() if not estimator.needs_model] == [
        "ips",
        "clipped_ips",
        "snips",
    ]
