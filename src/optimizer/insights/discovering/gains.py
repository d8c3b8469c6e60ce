"""Gains: what choosing by rules earns more than the best single arm, with the decisions of one recipient together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.insights.discovering.found import Amount

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Z = 1.959963984540054  # of a 95 % interval


def amount(values: Floats, recipients: Ints) -> Amount:
    """Mean of rows with its interval, robust to what decisions of one recipient have in common.

    Args:
        values: ``[N]``, one or more.
        recipients: ``[N]``, number of each row's recipient, from 0.
    """
    mean = float(values.mean())
    sums = np.bincount(recipients, weights=values - mean)
    present = max(int(np.count_nonzero(np.bincount(recipients))), 2)
    error = float(np.sqrt((sums**2).sum() * present / (present - 1))) / len(values)
    return Amount(mean, mean - Z * error, mean + Z * error, error)


def gain(rewards: Floats, singles: Floats, recipients: Ints) -> Amount:
    """What is earned more per decision than by the best single arm, which nobody knows.

    No single arm may do as well: the difference from each of them is estimated, and the least certain counts. So the
    lower end is above 0 by chance in at most 2.5 % of logs in which some single arm is as good as the choice, whichever
    it is and however many there are (an intersection-union test; Berger 1982).

    Args:
        rewards: ``[N]``, score of what was chosen in each row.
        singles: ``[N, A]``, score of every arm, as if everybody got it.
        recipients: ``[N]``, number of each row's recipient, from 0.
    """
    differences = [amount(rewards - single, recipients) for single in singles.T]
    least = min(differences, key=lambda one: one.value)
    low, high = min(one.low for one in differences), min(one.high for one in differences)
    return Amount(least.value, low, high, least.standard_error)


def with_substitutes(scores: Floats, eligible: NDArray[np.bool_] | None, order: Sequence[int]) -> Floats:
    """Scores in which an arm that could not be chosen is replaced by the first in the order that could; ``[N, A]``."""
    if eligible is None:
        return scores
    rank = np.empty(len(order), dtype=np.int64)
    rank[list(order)] = np.arange(len(order))
    first = np.argmin(np.where(eligible, rank, len(order)), axis=1)
    instead = scores[np.arange(len(scores)), first]
    return np.where(eligible, scores, instead[:, None])
