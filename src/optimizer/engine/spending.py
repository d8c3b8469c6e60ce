"""What decisions cost: the most when they are made, what is due when outcomes come, nothing more once they matured."""

from __future__ import annotations

from collections.abc import Mapping

from optimizer.domain.commitment import Commitment
from optimizer.domain.meters import Reading
from optimizer.engine.assessment import EXPOSURE_KINDS, Assessment
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.limits import Channel
from optimizer.strategy.money import DECISION
from optimizer.strategy.variants import Variant

Costs = Mapping[str, int]
"""Micro-units due, once per decision, by the event that makes them due; `DECISION` is due at once."""

_AT_ONCE = frozenset({DECISION})


def costs_of(strategy: Strategy, campaign: Campaign, variant: Variant) -> Costs:
    """What a variant costs: its channel's price and its message's own."""
    channel = strategy.channels.get(campaign.channel, Channel())
    costs: dict[str, int] = {}
    for cost in (channel.cost, variant.message.cost):
        if cost is not None:
            costs[cost.event] = costs.get(cost.event, 0) + cost.money.amount
    return costs


def due(costs: Costs, assessment: Assessment) -> int:
    """Micro-units due so far, given what was reported within the attribution window."""
    if assessment.withdrawn:
        return 0
    return sum(
        amount
        for event, amount in costs.items()
        if event == DECISION or not kinds_that_show(event).isdisjoint(assessment.counted)
    )


def kinds_that_show(event: str) -> frozenset[str]:
    """Outcome kinds any of which shows that an event happened.

    Providers lose "delivered" more often than clicks, and who clicked had it delivered.
    """
    return EXPOSURE_KINDS.get(event, frozenset()) or frozenset({event})


def may_settle(costs: Costs, before: Assessment, after: Assessment) -> bool:
    """Whether a commitment may be another one once its decision amounts to something else.

    While it is open it says what was due, and until when, by what the decision amounted to before.
    """
    if after.withdrawn:
        return True
    if costs.keys() <= _AT_ONCE:
        return False
    return before.closes_at != after.closes_at or due(costs, before) != due(costs, after)


def settled(commitment: Commitment, costs: Costs, assessment: Assessment) -> Commitment:
    """A commitment after everything reported so far.

    While it is open, money only moves between reserved and settled: together they stay `most`. A withdrawal gives
    everything back, for good.
    """
    if assessment.withdrawn:
        return commitment._replace(settled=0, open=False, withdrawn=True)
    if not commitment.open:
        return commitment
    due_now = min(due(costs, assessment), commitment.most)
    return commitment._replace(settled=due_now, closes_at=assessment.closes_at)


def released(commitment: Commitment) -> Commitment:
    """A commitment whose time is over: what did not become due is free again."""
    return commitment._replace(open=False)


def used(commitment: Commitment) -> Reading:
    """What a commitment takes up on every meter it counts on."""
    return Reading(commitment.reserved, commitment.settled, 0 if commitment.withdrawn else 1)
