"""Hearing: whether outcomes of a campaign still come in; while they do not, nothing is learned from their absence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from optimizer.domain.controls import Controls, Hearing
from optimizer.domain.delays import N_DELAYS
from optimizer.domain.instants import DAY, HOUR, MINUTE, Instant
from optimizer.domain.statistics import (
    DECIDED,
    NOTHING,
    WITHHELD,
    Cell,
    Sums,
    delay_metric,
    machine_metric,
    outcome_metric,
    reward_metric,
)
from optimizer.engine.raising import SILENCE, Done, gone, minute, raised
from optimizer.engine.tactic import Tactic
from optimizer.policy.silence import Missing, Traffic, is_silence, is_unheard, missing, remembered, unheard

Cells = Iterable[tuple[Cell, Sums]]

_NOTHING_SENT = frozenset({NOTHING, WITHHELD})
_OUTCOME = outcome_metric("")
_ANY_OUTCOME = (_OUTCOME, machine_metric(""))
_METRIC = Cell._fields.index("metric")
_OFTEN = 15 * MINUTE  # what was heard of is written down no more often


def heard(
    tactic: Tactic,
    controls: Controls,
    cells: Sequence[tuple[Cell, Sums]],
    now: Instant,
    by_hour: Callable[[], Cells],
) -> tuple[Controls, tuple[Done, ...]]:
    """The controls after a refresh has listened for outcomes, and what it has done about a silence.

    Only the number of outcomes so far is compared at every refresh; what should have come is asked once an hour, and
    only while none has come for one.

    Args:
        tactic: the campaign.
        controls: what was decided, and heard, so far.
        cells: its statistics, of buckets of any width.
        now: instant of the refresh.
        by_hour: gives its statistics by the hour; what was sent need not be told apart in them.
    """
    if SILENCE not in tactic.policy.alarms:
        return gone(replace(controls, silent_since=None, hearing=None), SILENCE), ()
    outcomes, before = _outcomes(cells), controls.hearing
    if before is None:
        return (replace(controls, hearing=Hearing(outcomes, now, now)) if _is_sent(cells) else controls), ()
    if outcomes != before.outcomes:
        return _after_outcomes(tactic, controls, before, outcomes, now, by_hour)
    if min(now - before.at, now - before.looked_at) < HOUR or controls.silent_since is not None:
        return controls, ()
    return _after_silence(tactic, replace(controls, hearing=replace(before, looked_at=now)), before, now, by_hour)


def traffic_of(tactic: Tactic, cells: Cells) -> Traffic:
    """What a campaign sent by the hour, whatever its words and segments were, and what people did with it."""
    rule = tactic.reward_rule
    delay_of = {delay_metric(rule.objective_id, delay): delay for delay in range(N_DELAYS)}
    rewarded = reward_metric(rule.objective_id)
    sums: dict[str, dict[Instant, int]] = defaultdict(lambda: defaultdict(int))
    for (_, _, variant_id, _, _, metric, start), found in cells:
        if variant_id in _NOTHING_SENT:
            continue
        if metric == DECIDED or metric in delay_of:
            sums[metric][start] += found.n
        elif metric == rewarded or metric.startswith(_OUTCOME):
            sums[metric][start] += found.positives
    buckets = np.array(sorted(sums[DECIDED]), np.int64)
    places = {start: place for place, start in enumerate(buckets.tolist())}
    kinds = sorted(metric for metric in sums if metric.startswith(_OUTCOME))
    rows = {DECIDED: 0, rewarded: 1} | {kind: row for row, kind in enumerate(kinds, 2)}
    rows |= {metric: 2 + len(kinds) + delay for metric, delay in delay_of.items()}
    table = np.zeros((2 + len(kinds) + N_DELAYS, len(buckets)))
    for metric, by_bucket in sums.items():
        for start, n in by_bucket.items():
            if start in places:
                table[rows[metric], places[start]] += max(n, 0)
    return Traffic(buckets, table[0], table[2 : 2 + len(kinds)], table[1], table[2 + len(kinds) :])


def _outcomes(cells: Sequence[tuple[Cell, Sums]]) -> int:
    """Outcomes so far, of people and machines. Asked at every refresh: places are quicker than names here."""
    kinds = {metric for metric in {cell.metric for cell, _ in cells} if metric.startswith(_ANY_OUTCOME)}
    return sum([sums[0] for cell, sums in cells if cell[_METRIC] in kinds])


def _is_sent(cells: Cells) -> bool:
    """Whether anything was sent."""
    return any(sums.n > 0 and cell.metric == DECIDED and cell.variant_id not in _NOTHING_SENT for cell, sums in cells)


def _after_outcomes(
    tactic: Tactic, controls: Controls, before: Hearing, outcomes: int, now: Instant, by_hour: Callable[[], Cells]
) -> tuple[Controls, tuple[Done, ...]]:
    """Something was heard: a silence is over, and how long it was is a measure of the next one."""
    silent = controls.silent_since is not None
    gap, hardly_one = now - before.at, 2 * max(HOUR, tactic.policy.refresh)
    if not silent and before.outcomes and gap < _OFTEN:
        return controls, ()
    usual = remembered(before.usual, gap)
    if not silent and gap > hardly_one and SILENCE not in controls.lasting:
        usual = max(usual, _missing(tactic, by_hour(), before.at, now, known_at=now).expected)
    after = gone(replace(controls, silent_since=None, hearing=Hearing(outcomes, now, now, usual)), SILENCE)
    if not silent:
        return after, ()
    why = f"outcomes come in again: what was missing since {minute(before.at)} counts as it comes, and learning goes on"
    return after, (Done("thaw", tactic.campaign_id, why, "learning is frozen", "learning"),)


def _after_silence(
    tactic: Tactic, controls: Controls, before: Hearing, now: Instant, by_hour: Callable[[], Cells]
) -> tuple[Controls, tuple[Done, ...]]:
    if before.outcomes == 0:
        reported = tactic.reward_rule.counts_from != "decision"
        found = unheard(traffic_of(tactic, by_hour()), now, reported=reported, patience=_patience(tactic))
        if not is_unheard(found):
            return gone(controls, SILENCE), ()
        sentence = (
            f"no outcome of any kind has ever come, though {found.sent:,} messages were sent long enough ago: probably "
            "nothing reports them; connect the web hook, or the job, that calls POST /v1/outcomes"
        )
        return raised(tactic, controls, SILENCE, {SILENCE: sentence}, now)
    found = _missing(tactic, by_hour(), before.at, now, known_at=before.at)
    if not is_silence(found, before.usual):
        return controls, ()
    sentence = (
        f"no outcome of any kind since {minute(before.at)}, where about {found.expected:,.0f} were to be expected "
        f"({found.sent:,} messages were sent meanwhile): probably reports no longer arrive, so learning is frozen "
        "until they do; check the web hook, or the job, that calls POST /v1/outcomes"
    )
    after, done = raised(tactic, controls, SILENCE, {SILENCE: sentence}, now)
    frozen = Done("freeze", tactic.campaign_id, sentence, "learning", "learning is frozen")
    return replace(after, silent_since=before.at), (*done, frozen)


def _missing(tactic: Tactic, cells: Cells, since: Instant, now: Instant, known_at: Instant) -> Missing:
    return missing(traffic_of(tactic, cells), since, now, known_at, _patience(tactic))


def _patience(tactic: Tactic) -> int:
    """How long rewards usually take at most, as far as people have said."""
    return min(max(DAY, 4 * (tactic.policy.delay_median or 0)), max(tactic.reward_rule.window, HOUR))
