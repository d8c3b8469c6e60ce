"""Models of the reward fitted by scikit-learn: on a bounded sample of the log, and once for each fold.

Processors' threads are held to one while a model is fitted or asked, because sums of floating-point numbers depend on
how many threads share them: equal seeds give equal bytes however many jobs run beside each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.arm_models import ArmModel, boosted_trees, estimator_arms, linear_arms
from optimizer.evaluation.crossfit import FOLDS, Sample, fold_of, learned_from, sample
from optimizer.evaluation.reward_models import RewardModel, cell_means

Kind = Literal["cells", "logistic", "ridge", "boosting"]

MOST_ROWS = 40_000  # of each fold


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A scikit-learn model for each fold, which saw only rows of the other folds.

    Attributes:
        models: one for each fold.
        seed: of the folds.
    """

    models: tuple[ArmModel, ...]
    seed: int

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> NDArray[np.float64]:
        """Expected reward of every arm in each row, ``[N, A]``.

        Raises:
            ValueError: a feature is missing in some row.
        """
        check_features(feedback)
        folds = fold_of(feedback, first_row, len(self.models), self.seed)
        predicted = np.empty((len(feedback), feedback.n_arms))
        with one_thread():
            for fold, model in enumerate(self.models):
                rows = np.flatnonzero(folds == fold)
                if len(rows):
                    predicted[rows] = model.predicted(feedback.features[rows], feedback.segments[rows])
        return predicted


def reward_model(
    chunks: Iterable[LoggedFeedback],
    kind: Kind | object | None = None,
    folds: int = FOLDS,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> RewardModel:
    """A cross-fitted model of the reward of a log in chunks, in memory that does not grow with the log.

    Kinds:

    * ``cells``: means by segment and arm, shrunken; of all rows.
    * ``logistic`` and ``ridge``: a regression for each arm on the features and the segment, so that every arm has
      slopes of its own.
    * ``boosting``: gradient boosted trees of the features, the segment and the arm.
    * an unfitted scikit-learn classifier or regressor: a copy for each arm, on the features and the segment.
    * None: ``cells`` for a log without features; else ``logistic`` where all rewards are 0 or 1, ``ridge`` otherwise.

    Args:
        chunks: of the log, in its order; read once.
        kind: of model.
        folds: how many models; with one, it is fitted on the very rows it predicts.
        seed: of the folds and the sample.
        most_rows: sampled from each fold; cells need no sample.

    Raises:
        ValueError: there are no rows, a feature is missing, the kind is not known, or a classifier is asked of rewards
            other than 0 and 1.
    """
    if kind is None:
        rest = iter(chunks)
        first = list(islice(rest, 1))
        chunks = chain(first, rest)
        kind = "cells" if not any(chunk.feature_names for chunk in first) else None
    if kind == "cells":
        return cell_means(chunks, folds, seed)
    return fitted_model(sample(chunks, folds, seed, most_rows), kind, seed)


def fitted_model(rows: Sample, kind: object, seed: int) -> FittedModel:
    """A model of sampled rows whose folds were drawn from `seed`; kinds and errors as of `reward_model`."""
    check_features(rows.rows)
    is_binary = bool(np.isin(rows.rows.rewards, (0.0, 1.0)).all())
    if kind is None:
        kind = "logistic" if is_binary else "ridge"
    if not is_binary and (kind == "logistic" or hasattr(kind, "predict_proba")):
        allowed = "a regressor, such as cells, ridge or boosting"
        raise ValueError(f"reward_model: found a classifier for rewards other than 0 and 1; allowed {allowed}")
    fit = _fit_of(kind, is_binary=is_binary)
    with one_thread():
        teachers = learned_from(rows.n_folds) > 0.0
        models = tuple(fit(rows.rows.taken(teachers[fold, rows.folds])) for fold in range(rows.n_folds))
    return FittedModel(models, seed)


def _fit_of(kind: object, *, is_binary: bool) -> Callable[[LoggedFeedback], ArmModel]:
    """What fits a kind of model to rows."""
    if kind == "boosting":
        return partial(boosted_trees, is_binary=is_binary)
    if kind in ("logistic", "ridge"):
        return partial(linear_arms, is_logistic=kind == "logistic")
    if isinstance(kind, str) or not hasattr(kind, "fit"):
        allowed = "cells, logistic, ridge, boosting or a scikit-learn estimator"
        raise ValueError(f"reward_model: found {kind!r}; allowed {allowed}")
    return partial(estimator_arms, estimator=kind)


@contextmanager
def one_thread() -> Iterator[None]:
    """Holds linear algebra and scikit-learn to one thread."""
    with _thread_pools().limit(limits=1):
        yield


@cache
def _thread_pools() -> Any:
    """Thread pools of the process; looking for them takes as long as ten thousand predictions, so it is done once."""
    import sklearn.linear_model  # noqa: F401, PLC0415 -- loads the pools to be found
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415

    return ThreadpoolController()


def check_features(feedback: LoggedFeedback) -> None:
    """Nothing, when every feature of every row is a number.

    Raises:
        ValueError: one is missing or infinite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        sums = feedback.features.sum(axis=0)
    for name, total in zip(feedback.feature_names, sums, strict=True):
        if not np.isfinite(total):
            raise ValueError(f"features: found missing numbers in {name}; allowed a finite number in every row")
