"""The day of a useful answer: when P(best) of a segment's leader reaches .9, played forward from what is known.

What is believed about each variant is taken as normal, and so is what a day's trials add. A path draws true rewards
from today's beliefs, lets trials come day by day under the allocation that Thompson sampling would then use, and looks
at P(best) each evening. So a leader that is far ahead is sure soon, and variants that are alike never are: a sample
size for a supposed lift (`insights.learning_time`) cannot know either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optimizer.insights.learning_time import PROB_BEST

Floats = NDArray[np.float64]

FEWEST_TRIALS = (
    100  # of a segment: with fewer, beliefs are mostly what was believed before, and a supposed lift is fairer
)
DAILY = 28  # days, each of which is looked at
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """One segment; ``A`` variants that may be chosen.

    Attributes:
        mean, spread: expected reward of each and its standard deviation, ``[A]``.
        variance: of one trial's reward, ``[A]``.
        floor: least share of each.
        p_best: of each, now, ``[A]``.
    """

    mean: Floats
    spread: Floats
    variance: Floats
    floor: float
    p_best: Floats


def answered(beliefs: Beliefs, trials: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """The place of the day on whose evening each path is sure, ``[N]``; ``H`` where none is.

    Args:
        beliefs: now.
        trials: of the segment that show their outcome on each day, ``[N, H]``.
        rng: chance.
    """
    n, n_days = trials.shape
    n_arms = len(beliefs.mean)
    found = np.full(n, n_days)
    if n_arms < 2:
        return found
    truth = rng.normal(beliefs.mean, beliefs.spread, (n, n_arms))
    mean = np.tile(beliefs.mean, (n, 1))
    precision = np.tile(1.0 / np.maximum(beliefs.spread, 1e-12) ** 2, (n, 1))
    best = np.tile(beliefs.p_best, (n, 1))
    variance = np.maximum(beliefs.variance, 1e-12)
    open_ = np.arange(n)  # paths that are not sure yet
    begins = 0
    for day in _looks(n_days):
        shares = beliefs.floor + (1.0 - n_arms * beliefs.floor) * best
        came = trials[open_, begins : day + 1].sum(axis=1)
        more = np.maximum(came[:, np.newaxis] * shares, 0.0) / variance
        begins = day + 1
        noise = rng.standard_normal(more.shape) / np.sqrt(np.maximum(more, 1e-300))
        mean = np.where(more > 0.0, (precision * mean + more * (truth + noise)) / (precision + more), mean)
        precision = precision + more
        best = prob_best(mean, 1.0 / np.sqrt(precision))
        sure = best.max(axis=1) >= PROB_BEST
        found[open_[sure]] = day
        open_, truth, mean = open_[~sure], truth[~sure], mean[~sure]
        precision, best = precision[~sure], best[~sure]
        if not len(open_):
            break
    return found


def _looks(n_days: int) -> list[int]:
    """The evenings that are looked at: each of the first four weeks, and as many of the days after as of those."""
    later = np.linspace(DAILY, n_days - 1, min(DAILY, max(n_days - DAILY, 0))).astype(int)
    return [*range(min(n_days, DAILY)), *later.tolist()]


def prob_best(mean: Floats, spread: Floats) -> Floats:
    """P(each is largest) of independent normal variables, ``[N, A]``, by quadrature over each one's value."""
    values = mean[..., np.newaxis] + spread[..., np.newaxis] * _NODES  # [N, A, Q]
    below = ndtr((values[:, :, np.newaxis] - mean[:, np.newaxis, :, np.newaxis]) / spread[:, np.newaxis, :, np.newaxis])
    n_arms = mean.shape[1]
    below[:, np.arange(n_arms), np.arange(n_arms)] = 1.0
    found = below.prod(axis=2) @ (_WEIGHTS / _WEIGHTS.sum())
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12))
