"""Moving: shares that may change only so much at each refresh know where they are, and whether they have arrived."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.snapshot import Snapshot
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.tactic import Tactic

ARRIVED = 1e-4  # a share nearer to its goal than that is there


def shares_in_force(tactic: Tactic, latest: Snapshot | None) -> NDArray[np.float64]:
    """Shares of what is sent, ``[S, A]``, until the next snapshot of a tactic; empty where nothing limits their change.

    Of whatever may be chosen now: what a paused variant had has gone to the others already. Rows of segments without
    shares so far are zeros, and so are variants, by id and words, that the latest snapshot does not know.
    """
    if tactic.policy.largest_change == 1.0:
        return np.zeros((0, 0))
    found = np.zeros(tactic.limits.may_be_chosen.shape)
    if latest is None:
        return found
    table, arms = AllocationTable(latest), _arms(tactic, latest)
    for segment, segment_id in enumerate(tactic.rules.segment_ids):
        if segment_id in latest.segment_ids:
            place = latest.segment_ids.index(segment_id)
            row = table.row(place, _eligible(tactic, latest, segment, arms)).allocation
            found[segment, arms >= 0] = row[arms[arms >= 0]]
    sent = found.sum(axis=1, keepdims=True)
    return np.divide(found, sent, out=found, where=sent > 0.0)


def is_moving(tactic: Tactic, latest: Snapshot) -> bool:
    """Whether the shares of the latest snapshot are still on their way, so that the next would move them further."""
    if latest.largest_change == 1.0:
        return False
    table, arms = AllocationTable(latest), _arms(tactic, latest)
    at_once = AllocationTable(replace(latest, largest_change=1.0))
    for segment, segment_id in enumerate(tactic.rules.segment_ids):
        if segment_id in latest.segment_ids:
            place, eligible = latest.segment_ids.index(segment_id), _eligible(tactic, latest, segment, arms)
            now, goal = (one.row(place, eligible).drawn_from for one in (table, at_once))
            if np.abs(now - goal).max() > ARRIVED:
                return True
    return False


def _arms(tactic: Tactic, latest: Snapshot) -> NDArray[np.int64]:
    """Place of each of the tactic's variants in a snapshot, ``[A]``; -1 where it is not in it."""
    place = {key: arm for arm, key in enumerate(zip(latest.variant_ids, latest.content_hashes, strict=True))}
    keys = zip(tactic.variant_ids, tactic.content_hashes, strict=True)
    return np.array([place.get(key, -1) for key in keys], np.int64)


def _eligible(tactic: Tactic, latest: Snapshot, segment: int, arms: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of a snapshot's variants may be chosen in a segment of the tactic now."""
    eligible = np.zeros(len(latest.variant_ids), np.bool_)
    eligible[arms[arms >= 0]] = tactic.limits.may_be_chosen[segment, arms >= 0]
    return eligible
