"""Learning is a fold: statistics become evidence, evidence becomes a snapshot."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import Group
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import Cell, Sums, reward_metric
from optimizer.engine.tactic import Tactic
from optimizer.policy.beta_bernoulli import beta_posterior

# A posterior that moved by less than one part in ten thousand would not change any allocation one could see.
IMMATERIAL = 1e-4


def evidence_of(tactic: Tactic, cells: Iterable[tuple[Cell, Sums]]) -> Evidence:
    """The learning group's evidence about the tactic's current variants and segments.

    Cells of holdouts, of other objectives, of variants whose words have changed since and of segments that no longer
    exist are left out: they say nothing about what can be chosen now.
    """
    segment_of = {segment_id: s for s, segment_id in enumerate(tactic.rules.segment_ids)}
    arm_of = {(v.variant_id, v.content_hash): arm for arm, v in enumerate(tactic.variants)}
    metric = reward_metric(tactic.reward_rule.objective_id)
    found = [
        (segment_of[cell.segment_id], arm_of[cell.variant_id, cell.content_hash], cell.bucket, sums)
        for cell, sums in cells
        if cell.metric == metric
        and cell.group == Group.LEARNING
        and cell.segment_id in segment_of
        and (cell.variant_id, cell.content_hash) in arm_of
    ]
    shape = (len(segment_of), len(arm_of))
    buckets, places = np.unique([b for _, _, b, _ in found], return_inverse=True)
    arrays = np.zeros((4, *shape, len(buckets)))
    for (segment, arm, _, sums), place in zip(found, places, strict=True):
        arrays[:, segment, arm, place] += (sums.n, sums.positives, sums.total / MICRO, sums.squares / MICRO)
    return Evidence(buckets.astype(np.int64), *arrays)


def learn(tactic: Tactic, evidence: Evidence, number: int, now: Instant) -> Snapshot:
    """The snapshot with this number: what the policy believes about the evidence at `now`."""
    policy = tactic.policy
    posterior = beta_posterior(evidence, now, policy.half_life, policy.prior_successes, policy.prior_failures)
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
    )


def differs(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots of a campaign would choose differently in a way worth keeping."""
    if one.config_hash != other.config_hash or one.strategy_version != other.strategy_version:
        return True
    close = np.allclose(one.alpha, other.alpha, rtol=IMMATERIAL, atol=0.0)
    return not (close and np.allclose(one.beta, other.beta, rtol=IMMATERIAL, atol=0.0))
