"""A prior from the campaign's own variants: before one is tried, it is taken to be like the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WORTH = 1.0  # successes the prior counts for: as weak as Beta(1, 1), but at a rate that is possible
_ROUNDS = 6  # of a fixed point that moves by less than a hundredth from the third on


def pooled_prior(trials: Floats, successes: Floats) -> tuple[Floats, Floats]:
    """Successes and failures of a Beta prior for the arms of each segment, ``[..., S, 1]`` each: empirical Bayes.

    ``Beta(w, w (1 - p) / p)`` with ``p`` the mean of the arms' own posterior rates under it, and ``w`` one success.
    Each arm counts the same, however often it was tried: traffic goes to what is best, and its rate would be too high
    an expectation of the others. (Robbins 1956; shrinking means towards their own mean: James & Stein 1961.)
    A segment's rate is that of its arms and of one more with the rate of all segments, so an empty segment begins where
    the campaign stands. With nothing tried the prior is Beta(1, 1), and ``p`` never exceeds one half.

    Where rewards are rare, Beta(1, 1) expects half of all trials to succeed: it takes dozens of failures of every arm,
    and of every arm that forgetting has wiped, to unlearn that.

    Args:
        trials: ``[..., S, A]``, at least 0; leading axes are apart from one another.
        successes: ``[..., S, A]``, between 0 and the trials.
    """
    flat = (*trials.shape[:-2], 1, trials.shape[-2] * trials.shape[-1])
    start = (successes.sum(axis=(-2, -1)) + 1.0) / (trials.sum(axis=(-2, -1)) + 2.0)
    everywhere = _mean_rate(trials.reshape(flat), successes.reshape(flat), start[..., None, None], 0.0)
    rate = _mean_rate(trials, successes, np.broadcast_to(everywhere, (*trials.shape[:-1], 1)), everywhere)
    return np.full_like(rate, WORTH), WORTH * (1.0 - rate) / rate


def _mean_rate(trials: Floats, successes: Floats, start: Floats, beside: Floats | float) -> Floats:
    """Mean over the arms, and over one more of a known rate where that is above 0, of their rates under the prior."""
    n = trials.shape[-1] + np.greater(beside, 0.0)
    rate = np.clip(start, 1e-6, 0.5)
    for _ in range(_ROUNDS):
        of_arms = (successes + WORTH) / (trials + WORTH / rate)
        rate = np.clip((of_arms.sum(axis=-1, keepdims=True) + beside) / n, 1e-6, 0.5)
    return np.asarray(rate, np.float64)
