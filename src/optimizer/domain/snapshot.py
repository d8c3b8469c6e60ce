"""A snapshot: one frozen result of a policy, versioned, from which any of its decisions can be recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.belief import Belief
from optimizer.domain.instants import Instant


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """What the policy believed at one moment, and the bounds it acts within.

    Attributes:
        number: 1, 2, 3 … within the campaign.
        strategy_version: version of the documents it was made under.
        config_hash: hash of the policy settings, variants and segments it depends on.
        segment_ids: ``[S]``.
        variant_ids: ``[A]``.
        content_hashes: ``[A]``.
        belief: what the model makes of the evidence; posteriors are computed from it.
        trials: exposed decisions of the campaign it rests on, ``[S, A]``.
        floor, cap, top_two, minimum_trials, largest_change: bounds on every allocation; see `policy.exploration`.
        price: what a unit of the budget costs in reward; None where no budget is paced.
        costs: ``[S, A]``, expected cost of each variant, in units of currency or in sends, as the budget counts.
        pace: how the price came about, as the policy keeps it from one snapshot to the next; None without a price.
        elsewhere: ``[S, A]``, trials made elsewhere that it rests on too, as many as they count for; empty where none.
        before: ``[S, A]``, shares of what was sent in force until this snapshot, which no share moves far from; zeros
            where there were none, and empty where nothing limits how far shares move.
    """

    campaign_id: str
    number: int
    created_at: Instant
    strategy_version: int
    config_hash: str
    segment_ids: tuple[str, ...]
    variant_ids: tuple[str, ...]
    content_hashes: tuple[str, ...]
    belief: Belief
    trials: NDArray[np.float64]
    floor: float
    cap: float
    price: float | None = None
    costs: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    pace: Mapping[str, Any] | None = None
    top_two: float = 1.0
    minimum_trials: int = 0
    largest_change: float = 1.0
    before: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    elsewhere: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def snapshot_id(self) -> str:
        """Id people and answers use: ``winback:12``."""
        return snapshot_id(self.campaign_id, self.number)


def snapshot_id(campaign_id: str, number: int) -> str:
    """Id of the snapshot with this number: ``winback:12``."""
    return f"{campaign_id}:{number}"
