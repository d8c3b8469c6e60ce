"""Which tactics serve which objectives, and what of the strategy nobody works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.insights.strategy_words import objective_words
from optimizer.strategy.documents import Campaign, Objective
from optimizer.strategy.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Served:
    """One objective and the campaigns that serve it.

    Attributes:
        counts: what counts as success, in words.
        campaigns: that serve it themselves.
        through: that serve something which only stands in for it.
    """

    objective: Objective
    counts: str
    campaigns: Sequence[Campaign]
    through: Sequence[Campaign]

    @property
    def is_served(self) -> bool:
        """Whether anybody works on it."""
        return bool(self.campaigns or self.through)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A campaign that serves an objective which only stands in for another.

    Attributes:
        served: the objective it serves.
        meant: the objective that one stands in for.
        because: why that will do, as its authors say.
    """

    campaign_id: str
    served: str
    meant: str
    because: str | None


def served_objectives(workspace: Workspace) -> tuple[Served, ...]:
    """Every objective in the order of the document, with the campaigns that serve it."""
    strategy = workspace.strategy
    stands_for = {objective.id: objective.proxy_for for objective in strategy.objectives}
    campaigns = workspace.campaigns.values()
    return tuple(
        Served(
            objective,
            objective_words(objective, strategy.currency),
            [campaign for campaign in campaigns if campaign.serves == objective.id],
            [campaign for campaign in campaigns if stands_for.get(campaign.serves) == objective.id],
        )
        for objective in strategy.objectives
    )


def proxies(workspace: Workspace) -> tuple[Proxy, ...]:
    """Campaigns that serve a proxy, in the order of the documents."""
    stands_for = {one.id: one.proxy_for for one in workspace.strategy.objectives if one.proxy_for is not None}
    return tuple(
        Proxy(campaign.campaign, campaign.serves, stands_for[campaign.serves], campaign.accept_proxy)
        for campaign in workspace.campaigns.values()
        if campaign.serves in stands_for
    )
