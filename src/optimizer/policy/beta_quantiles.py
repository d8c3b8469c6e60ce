"""Quantiles of many Beta distributions at many points each, interpolated: a hundred times faster than one by one."""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv, expit, ndtr

from optimizer.policy.posterior import Floats

_REACH, _STEPS = 7.0, 40  # normal scores between which nodes lie, and by how many steps
_NODES = np.linspace(-_REACH, _REACH, _STEPS + 1)
_LEAST = 1e-290


def beta_quantiles(alpha: Floats, beta: Floats, scores: Floats) -> Floats:
    """Quantiles of ``Beta(alpha, beta)``, by cubic interpolation of the logarithm of the odds over the normal score.

    Off by less than 2e-4 of themselves for parameters of at least .5 and levels up to 1 - 1e-6 (3e-4 for .3), and by
    less than 1e-7 for parameters of at least 40.

    Args:
        alpha: first parameter, of any shape.
        beta: second parameter, of that shape.
        scores: normal scores of the levels, so ``Phi`` of them, of that shape and one more axis ``K``.

    Returns:
        Values in [0, 1], of the shape of the scores.
    """
    with np.errstate(under="ignore"):
        at = np.clip(betaincinv(alpha[..., None], beta[..., None], ndtr(_NODES)), _LEAST, 1.0 - 2.0**-53)
    odds = np.log(at) - np.log1p(-at)
    place = np.clip((scores + _REACH) * (_STEPS / (2 * _REACH)), 0.0, _STEPS)
    left = np.clip(place.astype(np.int64), 1, _STEPS - 2)
    t = place - left
    pieces = _pieces(odds)
    value: Floats = np.take_along_axis(pieces[3], left, axis=-1)
    for power in (2, 1, 0):
        value *= t
        value += np.take_along_axis(pieces[power], left, axis=-1)
    return np.asarray(expit(value), np.float64)


def _pieces(odds: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Coefficients of the cubic (Lagrange) through each four nodes around a step, by power; the outermost unused."""
    before, here, after, beyond = (np.roll(odds, -i, axis=-1) for i in (-1, 0, 1, 2))
    return (
        here,
        after - before / 3.0 - here / 2.0 - beyond / 6.0,
        (before + after) / 2.0 - here,
        (beyond - before) / 6.0 + (here - after) / 2.0,
    )
