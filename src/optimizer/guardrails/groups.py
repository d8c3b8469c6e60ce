"""Groups: stable parts of the audience; only one of them is learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.reasons import Group
from optimizer.guardrails.rollout import in_rollout

GROUPS: tuple[Group, ...] = tuple(Group)
LEARNING = GROUPS.index(Group.LEARNING)
_OUTSIDE_ROLLOUT, _CAMPAIGN_HOLDOUT, _STRATEGY_HOLDOUT = map(
    GROUPS.index, (Group.OUTSIDE_ROLLOUT, Group.CAMPAIGN_HOLDOUT, Group.STRATEGY_HOLDOUT)
)


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


@dataclass(slots=True, eq=False)  # as `engine.choosing.Contacts`, of which they are a part
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

    def part(self, start: int, end: int) -> Places:
        """Those from `start` up to, and without, `end`."""
        return Places(self.strategy[start:end], self.campaign[start:end], self.rollout[start:end])


def groups(shares: Shares, places: Places) -> NDArray[np.int64]:
    """Index into `GROUPS` of each contact, ``[N]``: holdouts first, then those the rollout has not reached."""
    found = np.full(len(places.strategy), LEARNING)
    if shares.rollout < 1.0:
        found[~in_rollout(shares.rollout, places.rollout)] = _OUTSIDE_ROLLOUT
    if shares.campaign_holdout > 0.0:
        found[places.campaign < shares.campaign_holdout] = _CAMPAIGN_HOLDOUT
    if shares.strategy_holdout > 0.0:
        found[places.strategy < shares.strategy_holdout] = _STRATEGY_HOLDOUT
    return found


def group_of(shares: Shares, strategy: float, campaign: float, rollout: float) -> int:
    """The same of one recipient: for a few, of many campaigns, arrays would take longer."""
    if strategy < shares.strategy_holdout:
        return _STRATEGY_HOLDOUT
    if campaign < shares.campaign_holdout:
        return _CAMPAIGN_HOLDOUT
    return LEARNING if rollout < shares.rollout else _OUTSIDE_ROLLOUT
