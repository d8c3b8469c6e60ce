"""Learning is a fold: statistics become evidence, evidence becomes a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.domain.meters import UNUSED, MeterKey, Reading
from optimizer.domain.micros import MICRO, units
from optimizer.domain.reasons import Group
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums, penalty_metric, reward_metric
from optimizer.engine.pricing import UNPRICED, Cells, Pricing, pace_differs, paced_budget, pricing
from optimizer.engine.tactic import Tactic
from optimizer.policy.beta_bernoulli import BetaPosterior, beta_posterior

# A posterior that moved by less than one part in ten thousand would not change any allocation one could see.
IMMATERIAL = 1e-4


def evidence_of(tactic: Tactic, cells: Iterable[tuple[Cell, Sums]]) -> Evidence:
    """The learning group's evidence about the tactic's current variants and segments.

    Cells of holdouts, of other objectives, of variants whose words have changed since and of segments that no longer
    exist are left out: they say nothing about what can be chosen now.
    """
    segment_of = {segment_id: s for s, segment_id in enumerate(tactic.rules.segment_ids)}
    arm_of = {(v.variant_id, v.content_hash): arm for arm, v in enumerate(tactic.variants)}
    rule = tactic.reward_rule
    metrics = [penalty_metric(rule.objective_id, kind) for kind, _ in rule.penalties]
    row_of = {reward_metric(rule.objective_id): 0} | {metric: row for row, metric in enumerate(metrics, start=4)}
    found = [
        (row_of[cell.metric], segment_of[cell.segment_id], arm_of[cell.variant_id, cell.content_hash], cell, sums)
        for cell, sums in cells
        if cell.metric in row_of
        and cell.group == Group.LEARNING
        and cell.segment_id in segment_of
        and (cell.variant_id, cell.content_hash) in arm_of
    ]
    buckets, places = np.unique([cell.bucket for *_, cell, _ in found], return_inverse=True)
    arrays = np.zeros((4 + len(metrics), len(segment_of), len(arm_of), len(buckets)))
    for (row, segment, arm, _, sums), place in zip(found, places, strict=True):
        if row == 0:
            arrays[:4, segment, arm, place] += (sums.n, sums.positives, sums.total / MICRO, sums.squares / MICRO)
        else:
            arrays[row, segment, arm, place] += sums.n
    trials, positives, rewards, squares = arrays[:4]
    return Evidence(buckets.astype(np.int64), trials, positives, rewards, squares, arrays[4:])


def is_frozen(tactic: Tactic, latest: Snapshot | None, now: Instant) -> bool:
    """Whether the allocation stays as it is because a review is overdue."""
    overdue = tactic.frozen_when_overdue and tactic.review_due_at is not None and now >= tactic.review_due_at
    return overdue and latest is not None and latest.strategy_version == tactic.strategy_version


def next_snapshot(
    tactic: Tactic,
    evidence: Evidence,
    cells: Cells,
    readings: Mapping[MeterKey, Reading],
    latest: Snapshot | None,
    now: Instant,
) -> Snapshot:
    """The campaign's newest snapshot after learning: the latest itself where that would change nothing.

    Args:
        tactic: the campaign.
        evidence: what its statistics say about its variants, see `evidence_of`.
        cells: those statistics, for the price of a budget that is paced.
        readings: what is in use of that budget; absent means nothing.
        latest: its newest snapshot so far; None when it has none.
        now: the instant of learning.
    """
    if latest is not None and is_frozen(tactic, latest, now):
        return latest
    number = 1 if latest is None else latest.number + 1
    paced = paced_budget(tactic, now)
    price = UNPRICED
    if paced is not None:
        reading = readings.get(paced.key, UNUSED)
        price = pricing(tactic, paced, posterior_of(tactic, evidence, now), cells, reading, latest, now)
    snapshot = learn(tactic, evidence, number, now, price)
    return snapshot if latest is None or differs(latest, snapshot) else latest


def learn(tactic: Tactic, evidence: Evidence, number: int, now: Instant, pricing: Pricing = UNPRICED) -> Snapshot:
    """The snapshot with this number: what the policy believes about the evidence at `now`."""
    posterior = posterior_of(tactic, evidence, now)
    policy = tactic.policy
    return Snapshot(
        campaign_id=tactic.campaign_id,
        number=number,
        created_at=now,
        strategy_version=tactic.strategy_version,
        config_hash=tactic.config_hash,
        segment_ids=tactic.rules.segment_ids,
        variant_ids=tactic.variant_ids,
        content_hashes=tactic.content_hashes,
        alpha=posterior.alpha,
        beta=posterior.beta,
        trials=evidence.trials.sum(axis=-1),
        floor=policy.floor,
        cap=policy.cap,
        penalty=posterior.penalty,
        price=pricing.price,
        costs=np.broadcast_to(pricing.costs, posterior.alpha.shape).copy(),
        pace=pricing.pace,
    )


def posterior_of(tactic: Tactic, evidence: Evidence, now: Instant) -> BetaPosterior:
    """What the tactic's policy believes about its evidence."""
    policy = tactic.policy
    penalties = [units(penalty) for _, penalty in tactic.reward_rule.penalties]
    prior = (policy.prior_successes, policy.prior_failures)
    return beta_posterior(evidence, now, policy.half_life, *prior, penalties)


def differs(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots of a campaign would choose differently in a way worth keeping."""
    if pace_differs(one, other):
        return True
    if one.config_hash != other.config_hash or one.strategy_version != other.strategy_version:
        return True
    close = np.allclose(one.alpha, other.alpha, rtol=IMMATERIAL, atol=0.0)
    return not (close and np.allclose(one.beta, other.beta, rtol=IMMATERIAL, atol=0.0))
