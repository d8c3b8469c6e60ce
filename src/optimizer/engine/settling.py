"""Commitments in columns: what thousands of decisions cost, each by the rules of `spending`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.engine.choosing import NO_ARM
from optimizer.engine.judging import Assessments
from optimizer.engine.spending import Costs, kinds_that_show
from optimizer.engine.tactic import Tactic
from optimizer.strategy.money import DECISION


@dataclass(frozen=True, slots=True, eq=False)
class Commitments:
    """What ``D`` decisions use up, a row of zeros where nothing was sent; see `domain.commitment.Commitment`.

    Attributes:
        arms: ``[D]``; `NO_ARM` where nothing was sent.
        most, settled: ``[D]``, micro-units.
        open: ``[D]``, whether the rest of `most` is still reserved.
        closes_at: ``[D]``, instants.
        withdrawn: ``[D]``.
    """

    arms: NDArray[np.int64]
    most: NDArray[np.int64]
    settled: NDArray[np.int64]
    open: NDArray[np.bool_]
    closes_at: NDArray[np.int64]
    withdrawn: NDArray[np.bool_]

    @property
    def reserved(self) -> NDArray[np.int64]:
        """``[D]``, money that may yet become due, micro-units."""
        return np.where(self.open, self.most - self.settled, 0)

    @property
    def used(self) -> NDArray[np.int64]:
        """``[D, 3]``, what each takes up on every meter it counts on: reserved, settled, sends."""
        sends = (self.arms != NO_ARM) & ~self.withdrawn
        return np.column_stack([self.reserved, self.settled, sends])


def committed(tactic: Tactic, arms: NDArray[np.int64], now: Instant) -> Commitments:
    """What decisions made now commit to, ``arms`` of shape ``[D]``."""
    at_once = np.array([costs.get(DECISION, 0) for costs in tactic.costs], np.int64)
    sends = arms != NO_ARM
    most, settled = np.where(sends, tactic.most[arms], 0), np.where(sends, at_once[arms], 0)
    closes_at = np.full(len(arms), now + tactic.reward_rule.window)
    return Commitments(arms, most, settled, most > settled, closes_at, np.zeros(len(arms), np.bool_))


def due_so_far(
    costs: Sequence[Costs], kinds: Sequence[str], arms: NDArray[np.int64], found: Assessments
) -> NDArray[np.int64]:
    """Micro-units due so far, ``[D]``, given what was reported within the attribution window; see `spending.due`."""
    due = np.zeros(len(arms), np.int64)
    for arm, of_arm in enumerate(costs):
        mine = arms == arm
        for event, amount in of_arm.items():
            shows = [place for place, kind in enumerate(kinds) if kind in kinds_that_show(event)]
            happened = event == DECISION or found.counted[:, shows].any(axis=1)
            due += np.where(mine & happened, amount, 0)
    return np.where(found.withdrawn, 0, due)


def settled_together(
    commitments: Commitments, costs: Sequence[Costs], kinds: Sequence[str], found: Assessments
) -> Commitments:
    """Commitments after everything reported so far; see `spending.settled`."""
    due = np.minimum(due_so_far(costs, kinds, commitments.arms, found), commitments.most)
    gone = found.withdrawn & (commitments.arms != NO_ARM)
    return replace(
        commitments,
        settled=np.where(gone, 0, np.where(commitments.open, due, commitments.settled)),
        open=commitments.open & ~gone,
        closes_at=np.where(commitments.open & ~gone, found.closes_at, commitments.closes_at),
        withdrawn=commitments.withdrawn | gone,
    )


def released_together(commitments: Commitments, now: Instant) -> Commitments:
    """Commitments with what did not become due in time free again."""
    return replace(commitments, open=commitments.open & ~matured(commitments, now))


def matured(commitments: Commitments, now: Instant) -> NDArray[np.bool_]:
    """``[D]``, whether each is open although nothing can be due any more."""
    return commitments.open & (commitments.closes_at < now)
