"""Estimates with their standard errors and intervals, from sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.evaluation.bootstrap import percentile_interval, resampled_means
from optimizer.evaluation.columns import Column
from optimizer.evaluation.estimators.estimator import Estimator
from optimizer.evaluation.normal import normal_interval, standard_error
from optimizer.evaluation.settings import Settings
from optimizer.evaluation.sums import Sums

Floats = NDArray[np.float64]
Interval = tuple[float, float]

_BOOTSTRAP = 1  # purpose of the seed


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and how sure it is.

    Attributes:
        value: reward per decision.
        standard_error: of it.
        intervals: lower and upper end by kind: ``normal``, ``bootstrap``.
    """

    value: float
    standard_error: float
    intervals: Mapping[str, Interval]


def estimates(
    estimators: Iterable[Estimator], columns: Sequence[Column], sums: Sums, settings: Settings
) -> list[Estimate]:
    """An estimate by each estimator; all of them are computed from the same resamples.

    Args:
        estimators: whose columns are among those summed.
        columns: ``C``, in the order of the sums.
        sums: over the log.
        settings: which intervals.
    """
    resampled = np.zeros((0, len(columns)))
    if "bootstrap" in settings.intervals:
        rng = np.random.Generator(np.random.PCG64([settings.seed, _BOOTSTRAP]))
        resampled = resampled_means(sums, settings.bootstraps, rng)
    return [_estimate(estimator, columns, sums, resampled, settings) for estimator in estimators]


def _estimate(
    estimator: Estimator, columns: Sequence[Column], sums: Sums, resampled: Floats, settings: Settings
) -> Estimate:
    places = [columns.index(column) for column in estimator.columns]
    means = sums.means[places]
    value = float(estimator.value(means))
    gradient = np.zeros(len(columns))
    gradient[places] = estimator.gradient(means)
    error = standard_error(sums, gradient)
    intervals: dict[str, Interval] = {}
    for kind in settings.intervals:
        if kind == "normal":
            intervals[kind] = normal_interval(value, error, settings.level)
        elif kind == "bootstrap":
            intervals[kind] = percentile_interval(estimator.value(resampled[:, places]), settings.level)
    return Estimate(value, error, intervals)
