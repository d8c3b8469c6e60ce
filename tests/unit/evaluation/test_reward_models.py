"""A reward model never saw the row it predicts, and its parts add."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.crossfit import fold_of
from optimizer.evaluation.fitted_models import FittedModel, reward_model
from optimizer.evaluation.reward_models import SHRINKAGE, CellMeans, cell_means

KINDS = ["cells", "logistic", "ridge", "boosting", LinearRegression()]


def a_log(
    n: int = 400, seed: int = 0, n_arms: int = 3, n_segments: int = 2, *, binary: bool = True, repeat: bool = False
) -> LoggedFeedback:
    rng = np.random.default_rng(seed)
    arms, segments = rng.integers(n_arms, size=n), rng.integers(n_segments, size=n)
    features = rng.normal(2.0, 3.0, size=(n, 2))
    mean = 1.0 / (1.0 + np.exp(0.5 - 0.3 * arms - 0.4 * segments - 0.2 * features[:, 0] * (arms == 1)))
    rewards = (rng.random(n) < mean).astype(float) if binary else mean + rng.normal(0.0, 0.1, n)
    return LoggedFeedback(
        variant_ids=tuple(f"v{i}" for i in range(n_arms)),
        segment_ids=tuple(f"s{i}" for i in range(n_segments)),
        arms=arms,
        segments=segments,
        propensities=np.full(n, 1.0 / n_arms),
        rewards=rewards,
        features=features,
        feature_names=("x", "y"),
        recipients=rng.integers(n // 4, size=n).astype(np.uint64) if repeat else None,
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("repeat", [False, True], ids=["rows", "recipients"])
def test_a_rows_reward_says_nothing_in_its_own_prediction(kind: object, *, repeat: bool) -> None:
    log = a_log(repeat=repeat)
    before = reward_model([log], kind, folds=3).predicted(log, 0)
    for row in (0, 17, 399):
        rewards = log.rewards.copy()
        rewards[row] = 1.0 - rewards[row]
        changed = replace(log, rewards=rewards)
        after = reward_model([changed], kind, folds=3).predicted(changed, 0)
        fold = fold_of(log, 0, 3, 0)
        np.testing.assert_array_equal(after[fold == fold[row]], before[fold == fold[row]])
        assert (after[fold != fold[row]] != before[fold != fold[row]]).any()  # it does say something elsewhere


@settings(max_examples=40)
@given(size=st.integers(1, 400), folds=st.integers(1, 6), seed=st.integers(0, 1000), row=st.integers(0, 399))
def test_cell_means_of_chunks_are_those_of_the_log(size: int, folds: int, seed: int, row: int) -> None:
    log = a_log(seed=seed)
    whole, cut = cell_means([log], folds, seed), cell_means(log.chunks(size), folds, seed)
    np.testing.assert_array_equal(cut.trials, whole.trials)
    np.testing.assert_array_equal(cut.rewards, whole.rewards)  # rewards of 0 and 1 add without rounding
    np.testing.assert_array_equal(cut.predicted(log.taken(slice(row, None)), row), whole.predicted(log, 0)[row:])


def test_cell_means_add_in_any_order() -> None:
    first, second = a_log(seed=1), a_log(seed=2)
    here, there = CellMeans.of(first, 0), CellMeans.of(second, 400)
    np.testing.assert_array_equal((here + there).rewards, (there + here).rewards)
    assert (here + there).trials.sum() == 800


def test_a_cell_is_shrunken_to_its_arm_and_the_arm_to_all() -> None:
    log = a_log(1000, n_arms=4, n_segments=3)
    fold, model = fold_of(log, 0, 5, 0), cell_means([log])
    row = int(np.flatnonzero((log.arms == 2) & (log.segments == 1))[0])
    others = fold != fold[row]
    overall = log.rewards[others].mean()
    of_arm = log.rewards[others & (log.arms == 2)]
    of_cell = log.rewards[others & (log.arms == 2) & (log.segments == 1)]
    arm = (of_arm.sum() + SHRINKAGE * overall) / (len(of_arm) + SHRINKAGE)
    cell = (of_cell.sum() + SHRINKAGE * arm) / (len(of_cell) + SHRINKAGE)
    assert model.predicted(log, 0)[row, 2] == pytest.approx(cell, rel=1e-12)


def test_what_was_never_tried_gets_the_coarser_mean() -> None:
    log = a_log(300)
    unseen = replace(log, variant_ids=(*log.variant_ids, "new"), segment_ids=(*log.segment_ids, "new"))
    means = cell_means([unseen], folds=1).means()[0]
    overall = log.rewards.mean()
    assert means[:, 3] == pytest.approx([overall] * 3)  # an arm nobody had
    of_arms = [log.rewards[log.arms == arm] for arm in range(3)]
    expected = [(r.sum() + SHRINKAGE * overall) / (len(r) + SHRINKAGE) for r in of_arms]
    assert means[2, :3] == pytest.approx(expected)  # a segment nobody was in


def test_with_one_fold_the_model_saw_the_rows() -> None:
    log = a_log(300)
    means = cell_means([log], folds=1)
    assert means.trials.sum() == 300
    changed = replace(log, rewards=1.0 - log.rewards)
    assert (cell_means([changed], folds=1).predicted(log, 0) != means.predicted(log, 0)).all()


@pytest.mark.parametrize("kind", ["logistic", "ridge", "boosting"])
def test_fitted_models_do_not_depend_on_how_the_log_was_cut(kind: str) -> None:
    log = a_log()
    whole = reward_model([log], kind, most_rows=60).predicted(log, 0)
    model = reward_model(log.chunks(37), kind, most_rows=60)
    parts = [model.predicted(chunk, 37 * i) for i, chunk in enumerate(log.chunks(37))]
    np.testing.assert_array_equal(model.predicted(log, 0), whole)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)


def test_logistic_predictions_are_those_of_a_regression_for_each_arm() -> None:
    log = a_log(2000)
    fold = fold_of(log, 0, 2, 0)
    predicted = reward_model([log], "logistic", folds=2).predicted(log, 0)
    taught = fold == 1
    centre, scale = log.features[taught].mean(axis=0), log.features[taught].std(axis=0)
    columns = np.hstack([(log.features - centre) / scale, np.eye(2)[log.segments]])
    for arm in range(3):
        mine = taught & (log.arms == arm)
        regression = LogisticRegression(tol=1e-10, max_iter=10_000).fit(columns[mine], log.rewards[mine])
        expected = regression.predict_proba(columns[fold == 0])[:, 1]
        np.testing.assert_allclose(predicted[fold == 0, arm], expected, atol=2e-4)  # both stop at their tolerance


def test_ridge_finds_a_linear_reward() -> None:
    log = a_log(3000)
    truth = 0.2 + 0.1 * np.arange(3) + log.features @ np.array([[0.3, -0.1, 0.0], [0.0, 0.2, 0.5]])
    truth += np.array([[0.0], [0.7]])[log.segments]
    exact = replace(log, rewards=truth[np.arange(3000), log.arms])
    np.testing.assert_allclose(reward_model([exact], "ridge").predicted(exact, 0), truth, atol=0.02)


@pytest.mark.parametrize("kind", ["logistic", "ridge"])
def test_many_segments_are_fitted_sparsely_to_the_same_end(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log = a_log(1500)
    dense = reward_model([log], kind).predicted(log, 0)
    monkeypatch.setattr("optimizer.evaluation.arm_models._MOST_DENSE", 1)
    np.testing.assert_allclose(reward_model([log], kind).predicted(log, 0), dense, atol=2e-3)


@pytest.mark.parametrize("kind", ["logistic", "ridge", LogisticRegression()], ids=str)
def test_arms_with_few_rows_or_one_reward_get_their_shrunken_mean(kind: object) -> None:
    log = a_log(900)
    arms = np.where(np.arange(900) < 10, 3, log.arms)  # ten rows of a fourth arm, and a fifth that was never tried
    rewards = np.where(arms == 2, 0.0, log.rewards)  # the third never earned anything
    odd = replace(log, variant_ids=("a", "b", "c", "few", "none"), arms=arms, rewards=rewards)
    predicted = reward_model([odd], kind, folds=1).predicted(odd, 0)
    overall = rewards.mean()
    for arm in (2, 3, 4):
        mine = rewards[arms == arm]
        expected = (mine.sum() + SHRINKAGE * overall) / (len(mine) + SHRINKAGE)
        assert predicted[:, arm] == pytest.approx(np.full(900, expected))
    assert np.ptp(predicted[:, 1]) > 0.05


def test_boosting_of_equal_rewards_is_the_reward() -> None:
    log = replace(a_log(), rewards=np.full(400, 2.5))
    assert (reward_model([log], "boosting").predicted(log, 0) == 2.5).all()


def test_boosting_learns_which_arm_is_for_whom() -> None:
    log = a_log(6000)
    expected = np.where((log.arms == 1) == (log.features[:, 0] > 2.0), 0.9, 0.1)
    taught = replace(log, rewards=(np.random.default_rng(1).random(6000) < expected).astype(float))
    predicted = reward_model([taught], "boosting").predicted(taught, 0)
    best = predicted.argmax(axis=1)
    assert ((best == 1) == (log.features[:, 0] > 2.0)).mean() > 0.98


def test_any_estimator_will_do() -> None:
    log = a_log(600)
    predicted = reward_model([log], RandomForestClassifier(5, random_state=0), folds=2).predicted(log, 0)
    assert predicted.shape == (600, 3)
    assert 0.0 <= predicted.min() < predicted.max() <= 1.0


class Threads(BaseEstimator):
    """An estimator that expects as many rewards as it finds threads, of those it was fitted with or is asked with."""

    def fit(self, columns: np.ndarray, rewards: np.ndarray) -> "Threads":
        assert len(columns) == len(rewards)
        self.fitted_with_ = max(pool["num_threads"] for pool in threadpool_info())
        return self

    def predict(self, columns: np.ndarray) -> np.ndarray:
        asked_with = max(pool["num_threads"] for pool in threadpool_info())
        return np.full(len(columns), float(max(self.fitted_with_, asked_with)))


def test_models_are_fitted_and_asked_on_one_thread_so_that_equal_seeds_give_equal_bytes() -> None:
    log = a_log(binary=False)
    with threadpool_limits(limits=2):
        assert (reward_model([log], Threads()).predicted(log, 0) == 1.0).all()
        assert max(pool["num_threads"] for pool in threadpool_info()) == 2  # and what was before is so again


def test_the_kind_follows_the_log() -> None:
    log = a_log()
    bare = replace(log, features=np.zeros((400, 0)), feature_names=())
    assert isinstance(reward_model(iter([bare]), None), CellMeans)
    for binary, logistic in ((True, True), (False, False)):
        model = reward_model(iter(a_log(binary=binary).chunks(100)), None)
        assert isinstance(model, FittedModel)
        assert model.models[0].is_logistic is logistic  # type: ignore[attr-defined]
        assert len(model.models) == 5


def test_log_of_recipients_is_predicted_wherever_its_rows_are() -> None:
    log = a_log(repeat=True)
    for kind in ("cells", "logistic"):
        model = reward_model([log], kind)
        np.testing.assert_array_equal(model.predicted(log, 0), model.predicted(log, 12_345))


@pytest.mark.parametrize(
    ("log", "kind", "sentence"),
    [
        (a_log(), "forest", "reward_model: found 'forest'; allowed cells, logistic, ridge, boosting or a scikit-"),
        (a_log(binary=False), "logistic", "found a classifier for rewards other than 0 and 1; allowed a regressor"),
        (a_log(binary=False), LogisticRegression(), "found a classifier for rewards other than 0 and 1"),
        (replace(a_log(), features=np.full((400, 2), np.nan)), "ridge", "features: found missing numbers in x;"),
        (a_log().taken(slice(0, 0)), "cells", "chunks: found no rows; allowed one or more"),
        (a_log().taken(slice(0, 0)), None, "chunks: found no rows; allowed one or more"),
    ],
    ids=["kind", "rewards", "classifier", "missing", "no cells", "no rows"],
)
def test_what_cannot_be_fitted_is_refused(log: LoggedFeedback, kind: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        reward_model([log], kind)


def test_missing_features_are_refused_when_predicting_too() -> None:
    log = a_log()
    model = reward_model([log], "ridge")
    with pytest.raises(ValueError, match="features: found missing numbers in y;"):
        model.predicted(replace(log, features=log.features * [1.0, np.inf]), 0)
