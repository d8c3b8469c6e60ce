"""Allocation rows of one snapshot: computed once for each segment and set of eligible variants, then shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

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


class Allocations(Protocol):
    """Where a draw gets its shares from."""

    def row(self, segment: int, eligible: NDArray[np.bool_]) -> AllocationRow:
        """How a segment's traffic is shared among its eligible variants, ``eligible`` of shape ``[A]``."""


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


class FixedShares:
    """Shares that never change, whatever is learned: an equal split, one variant for all, what ran before.

    Args:
        shares: ``[S, A]``, at least 0. What a rule has removed goes to the others in proportion; where nothing with a
            share is left, nothing is sent.

    Raises:
        ValueError: the shares are not such numbers, or a segment has none above 0.
    """

    def __init__(self, shares: ArrayLike) -> None:
        self.shares = np.array(shares, np.float64)
        usable = self.shares.ndim == 2 and bool((self.shares >= 0.0).all() and np.isfinite(self.shares).all())
        if not (usable and (self.shares.sum(axis=1) > 0.0).all()):
            found = self.shares.tolist()
            raise ValueError(f"shares: found {found}; allowed [S, A] of at least 0, some above 0 in each row")
        self._rows: dict[tuple[int, bytes], AllocationRow] = {}

    @classmethod
    def uniform(cls, n_segments: int, n_arms: int) -> FixedShares:
        """An equal split."""
        return cls(np.ones((n_segments, n_arms)))

    @classmethod
    def always(cls, arm: int, n_segments: int, n_arms: int) -> FixedShares:
        """One variant for everyone."""
        return cls(np.tile(np.eye(n_arms)[arm], (n_segments, 1)))

    def row(self, segment: int, eligible: NDArray[np.bool_]) -> AllocationRow:
        """The row of one segment among its eligible variants, ``eligible`` of shape ``[A]``."""
        key = (segment, eligible.tobytes())
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._computed(self.shares[segment], eligible)
        return row

    @staticmethod
    def _computed(shares: NDArray[np.float64], eligible: NDArray[np.bool_]) -> AllocationRow:
        possible = eligible & (shares > 0.0)
        if not possible.any():
            return AllocationRow(np.zeros(len(shares)), np.zeros(len(shares)), -1)
        left = np.where(possible, shares, 0.0)
        drawn_from = allocation(left / left.sum(), possible, 0.0, 1.0)
        return AllocationRow(left / left.sum(), drawn_from, int(left.argmax()))
