"""Allocation rows of one snapshot: computed once for each segment and set of eligible variants, then shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optimizer.domain.decision import Attributes, Decision
from optimizer.domain.snapshot import Snapshot
from optimizer.engine.beliefs import posterior_from
from optimizer.engine.memory import Memory
from optimizer.policy.allocation import allocation
from optimizer.policy.contextual import ContextualPosterior
from optimizer.policy.exploration import Exploration, shares
from optimizer.policy.posterior import Posterior
from optimizer.strategy.policy_settings import ResolvedPolicy

# Below this many contacts, walking is faster than building columns.
VECTORISE_FROM = 32


@dataclass(frozen=True, slots=True, eq=False)
class AllocationRow:
    """How a segment's traffic is shared among its eligible variants.

    Attributes:
        p_best: ``[A]``, posterior probability that each eligible variant is the best of them, at the budget's price.
        drawn_from: ``[A]``, probability with which each is drawn: `p_best` within the bounds people asked for. Where
            the budget has a price, ``[A + 1]``: the last is the probability of sending nothing.
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

    def row(self, segment: int, eligible: NDArray[np.bool_], attributes: Attributes | None = None) -> AllocationRow:
        """How a segment's traffic is shared among its eligible variants.

        Args:
            segment: index of the segment.
            eligible: ``[A]``.
            attributes: of the one it is for, where shares depend on them; None for a typical contact of the segment.
        """

    def rows(
        self, segments: NDArray[np.int64], eligible: NDArray[np.bool_], attributes: Sequence[Attributes]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What each of ``N`` contacts is drawn from, ``[N, A]`` or ``[N, A + 1]``, and each one's leader, ``[N]``.

        Args:
            segments: ``[N]``.
            eligible: ``[N, A]``.
            attributes: of each.
        """


def bounds_of(limited: Snapshot | ResolvedPolicy) -> Exploration:
    """What people ask of the shares, as the policy says and each of its snapshots keeps."""
    return Exploration(
        top_two=limited.top_two,
        minimum_trials=limited.minimum_trials,
        floor=limited.floor,
        cap=limited.cap,
        largest_change=limited.largest_change,
    )


class AllocationTable:
    """The rows of one snapshot. The same segment and mask always give the same row, bit for bit.

    Where rewards depend on attributes, so do they: then the same segment, mask and attributes do.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.posterior = posterior_from(snapshot.belief)
        self.bounds = bounds_of(snapshot)
        self.kinds: object = None  # what `engine.alike` knows of the contacts that were given these rows
        self._rows: Memory[tuple[int, bytes], AllocationRow] = Memory()

    @property
    def is_personal(self) -> bool:
        """Whether rows depend on attributes, and not on segment and mask alone."""
        return isinstance(self.posterior, ContextualPosterior)

    def row(
        self,
        segment: int,
        eligible: NDArray[np.bool_],
        attributes: Attributes | None = None,
    ) -> AllocationRow:
        """The row of one segment among its eligible variants, ``eligible`` of shape ``[A]``; see `Allocations`."""
        if attributes is not None and isinstance(self.posterior, ContextualPosterior):
            p_best, drawn_from, leaders = self._of_each(
                self.posterior, np.array([segment]), eligible[np.newaxis], [attributes]
            )
            return AllocationRow(p_best[0], drawn_from[0], int(leaders[0]))
        key = (segment, eligible.tobytes())
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._computed(segment, eligible)
        return row

    def rows(
        self, segments: NDArray[np.int64], eligible: NDArray[np.bool_], attributes: Sequence[Attributes]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What each contact is drawn from, and each one's leader; see `Allocations`."""
        if isinstance(self.posterior, ContextualPosterior):
            return self._of_each(self.posterior, segments, eligible, attributes)[1:]
        return _rows_of_segments(self, segments, eligible)

    def best(
        self, segment: int, eligible: NDArray[np.bool_], attributes: Attributes | None, *, priced: bool
    ) -> tuple[NDArray[np.float64], float | None]:
        """P(best), ``[A]``, and at the snapshot's price that of withhold; see `row`.

        Args:
            segment: index of the segment.
            eligible: ``[A]``.
            attributes: of the one it is for, where shares depend on them; None for a typical contact of the segment.
            priced: whether each variant's net reward is less what it costs; else withhold is None.
        """
        snapshot, posterior = self.snapshot, self.posterior
        price, costs = snapshot.price, snapshot.costs[[segment]] if priced else None
        if attributes is not None and isinstance(posterior, ContextualPosterior):
            one = posterior.rows([attributes]), eligible[np.newaxis]
            if price is None or costs is None:
                return posterior.shares(*one)[0], None
            p_best, p_withhold = posterior.shares_priced(*one, price, costs)
            return p_best[0], float(p_withhold[0])
        if price is None or costs is None:
            return posterior.prob_best(segment, eligible), None
        return posterior.prob_best_priced(segment, eligible, price, costs[0])

    def expected(
        self, segment: int, attributes: Attributes | None = None, level: float = 0.95
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Expected net reward of each variant, and the bounds of its credible interval, ``[A]`` each; see `row`."""
        posterior: Posterior = self.posterior
        if attributes is not None and isinstance(posterior, ContextualPosterior):
            posterior, segment = posterior.at(posterior.rows([attributes])), 0
        low, high = posterior.interval(level)
        return posterior.mean[segment], low[segment], high[segment]

    def eligible_for(self, decision: Decision) -> NDArray[np.bool_]:
        """Which variants a past decision was drawn from, ``[A]``: all but those a rule had removed."""
        return np.array([variant_id not in decision.blocked for variant_id in self.snapshot.variant_ids])

    def shared(
        self,
        segments: int | NDArray[np.int64],
        eligible: NDArray[np.bool_],
        p_best: NDArray[np.float64],
        p_withhold: NDArray[np.float64] | float | None,
        bounds: Exploration,
    ) -> NDArray[np.float64]:
        """What is drawn from, ``[A]`` or with a price ``[A + 1]``, under these bounds; see `exploration.shares`.

        For ``[N]`` segments, with ``N`` rows of all the others, ``N`` rows.
        """
        before = self.snapshot.before
        was = before[segments] if before.size else None
        return shares(p_best, p_withhold, eligible, self.snapshot.trials[segments], was, bounds)

    def _computed(self, segment: int, eligible: NDArray[np.bool_]) -> AllocationRow:
        means = np.where(eligible, self.posterior.mean[segment], -np.inf)
        leader = int(means.argmax()) if eligible.any() else -1
        p_best, p_withhold = self.best(segment, eligible, None, priced=self.snapshot.price is not None)
        return AllocationRow(p_best, self.shared(segment, eligible, p_best, p_withhold, self.bounds), leader)

    def _of_each(
        self,
        posterior: ContextualPosterior,
        segments: NDArray[np.int64],
        eligible: NDArray[np.bool_],
        attributes: Sequence[Attributes],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """P(best), what is drawn from and the leader of each of ``N`` contacts."""
        snapshot, rows = self.snapshot, posterior.rows(attributes)
        leaders = np.where(eligible, posterior.expected(rows), -np.inf).argmax(axis=1)
        p_withhold: NDArray[np.float64] | None = None
        if snapshot.price is None:
            p_best = posterior.shares(rows, eligible)
        else:
            p_best, p_withhold = posterior.shares_priced(rows, eligible, snapshot.price, snapshot.costs[segments])
        drawn_from = self.shared(segments, eligible, p_best, p_withhold, self.bounds)
        return p_best, drawn_from, np.where(eligible.any(axis=1), leaders, -1)


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
        self._rows: Memory[tuple[int, bytes], AllocationRow] = Memory()

    @classmethod
    def uniform(cls, n_segments: int, n_arms: int) -> FixedShares:
        """An equal split."""
        return cls(np.ones((n_segments, n_arms)))

    @classmethod
    def always(cls, arm: int, n_segments: int, n_arms: int) -> FixedShares:
        """One variant for everyone."""
        return cls(np.tile(np.eye(n_arms)[arm], (n_segments, 1)))

    def row(
        self,
        segment: int,
        eligible: NDArray[np.bool_],
        attributes: Attributes | None = None,  # noqa: ARG002 - everyone in a segment has one row
    ) -> AllocationRow:
        """The row of one segment among its eligible variants, ``eligible`` of shape ``[A]``."""
        key = (segment, eligible.tobytes())
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._computed(self.shares[segment], eligible)
        return row

    def rows(
        self,
        segments: NDArray[np.int64],
        eligible: NDArray[np.bool_],
        attributes: Sequence[Attributes],  # noqa: ARG002
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What each contact is drawn from, and each one's leader; see `Allocations`."""
        return _rows_of_segments(self, segments, eligible)

    @staticmethod
    def _computed(shares: NDArray[np.float64], eligible: NDArray[np.bool_]) -> AllocationRow:
        possible = eligible & (shares > 0.0)
        if not possible.any():
            return AllocationRow(np.zeros(len(shares)), np.zeros(len(shares)), -1)
        left = np.where(possible, shares, 0.0)
        drawn_from = allocation(left / left.sum(), possible, 0.0, 1.0)
        return AllocationRow(left / left.sum(), drawn_from, int(left.argmax()))


def _rows_of_segments(
    table: Allocations, segments: NDArray[np.int64], eligible: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Shares and leaders of contacts for whom only segment and mask count."""
    first, of_contact = np.arange(len(segments)), np.arange(len(segments))
    if len(segments) >= VECTORISE_FROM:  # each row that is needed is looked up once
        masks = np.zeros(len(segments), np.int64)
        if not (eligible == eligible[0]).all():
            packed = np.packbits(eligible, axis=1)
            masks = np.unique(packed.view(f"V{packed.shape[1]}").ravel(), return_inverse=True)[1]
        _, first, of_contact = np.unique(segments * len(segments) + masks, return_index=True, return_inverse=True)
    rows = [table.row(segment, eligible[n]) for n, segment in zip(first, segments[first].tolist(), strict=True)]
    shares, leaders = np.array([row.drawn_from for row in rows]), np.array([row.leader for row in rows])
    return shares[of_contact], leaders[of_contact]
