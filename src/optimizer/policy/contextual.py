"""Rewards that depend on whom a message is for: a logistic regression on declared attributes, for each arm.

What is believed of the coefficients is a normal law (:mod:`optimizer.policy.contextual_fit`). An *ensemble* of ``K``
joint draws of them stands for it, made once for each snapshot; the probability that an arm is best for a recipient is
the share of the draws in which its net reward at the recipient's features is the largest (ensemble sampling: Lu & Van
Roy 2017). A decision is drawn from these very shares, so the propensity that is logged is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import betaincinv, expit

from optimizer.domain.belief import Belief
from optimizer.domain.instants import Instant
from optimizer.policy.contextual_fit import Prior
from optimizer.policy.drawn import DrawnPosterior
from optimizer.policy.features import INTERCEPT, MAIN, Features
from optimizer.policy.posterior import Floats
from optimizer.policy.streams import normals, uniforms

MODEL: Final = "contextual"
N_DRAWS: Final = 512  # shares are multiples of 1 / 512; a P(best) of one half is off by .022 (one standard error)

_COMMON, _OWN, _PENALTIES = range(3)  # purposes of streams
_PART = 1_000_000  # scores that are held at a time


@dataclass(frozen=True, slots=True, eq=False)
class ContextualPosterior:
    """What is believed about every arm's net reward for any recipient; see `Posterior`.

    As a `Posterior` it speaks of a typical recipient of each segment: one with the average features of those it was
    fitted to.

    Attributes:
        belief: numbers from which the same ensemble is made again.
        features: how attributes become features.
        modes: ``[A, D]``, most likely coefficients.
        ensemble: ``[D, K A]``, drawn coefficients, the arms of a draw beside each other.
        losses: ``[K, A]``, drawn penalties of a trial, in reward units; None where nothing is penalised.
        typical: of the segments' typical recipients.
    """

    belief: Belief
    features: Features
    modes: Floats
    ensemble: Floats
    losses: Floats | None
    typical: DrawnPosterior = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "typical", self.at(self.belief.arrays["contexts"]))

    @property
    def mean(self) -> Floats:
        """Expected net reward of a typical recipient, in reward units, ``[S, A]``."""
        return self.typical.mean

    @property
    def success(self) -> Floats:
        """Expected share of the trials that are rewarded, of typical recipients, ``[S, A]``."""
        return self.typical.success

    @property
    def most(self) -> float:
        """The largest net reward among those of typical recipients and of those it was fitted to."""
        return max(self.typical.most, float(self.belief.arrays["largest"]))

    @property
    def fitted_at(self) -> Instant:
        """When it was fitted."""
        return int(self.belief.arrays["fitted_at"])

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Equal-tailed credible interval of a typical recipient's expected net reward, ``[S, A]`` each."""
        return self.typical.interval(level)

    def prob_best(self, segment: int, eligible: NDArray[np.bool_]) -> Floats:
        """P(arm is best among the eligible ones) for a typical recipient of the segment, ``[A]``."""
        return self.typical.prob_best(segment, eligible)

    def prob_best_of(self, segments: NDArray[np.int64], eligible: NDArray[np.bool_]) -> Floats:
        """The same of many segments at once, ``[M]`` and ``[M, A]`` to ``[M, A]``."""
        return self.typical.prob_best_of(segments, eligible)

    def prob_best_priced(
        self, segment: int, eligible: NDArray[np.bool_], price: float, costs: Floats
    ) -> tuple[Floats, float]:
        """P(arm has the largest net reward less the price of its cost) for a typical recipient, and P(none above 0)."""
        return self.typical.prob_best_priced(segment, eligible, price, costs)

    def rows(self, attributes: Sequence[Mapping[str, str | float | bool]]) -> Floats:
        """Features of ``N`` recipients, ``[N, D]``, scaled as in the fit."""
        arrays = self.belief.arrays
        return self.features.rows(self.features.numbers(attributes), arrays["location"], arrays["scale"])

    def at(self, rows: Floats) -> DrawnPosterior:
        """What is believed about ``N`` recipients, each as if they were a segment, ``[N, D]``."""
        rewards = expit((rows @ self.ensemble).reshape(len(rows), -1, len(self.modes)))
        net = rewards if self.losses is None else rewards - self.losses
        return DrawnPosterior(self.belief, net.mean(axis=1), rewards.mean(axis=1), net)

    def expected(self, rows: Floats) -> Floats:
        """Net reward at the most likely coefficients, in reward units, ``[N, D]`` to ``[N, A]``."""
        rewards = expit(rows @ self.modes.T)
        return rewards if self.losses is None else rewards - self.losses.mean(axis=0)

    def shares(self, rows: Floats, eligible: NDArray[np.bool_]) -> Floats:
        """P(arm is best among the eligible ones) for each recipient, ``[N, D]`` and ``[N, A]`` to ``[N, A]``."""
        return self._wins(rows, eligible, None)[:, :-1]

    def shares_priced(
        self, rows: Floats, eligible: NDArray[np.bool_], price: float, costs: Floats
    ) -> tuple[Floats, Floats]:
        """P(arm has the largest net reward less the price of its cost), and P(none is above 0), of each recipient.

        Args:
            rows: features, ``[N, D]``.
            eligible: ``[N, A]``.
            price: what a unit of currency must earn, in reward units.
            costs: what a decision for each arm costs, in units of currency, ``[N, A]``.

        Returns:
            Probabilities ``[N, A]`` and of withhold ``[N]``, together summing to 1; all 0 where none is eligible.
        """
        wins = self._wins(rows, eligible, price * costs)
        return wins[:, :-1], wins[:, -1]

    def _wins(self, rows: Floats, eligible: NDArray[np.bool_], prices: Floats | None) -> Floats:
        """Share of the draws each arm wins, and last of those in which none is above 0, ``[N, A + 1]``."""
        n_arms = len(self.modes)
        size = max(_PART // self.ensemble.shape[1], 1)
        wins = np.empty((len(rows), n_arms + 1))
        for start in range(0, len(rows), size):
            here = slice(start, start + size)
            scores = self._scores(rows[here], None if prices is None else prices[here])
            if not eligible[here].all():
                scores = np.where(eligible[here, None, :], scores, -np.inf)
            winners = scores.argmax(axis=2)
            if prices is not None:
                best = np.take_along_axis(scores, winners[..., None], axis=2)[..., 0]
                winners = np.where(best > 0.0, winners, n_arms)
            places = winners + (n_arms + 1) * np.arange(len(winners))[:, None]
            counts = np.bincount(places.ravel(), minlength=(n_arms + 1) * len(winners))
            wins[here] = counts.reshape(len(winners), n_arms + 1) / winners.shape[1]
        wins[~eligible.any(axis=1)] = 0.0
        return wins

    def _scores(self, rows: Floats, prices: Floats | None) -> Floats:
        """What decides in each draw, ``[N, K, A]``: log-odds, or net rewards where anything is taken off."""
        used = np.flatnonzero(rows.any(axis=0))
        few = 2 * len(used) < rows.shape[1]  # of the columns of a category all but one are 0
        scores = rows[:, used] @ self.ensemble[used] if few else rows @ self.ensemble
        scores = scores.reshape(len(rows), -1, len(self.modes))
        if self.losses is None and prices is None:
            return scores
        scores = expit(scores)
        if self.losses is not None:
            scores -= self.losses
        if prices is not None:
            scores -= prices[:, None, :]
        return scores


def contextual_of(belief: Belief) -> ContextualPosterior:
    """The posterior of a belief that `contextual_posterior` made, bit for bit."""
    arrays = belief.arrays
    features = Features.of_numbers(arrays["features"])
    draws = _draws(arrays, coefficient_prior(features, (0.0, 1.0)))
    n_draws, n_arms, n_columns = draws.shape
    ensemble = np.ascontiguousarray(draws.reshape(n_draws * n_arms, n_columns).T)
    return ContextualPosterior(belief, features, arrays["arms"], ensemble, _losses(arrays, n_draws))


def coefficient_prior(features: Features, intercept: tuple[float, float]) -> Prior:
    """What is believed of the coefficients of features, with mean and standard deviation of the common intercept."""
    kinds = features.of_columns
    return Prior(kinds - MAIN, kinds + (MAIN + 1 - INTERCEPT), intercept)


def _draws(arrays: Mapping[str, Floats], prior: Prior) -> Floats:
    """Joint draws of the coefficients, ``[K, A, D]``: of the common ones, then of each arm's given these."""
    arms = arrays["arms"]
    n_arms, n_columns = arms.shape
    seed = tuple(int(part) for part in arrays["seed"])
    own_prior = prior.precisions(arrays["scales"])[1]
    factor = _unpacked(arrays["common_factor"], n_columns)
    away = solve_triangular(factor, normals((*seed, _COMMON), (n_columns, N_DRAWS)), lower=True, trans="T")
    chances = normals((*seed, _OWN), (n_arms, n_columns, N_DRAWS))
    draws = np.empty((N_DRAWS, n_arms, n_columns))
    for arm, packed in enumerate(arrays["arm_factors"]):
        own = _unpacked(packed, n_columns)
        # Their mean moves with the common ones: H^-1 (scale_1^-2 away), and L'^-1 z has covariance H^-1 = (L L')^-1.
        pulled = solve_triangular(own, own_prior[:, None] * away, lower=True) + chances[arm]
        draws[:, arm] = arms[arm] + solve_triangular(own, pulled, lower=True, trans="T").T
    return draws


def _losses(arrays: Mapping[str, Floats], n_draws: int) -> Floats | None:
    """Draws of what penalties take off a trial on each arm, ``[K, A]``."""
    penalties, alpha, beta = arrays["penalties"], arrays["penalty_alpha"], arrays["penalty_beta"]
    if not penalties.any():
        return None
    seed = tuple(int(part) for part in arrays["seed"])
    chances = uniforms((*seed, _PENALTIES), (n_draws, *alpha.shape))
    return np.asarray(np.einsum("p,kpa->ka", penalties, betaincinv(alpha, beta, chances)))


def _unpacked(packed: Floats, n_columns: int) -> Floats:
    """The matrix again whose lower triangle was packed, ``[D, D]``."""
    matrix = np.zeros((n_columns, n_columns))
    matrix[np.tril_indices(n_columns)] = packed
    return matrix
