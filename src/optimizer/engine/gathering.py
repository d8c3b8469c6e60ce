"""Gathering: the statistics of a campaign become evidence about what can be chosen now."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, product
from math import prod

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.delays import N_DELAYS
from optimizer.domain.evidence import Evidence
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import Group
from optimizer.domain.statistics import Cell, Sums, amount_metric, delay_metric, penalty_metric, reward_metric
from optimizer.engine.tactic import Tactic


def evidence_of(tactic: Tactic, cells: Iterable[tuple[Cell, Sums]]) -> Evidence:
    """The learning group's evidence about the tactic's current variants and segments.

    Cells of holdouts, of other objectives, of variants whose words have changed since and of segments that no longer
    exist are left out: they say nothing about what can be chosen now.
    """
    variants = [(variant.variant_id, variant.content_hash) for variant in tactic.variants]
    segment_ids = tactic.rules.segment_ids
    arm_of = {(segment_id, *arm): n for n, (segment_id, arm) in enumerate(product(segment_ids, variants))}
    rule, learning = tactic.reward_rule, Group.LEARNING.value
    metrics = [reward_metric(rule.objective_id), amount_metric(rule.objective_id)]
    metrics += [penalty_metric(rule.objective_id, kind) for kind, _ in rule.penalties]
    metrics += [delay_metric(rule.objective_id, delay) for delay in range(N_DELAYS)]
    place_of = {metric: place for place, metric in enumerate(metrics)}
    chosen = [
        (place, arm, bucket, *sums)
        for (_, segment_id, variant_id, content_hash, group, metric, bucket), sums in cells
        if (place := place_of.get(metric)) is not None
        and (arm := arm_of.get((segment_id, variant_id, content_hash))) is not None
        and group == learning
    ]
    found = np.fromiter(chain.from_iterable(chosen), np.int64, 7 * len(chosen)).reshape(-1, 7)
    buckets, times = np.unique(found[:, 2], return_inverse=True)
    n_sums, shape = len(metrics) - N_DELAYS, (len(segment_ids), len(variants), len(buckets))
    is_delay = found[:, 0] >= n_sums
    places, arms, _, *columns = found[~is_delay].T
    at = (places, arms, times[~is_delay])
    flat = (n_sums, len(arm_of), len(buckets))
    sums = np.stack([_summed(at, column, flat).reshape(n_sums, *shape) for column in columns], axis=1)
    of_delays = (found[is_delay, 0] - n_sums, times[is_delay])
    delays = _summed(of_delays, found[is_delay, 3], (N_DELAYS, len(buckets)))
    (trials, positives, rewards, squares), (_, _, logs, log_squares), *penalties = sums
    return Evidence(
        buckets,
        trials,
        positives,
        rewards / MICRO,
        squares / MICRO,
        np.array([counts[0] for counts in penalties]).reshape(len(penalties), *shape),
        logs / MICRO,
        log_squares / MICRO,
        delays,
    )


def _summed(
    at: tuple[NDArray[np.int64], ...], counts: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Counts summed at their places in an array of this shape."""
    size = prod(shape)
    if size == 0:
        return np.zeros(shape)
    return np.bincount(np.ravel_multi_index(at, shape), counts, size).astype(np.float64).reshape(shape)
