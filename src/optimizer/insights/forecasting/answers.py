"""The day of a useful answer: when P(best) of a segment's leader reaches .9, played forward from what is known.

What is believed about each variant is a mean and a spread, and what a day's trials add is taken as normal. A path draws
true rewards, lets trials come day by day under the allocation that the policy would then use, and looks at P(best) each
evening, as the policy believes it. So a leader that is far ahead is sure soon, and variants that are alike never are: a
sample size for a supposed lift (`insights.learning_time`) cannot know either.

The true rewards of a path are not drawn from what the policy believes. Most policies take each variant on its own, so
in their beliefs variants differ by what is true and by chance, and draws from these would differ more than the variants
do: answers would be promised too often. They are drawn from a hierarchical model instead (`truths`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optimizer.domain.instants import DAY
from optimizer.engine.allocations import AllocationTable
from optimizer.insights.learning_time import PROB_BEST
from optimizer.policy.exploration import NO_CONTROL, Exploration, shares
from optimizer.policy.hierarchical_design import TYPICAL
from optimizer.strategy.policy_settings import ResolvedPolicy

Floats = NDArray[np.float64]

# Of a segment: with fewer, beliefs are mostly what was believed before, and a supposed lift is fairer.
FEWEST_TRIALS = 100
DAILY = 28  # days, each of which is looked at
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
# How much variants differ, as a part of their mean: the middles of 24 equally likely parts of a half-Cauchy law.
_SPREADS: Final = TYPICAL["variant"] * np.tan(np.pi / 2.0 * (np.arange(24) + 0.5) / 24)
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Beliefs:
    """One segment; ``A`` variants that may be chosen.

    Attributes:
        mean, spread: expected reward of each and its standard deviation, ``[A]``, in reward units.
        variance: of one trial's reward, ``[A]``.
        p_best: of each, now, ``[A]``.
        trials: of each so far, ``[A]``.
        coming: trials made already that will show their outcome on each day, ``[A, H]``; None: all have.
        bounds: what people ask of the shares.
        kept: part of what is known that is still known a day later, above 0; 1 where nothing is forgotten.
        penalised: expected penalties of a trial, which `mean` is less by; 0: no reward is below zero.
        pooled: whether `mean` and `spread` allow for it already that variants may be alike.
    """

    mean: Floats
    spread: Floats
    variance: Floats
    p_best: Floats
    trials: Floats
    coming: Floats | None = None
    bounds: Exploration = NO_CONTROL
    kept: float = 1.0
    penalised: float = 0.0
    pooled: bool = False

    @classmethod
    def of(
        cls,
        table: AllocationTable,
        policy: ResolvedPolicy,
        segment: int,
        may: NDArray[np.bool_],
        *,
        variance: Floats,
        trials: Floats,
        coming: Floats | None = None,
        penalised: float = 0.0,
    ) -> Beliefs:
        """What a table believes of one segment.

        Args:
            table: with the posterior and the bounds.
            policy: what made it.
            segment: index of the segment.
            may: the variants that may be chosen, among all of the campaign's, ``[B]``; at least one.
            variance: see above; of all variants, ``[B]``.
            trials: the same.
            coming: the same, ``[B, H]``.
            penalised: see above.
        """
        posterior = table.posterior
        low, high = posterior.interval()
        return cls(
            mean=posterior.mean[segment][may],
            spread=(high - low)[segment][may] / 3.92,
            variance=variance[may],
            p_best=posterior.prob_best(segment, may)[may],
            trials=trials[may],
            coming=None if coming is None else coming[may],
            bounds=table.bounds,
            kept=1.0 if policy.half_life is None else 0.5 ** (DAY / policy.half_life),
            penalised=penalised,
            pooled=policy.model in {"hierarchical", "contextual"},
        )

    @property
    def positive(self) -> bool:
        """Whether all rewards are taken to be above zero."""
        return self.penalised == 0.0 and bool((self.mean > 0.0).all())


def truths(beliefs: Beliefs, n: int, rng: np.random.Generator) -> Floats:
    """True rewards as they may be, ``[n, A]``.

    Each mean is the true reward give or take its spread, and true rewards are ``N(mu, tau^2)``, with every ``mu``
    equally likely and ``tau`` half-Cauchy with a median of `TYPICAL` of the common mean (Gelman 2006, "Prior
    distributions for variance parameters in hierarchical models", section 3.2). ``tau`` is averaged over and not
    estimated: few variants leave open whether they are alike. Gelman et al. 2013, BDA3, section 5.4: its weights are
    equation 5.21, ``mu`` is drawn by 5.20 and the rewards by 5.17.
    """
    usual, known = beliefs.mean, np.maximum(beliefs.spread, _LEAST) ** 2
    if beliefs.pooled:
        return rng.normal(usual, beliefs.spread, (n, len(usual)))
    scale = abs(np.average(usual, weights=1.0 / known)) + beliefs.penalised
    between = (_SPREADS * scale)[:, np.newaxis] ** 2
    precision = 1.0 / (known + between)
    total = precision.sum(axis=1)
    common = precision @ usual / total
    off = (precision * (usual - common[:, np.newaxis]) ** 2).sum(axis=1)
    likely = (np.log(precision).sum(axis=1) - np.log(total) - off) / 2.0
    weights = np.exp(likely - likely.max())
    case = rng.choice(len(_SPREADS), n, p=weights / weights.sum())
    middle = rng.normal(common[case], total[case] ** -0.5)[:, np.newaxis]
    own = between[case] * precision[case]  # how far a variant's own mean counts, and not that of all
    drawn = middle + own * (usual - middle) + np.sqrt(own * known) * rng.standard_normal(own.shape)
    return np.maximum(drawn, 0.0) if beliefs.positive else drawn


def answered(beliefs: Beliefs, trials: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """The place of the day on whose evening each path is sure, ``[N]``; ``H`` where none is.

    Args:
        beliefs: now.
        trials: of the segment that are still to be made, and show their outcome on each day, ``[N, H]``.
        rng: chance.
    """
    n, n_days = trials.shape
    n_arms = len(beliefs.mean)
    found = np.full(n, n_days)
    if n_arms < 2:
        return found
    truth = truths(beliefs, n, rng)
    mean, best, seen = (np.tile(each, (n, 1)) for each in (beliefs.mean, beliefs.p_best, beliefs.trials))
    precision = np.tile(np.maximum(beliefs.spread, _LEAST) ** -2, (n, 1))
    variance = np.maximum(beliefs.variance, _LEAST)
    coming = np.zeros((n_arms, n_days)) if beliefs.coming is None else beliefs.coming
    # A step holds from one refresh to the next: over a day shares go as far as they want.
    bounds = replace(beliefs.bounds, largest_change=1.0)
    open_ = np.arange(n)  # paths that are not sure yet
    begins = 0
    for day in _looks(n_days):
        days = slice(begins, day + 1)
        made = np.maximum(trials[open_, days].sum(axis=1), 0.0)[:, np.newaxis]
        made = made * shares(best, None, np.ones(best.shape, bool), seen, None, bounds)
        more = (made + coming[:, days].sum(axis=1)) / variance
        left = precision * beliefs.kept ** (day + 1 - begins)
        precision = left + more
        mean = (left * mean + more * truth + np.sqrt(more) * rng.standard_normal(more.shape)) / precision
        seen, begins = seen + made, day + 1
        best = prob_best(*_roots(mean, precision**-0.5) if beliefs.positive else (mean, precision**-0.5))
        sure = best.max(axis=1) >= PROB_BEST
        found[open_[sure]] = day
        open_, truth, mean, precision, best, seen = (
            each[~sure] for each in (open_, truth, mean, precision, best, seen)
        )
        if not len(open_):
            break
    return found


def _roots(mean: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the cube root of what is above zero: which is largest stays the same.

    What is believed of a rare reward is skewed like a gamma law, and the cube root of that is nearly normal (Wilson &
    Hilferty 1931). Taken as normal itself, a variant with few rewards is ruled out too early.
    """
    mean = np.maximum(mean, _LEAST)
    part = np.minimum(spread / mean, 1.0)  # no more than one reward leaves open
    return np.cbrt(mean) * (1.0 - part**2 / 9.0), np.cbrt(mean) * part / 3.0


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
