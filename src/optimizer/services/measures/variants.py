"""Variants, measured: each against control, and how its effect goes as days go by since it was first sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optimizer.domain.instants import DAY, Instant, bucket
from optimizer.domain.micros import units
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import Cell, Sums, reward_metric
from optimizer.engine.assessment import RewardRule
from optimizer.engine.comparing import compared
from optimizer.engine.tactic import Tactic
from optimizer.insights.measures.comparison import Comparison
from optimizer.insights.measures.measurement import VariantMeasure
from optimizer.insights.measures.trend import Step, Trend, stretches, trend

THE_OTHERS = "the others"
Some = Sequence[tuple[Cell, Sums]]


def sums_of(rule: RewardRule, cells: Some) -> tuple[float, float]:
    """Trials, and their rewards in units."""
    metric = reward_metric(rule.objective_id)
    mine = [sums for cell, sums in cells if cell.metric == metric]
    return float(sum(sums.n for sums in mine)), units(sum(sums.total for sums in mine))


def comparison_of(
    rule: RewardRule, one: Some, other: Some, *, unit: str, against: str, design: float
) -> Comparison | None:
    """Two sides within segments and days, with variances so many times as large; None while a side has no trials."""
    found = compared(rule, one, other)
    if np.isnan(found.value):
        return None
    (n, total), (other_n, other_total) = (sums_of(rule, side) for side in (one, other))
    return Comparison(against, unit, n, total / n, other_n, other_total / other_n, found.widened(design), design)


def variant_measures(
    tactic: Tactic, cells: Some, matured: Some, *, unit: str, design: float, held_out: str
) -> tuple[VariantMeasure, ...]:
    """A measure of each variant, in the order of the documents.

    Args:
        tactic: the campaign.
        cells: its statistics.
        matured: those of trials whose window is over.
        unit: of rewards.
        design: times by which variances are larger; see `evaluation.clusters`.
        held_out: what the holdout is called.
    """
    rule = tactic.reward_rule
    sent = [_of_arm(matured, *arm) for arm in zip(tactic.variant_ids, tactic.content_hashes, strict=True)]
    held = [(cell, sums) for cell, sums in matured if cell.group in HOLDOUTS]
    control = tactic.control if tactic.control is not None and sums_of(rule, sent[tactic.control])[0] else None
    found = []
    for arm, variant_id in enumerate(tactic.variant_ids):
        others, against = [one for other, some in enumerate(sent) if other != arm for one in some], THE_OTHERS
        if control is not None:
            others, against = (sent[control] if arm != control else []), tactic.variant_ids[control]
        times = [cell.bucket for cell, _ in _of_arm(cells, variant_id, tactic.content_hashes[arm])]
        reference, name = (held, held_out) if sums_of(rule, held)[0] else (others, against)
        since = min(times, default=None)
        found.append(
            VariantMeasure(
                variant_id,
                comparison_of(rule, sent[arm], others, unit=unit, against=against, design=design),
                since,
                None if since is None else _novelty(rule, sent[arm], reference, since, unit, name, design),
            )
        )
    return tuple(found)


def _of_arm(cells: Some, variant_id: str, content_hash: str) -> list[tuple[Cell, Sums]]:
    return [
        (cell, sums)
        for cell, sums in cells
        if cell.group == Group.LEARNING and (cell.variant_id, cell.content_hash) == (variant_id, content_hash)
    ]


def _novelty(
    rule: RewardRule, one: Some, other: Some, since: Instant, unit: str, against: str, design: float
) -> Trend | None:
    begun = bucket(since, DAY)
    ages = [{(cell.bucket - begun) // DAY for cell, _ in side} for side in (one, other)]
    oldest = max(ages[0] & ages[1], default=-1)
    steps = []
    for first, last in stretches(0):
        if first > oldest:
            break
        sides = [
            [
                (cell, sums)
                for cell, sums in side
                if first <= (cell.bucket - begun) // DAY and (last is None or (cell.bucket - begun) // DAY <= last)
            ]
            for side in (one, other)
        ]
        found = comparison_of(rule, *sides, unit=unit, against=against, design=design)
        if found is not None:
            steps.append(Step(first, last if last is None else min(last, oldest), found))
    return trend(steps) if steps else None
