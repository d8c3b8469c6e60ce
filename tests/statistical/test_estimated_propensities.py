"""Over many logs: inverse propensities that were estimated give the value that known ones give."""

import numpy as np
import pytest
from scipy.special import softmax

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.propensities import propensity_model, with_estimated

SHARES = np.array([[0.5, 0.3, 0.2], [0.25, 0.25, 0.5]])
RATES = np.array([[0.2, 0.4, 0.3], [0.6, 0.3, 0.5]])
SLOPES = np.array([0.6, 0.0, -0.4])


def a_log(n: int, rng: np.random.Generator, *, by_feature: bool) -> LoggedFeedback:
    segments, features = rng.integers(2, size=n), rng.normal(size=(n, 1))
    shares = SHARES[segments]
    if by_feature:
        shares = softmax(np.log(shares) + features * SLOPES, axis=1)
    arms = (rng.random(n)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(max=2)
    mean = RATES[segments, arms] + by_feature * 0.1 * (features[:, 0] > 0.0)  # who does better is also sent other arms
    return LoggedFeedback(
        variant_ids=("a", "b", "c"),
        segment_ids=("s", "t"),
        arms=arms,
        segments=segments,
        propensities=np.ones(n),
        rewards=(rng.random(n) < mean).astype(float),
        features=features,
        feature_names=("x",),
    )


@pytest.mark.parametrize("kind", ["segments", pytest.param("features", marks=pytest.mark.slow)])
def test_inverse_propensity_values_by_estimates_are_right_on_average(kind: str) -> None:
    by_feature = kind == "features"
    values = []
    for seed in range(250):
        log = a_log(4000, np.random.default_rng(seed), by_feature=by_feature)
        model = propensity_model([log], kind, seed=seed)  # type: ignore[arg-type]
        estimated = with_estimated(log, 0, model).feedback
        values.append([((log.arms == arm) * log.rewards / estimated.propensities).mean() for arm in range(3)])
    truth = RATES.mean(axis=0) + by_feature * 0.05
    errors = np.std(values, axis=0, ddof=1) / np.sqrt(250)
    assert (np.abs(np.mean(values, axis=0) - truth) < 3.5 * errors).all()


def test_a_model_that_leaves_out_what_decided_is_biased() -> None:
    log = a_log(200_000, np.random.default_rng(0), by_feature=True)
    chosen = {}
    for kind in ("segments", "features"):
        estimated = with_estimated(log, 0, propensity_model([log], kind)).feedback  # type: ignore[arg-type]
        chosen[kind] = ((log.arms == 0) * log.rewards / estimated.propensities).mean()
    truth, error = 0.45, 2.0 / np.sqrt(200_000)  # of rewards below 1, weighted by about 1 / .3
    assert abs(chosen["features"] - truth) < 3 * error
    assert chosen["segments"] > truth + 3 * error
