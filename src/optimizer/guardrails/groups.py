"""Holdouts: stable parts of the audience that are kept on control and never learned from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.reasons import Group

GROUPS: tuple[Group, ...] = tuple(Group)
LEARNING = GROUPS.index(Group.LEARNING)


@dataclass(frozen=True, slots=True)
class HoldoutShares:
    """Share of the recipients held out by the strategy (the same ones in all campaigns) and by the campaign."""

    strategy: float
    campaign: float


def groups(
    shares: HoldoutShares, strategy_hash: NDArray[np.float64], campaign_hash: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Index into `GROUPS` of each contact.

    Args:
        shares: the two shares.
        strategy_hash: ``[N]`` in [0, 1), a hash of the recipient alone.
        campaign_hash: ``[N]`` in [0, 1), a hash of campaign and recipient, independent of the first.
    """
    inside_campaign_holdout = np.where(campaign_hash < shares.campaign, GROUPS.index(Group.CAMPAIGN_HOLDOUT), LEARNING)
    return np.where(strategy_hash < shares.strategy, GROUPS.index(Group.STRATEGY_HOLDOUT), inside_campaign_holdout)
