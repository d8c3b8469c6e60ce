"""Quality of a reward model is told beside the best constant."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.metrics import log_loss, r2_score

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.fitted_models import reward_model
from optimizer.evaluation.model_quality import model_quality


@dataclass
class Given:
    """A model that expects of every row what it is told, for the first arm; nonsense for the others."""

    expected: np.ndarray

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> np.ndarray:
        mine = self.expected[first_row : first_row + len(feedback)]
        return np.where(np.arange(2) == feedback.arms[:, None], mine[:, None], 99.0)


def a_log(rewards: np.ndarray, features: np.ndarray | None = None) -> LoggedFeedback:
    n = len(rewards)
    return LoggedFeedback(
        variant_ids=("a", "b"),
        segment_ids=("all",),
        arms=np.arange(n) % 2,
        segments=np.zeros(n, np.int64),
        propensities=np.full(n, 0.5),
        rewards=rewards,
        features=np.zeros((n, 1)) if features is None else features,
        feature_names=("x",),
    )


def test_log_loss_is_told_beside_that_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    expected = rng.uniform(0.05, 0.6, 5000)
    rewards = (rng.random(5000) < expected).astype(float)
    for size in (5000, 777):
        quality = model_quality(Given(expected), a_log(rewards).chunks(size))
        assert (quality.measure, quality.rows) == ("log loss", 5000)
        assert quality.loss == pytest.approx(log_loss(rewards, expected), rel=1e-12)
        assert quality.constant_loss == pytest.approx(log_loss(rewards, np.full(5000, rewards.mean())), rel=1e-12)
        assert 0.0 < quality.skill < 0.2


def test_squared_error_gives_r_squared() -> None:
    rng = np.random.default_rng(0)
    expected = rng.normal(3.0, 1.0, 2000)
    rewards = expected + rng.normal(0.0, 0.5, 2000)
    quality = model_quality(Given(expected), a_log(rewards).chunks(300))
    assert quality.measure == "squared error"
    assert quality.skill == pytest.approx(r2_score(rewards, expected), rel=1e-9)


def test_a_calibrated_model_is_observed_as_it_predicts_in_every_tenth() -> None:
    rng = np.random.default_rng(1)
    expected = rng.beta(2.0, 20.0, 40_000)
    rewards = (rng.random(40_000) < expected).astype(float)
    quality = model_quality(Given(expected), [a_log(rewards)])
    assert len(quality.predicted) == 10
    assert np.abs(quality.counts - 4000).max() <= 1
    assert (np.diff(quality.predicted) > 0.0).all()
    assert (np.abs(quality.observed - quality.predicted) < 4 * quality.standard_errors).all()
    sure = model_quality(Given(expected * 1.5), [a_log(rewards)])
    assert (np.abs(sure.observed - sure.predicted) > 4 * sure.standard_errors).sum() >= 8


def test_equal_predictions_stay_together() -> None:
    expected = np.repeat([0.1, 0.9], [700, 300])
    rewards = (np.arange(1000) % 10 == 0).astype(float)
    quality = model_quality(Given(expected), [a_log(rewards)])
    assert quality.counts.tolist() == [700, 300]
    assert quality.predicted == pytest.approx([0.1, 0.9])
    assert quality.observed == pytest.approx([0.1, 0.1])


def test_deciles_of_a_sample_are_near_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    expected = np.sort(rng.random(20_000))  # a log in an order
    log = a_log((rng.random(20_000) < expected).astype(float))
    monkeypatch.setattr("optimizer.evaluation.model_quality._N_KEPT", 5_000)
    cut, whole = (model_quality(Given(expected), log.chunks(size)) for size in (900, 20_000))
    assert cut.counts.sum() == 5_000
    np.testing.assert_allclose(cut.predicted, whole.predicted)
    assert np.abs(cut.predicted - np.arange(0.05, 1.0, 0.1)).max() < 4 * np.sqrt(0.25 / 5_000)


def test_a_surprise_does_not_cost_infinity() -> None:
    quality = model_quality(Given(np.array([0.0, 1.0, 1.0])), [a_log(np.array([1.0, 1.0, 0.0]))])
    assert quality.loss == pytest.approx(-(2 * np.log(1e-6) + np.log1p(-1e-6)) / 3)
    assert quality.skill < 0.0


def test_equal_rewards_leave_nothing_to_save() -> None:
    assert model_quality(Given(np.full(5, 0.3)), [a_log(np.zeros(5))]).skill == 0.0


def test_a_model_of_noise_has_no_skill_where_one_that_saw_the_rows_pretends_to() -> None:
    rng = np.random.default_rng(3)
    log = a_log((rng.random(1500) < 0.3).astype(float), rng.normal(size=(1500, 1)))
    honest, seen = (model_quality(reward_model([log], "boosting", folds), [log]).skill for folds in (5, 1))
    assert honest < 0.0
    assert seen > 0.05


def test_a_log_without_rows_has_no_quality() -> None:
    with pytest.raises(ValueError, match="chunks: found no rows; allowed one or more"):
        model_quality(Given(np.zeros(0)), [])
