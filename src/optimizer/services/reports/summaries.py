"""Summaries: what a campaign has done and learned so far, as numbers for screens, terminals and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import Instant
from optimizer.services.budgets import BudgetLine, budget_lines
from optimizer.services.documents.applying import awaiting_approval
from optimizer.services.live import Live, Loaded
from optimizer.services.oversight.states import Learning, State, learning_of, state_of
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class CampaignSummary:
    """One line about a campaign.

    Attributes:
        frozen_since: since when nothing is learned; None while something is.
        alarms: those nobody has answered: outcome kind, or what alarms about the learning, to sentence.
    """

    campaign_id: str
    serves: str
    why: str | None
    state: State
    learning: Learning
    frozen_since: Instant | None
    alarms: Mapping[str, str]
    variants: tuple[str, ...]
    awaiting_approval: tuple[str, ...]
    segments: tuple[str, ...]
    strategy_version: int
    snapshot_id: str
    budget: tuple[BudgetLine, ...]
    rollout_share: float


@dataclass(frozen=True, slots=True)
class SegmentAllocation:
    """How one segment's traffic is shared now.

    Attributes:
        p_best: by variant id, posterior probability of being the best of those that may be chosen.
        allocation: by variant id, probability of being drawn.
        withheld: probability of sending nothing, to keep scarce budget for contacts that are worth more.
    """

    segment_id: str
    p_best: dict[str, float]
    allocation: dict[str, float]
    withheld: float


def summarise(ledger: Ledger, live: Live, now: Instant) -> list[CampaignSummary]:
    """A line about every campaign in force."""
    loaded = live.at(ledger)
    return [_summary(ledger, loaded, campaign_id, now) for campaign_id in loaded.tactics]


def current_allocation(ledger: Ledger, live: Live, campaign_id: str) -> tuple[str, list[SegmentAllocation]]:
    """Id of the campaign's newest snapshot, and how each segment's traffic is shared under it.

    Raises:
        NotFound: no such campaign.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    table = loaded.tables[campaign_id]
    rows = []
    for segment, segment_id in enumerate(tactic.rules.segment_ids):
        row = table.row(segment, tactic.limits.may_be_chosen[segment])
        rows.append(
            SegmentAllocation(
                segment_id,
                dict(zip(tactic.variant_ids, row.p_best.tolist(), strict=True)),
                dict(zip(tactic.variant_ids, row.allocation.tolist(), strict=True)),
                row.withheld,
            )
        )
    return table.snapshot.snapshot_id, rows


def summary(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> CampaignSummary:
    """A line about one campaign.

    Raises:
        NotFound: no such campaign.
    """
    return _summary(ledger, live.at(ledger), campaign_id, now)


def _summary(ledger: Ledger, loaded: Loaded, campaign_id: str, now: Instant) -> CampaignSummary:
    tactic = loaded.tactic(campaign_id)
    budget = budget_lines(ledger, tactic, now)
    learning, frozen_since = learning_of(tactic, now)
    return CampaignSummary(
        campaign_id=tactic.campaign_id,
        serves=tactic.campaign.serves,
        why=tactic.campaign.why,
        state=state_of(tactic, now, exhausted=any(line.exhausted for line in budget)),
        learning=learning,
        frozen_since=frozen_since,
        alarms=dict(loaded.controls.get(tactic.campaign_id, UNTOUCHED).alerted),
        variants=tactic.variant_ids,
        awaiting_approval=tuple(variant_id for _, variant_id in awaiting_approval(tactic)),
        segments=tactic.rules.segment_ids,
        strategy_version=tactic.strategy_version,
        snapshot_id=loaded.tables[tactic.campaign_id].snapshot.snapshot_id,
        budget=budget,
        rollout_share=tactic.shares.rollout,
    )
