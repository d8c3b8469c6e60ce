"""Net reward: a reward rate less what unwanted outcomes cost, as one Beta posterior again.

The net reward of a decision is its reward (0 or 1) less ``p_k`` for every penalised kind ``k`` that happened. Its
expectation, with reward rate ``R`` and penalty rates ``U_k`` independent and Beta,

    S = R - sum over k of p_k U_k,    E S = E R - sum p_k E U_k,    Var S = Var R + sum p_k^2 Var U_k,

lies between ``-L`` and 1, ``L = sum p_k``. So ``theta = (S + L) / (1 + L)`` lies between 0 and 1, and the Beta
distribution with the mean ``m`` and variance ``v`` of ``theta``,

    alpha' = m c,    beta' = (1 - m) c,    c = m (1 - m) / v - 1,

stands for it (the method of moments: Pearson 1895). Mean and variance are exact, P(best) is not: a penalty of
twenty that happened twice has a longer lower tail than the Beta. Against a million joint draws P(best) is off by
.002 where penalties are as small as the reward, and by up to .06 where a few rare events of twenty times the
reward decide between arms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.policy.prob_best import LARGEST, SMALLEST

# Half an event in 250 trials: as weak as half a trial can be, at the .2 % that unsubscribing from a mailing is about.
PENALTY_PRIOR = (0.5, 249.5)


def penalty_total(penalties: Sequence[float]) -> float:
    """``L``, by how much a net reward can be below zero, in reward units.

    Raises:
        ValueError: a penalty is not a number of at least 0.
    """
    for k, penalty in enumerate(penalties):
        if not (penalty >= 0.0 and np.isfinite(penalty)):
            raise ValueError(f"penalties[{k}]: found {penalty}; allowed numbers of at least 0")
    return float(sum(penalties))


def net_parameters(
    alpha: NDArray[np.float64],
    beta: NDArray[np.float64],
    counts: NDArray[np.float64],
    trials: NDArray[np.float64],
    penalties: Sequence[float],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Beta parameters of ``theta = (S + L) / (1 + L)``, each of the shape of ``alpha``.

    Without penalties, or with penalties of zero only, they are ``alpha`` and ``beta`` themselves.

    Args:
        alpha: posterior of the reward rate, any shape.
        beta: the same shape.
        counts: trials on which each penalised kind happened, ``[K, ...]``.
        trials: trials these counts are out of, the shape of ``alpha``.
        penalties: what each kind costs, in reward units, ``K`` numbers of at least 0.

    Returns:
        Both parameters, kept within ``SMALLEST`` to ``LARGEST``.

    Raises:
        ValueError: a penalty is not a number of at least 0.
    """
    total = penalty_total(penalties)
    if total == 0.0:
        return alpha, beta
    price = np.asarray(penalties, np.float64).reshape(-1, *[1] * alpha.ndim)
    rate_alpha, rate_beta = PENALTY_PRIOR[0] + counts, PENALTY_PRIOR[1] + trials - counts
    # Both distances are sums of what is not negative: m and 1 - m lose no digits where one of them is small.
    above = (_mean(alpha, beta) + (price * _mean(rate_beta, rate_alpha)).sum(axis=0)) / (1.0 + total)
    below = (_mean(beta, alpha) + (price * _mean(rate_alpha, rate_beta)).sum(axis=0)) / (1.0 + total)
    variance = _variance(alpha, beta) + (price**2 * _variance(rate_alpha, rate_beta)).sum(axis=0)
    concentration = above * below / (variance / (1.0 + total) ** 2) - 1.0
    return (
        np.clip(above * concentration, SMALLEST, LARGEST),
        np.clip(below * concentration, SMALLEST, LARGEST),
    )


def _mean(alpha: NDArray[np.float64], beta: NDArray[np.float64]) -> NDArray[np.float64]:
    return alpha / (alpha + beta)


def _variance(alpha: NDArray[np.float64], beta: NDArray[np.float64]) -> NDArray[np.float64]:
    total = alpha + beta
    return (alpha / total) * (beta / total) / (total + 1.0)
