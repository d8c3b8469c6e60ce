"""Rewards to come: what the posterior says of the current allocation, and what is still on its way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import HOUR, Instant
from optimizer.domain.micros import MICRO, units
from optimizer.domain.reasons import Group
from optimizer.domain.statistics import DECIDED, ZERO, Sums, reward_metric
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.gathering import evidence_of
from optimizer.engine.lateness import curve_of
from optimizer.engine.tactic import Tactic
from optimizer.insights.forecasting.rewards import Yield, earned, lump_of, mean_rewards, still_to_come
from optimizer.services.forecasts.past_days import RECENT, Mix, Past

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Earning:
    """What contacts earn; ``N`` paths.

    Attributes:
        learning: of a message to the learning group.
        others: of a decision about anybody else in the audience: holdouts, those the rollout has not reached.
        so_far: rewards reported so far, all groups.
        maturing: rewards to come of decisions made so far, ``[N]``.
    """

    learning: Yield
    others: Yield
    so_far: float
    maturing: Floats

    def paths(self, sends: Floats, others: Floats, rng: np.random.Generator) -> Floats:
        """Rewards by the end of each day once all outcomes are in, ``[N, H]``: so far, on its way, and new."""
        new = earned(sends, self.learning, rng) + earned(others, self.others, rng)
        return np.asarray(self.so_far + self.maturing[:, np.newaxis] + np.cumsum(new, axis=1))


def earning_of(
    tactic: Tactic, table: AllocationTable, past: Past, mix: Mix, now: Instant, n_paths: int, rng: np.random.Generator
) -> Earning:
    """What a campaign's contacts earn under the allocation in force."""
    heard_until = now if tactic.silent_since is None else tactic.silent_since
    evidence = evidence_of(tactic, past.cells)
    heard = evidence if tactic.silent_since is None else evidence.known_at(heard_until)
    trials, rewards, squares = (float(each.sum()) for each in (heard.trials, heard.rewards, heard.squares))
    lump = lump_of(trials, rewards, squares)
    posterior = table.posterior
    draws = mean_rewards(posterior.mean, *posterior.interval(), n_paths, rng)  # [N, S, A]
    each = np.einsum("nsa,sa,s->n", draws, _allocation(tactic, table), np.array(mix.segments)) * mix.exposed
    each *= _times(tactic, heard)
    others, others_to_come = _others(tactic, past, heard_until, n_paths, rng)
    curve = curve_of(tactic, heard, heard_until)
    penalties = tuple(tactic.reward_rule.penalty_units)
    # During a silence the trials since are as good as new: what they will show is taken from what was known before.
    unheard = float(evidence.trials.sum() - heard.trials.sum())
    learning = Yield(each, lump)
    silent = earned(np.full((n_paths, 1), unheard), Yield(each / max(mix.exposed, 1e-9), lump), rng)[:, 0]
    coming = still_to_come(heard, curve, heard_until, penalties, lump, n_paths, rng) + silent * bool(unheard)
    return Earning(learning, others, reward_so_far(tactic, past), coming + others_to_come)


def _times(tactic: Tactic, heard: Evidence) -> float:
    """By how much trials earn more than is believed: where each outcome counts, models learn whether there was one."""
    if tactic.reward_rule.value != "count":
        return 1.0
    happened = heard.penalty_counts.sum(axis=(1, 2, 3))
    learned = float(heard.positives.sum() - happened @ np.array(tactic.reward_rule.penalty_units))
    earned_so_far = float(heard.rewards.sum())
    return earned_so_far / learned if min(earned_so_far, learned) > 0.0 else 1.0


def _allocation(tactic: Tactic, table: AllocationTable) -> Floats:
    """Share of a message that each variant gets, ``[S, A]``; rows sum to 1, or to 0 where nothing may be chosen."""
    may = tactic.limits.may_be_chosen
    rows = np.zeros(may.shape)
    for segment in range(len(may)):
        row = table.row(segment, may[segment]).allocation
        rows[segment] = row / row.sum() if row.sum() > 0.0 else row
    if tactic.pinned is not None:
        rows[...] = 0.0
        rows[:, tactic.pinned] = 1.0
    return rows


def _others(
    tactic: Tactic, past: Past, heard_until: Instant, n_paths: int, rng: np.random.Generator
) -> tuple[Yield, Floats]:
    """What a decision outside the learning group earns, and what those so far have yet to bring, ``[N]``."""
    metric, window = reward_metric(tactic.reward_rule.objective_id), tactic.reward_rule.window
    mature, young = {DECIDED: ZERO, metric: ZERO}, {DECIDED: ZERO, metric: ZERO}
    for cell, sums in past.cells:
        if cell.group == Group.LEARNING or not cell.segment_id or cell.metric not in mature:
            continue
        is_over = cell.bucket + HOUR + window <= heard_until
        if is_over and cell.bucket < heard_until - window - RECENT:
            continue
        side = mature if is_over else young
        side[cell.metric] = side[cell.metric].plus(sums)
    known, late = mature, young
    if not mature[DECIDED].n:  # nothing is over yet: what is known is what has come so far
        known = young
    n, sums = known[DECIDED].n, known[metric]
    if not n or sums.total <= 0:
        return Yield(np.zeros(n_paths), 1.0), np.zeros(n_paths)
    counted = sums.positives + 0.5
    each = rng.gamma(counted, units(sums.total) / max(sums.positives, 1) / n, n_paths)
    lump = _lump(sums, n)
    # Only trials bring something: during a pause, or without a budget, those who are held out are decided for, too.
    trials = np.full((n_paths, 1), float(late[metric].n))
    due = earned(trials, Yield(each * n / sums.n, _lump(sums, sums.n)), rng)[:, 0]
    return Yield(each, lump), np.maximum(due - units(late[metric].total), 0.0) * (known is mature)


def _lump(sums: Sums, n: int) -> float:
    return lump_of(n, units(sums.total), sums.squares / MICRO)


def reward_so_far(tactic: Tactic, past: Past) -> float:
    """Rewards reported so far, all groups together."""
    metric = reward_metric(tactic.reward_rule.objective_id)
    return units(sum(sums.total for cell, sums in past.cells if cell.metric == metric))
