"""Comparing: two sides of the statistics of a campaign, or of several, segment by segment and day by day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from optimizer.domain.instants import DAY, bucket
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import NOTHING, WITHHELD, ZERO, Cell, Sums, reward_metric
from optimizer.engine.assessment import RewardRule
from optimizer.evaluation.stratified import Side, StratifiedDifference, stratified_difference

Cells = Iterable[tuple[Cell, Sums]]
Stratum = tuple[str, str, int]  # campaign, segment, day
Strata = Mapping[Stratum, Sums]
_UNSENT = frozenset({NOTHING, WITHHELD})


def counts_successes(rule: RewardRule) -> bool:
    """Whether the reward of a trial is 0 or 1, so that a mean reward is a rate."""
    return rule.value == "first" and not rule.penalties


def sent(cells: Cells) -> list[tuple[Cell, Sums]]:
    """Those of the learning group whose decisions sent something."""
    return [(cell, sums) for cell, sums in cells if cell.group == Group.LEARNING and cell.variant_id not in _UNSENT]


def held_out(cells: Cells, groups: Collection[Group] = HOLDOUTS) -> list[tuple[Cell, Sums]]:
    """Those of the recipients who are held out, of this campaign or of all."""
    return [(cell, sums) for cell, sums in cells if cell.group in groups]


def compared(rule: RewardRule, one: Cells, other: Cells) -> StratifiedDifference:
    """Mean reward of the trials of one side less that of the other's, compared within segments and days alone.

    Every trial is taken for another recipient's: whoever shows an interval widens it, see `evaluation.clusters`.

    Args:
        rule: what is a reward; cells of other metrics are left out.
        one: cells of one side.
        other: cells of the other.
    """
    return compared_strata(rule, by_stratum(rule, one), by_stratum(rule, other))


def compared_strata(rule: RewardRule, one: Strata, other: Strata) -> StratifiedDifference:
    """The same of sides whose rewards have been added up already: one that is compared with many is added up once."""
    strata = sorted(one.keys() | other.keys())
    sides = []
    for of_side in (one, other):
        rows = np.array([of_side.get(stratum, ZERO) for stratum in strata], np.float64).reshape(-1, len(ZERO))
        trials, _, rewards, squares = rows.T
        sides.append(Side(trials, rewards / MICRO, squares / MICRO))
    return stratified_difference(*sides, successes=counts_successes(rule))


def by_stratum(rule: RewardRule, cells: Cells) -> dict[Stratum, Sums]:
    """The rewards of one side in each of its segments and days."""
    metric = reward_metric(rule.objective_id)
    found: dict[Stratum, Sums] = {}
    for cell, sums in cells:
        if cell.metric == metric:
            stratum = (cell.campaign_id, cell.segment_id, bucket(cell.bucket, DAY))
            found[stratum] = found.get(stratum, ZERO).plus(sums)
    return found


def added(sides: Iterable[Strata]) -> dict[Stratum, Sums]:
    """All sides together."""
    found: dict[Stratum, Sums] = {}
    for side in sides:
        for stratum, sums in side.items():
            found[stratum] = found.get(stratum, ZERO).plus(sums)
    return found


def without(everything: Strata, one: Strata) -> dict[Stratum, Sums]:
    """What is left when one side is taken out: exactly what the others add up to, for sums are integers."""
    return {stratum: sums.plus(one.get(stratum, ZERO).negated()) for stratum, sums in everything.items()}
