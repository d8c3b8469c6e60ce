"""What a decision is expected to cost at a price: the demand curve that pacing meets its target on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.policy.exploration import Sharing
from optimizer.policy.posterior import Posterior


def spend_per_decision(
    posterior: Posterior,
    price: float,
    costs: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    sharing: Sharing,
) -> NDArray[np.float64]:
    """Expected cost of one decision in each segment, in units of currency, ``[S]``.

    It never rises with the price while no arm reaches the cap. For fixed rates the arm of the largest ``net - price *
    cost`` never costs more at a higher price, as the slopes of a maximum of lines do not fall; P(best) is an average
    over rates; and the floor adds a share of ``1 - p_withhold``.

    Args:
        posterior: beliefs of shape ``[S, A]``.
        price: reward a unit of currency must earn.
        costs: what one decision for each arm costs, in units of currency, ``[A]``, or ``[S, A]`` where that differs.
        eligible: which arms may usually be chosen in each segment, ``[S, A]``.
        sharing: how the policy shares traffic out, see :func:`optimizer.policy.exploration.shares`.

    Raises:
        ValueError: as for :meth:`Posterior.prob_best_priced`.
    """
    shape = posterior.mean.shape
    n_segments = shape[0]
    costs = np.broadcast_to(costs, shape)
    p_best, withheld = np.zeros(shape), np.zeros(n_segments)
    for segment in range(n_segments):
        p_best[segment], withheld[segment] = posterior.prob_best_priced(
            segment, eligible[segment], price, costs[segment]
        )
    sent = sharing(p_best, withheld, eligible)[:, :-1]
    return np.asarray((sent * costs).sum(axis=1), np.float64)


def highest_price(costs: NDArray[np.float64], most: float) -> float:
    """The price at which no arm that costs anything can be worth it, as no reward exceeds `most`; 0 if none costs."""
    paid = costs[costs > 0.0]
    return float(most / paid.min()) if len(paid) else 0.0
