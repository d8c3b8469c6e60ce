"""Allocation rows of one snapshot: computed once for each segment and set of eligible variants, then shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Decision
from optimizer.domain.snapshot import Snapshot
from optimizer.policy.allocation import allocation
from optimizer.policy.beta_bernoulli import BetaPosterior


@dataclass(frozen=True, slots=True, eq=False)
class AllocationRow:
    """How a segment's traffic is shared among its eligible variants.

    Attributes:
        p_best: ``[A]``, posterior probability that each eligible variant is the best of them.
        allocation: ``[A]``, probability with which each is drawn: `p_best` after floor and cap.
        leader: the eligible arm with the highest posterior mean; -1 when none is eligible.
    """

    p_best: NDArray[np.float64]
    allocation: NDArray[np.float64]
    leader: int


class AllocationTable:
    """The rows of one snapshot. The same segment and mask always give the same row, bit for bit."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.posterior = BetaPosterior(snapshot.alpha, snapshot.beta)
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
        p_best = self.posterior.prob_best(segment, eligible)
        shares = allocation(p_best, eligible, self.snapshot.floor, self.snapshot.cap)
        means = np.where(eligible, self.posterior.mean[segment], -np.inf)
        return AllocationRow(p_best, shares, int(means.argmax()) if eligible.any() else -1)
