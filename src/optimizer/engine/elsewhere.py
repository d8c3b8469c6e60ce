"""Elsewhere: what variants did in another campaign, or in a history, counts for less than a trial made here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import HOUR, Instant, bucket
from optimizer.domain.reasons import Group
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.gathering import evidence_of
from optimizer.engine.pricing import Cells
from optimizer.engine.tactic import Tactic
from optimizer.strategy.policy_settings import WarmStart


def evidence_elsewhere(tactic: Tactic, here: Evidence, others: Cells, now: Instant) -> Evidence:
    """What the tactic's warm start brings, discounted: it adds to what was seen here, and ages like it.

    What is told of a variant is shared equally by the segments, so that all together it weighs what it should, and
    counts as made just before the campaign began, too long ago to be waiting for rewards. What another campaign saw of
    a variant of the same id, whatever its words, goes to the segment of the same id, in the hours it was made in; a
    segment that campaign does not know has its share, one of as many as there are segments, of all of it.

    Args:
        tactic: the campaign.
        here: its own evidence; where it says not when it starts, it began with the first of it.
        others: statistics of the campaign its warm start names; nothing where it names none.
        now: the instant of learning.
    """
    n_segments, n_arms = len(tactic.rules.segment_ids), len(tactic.variants)
    warm = tactic.policy.warm_start
    nothing = Evidence.none(n_segments, n_arms, len(tactic.reward_rule.penalties))
    if warm is None:
        return nothing
    found = nothing + _told(tactic, warm, here, now) if warm.variants else nothing
    if warm.campaign is not None:
        found += _tried(tactic, others).scaled(warm.weight)
    return found


def _told(tactic: Tactic, warm: WarmStart, here: Evidence, now: Instant) -> Evidence:
    """What the documents tell of variants, in one bucket before the campaign's first."""
    n_segments = len(tactic.rules.segment_ids)
    sums = np.zeros((2, n_segments, len(tactic.variants), 1))
    for arm, variant_id in enumerate(tactic.variant_ids):
        if told := warm.variants.get(variant_id):
            sums[:, :, arm, 0] = np.array([[told.trials], [told.successes]]) * warm.weight / n_segments
    began = tactic.limits.starts_at
    if began is None:
        began = int(here.buckets[0]) if len(here.buckets) else now
    before = np.array([bucket(min(began, now) - tactic.reward_rule.window) - HOUR], np.int64)
    penalties = np.zeros((len(tactic.reward_rule.penalties), *sums.shape[1:]))
    return Evidence(before, sums[0], sums[1], sums[1], sums[1], penalties)


def _tried(tactic: Tactic, others: Cells) -> Evidence:
    """What another campaign saw of the variants it shares with the tactic, undiscounted."""
    hash_of = dict(zip(tactic.variant_ids, tactic.content_hashes, strict=True))
    shared: list[tuple[Cell, Sums]] = [
        (cell._replace(content_hash=hash_of[cell.variant_id]), sums)
        for cell, sums in others
        if cell.variant_id in hash_of and cell.group == Group.LEARNING
    ]
    known = {cell.segment_id for cell, _ in shared}
    foreign = [segment_id for segment_id in tactic.rules.segment_ids if segment_id not in known]
    anywhere = [(cell._replace(segment_id=segment_id), sums) for segment_id in foreign for cell, sums in shared]
    of_foreign = evidence_of(tactic, anywhere).scaled(1.0 / len(tactic.rules.segment_ids))
    found = evidence_of(tactic, shared) + of_foreign
    return replace(found, delays=np.zeros_like(found.delays))  # how late rewards come here is seen here
