"""Groups: stable parts of the audience; only one of them is learned from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.reasons import Group
from optimizer.guardrails.rollout import in_rollout

GROUPS: tuple[Group, ...] = tuple(Group)
LEARNING = GROUPS.index(Group.LEARNING)


@dataclass(frozen=True, slots=True)
class Shares:
    """How the audience is parted.

    Attributes:
        strategy_holdout: share of the recipients held out by the strategy, the same ones in all campaigns.
        campaign_holdout: share held out by the campaign.
        rollout: share of the recipients the rollout has reached.
    """

    strategy_holdout: float
    campaign_holdout: float
    rollout: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where ``N`` recipients stand, each number a hash in [0, 1), independent of the others.

    Attributes:
        strategy: ``[N]``, of the recipient alone.
        campaign: ``[N]``, of campaign and recipient.
        rollout: ``[N]``, of campaign and recipient, for the rollout.
    """

    strategy: NDArray[np.float64]
    campaign: NDArray[np.float64]
    rollout: NDArray[np.float64]


def groups(shares: Shares, places: Places) -> NDArray[np.int64]:
    """Index into `GROUPS` of each contact, ``[N]``: holdouts first, then those the rollout has not reached."""
    found = np.where(in_rollout(shares.rollout, places.rollout), LEARNING, GROUPS.index(Group.OUTSIDE_ROLLOUT))
    found = np.where(places.campaign < shares.campaign_holdout, GROUPS.index(Group.CAMPAIGN_HOLDOUT), found)
    return np.where(places.strategy < shares.strategy_holdout, GROUPS.index(Group.STRATEGY_HOLDOUT), found)
