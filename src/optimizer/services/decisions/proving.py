"""Prove: a past decision comes out the same again, from its snapshot, its request and the secret alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.domain.decision import Decision
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.recomputing import recompute
from optimizer.guardrails.groups import Places
from optimizer.policy.draw import decision_hash, unit_hash
from optimizer.services.live import Live
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class Chances:
    """Everything about a request that is left to chance: hashes of what it names, so they never change.

    Attributes:
        decision_id: identity of the decision.
        u: in [0, 1), where the draw falls.
        strategy, campaign, rollout: in [0, 1), where the recipient stands for the holdouts and the rollout.
    """

    decision_id: str
    u: float
    strategy: float
    campaign: float
    rollout: float

    @staticmethod
    def places(some: Sequence[Chances]) -> Places:
        """Where the recipients of some requests stand."""
        return Places(*(np.array([getattr(one, name) for one in some]) for name in ("strategy", "campaign", "rollout")))


def chances(secret: bytes, campaign_id: str, recipient_key: str, request_id: str) -> Chances:
    """The chances of one request."""
    decision_id, u = decision_hash(secret, campaign_id, recipient_key, request_id)
    return Chances(
        decision_id,
        u,
        strategy=unit_hash(secret, "strategy-holdout", recipient_key),
        campaign=unit_hash(secret, "campaign-holdout", campaign_id, recipient_key),
        rollout=unit_hash(secret, "rollout", campaign_id, recipient_key),
    )


def table_of(ledger: Ledger, snapshot_id: str | None) -> AllocationTable | None:
    """Allocation rows of a snapshot; None when there is no such snapshot, or none is named."""
    snapshot = None if snapshot_id is None else ledger.snapshots.get(snapshot_id)
    return None if snapshot is None else AllocationTable(snapshot)


def comes_out_the_same(
    ledger: Ledger, live: Live, decision: Decision, person: str, table: AllocationTable | None
) -> bool:
    """Whether id, segment, group, variant and propensity are computed again, bit for bit.

    Args:
        ledger: gives the documents the decision was made under.
        live: gives the secret.
        decision: the decision as the ledger has it.
        person: whom it is stored to be about, see `services.pseudonyms`.
        table: see `table_of`; decisions of one snapshot may share it.
    """
    if table is None and decision.snapshot_id is not None:
        return False
    chance = chances(live.secret, decision.campaign_id, person, decision.request_id)
    tactic = live.edition(ledger, decision.strategy_version)[decision.campaign_id]
    again = recompute(tactic, table, decision, chance.u, Chances.places([chance]))
    recorded = (decision.segment_id, decision.group, decision.variant_id, decision.propensity)
    return chance.decision_id == decision.decision_id and again == recorded
