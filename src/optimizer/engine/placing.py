"""Places: where recipients stand for holdouts and rollouts, hashed for the campaigns that ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.engine.tactic import Tactic
from optimizer.guardrails.groups import Places
from optimizer.policy.draw import Framed, unit_hashes


def places_of(secret: bytes, tactics: Sequence[Tactic], persons: Sequence[str] | Framed) -> Places:
    """Where persons stand, each for the campaign that is asked about; 0 where none of these asks for such a place."""
    different = dict(zip(map(id, tactics), tactics, strict=True)).values()
    shares, campaigns = [tactic.shares for tactic in different], [tactic.campaign_id for tactic in different]
    names = campaigns * len(persons) if len(campaigns) == 1 else [tactic.campaign_id for tactic in tactics]
    nowhere = np.zeros(len(persons))
    framed = persons if isinstance(persons, Framed) else Framed.of(persons)
    held_out, reached = any(s.campaign_holdout > 0.0 for s in shares), all(s.rollout >= 1.0 for s in shares)
    return Places(
        unit_hashes(secret, "strategy-holdout", framed) if any(s.strategy_holdout > 0.0 for s in shares) else nowhere,
        unit_hashes(secret, "campaign-holdout", names, framed) if held_out else nowhere,
        nowhere if reached else unit_hashes(secret, "rollout", names, framed),
    )
