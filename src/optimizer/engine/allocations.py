"""Allocation rows of one snapshot: computed once for each segment and set of eligible variants, then shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Decision
from optimizer.domain.snapshot import Snapshot
from optimizer.policy.allocation import allocation, priced_allocation
from optimizer.policy.beta_bernoulli import BetaPosterior


@dataclass(frozen=True, slots=True, eq=False)
class AllocationRow:
    """How a segment's traffic is shared among its eligible variants.

    Attributes:
        p_best: ``[A]``, posterior probability that each eligible variant is the best of them, at the budget's price.
        drawn_from: ``[A]``, probability with which each is drawn: `p_best` after floor and cap. Where the budget has
            a price, ``[A + 1]``: the last is the probability of sending nothing.
        leader: the eligible arm with the highest posterior mean; -1 when none is eligible.
    """

    p_best: NDArray[np.float64]
    drawn_from: NDArray[np.float64]
    leader: int

    @property
    def allocation(self) -> NDArray[np.float64]:
        """``[A]``, the probability with which each variant is drawn."""
        return self.drawn_from[: len(self.p_best)]

    @property
    def withheld(self) -> float:
        """Probability of sending nothing, to keep scarce budget for contacts that are worth more."""
        return float(self.drawn_from[len(self.p_best) :].sum())


class AllocationTable:
    """The rows of one snapshot. The same segment and mask always give the same row, bit for bit."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.posterior = BetaPosterior(snapshot.alpha, snapshot.beta, snapshot.penalty)
        self._rows: dict[tuple[int, bytes], AllocationRow] = {}

    def row(self, segment: int, eligible: NDArray[np.bool_]) -> AllocationRow:
        """The row of one segment among its eligible variants, ``eligible`` of shape ``[A]``."""
        key = (segment, eligible.tobytes())
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._computed(segment, eligible)
        return row

    def eligible_for(self, decision: Decision) -> NDArray[np.bool_]:
        """Which variants a past decision was drawn from, ``[A]``: all but those a rule had removed."""
        return np.array([variant_id not in decision.blocked for variant_id in self.snapshot.variant_ids])

    def _computed(self, segment: int, eligible: NDArray[np.bool_]) -> AllocationRow:
        snapshot = self.snapshot
        means = np.where(eligible, self.posterior.mean[segment], -np.inf)
        leader = int(means.argmax()) if eligible.any() else -1
        if snapshot.price is None:
            p_best = self.posterior.prob_best(segment, eligible)
            return AllocationRow(p_best, allocation(p_best, eligible, snapshot.floor, snapshot.cap), leader)
        costs = snapshot.costs[segment]
        p_best, p_withhold = self.posterior.prob_best_priced(segment, eligible, snapshot.price, costs)
        shares = priced_allocation(p_best, np.float64(p_withhold), eligible, snapshot.floor, snapshot.cap)
        return AllocationRow(p_best, shares, leader)
