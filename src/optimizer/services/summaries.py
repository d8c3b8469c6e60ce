"""Summaries: what a campaign has done and learned so far, as numbers for screens, terminals and machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from optimizer.domain.controls import Status
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import HOLDOUTS, Block, Group
from optimizer.domain.statistics import DECIDED, NOTHING, WITHHELD, ZERO, Cell, Sums, reward_metric
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.tactic import Tactic
from optimizer.errors import Conflict
from optimizer.guardrails.budget import Affordable
from optimizer.guardrails.eligibility import blocked, blocks, ordinary
from optimizer.policy.beta_bernoulli import BetaPosterior
from optimizer.services.budgets import BudgetLine, budget_lines
from optimizer.services.live import Live, Loaded
from optimizer.storage.store import Ledger


class State(StrEnum):
    """What a campaign is doing."""

    STOPPED = "stopped"
    PAUSED = "paused"
    REVIEW_OVERDUE = "review_overdue"  # and the strategy stops campaigns that nobody reviews
    AWAITING_APPROVAL = "awaiting_approval"  # no variant is approved, so nothing is served
    SCHEDULED = "scheduled"
    BUDGET_EXHAUSTED = "budget_exhausted"  # no variant fits into what is left
    LIVE = "live"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CampaignSummary:
    """One line about a campaign."""

    campaign_id: str
    serves: str
    why: str | None
    state: State
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


@dataclass(frozen=True, slots=True)
class Rate:
    """Successes among trials: the observed rate and its 95 % credible interval under a uniform prior."""

    trials: int
    positives: int
    rate: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class VariantReport:
    """One variant in one segment, learning group only.

    Attributes:
        removed_by: the rule that keeps it from being chosen now; None if it can be.
        p_best: among the variants that are approved and meant for the segment, likewise `allocation`.
    """

    variant_id: str
    removed_by: Block | None
    decisions: int
    rate: Rate
    mean_reward: float | None
    p_best: float
    allocation: float


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """One segment.

    Attributes:
        withheld: share of the decisions that send nothing, to keep scarce budget for others.
        learning: all variants of the learning group together.
        holdout: recipients kept on control, both holdouts together.
    """

    segment_id: str
    variants: tuple[VariantReport, ...]
    withheld: float
    learning: Rate
    holdout: Rate


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """What a campaign did and learned, all figures as of `as_of`."""

    campaign: CampaignSummary
    as_of: Instant
    objective: str
    objective_why: str | None
    reward_outcome: str
    segments: tuple[SegmentReport, ...]
    outcomes: dict[str, int]


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


def report(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> CampaignReport:
    """What a campaign did and learned so far.

    Raises:
        NotFound: no such campaign.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    if loaded.workspace is None:
        raise Conflict("no strategy is in force; run `optimizer apply` first")
    objective = next(o for o in loaded.workspace.strategy.objectives if o.id == tactic.campaign.serves)
    cells = list(ledger.statistics.of_campaign(campaign_id))
    outcomes: dict[str, int] = {}
    for cell, sums in cells:
        kind = cell.metric.removeprefix("outcome:")
        if kind != cell.metric and sums.n:
            outcomes[kind] = outcomes.get(kind, 0) + sums.n
    return CampaignReport(
        campaign=_summary(ledger, loaded, campaign_id, now),
        as_of=now,
        objective=objective.id,
        objective_why=objective.why,
        reward_outcome=objective.reward.outcome,
        segments=tuple(
            _segment_report(tactic, loaded.tables[campaign_id], segment, cells, now)
            for segment in range(len(tactic.rules.segment_ids))
        ),
        outcomes=dict(sorted(outcomes.items())),
    )


def summary(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> CampaignSummary:
    """A line about one campaign.

    Raises:
        NotFound: no such campaign.
    """
    return _summary(ledger, live.at(ledger), campaign_id, now)


def _summary(ledger: Ledger, loaded: Loaded, campaign_id: str, now: Instant) -> CampaignSummary:
    tactic = loaded.tactic(campaign_id)
    budget = budget_lines(ledger, tactic, now)
    approved = tactic.limits.approved
    return CampaignSummary(
        campaign_id=tactic.campaign_id,
        serves=tactic.campaign.serves,
        why=tactic.campaign.why,
        state=_state(tactic, budget, now),
        variants=tactic.variant_ids,
        awaiting_approval=tuple(v for v, yes in zip(tactic.variant_ids, approved, strict=True) if not yes),
        segments=tactic.rules.segment_ids,
        strategy_version=tactic.strategy_version,
        snapshot_id=loaded.tables[tactic.campaign_id].snapshot.snapshot_id,
        budget=budget,
        rollout_share=tactic.shares.rollout,
    )


def _state(tactic: Tactic, budget: Sequence[BudgetLine], now: Instant) -> State:
    limits = tactic.limits
    if limits.status is not Status.RUNNING:
        return State.STOPPED if limits.status is Status.STOPPED else State.PAUSED
    if limits.ends_at is not None and now >= limits.ends_at:
        return State.ENDED
    if not limits.approved.any():
        return State.AWAITING_APPROVAL
    if limits.starts_at is not None and now < limits.starts_at:
        return State.SCHEDULED
    if limits.review_due_at is not None and now >= limits.review_due_at:
        return State.REVIEW_OVERDUE
    return State.BUDGET_EXHAUSTED if any(line.exhausted for line in budget) else State.LIVE


def _segment_report(
    tactic: Tactic, table: AllocationTable, segment: int, cells: list[tuple[Cell, Sums]], now: Instant
) -> SegmentReport:
    segment_id = tactic.rules.segment_ids[segment]
    reward = reward_metric(tactic.reward_rule.objective_id)
    here = [(cell, sums) for cell, sums in cells if cell.segment_id == segment_id]
    learning = [(cell, sums) for cell, sums in here if cell.group == Group.LEARNING]
    row = table.row(segment, tactic.limits.may_be_chosen[segment])
    n_arms = len(tactic.variants)
    enough = Affordable(sends=True, money=np.ones(n_arms, bool))
    here_and_now = ordinary(np.array([segment]), n_arms, tactic.zone, enough)
    removed = blocked(blocks(tactic.limits, here_and_now, now)[0], tactic.variant_ids)
    variants = []
    for arm, variant in enumerate(tactic.variants):
        mine = [
            (cell, sums)
            for cell, sums in learning
            if (cell.variant_id, cell.content_hash) == (variant.variant_id, variant.content_hash)
        ]
        earned = _total(mine, reward)
        variants.append(
            VariantReport(
                variant_id=variant.variant_id,
                removed_by=removed.get(variant.variant_id),
                decisions=_total(mine, DECIDED).n,
                rate=_rate(earned),
                mean_reward=earned.total / earned.n / 1e6 if earned.n else None,
                p_best=float(row.p_best[arm]),
                allocation=float(row.allocation[arm]),
            )
        )
    holdout = [(cell, sums) for cell, sums in here if cell.group in HOLDOUTS]
    chosen = [(cell, sums) for cell, sums in learning if cell.variant_id not in {NOTHING, WITHHELD}]
    rates = (_rate(_total(cells_of, reward)) for cells_of in (chosen, holdout))
    return SegmentReport(segment_id, tuple(variants), row.withheld, *rates)


def _total(cells: Iterable[tuple[Cell, Sums]], metric: str) -> Sums:
    total = ZERO
    for cell, sums in cells:
        if cell.metric == metric:
            total = total.plus(sums)
    return total


def _rate(sums: Sums) -> Rate:
    posterior = BetaPosterior(np.array([[1.0 + sums.positives]]), np.array([[1.0 + sums.n - sums.positives]]))
    low, high = posterior.interval()
    rate = sums.positives / sums.n if sums.n else None
    return Rate(sums.n, sums.positives, rate, float(low[0, 0]), float(high[0, 0]))
