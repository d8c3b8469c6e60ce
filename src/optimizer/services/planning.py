"""Plan: what documents would change if they were applied now, and how long campaigns would need to learn under them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.domain.instants import DAY, Duration, Instant
from optimizer.domain.reasons import Group
from optimizer.domain.statistics import DECIDED, NOTHING, Cell, Sums, reward_metric
from optimizer.engine.tactic import Tactic
from optimizer.insights.learning_time import LearningTime, learning_time
from optimizer.services.applying import awaiting_approval
from optimizer.services.capacity import capacity_warnings
from optimizer.services.live import Live, tactics_of
from optimizer.storage.store import Ledger
from optimizer.strategy.audience import Attribute
from optimizer.strategy.changes import Change, campaigns_touched, changes
from optimizer.strategy.workspace import Workspace

HISTORY: Duration = 28 * DAY  # four whole weeks: every weekday counts the same
SAMPLED = 5_000  # decisions a campaign's new segments are tried on
ENOUGH_TRIALS = 100  # a segment with fewer is taken to succeed as often as its campaign


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What people expect where the ledger does not know.

    Attributes:
        decisions_per_day: of each campaign.
        rate: successes per trial.
    """

    decisions_per_day: float | None = None
    rate: float | None = None


NO_ASSUMPTIONS = Assumptions()


@dataclass(frozen=True, slots=True)
class SegmentOutlook:
    """Who is in one segment, and what it takes to see there that a variant succeeds a fifth more often than the rest.

    Attributes:
        n_variants: variants meant for the segment.
        share: of the campaign's decisions that fall into it; None when not known, as for the next three.
        decisions_per_day: decisions of the segment, holdouts included.
        rate: successes per trial.
        trials_per_variant: trials each variant needs.
        days: until there is an answer: to have the trials and then wait for the last outcomes.
        unknown: why `days` is not known; empty when it is.
        assumed: what is assumed, in words, rather than read from the ledger.
    """

    campaign_id: str
    segment_id: str
    n_variants: int
    share: float | None
    decisions_per_day: float | None
    rate: float | None
    trials_per_variant: int | None
    days: float | None
    unknown: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What `apply` would do.

    Attributes:
        live_version: version in force; 0 when there is none.
        is_new_version: whether the documents say anything else than those in force, even if it means the same.
        changes: everything that would become different.
        touched: campaigns that would work differently.
        awaiting: ``(campaign id, variant id)`` of what would not be served until someone approves it.
        lapsing: those of them that are approved now.
        outlook: who campaigns reach and how long they learn, by campaign and segment.
        warnings: what to think about before applying.
    """

    live_version: int
    is_new_version: bool
    changes: tuple[Change, ...]
    touched: tuple[str, ...]
    awaiting: tuple[tuple[str, str], ...]
    lapsing: tuple[tuple[str, str], ...]
    outlook: tuple[SegmentOutlook, ...]
    warnings: tuple[str, ...]


def plan(
    ledger: Ledger, live: Live, workspace: Workspace, now: Instant, assumptions: Assumptions = NO_ASSUMPTIONS
) -> Plan:
    """What would change if checked documents were applied now. Nothing is written."""
    loaded = live.at(ledger)
    compiled = tactics_of(workspace, loaded.version + 1, ledger.approvals.granted(), loaded.controls)
    tactics = list(compiled.values())
    found = changes(loaded.workspace, workspace)
    awaiting = tuple(pair for tactic in tactics for pair in awaiting_approval(tactic))
    approved_now = {
        (tactic.campaign_id, variant_id) for tactic in loaded.tactics.values() for variant_id in tactic.variant_ids
    } - {pair for tactic in loaded.tactics.values() for pair in awaiting_approval(tactic)}
    return Plan(
        live_version=loaded.version,
        is_new_version=loaded.workspace is None or loaded.workspace.digest != workspace.digest,
        changes=found,
        touched=campaigns_touched(found),
        awaiting=awaiting,
        lapsing=tuple(pair for pair in awaiting if pair in approved_now),
        outlook=tuple(row for tactic in tactics for row in _outlook(ledger, tactic, loaded.declared, now, assumptions)),
        warnings=capacity_warnings(ledger, workspace, awaiting, now),
    )


def _outlook(
    ledger: Ledger,
    tactic: Tactic,
    declared: Mapping[str, Attribute],
    now: Instant,
    assumptions: Assumptions,
) -> list[SegmentOutlook]:
    cells = list(ledger.statistics.of_campaign(tactic.campaign_id))
    shares = _shares(ledger, tactic, declared, now)
    traffic = _decisions_per_day(cells, now)
    said = []
    if traffic is None and assumptions.decisions_per_day is not None:
        traffic = assumptions.decisions_per_day
        said.append(f"{traffic:g} decisions a day")
    if shares is None and traffic is not None:
        n = len(tactic.rules.segment_ids)
        shares = [1.0 / max(n, 1)] * n
        said += ["segments of the same size"] if n > 1 else []
    return [
        _row(tactic, segment, None if shares is None else shares[segment], traffic, cells, now, assumptions, said)
        for segment in range(len(tactic.rules.segment_ids))
    ]


def _row(
    tactic: Tactic,
    segment: int,
    share: float | None,
    traffic: float | None,
    cells: Sequence[tuple[Cell, Sums]],
    now: Instant,
    assumptions: Assumptions,
    said: Sequence[str],
) -> SegmentOutlook:
    segment_id = tactic.rules.segment_ids[segment]
    n_variants = int(tactic.limits.for_segment[segment].sum())
    daily = None if share is None or traffic is None else share * traffic
    rate = _rate(tactic, segment_id, cells, now)
    if rate is None and assumptions.rate is not None:
        rate = assumptions.rate
        said = [*said, f"{100 * rate:g} % succeed"]
    shares = tactic.shares
    learning_share = (1.0 - shares.strategy_holdout) * (1.0 - shares.campaign_holdout) * shares.rollout
    takes: LearningTime = learning_time(n_variants, rate, daily, learning_share=learning_share)
    return SegmentOutlook(
        campaign_id=tactic.campaign_id,
        segment_id=segment_id,
        n_variants=n_variants,
        share=share,
        decisions_per_day=daily,
        rate=rate,
        trials_per_variant=takes.trials_per_arm,
        days=None if takes.days is None else takes.days + tactic.reward_rule.window / DAY,
        unknown=takes.unknown,
        assumed=tuple(said),
    )


def _decisions_per_day(cells: Iterable[tuple[Cell, Sums]], now: Instant) -> float | None:
    """Decisions of a campaign a day, over the last four weeks or since its first decision in them."""
    made = [(c.bucket, sums.n) for c, sums in cells if c.metric == DECIDED and now - HISTORY <= c.bucket <= now]
    n = sum(count for _, count in made)
    if not n:
        return None
    return n * DAY / max(now - min(at for at, _ in made), DAY)


def _rate(tactic: Tactic, segment_id: str, cells: Sequence[tuple[Cell, Sums]], now: Instant) -> float | None:
    """Successes per trial of what the campaign serves, over four weeks of trials whose outcomes have come in."""
    last = now - tactic.reward_rule.window
    metric = reward_metric(tactic.reward_rule.objective_id)
    mature = [
        (cell, sums)
        for cell, sums in cells
        if cell.metric == metric
        and cell.group == Group.LEARNING
        and cell.variant_id != NOTHING
        and last - HISTORY <= cell.bucket < last
    ]
    for some in ([s for cell, s in mature if cell.segment_id == segment_id], [s for _, s in mature]):
        trials, positives = sum(s.n for s in some), sum(s.positives for s in some)
        if trials >= ENOUGH_TRIALS and positives:
            return positives / trials
    return None


def _shares(ledger: Ledger, tactic: Tactic, declared: Mapping[str, Attribute], now: Instant) -> list[float] | None:
    """Share of the campaign's decisions in each new segment, by the attributes of recent ones; None if not known."""
    if any(name not in declared for name in tactic.rules.attribute_names):
        return None  # what is not declared yet was never stored
    recent = ledger.decisions.recent(tactic.campaign_id, now - HISTORY, SAMPLED)
    if not recent:
        return None
    rows = [decision.attributes for decision in recent]
    found = tactic.rules.of_many(tactic.rules.columns_of(rows), len(rows))
    counts = np.bincount(found[found >= 0], minlength=len(tactic.rules.segment_ids))
    return [float(share) for share in counts / len(rows)]
