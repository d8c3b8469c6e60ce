"""From a policy of a scenario to who shares out the traffic of a rehearsal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.engine.allocations import FixedShares
from optimizer.scenarios.documents import PolicyEntry
from optimizer.scenarios.names import arms_of, segments_of, variants_of
from optimizer.simulation.rehearsing import Chooser
from optimizer.strategy.documents import Campaign
from optimizer.strategy.policy_settings import PolicySettings


def fixed_shares(
    policy: PolicyEntry, segment_ids: tuple[str, ...], variant_ids: tuple[str, ...]
) -> NDArray[np.float64] | None:
    """Shares of a policy that has them written down, ``[S, A]``; None for one that must be learned or read off a log.

    A message stands for its variants, in equal parts; a segment that is not named has an equal split.

    Raises:
        ValueError: it names a variant or segment that there is not.
    """
    shape = (len(segment_ids), len(variant_ids))
    equal = np.full(shape, 1.0 / len(variant_ids))
    if policy.uniform is not None:
        return equal
    if policy.always is not None:
        return np.tile(_row({policy.always: 1.0}, variant_ids), (shape[0], 1))
    if policy.shares is not None:
        return np.tile(_row(dict(policy.shares), variant_ids), (shape[0], 1))
    if policy.shares_by_segment is None:
        return None
    for segment, shares in policy.shares_by_segment.items():
        if segment not in segment_ids:
            raise ValueError(f"{policy.name}: found the segment {segment}; allowed {', '.join(segment_ids)}")
        equal[segment_ids.index(segment)] = _row(dict(shares), variant_ids)
    return equal


def chooser_of(policy: PolicyEntry, campaign: Campaign) -> tuple[Campaign, Chooser] | None:
    """The campaign with the policy's settings, and who shares out its traffic; None when a history is needed."""
    if policy.learning is not None:
        return with_policy(campaign, policy.learning), "learning"
    shares = fixed_shares(policy, segments_of(campaign), variants_of(campaign))
    return None if shares is None else (campaign, FixedShares(shares))


def with_policy(campaign: Campaign, settings: PolicySettings) -> Campaign:
    """The campaign with other settings of its policy, where some are named."""
    changes: dict[str, Any] = {key: getattr(settings, key) for key in settings.model_fields_set}
    said = {key: getattr(campaign.policy, key) for key in campaign.policy.model_fields_set}
    return campaign.model_copy(update={"policy": PolicySettings.model_construct(**{**said, **changes})})


def _row(shares: dict[str, float], variant_ids: tuple[str, ...]) -> NDArray[np.float64]:
    row = np.zeros(len(variant_ids))
    known = arms_of(variant_ids)
    for name, share in shares.items():
        if name not in known:
            raise ValueError(f"shares: found {name}; allowed {', '.join(variant_ids)}")
        row[list(known[name])] += share / len(known[name])
    return row / row.sum()
