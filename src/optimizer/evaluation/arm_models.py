"""What scikit-learn fits on one set of rows to predict the reward of every arm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.reward_models import SHRINKAGE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PENALTY = 1.0  # L2, on slopes of standardised features and on levels of segments

_FEWEST = 2 * SHRINKAGE  # rows of an arm below which it gets its shrunken mean
_MOST_DENSE = 100  # columns up to which Newton's method on a full matrix is quicker than descent on a sparse one
_MOST_CATEGORIES = 255  # that boosting can tell apart without an order among them


class ArmModel(Protocol):
    """A fitted model of the reward."""

    def predicted(self, features: Floats, segments: Ints) -> Floats:
        """Expected reward of every arm, ``[N, A]``, for features ``[N, F]`` and segments ``[N]``."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearArms:
    """A generalised linear model for each arm.

    Attributes:
        slopes: ``[A, F]``, by feature.
        levels: ``[S, A]``, of a row of a segment whose features are all 0, on the scale of the link.
        is_logistic: whether they are log odds.
    """

    slopes: Floats
    levels: Floats
    is_logistic: bool

    def predicted(self, features: Floats, segments: Ints) -> Floats:
        """Expected reward of every arm, ``[N, A]``."""
        scores = features @ self.slopes.T
        scores += self.levels[segments]
        return np.asarray(expit(scores, out=scores)) if self.is_logistic else scores


def linear_arms(rows: LoggedFeedback, *, is_logistic: bool) -> LinearArms:
    """A regression for each arm, of reward on features and segment; logistic is for rewards of 0 and 1.

    An arm with few rows, or whose rewards are all the same, gets its mean, shrunken towards that of all arms.
    """
    n_features, n_segments, n_arms = len(rows.feature_names), rows.n_segments, rows.n_arms
    centre, scale = standards(rows.features)
    slopes, levels = np.zeros((n_arms, n_features)), np.empty((n_segments, n_arms))
    for arm in range(n_arms):
        mine = _enough(rows, arm)
        if mine is None:
            mean = _shrunken_mean(rows, arm)
            levels[:, arm] = _log_odds(mean) if is_logistic else mean
            continue
        columns = columns_of((rows.features[mine] - centre) / scale, rows.segments[mine], n_segments)
        intercept, coefficients = _regression(columns, rows.rewards[mine], is_logistic=is_logistic)
        slopes[arm] = coefficients[:n_features] / scale
        levels[:, arm] = intercept + coefficients[n_features:] - slopes[arm] @ centre
    return LinearArms(slopes, levels, is_logistic)


def _regression(columns: Any, rewards: Floats, *, is_logistic: bool) -> tuple[float, Floats]:
    """Intercept and coefficients of a penalised regression."""
    if is_logistic:
        regression = logistic_regression(columns, rewards > 0.0)
        return float(regression.intercept_[0]), regression.coef_[0]
    from sklearn.linear_model import Ridge  # noqa: PLC0415

    regression = Ridge(alpha=PENALTY).fit(columns, rewards)
    return float(regression.intercept_), regression.coef_


def logistic_regression(columns: Any, classes: NDArray[Any]) -> Any:
    """scikit-learn's logistic regression, fitted; multinomial when there are more than two classes."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    solver = "newton-cholesky" if columns.shape[1] <= _MOST_DENSE else "lbfgs"
    with catch_warnings():
        simplefilter("ignore", ConvergenceWarning)  # one that is nearly there is as honest: it never saw what it judges
        return LogisticRegression(C=1.0 / PENALTY, solver=solver, max_iter=200).fit(columns, classes)


def standards(features: Floats) -> tuple[Floats, Floats]:
    """Means and standard deviations of features, ``[F]`` each; a deviation of 1 for one that does not vary."""
    if len(features) == 0:
        return np.zeros(features.shape[1]), np.ones(features.shape[1])
    scale = features.std(axis=0)
    return features.mean(axis=0), np.where(scale > 0.0, scale, 1.0)


def columns_of(features: Floats, segments: Ints, n_segments: int) -> Any:
    """Features, then a column of 0 and 1 for each segment, ``[N, F + S]``; sparse when there are many."""
    if features.shape[1] + n_segments <= _MOST_DENSE:
        return np.hstack([features, np.eye(n_segments)[segments]])
    from scipy.sparse import csr_array, hstack  # noqa: PLC0415

    places = (np.arange(len(segments)), segments)
    ones = csr_array((np.ones(len(segments)), places), shape=(len(segments), n_segments))
    return hstack([csr_array(features), ones], format="csr")


@dataclass(frozen=True, slots=True, eq=False)
class EstimatorArms:
    """A scikit-learn estimator for each arm, fitted on features and segment.

    Attributes:
        estimators: ``A`` of them; None for an arm with few rows, or whose rewards are all the same.
        means: ``[A]``, the shrunken mean of each arm, which is predicted where there is no estimator.
        n_segments: ``S``.
    """

    estimators: tuple[Any, ...]
    means: Floats
    n_segments: int

    def predicted(self, features: Floats, segments: Ints) -> Floats:
        """Expected reward of every arm, ``[N, A]``."""
        predicted = np.tile(self.means, (len(features), 1))
        columns = columns_of(features, segments, self.n_segments)
        for arm, estimator in enumerate(self.estimators):
            if estimator is not None:
                predicted[:, arm] = _expected(estimator, columns)
        return predicted


def estimator_arms(rows: LoggedFeedback, estimator: Any) -> EstimatorArms:
    """A copy of the estimator for each arm, fitted on its rows' features and a column of 0 and 1 for each segment."""
    from sklearn.base import clone  # noqa: PLC0415

    fitted: list[Any] = []
    for arm in range(rows.n_arms):
        mine = _enough(rows, arm)
        if mine is None:
            fitted.append(None)
            continue
        columns = columns_of(rows.features[mine], rows.segments[mine], rows.n_segments)
        fitted.append(clone(estimator).fit(columns, rows.rewards[mine]))
    means = np.array([_shrunken_mean(rows, arm) for arm in range(rows.n_arms)])
    return EstimatorArms(tuple(fitted), means, rows.n_segments)


@dataclass(frozen=True, slots=True, eq=False)
class BoostedTrees:
    """Gradient boosted trees of features, segment and arm together.

    Attributes:
        trees: a fitted scikit-learn classifier or regressor; None when there was nothing to fit.
        mean: the mean reward, for when there was nothing to fit.
        n_arms: ``A``.
    """

    trees: Any
    mean: float
    n_arms: int

    def predicted(self, features: Floats, segments: Ints) -> Floats:
        """Expected reward of every arm, ``[N, A]``."""
        predicted = np.full((len(features), self.n_arms), self.mean)
        if self.trees is not None:
            columns = np.column_stack([features, segments, segments]).astype(np.float64)
            for arm in range(self.n_arms):
                columns[:, -1] = arm
                predicted[:, arm] = _expected(self.trees, columns)
        return predicted


def boosted_trees(rows: LoggedFeedback, *, is_binary: bool) -> BoostedTrees:
    """Trees for all arms at once, so that arms with few rows borrow from the others."""
    from sklearn.ensemble import (  # noqa: PLC0415
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    mean = float(rows.rewards.mean()) if len(rows) else 0.0
    if len(rows) == 0 or np.ptp(rows.rewards) == 0.0:
        return BoostedTrees(None, mean, rows.n_arms)
    n_features = len(rows.feature_names)
    sizes: list[tuple[int, int]] = [(n_features, rows.n_segments), (n_features + 1, rows.n_arms)]
    categories = [column for column, size in sizes if size <= _MOST_CATEGORIES]
    make: Callable[..., Any] = HistGradientBoostingClassifier if is_binary else HistGradientBoostingRegressor
    trees = make(max_iter=50, max_leaf_nodes=15, categorical_features=categories, early_stopping=False, random_state=0)
    columns = np.column_stack([rows.features, rows.segments, rows.arms]).astype(np.float64)
    return BoostedTrees(trees.fit(columns, rows.rewards), mean, rows.n_arms)


def _expected(estimator: Any, columns: Any) -> Floats:
    """What a classifier of 0 and 1, or a regressor, expects; ``[N]``."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(columns)[:, 1])
    return np.asarray(estimator.predict(columns))


def _enough(rows: LoggedFeedback, arm: int) -> NDArray[np.intp] | None:
    """Places of an arm's rows; None when they are too few, or too much alike, for a model."""
    mine = np.flatnonzero(rows.arms == arm)
    return None if len(mine) < _FEWEST or np.ptp(rows.rewards[mine]) == 0.0 else mine


def _shrunken_mean(rows: LoggedFeedback, arm: int) -> float:
    mine = rows.rewards[rows.arms == arm]
    overall = rows.rewards.mean() if len(rows) else 0.0
    return float((mine.sum() + SHRINKAGE * overall) / (len(mine) + SHRINKAGE))


def _log_odds(mean: float) -> float:
    bounded = min(max(mean, 1e-6), 1.0 - 1e-6)
    return float(np.log(bounded / (1.0 - bounded)))
