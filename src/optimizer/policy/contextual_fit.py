"""Fit of a logistic regression with coefficients for each arm that are drawn about common ones: mode and curvature.

For a trial with features ``x`` on arm ``a``, ``P(rewarded in the end) = p = 1 / (1 + exp(-x'w_a))``, and ``p F`` by
now, with ``F`` the probability that a reward which will come has come by now (Chapelle 2014). So a trial that is not
rewarded yet adds ``log(1 - p F)``: a failure where every reward would have come, next to nothing where none would. The
prior has two levels:

    w_0 ~ N(prior mean, diag(scale_0^2)),    w_a | w_0 ~ N(w_0, diag(scale_1^2)):

what attributes do to all arms alike, and what they do to one. The scales, one for each kind of column, are estimated
(empirical Bayes: the EM step of Dempster, Laird & Rubin 1977 on the Laplace approximation), so attributes that matter
to no arm, or to all of them alike, cost little.

The Hessian is an arrow: arms are tied to each other through ``w_0`` only. Each Newton step (Fisher's scoring: expected
curvature) eliminates the arms one ``[D, D]`` block at a time; nothing of size ``A D`` is ever inverted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from optimizer.policy.posterior import Floats

# Scales, of log-odds: common effects of columns and of pairs; an arm's own intercept, columns and pairs.
FIRST_SCALES: Final = np.array([0.5, 0.25, 0.5, 0.35, 0.25])

_IMAGINED = 4.0  # coefficients of the first scale that each estimate of a scale counts in, so that none collapses
_MOST_STEPS = 60
_MOST_HALVINGS = 20
_SMALL_STEP = 1e-6  # of a coefficient
_SMALL_CHANGE = 1e-2  # of a scale, as a part of itself: it is known far less exactly


@dataclass(frozen=True, slots=True, eq=False)
class ArmTrials:
    """Trials of one arm; equal ones may share a row.

    Attributes:
        rows: ``[N, D]``, features.
        rewarded: ``[N]``, weight of the rewarded trials.
        others: ``[N]``, weight of those not rewarded yet.
        matured: ``[N]``, probability above 0 that a reward which will come has come by now.
    """

    rows: Floats
    rewarded: Floats
    others: Floats
    matured: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Prior:
    """What is believed of ``D`` coefficients before anything is seen.

    Attributes:
        common: ``[D]``, which scale each common effect has; -1 for the intercept.
        own: ``[D]``, which scale an arm's deviation from it has.
        intercept: mean and standard deviation of the common intercept, in log-odds.
    """

    common: NDArray[np.int64]
    own: NDArray[np.int64]
    intercept: tuple[float, float]

    @property
    def center(self) -> Floats:
        """Mean of the coefficients, ``[D]``."""
        return np.where(self.common < 0, self.intercept[0], 0.0)

    def precisions(self, scales: Floats) -> tuple[Floats, Floats]:
        """Of the common coefficients, and of an arm's about them, ``[D]`` each."""
        common = np.where(self.common < 0, self.intercept[1], scales[self.common])
        return common**-2.0, scales[self.own] ** -2.0


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The Laplace approximation of the posterior: a normal law at the mode.

    Attributes:
        common: ``[D]``, mode of the common coefficients.
        arms: ``[A, D]``, of each arm's.
        common_precision: ``[D, D]``, inverse covariance of the common coefficients.
        arm_precisions: ``[A, D, D]``, of each arm's, given the common ones: their mean then is that of the mode, and
            the inverse of this times ``scale_1^-2`` times how far the common ones are from their mode.
        scales: estimated, see `FIRST_SCALES`.
    """

    common: Floats
    arms: Floats
    common_precision: Floats
    arm_precisions: Floats
    scales: Floats


def fitted(trials: Sequence[ArmTrials], prior: Prior, start: tuple[Floats, Floats, Floats] | None = None) -> Fit:
    """The mode, its curvature and the scales.

    Args:
        trials: of each of ``A`` arms.
        prior: what is believed before.
        start: coefficients ``[D]`` and ``[A, D]`` and scales to begin from, such as those of the last fit.
    """
    common, arms, scales = start or (prior.center, np.tile(prior.center, (len(trials), 1)), FIRST_SCALES)
    settled = False
    for _ in range(_MOST_STEPS):
        precisions = prior.precisions(scales)
        slopes, curves = _slopes(trials, arms)
        common_precision, arm_precisions = _curvature(curves, *precisions)
        away = precisions[1] * (arms - common)
        pulls = precisions[0] * (prior.center - common) + away.sum(axis=0), slopes - away
        step = _newton_step(*pulls, common_precision, arm_precisions, precisions[1])
        common, arms, moved = _stepped(trials, prior, scales, (common, arms), step)
        if not settled:
            before, scales = scales, _scales(prior, common, arms, common_precision, arm_precisions, curves)
            settled = bool((np.abs(scales / before - 1.0) < _SMALL_CHANGE).all())
        elif moved < _SMALL_STEP:
            break
    curves = _slopes(trials, arms)[1]
    return Fit(common, arms, *_curvature(curves, *prior.precisions(scales)), scales)


def _slopes(trials: Sequence[ArmTrials], arms: Floats) -> tuple[Floats, Floats]:
    """Gradient of each arm's log-likelihood, ``[A, D]``, and its expected curvature, ``[A, D, D]``."""
    slopes, curves = np.zeros(arms.shape), np.zeros((*arms.shape, arms.shape[1]))
    for arm, (seen, coefficients) in enumerate(zip(trials, arms, strict=True)):
        odds = seen.rows @ coefficients
        p, q = expit(odds), expit(-odds)
        never = q / (q + p * (1.0 - seen.matured))  # probability that a trial not rewarded yet never will be
        slopes[arm] = (seen.rewarded * q - seen.others * seen.matured * p * never) @ seen.rows
        weights = (seen.rewarded + seen.others) * seen.matured * p * q * never
        curves[arm] = seen.rows.T @ (seen.rows * weights[:, None])
    return slopes, curves


def _log_posterior(trials: Sequence[ArmTrials], prior: Prior, scales: Floats, common: Floats, arms: Floats) -> float:
    """Logarithm of the posterior's density, but for a constant."""
    common_prior, own_prior = prior.precisions(scales)
    total = -0.5 * (common_prior @ (common - prior.center) ** 2 + ((arms - common) ** 2 @ own_prior).sum())
    for seen, coefficients in zip(trials, arms, strict=True):
        odds = seen.rows @ coefficients
        yet = np.maximum(expit(-odds) + expit(odds) * (1.0 - seen.matured), np.finfo(np.float64).tiny)
        total += seen.rewarded @ log_expit(odds) + seen.others @ np.log(yet)
    return float(total)


def _curvature(curves: Floats, common_prior: Floats, own_prior: Floats) -> tuple[Floats, Floats]:
    """Precision of the common coefficients, the arms' integrated out, and of the arms' given them."""
    arm_precisions = curves + np.diag(own_prior)
    # Schur's complement, written so that nothing is subtracted: it keeps its digits when arms hardly differ.
    schur = (curves @ np.linalg.solve(arm_precisions, np.broadcast_to(np.diag(own_prior), curves.shape))).sum(axis=0)
    return np.asarray(np.diag(common_prior) + (schur + schur.T) / 2, np.float64), arm_precisions


def _newton_step(
    to_common: Floats, to_arms: Floats, common_precision: Floats, arm_precisions: Floats, own_prior: Floats
) -> tuple[Floats, Floats]:
    """Solution of the arrow for a gradient, ``[D]`` and ``[A, D]``."""
    alone = np.linalg.solve(arm_precisions, to_arms[..., None])[..., 0]
    common = np.asarray(np.linalg.solve(common_precision, to_common + own_prior * alone.sum(axis=0)), np.float64)
    arms = np.linalg.solve(arm_precisions, (to_arms + own_prior * common)[..., None])[..., 0]
    return common, np.asarray(arms, np.float64)


def _stepped(
    trials: Sequence[ArmTrials],
    prior: Prior,
    scales: Floats,
    at: tuple[Floats, Floats],
    step: tuple[Floats, Floats],
) -> tuple[Floats, Floats, float]:
    """Coefficients after as much of a step as does not lead down, and the most that one of them moved."""
    least = _log_posterior(trials, prior, scales, *at)
    least -= 1e-9 * abs(least)  # rounding
    part = 1.0
    for _ in range(_MOST_HALVINGS):
        common, arms = at[0] + part * step[0], at[1] + part * step[1]
        if _log_posterior(trials, prior, scales, common, arms) >= least:
            return common, arms, part * max(float(np.abs(each).max(initial=0.0)) for each in step)
        part /= 2.0
    return *at, 0.0


def _scales(
    prior: Prior, common: Floats, arms: Floats, common_precision: Floats, arm_precisions: Floats, curves: Floats
) -> Floats:
    """Scales of what is expected of the squared coefficients, and of a few imagined ones of the first scales."""
    of_common, of_arms = np.linalg.inv(common_precision), np.linalg.inv(arm_precisions)
    shift = of_arms @ curves  # an arm's deviation takes back this part of what the common coefficients are off by
    spread = ((shift @ of_common) * shift).sum(axis=2) + np.diagonal(of_arms, axis1=1, axis2=2)
    own = ((arms - common) ** 2 + spread).sum(axis=0)
    alike = common**2 + np.diag(of_common)
    sums, counts = _IMAGINED * FIRST_SCALES**2, np.full(len(FIRST_SCALES), _IMAGINED)
    effects = prior.common >= 0
    np.add.at(sums, prior.common[effects], alike[effects])
    np.add.at(counts, prior.common[effects], 1.0)
    np.add.at(sums, prior.own, own)
    np.add.at(counts, prior.own, float(len(arms)))
    return np.sqrt(sums / counts)
