"""Fitting the hierarchical model: one Gaussian for all effects, and the scale of every term.

The Gaussian is found by Newton steps on the log posterior, as for Laplace's approximation (Tierney & Kadane 1986), but
with gradient and curvature of each cell averaged over what is believed of its log-odds instead of taken at the mode
(Opper & Archambeau 2009, equations 9 and 10). Where a cell has one success or none this is what keeps the expected rate
right: the mode alone says too much there. Scales follow MacKay (1992, equation 4.10): a term's variance is the sum of
its squared effects over the number of them the data determine, with ``SCALE_TRIALS`` imagined effects of typical size.

Segments are independent given what they share, so each step eliminates the ``A`` effects of each segment and solves
for the ``Q + T`` shared ones (a Schur complement): no matrix is larger than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.special import expit

from optimizer.policy.hierarchical_design import TYPICAL, Cells, Level, Structure

Floats = NDArray[np.float64]

SCALE_TRIALS: Final = 1.0
_TYPICAL = np.array(list(TYPICAL.values()))
_NODES, _WEIGHTS = hermegauss(7)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_MOST_STEPS = 400
_STEP = 2.0  # most by which log-odds move at a time
_MOVED, _RESCALED = 1e-4, 2e-3  # smaller moves of log-odds, and of the logarithms of scales, end the fit


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Means of all effects, and the standard deviations of all terms.

    Attributes:
        within: ``e``, log-odds of each arm in each segment in a period of effect 0, ``[S, A]``.
        shared: ``c``, ``[Q]``.
        periods: ``tau``, ``[T]``.
        scales: of each of `TERMS`.
    """

    within: Floats
    shared: Floats
    periods: Floats
    scales: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """The covariance of all effects, factored by segment.

    Attributes:
        within: ``H^-1``, covariance of a segment's effects given the shared ones, ``[S, A, A]``.
        response: ``F``, how a segment's effects follow the shared ones, ``[S, A, Q + T]``.
        shared: ``G``, covariance of the shared ones, ``[Q + T, Q + T]``, periods last.
    """

    within: Floats
    response: Floats
    shared: Floats

    def covariance(self, along: Floats) -> Floats:
        """Of each segment's effects plus ``along @ shared``, ``[S, A, A]``; ``along`` is ``[A, Q + T]``."""
        both = self.response + along
        return self.within + (both @ self.shared) @ both.transpose(0, 2, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted model.

    Attributes:
        effects: means and scales.
        factors: covariance.
        steps: Newton steps it took.
    """

    effects: Effects
    factors: Factors
    steps: int


def average_rate(mean: Floats, deviation: Floats) -> Floats:
    """Expected ``1 / (1 + exp(-x))`` of normal ``x``, any shape: Gauss-Hermite quadrature at seven nodes."""
    total = np.zeros(np.broadcast_shapes(mean.shape, deviation.shape))
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        total += weight * expit(mean + node * deviation)
    return total


def start_of(structure: Structure, cells: Cells, scales: Floats | None = None) -> Effects:
    """Where a fit begins that knows nothing better: the pooled rate everywhere."""
    n_segments, n_arms, n_periods = cells.trials.shape
    return Effects(
        np.full((n_segments, n_arms), structure.intercept),
        np.full(structure.loading.shape[1], structure.intercept),
        np.zeros(n_periods),
        _TYPICAL if scales is None else scales,
    )


def fitted(structure: Structure, cells: Cells, start: Effects) -> Fit:
    """Means, covariance and scales of all effects, in a few dozen Newton steps from a cold start."""
    effects, deviations = start, np.zeros(cells.trials.shape)
    for step in range(1, _MOST_STEPS + 1):
        factors, moved = _newton(structure, cells, effects, deviations)
        effects = moved[0]
        deviations = _deviations(factors, len(cells.starts))
        scales = _rescaled(structure, effects, factors)
        change = float(np.abs(np.log(scales / effects.scales)).max())
        settled = moved[1] < _MOVED and change < _RESCALED and step > 2
        effects = Effects(effects.within, effects.shared, effects.periods, scales)
        if settled:
            break
    return Fit(effects, factors, step)


def _newton(
    structure: Structure, cells: Cells, at: Effects, deviations: Floats
) -> tuple[Factors, tuple[Effects, float]]:
    """The covariance at these effects, the effects a Newton step further on, and by how much log-odds moved."""
    n_segments, n_arms, n_periods = cells.trials.shape
    loading, n_shared = structure.loading, structure.loading.shape[1]
    slack, curvature = _slack(cells, at, deviations)
    precision = np.linalg.inv(structure.within.variance(at.scales))
    shared_precision = np.linalg.inv(structure.shared.variance(at.scales))
    period_precision = at.scales[0] ** -2

    pull = (at.within - loading @ at.shared) @ precision
    gradient = slack.sum(axis=2) - pull
    shared_gradient = np.concatenate(
        [
            loading.T @ pull.sum(axis=0) - shared_precision @ (at.shared - structure.intercept),
            slack.sum(axis=(0, 1)) - period_precision * at.periods,
        ]
    )
    cross = np.empty((n_segments, n_arms, n_shared + n_periods))
    cross[:, :, :n_shared] = -precision @ loading
    cross[:, :, n_shared:] = curvature
    block = np.zeros((n_shared + n_periods, n_shared + n_periods))
    block[:n_shared, :n_shared] = n_segments * loading.T @ precision @ loading + shared_precision
    block[n_shared:, n_shared:] = np.diag(curvature.sum(axis=(0, 1)) + period_precision)

    own = precision + curvature.sum(axis=2)[:, :, None] * np.eye(n_arms)
    within = np.linalg.inv(own)
    response = -within @ cross
    flat = response.reshape(-1, n_shared + n_periods)
    shared = np.linalg.inv(block + cross.reshape(flat.shape).T @ flat)
    factors = Factors(within, response, (shared + shared.T) / 2)

    step = factors.shared @ (shared_gradient + flat.T @ gradient.ravel())
    steps = (within @ gradient[:, :, None])[:, :, 0] + response @ step
    largest = float(max(np.abs(steps).max(), np.abs(step[n_shared:]).max(initial=0.0)))
    part = min(1.0, _STEP / largest) if largest > 0.0 else 1.0
    moved = Effects(
        at.within + part * steps, at.shared + part * step[:n_shared], at.periods + part * step[n_shared:], at.scales
    )
    return factors, (moved, part * largest)


def _slack(cells: Cells, at: Effects, deviations: Floats) -> tuple[Floats, Floats]:
    """Expected gradient and curvature of the log likelihood by the log-odds of each cell, ``[S, A, T]`` each."""
    odds = at.within[:, :, None] + at.periods
    rate, slope = np.zeros(odds.shape), np.zeros(odds.shape)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        p = expit(odds + node * deviations)
        rate += weight * p
        slope += weight * p * (1.0 - p)
    return cells.positives - cells.trials * rate, cells.trials * slope


def _deviations(factors: Factors, n_periods: int) -> Floats:
    """Standard deviation of the log-odds of each cell, ``[S, A, T]``."""
    n_shared = len(factors.shared) - n_periods
    follows = factors.response @ factors.shared
    own = np.diagonal(factors.within, axis1=1, axis2=2) + (follows * factors.response).sum(axis=2)
    of_periods = np.diagonal(factors.shared)[n_shared:]
    return np.sqrt(np.maximum(own[:, :, None] + of_periods + 2.0 * follows[:, :, n_shared:], 0.0))


def _rescaled(structure: Structure, effects: Effects, factors: Factors) -> Floats:
    """Standard deviations of all terms, one MacKay step on; terms that are not in the model keep theirs."""
    n_shared = len(effects.shared)
    scales = effects.scales.copy()
    seen = float(np.diagonal(factors.shared)[n_shared:].sum())
    n_periods = len(effects.periods)
    scales[0] = _scale(0, float(effects.periods @ effects.periods), n_periods - seen / scales[0] ** 2)

    apart = factors.response.copy()
    apart[:, :, :n_shared] -= structure.loading
    follows = apart @ factors.shared
    spread = factors.within.sum(axis=0) + np.tensordot(follows, apart, axes=((0, 2), (0, 2)))
    departures = effects.within - structure.loading @ effects.shared
    _rescale(structure.within, effects.scales, departures.T @ departures, spread, len(departures), scales)

    of_shared = effects.shared - structure.intercept
    covariance = factors.shared[:n_shared, :n_shared]
    _rescale(structure.shared, effects.scales, np.outer(of_shared, of_shared), covariance, 1, scales)
    return scales


def _rescale(level: Level, old: Floats, squares: Floats, spread: Floats, copies: int, new: Floats) -> None:
    """Put a level's new standard deviations in place, from sums over its copies of squared means and of variances."""
    if not level.terms:
        return
    precision = np.linalg.inv(level.variance(old))
    squared = precision @ squares @ precision
    known = copies * precision - precision @ spread @ precision
    for term, kernel in zip(level.terms, level.kernels, strict=True):
        variance = old[term] ** 2
        size, number = variance**2 * (kernel * squared).sum(), variance * (kernel * known).sum()
        new[term] = _scale(term, float(size), float(number))


def _scale(term: int, size: float, number: float) -> float:
    """Standard deviation of effects whose squares sum to `size`, when the data determine `number` of them."""
    return float(np.sqrt((size + SCALE_TRIALS * _TYPICAL[term] ** 2) / (max(number, 0.0) + SCALE_TRIALS)))
