"""Shapes a delay may have before much of it is seen: a grid of curves, and how well each explains what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optimizer.domain.delays import DELAY_STARTS
from optimizer.domain.instants import SECOND, Duration

Floats = NDArray[np.float64]

_SPREADS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)  # log-normal: standard deviation of the logarithm
_EXPONENTS = (0.4, 0.55, 0.75, 1.0, 1.4, 2.0)  # Weibull; 1 is exponential
# Part of the rewards that comes within the first bin, whatever the rest does.
_AT_ONCE = (0.0, 0.1, 0.25, 0.5, 0.8, 0.95)
_PLAIN = 0.5  # prior probability that there is no such part
_STEP = 1.2  # ratio of one median to the next
_SHORTEST = 20.0 * SECOND  # median; the longest is the window, which then cuts half of the rewards off
_USUAL = 0.1  # of the window: where a median is thought to be when nobody says, give or take a factor of 4
_VAGUE, _TOLD = 1.5, 0.7  # standard deviations of its logarithm: when nobody says, and around what people say
_SHAPE_DOUBT = 0.6  # standard deviation of the logarithm of a spread or an exponent around 1
_MOST_COUNTED = 500.0  # rewards: no family is the truth, so more of them do not tell what lies beyond the oldest age


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """``G`` curves over the ``J`` bins of delays within a window.

    Attributes:
        log_hazard: of each bin, the logarithm of the part of all rewards up to its end that comes in it, ``[G, J]``.
        log_rest: the logarithm of the other part, ``[G, J]``.
        log_share: logarithm of the share that has come by the end of the bin, ``[G, J]``; last 0.
        log_median: logarithm of the median in microseconds before the window cuts it off, ``[G]``.
        log_prior: logarithm of the prior weight but for what it says of the median, ``[G]``.
    """

    log_hazard: Floats
    log_rest: Floats
    log_share: Floats
    log_median: Floats
    log_prior: Floats


def bin_edges(window: Duration) -> Floats:
    """Edges of the bins of delays up to the window, microseconds, ``[J + 1]``: from 0 to the window."""
    return np.append(DELAY_STARTS[window > DELAY_STARTS], window).astype(np.float64)


@lru_cache(maxsize=32)
def shapes(window: Duration) -> Shapes:
    """The curves of a window: log-normal and Weibull, some of them with a part that comes at once."""
    ends = np.log(bin_edges(window)[1:])
    n_medians = int(np.log(window / _SHORTEST) / np.log(_STEP)) + 1
    medians = np.log(_SHORTEST) + np.arange(n_medians) * np.log(_STEP)
    late = (ends - medians[:, None])[:, None, :]
    normal = ndtr(late / np.array(_SPREADS)[:, None])
    weibull = -np.expm1(-np.log(2.0) * np.exp(np.minimum(late * np.array(_EXPONENTS)[:, None], 50.0)))
    smooth = np.concatenate([normal, weibull], axis=1)  # [medians, forms, J]
    smooth = np.maximum(smooth, 1e-12)
    smooth = smooth / smooth[..., -1:]
    at_once = np.array(_AT_ONCE)[:, None]
    share = (at_once + (1.0 - at_once) * smooth[:, :, None, :]).reshape(-1, len(ends))
    before = np.hstack([np.zeros((len(share), 1)), share[:, :-1]])
    hazard = np.clip((share - before) / share, 1e-12, 1.0)
    rest = np.clip(before / share, 1e-12, 1.0)
    forms = np.log(np.array([*_SPREADS, *_EXPONENTS]))
    of_form = -0.5 * (forms / _SHAPE_DOUBT) ** 2
    of_part = np.log([_PLAIN, *[(1.0 - _PLAIN) / (len(_AT_ONCE) - 1)] * (len(_AT_ONCE) - 1)])
    prior = np.broadcast_to(of_form[:, None] + of_part, (n_medians, len(forms), len(_AT_ONCE))).ravel()
    median = np.repeat(medians, len(forms) * len(_AT_ONCE))
    return Shapes(np.log(hazard), np.log(rest), np.log(share), median, prior)


def fitted_shape(
    window: Duration, came: Floats, earlier: Floats, typical_median: Duration | None
) -> tuple[Floats, Floats]:
    """What the shapes say of the whole curve, weighted by prior times likelihood: a mean over the grid (Bayes).

    The likelihood is that of the reversed hazards, so that what could not be seen yet says nothing (truncated maximum
    likelihood: Kalbfleisch & Lawless 1989). More than ``_MOST_COUNTED`` rewards count as that many.

    Args:
        window: the attribution window, microseconds.
        came: rewards that came in each bin, ``[J]``.
        earlier: rewards that came earlier and could have come in it, ``[J]``; see `delay_curve`.
        typical_median: what people say half of the rewards come within; None where they say nothing.

    Returns:
        Share that has come by the end of each bin, as a geometric mean, ``[J]``, and the variance of its logarithm.
    """
    grid = shapes(window)
    centre, doubt = (_USUAL * window, _VAGUE) if typical_median is None else (typical_median, _TOLD)
    # The first bin has hazard 1 whatever the shape.
    total = came.sum()
    counted = min(1.0, _MOST_COUNTED / total) if total > 0.0 else 1.0
    log_weight = counted * (grid.log_hazard[:, 1:] @ came[1:] + grid.log_rest[:, 1:] @ earlier[1:])
    log_weight += grid.log_prior - 0.5 * ((grid.log_median - np.log(centre)) / doubt) ** 2
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    some = weight > 1e-6
    weight, log_share = weight[some] / weight[some].sum(), grid.log_share[some]
    mean = weight @ log_share
    return np.exp(mean), np.maximum(weight @ log_share**2 - mean**2, 0.0)
