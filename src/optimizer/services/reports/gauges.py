"""Gauges: how a deployment stands, read from the ledger for whoever watches it.

Labels are ids from the documents. Everything here costs a few small queries, whatever the length of the history, but
for two counts; the reader is asked no more often than its own cost allows (see `web.scraping`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import SECOND, Instant
from optimizer.domain.meters import UNUSED, Reading, campaign_scope
from optimizer.domain.micros import units
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.supplies import meters_of
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.budget import Limit, Span, period
from optimizer.services.live import Live, Loaded
from optimizer.services.oversight.states import learning_of, state_of
from optimizer.storage.store import Ledger

MOST_SEGMENTS: Final = 2_000  # with an entropy of their own, over all campaigns


class Gauge(NamedTuple):
    """Something that can be read.

    Attributes:
        name: with its unit.
        text: what it says, in one sentence.
        labels: names of the labels.
    """

    name: str
    text: str
    labels: tuple[str, ...] = ()


_CAMPAIGN = ("campaign",)
_BUDGET = ("scope", "span")

STATE = Gauge("optimizer_campaign_state", "1 for what a campaign is doing.", ("campaign", "state"))
LEARNING_STATE = Gauge(
    "optimizer_learning_state", "1 for whether a campaign learns, or why not.", ("campaign", "state")
)
ALARM = Gauge("optimizer_alarm", "1 for every alarm that nobody has answered.", ("campaign", "alarm"))
SNAPSHOT_AGE = Gauge("optimizer_snapshot_age_seconds", "Age of a campaign's newest snapshot.", _CAMPAIGN)
LAG = Gauge(
    "optimizer_learning_lag_seconds", "Time since a campaign was due to be learned; 0 when it is not.", _CAMPAIGN
)
HOLDER = Gauge("optimizer_learning_holder", "1 for the worker that learns a campaign.", ("campaign", "holder"))
SILENCE = Gauge(
    "optimizer_reward_silence_seconds",
    "Time since the number of a campaign's outcomes was last seen to change, to within a quarter of an hour.",
    _CAMPAIGN,
)
ENTROPY = Gauge(
    "optimizer_allocation_entropy_bits",
    "Entropy of a segment's allocation: 0 when one variant gets everything.",
    ("campaign", "segment"),
)
MONEY_LEFT = Gauge("optimizer_budget_left_money", "Money left in the running period, in units of currency.", _BUDGET)
MONEY_LIMIT = Gauge(
    "optimizer_budget_limit_money", "Money allowed in the running period, in units of currency.", _BUDGET
)
SENDS_LEFT = Gauge("optimizer_budget_left_sends", "Messages left in the running period.", _BUDGET)
SENDS_LIMIT = Gauge("optimizer_budget_limit_sends", "Messages allowed in the running period.", _BUDGET)
ELAPSED = Gauge("optimizer_budget_elapsed_ratio", "Share of a budget's running period that is over.", _BUDGET)
QUARANTINE = Gauge("optimizer_quarantine_reports", "Reports of outcomes that could not be used and wait for a person.")
SUPPRESSIONS = Gauge("optimizer_suppressions", "Entries of the suppression list.")
NOTICES = Gauge("optimizer_notices", "Notices that wait, or were given up (dead).", ("receiver", "state"))
VERSION = Gauge("optimizer_strategy_version", "Version of the documents in force.")

GAUGES: tuple[Gauge, ...] = (
    STATE,
    LEARNING_STATE,
    ALARM,
    SNAPSHOT_AGE,
    LAG,
    HOLDER,
    SILENCE,
    ENTROPY,
    MONEY_LEFT,
    MONEY_LIMIT,
    SENDS_LEFT,
    SENDS_LIMIT,
    ELAPSED,
    QUARANTINE,
    SUPPRESSIONS,
    NOTICES,
    VERSION,
)

Readings = Mapping[Gauge, Mapping[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True, eq=False)
class _Entropies:
    """Of one campaign, by segment, and what they were computed from."""

    table: AllocationTable
    eligible: bytes
    of_segment: tuple[float, ...]


class GaugeReader:
    """Reads the gauges; entropies are computed again only where an allocation has changed."""

    def __init__(self) -> None:
        self._entropies: dict[str, _Entropies] = {}

    def read(self, ledger: Ledger, live: Live, now: Instant) -> Readings:
        """What every gauge says, by its labels, in one transaction; one that has nothing to say is empty."""
        loaded = live.at(ledger)
        found: dict[Gauge, dict[tuple[str, ...], float]] = {gauge: {} for gauge in GAUGES}
        exhausted = _read_budgets(ledger, loaded.tactics.values(), now, found)
        for campaign_id, tactic in loaded.tactics.items():
            state = state_of(tactic, now, exhausted=campaign_id in exhausted)
            found[STATE][campaign_id, state] = 1
            found[LEARNING_STATE][campaign_id, learning_of(tactic, now)[0]] = 1
            controls = loaded.controls.get(campaign_id, UNTOUCHED)
            for alarm in controls.alerted:
                found[ALARM][campaign_id, alarm] = 1
            if campaign_id in loaded.tables:
                found[SNAPSHOT_AGE][campaign_id,] = _since(loaded.tables[campaign_id].snapshot.created_at, now)
        for campaign_id, controls in ledger.controls.all().items():
            if campaign_id in loaded.tactics and controls.hearing is not None:
                found[SILENCE][campaign_id,] = _since(controls.hearing.at, now)
        for campaign_id, lease in ledger.leases.all().items():
            if campaign_id in loaded.tactics:
                found[LAG][campaign_id,] = _since(lease.due_at, now)
                found[HOLDER][campaign_id, lease.holder] = 1
        found[ENTROPY] |= self._read_entropies(loaded)
        found[QUARANTINE][()] = ledger.quarantine.count()
        found[SUPPRESSIONS][()] = ledger.suppressions.count()
        for of_receiver, n in ledger.notices.counts().items():
            found[NOTICES][of_receiver] = n
        found[VERSION][()] = loaded.version
        return found

    def _read_entropies(self, loaded: Loaded) -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for campaign_id, table in loaded.tables.items():
            tactic = loaded.tactics[campaign_id]
            segment_ids = tactic.rules.segment_ids
            if len(found) + len(segment_ids) > MOST_SEGMENTS:
                break
            may_be_chosen = tactic.limits.may_be_chosen
            kept = self._entropies.get(campaign_id)
            if kept is None or kept.table is not table or kept.eligible != may_be_chosen.tobytes():
                rows = (table.row(segment, eligible).drawn_from for segment, eligible in enumerate(may_be_chosen))
                kept = _Entropies(table, may_be_chosen.tobytes(), tuple(map(entropy, rows)))
                self._entropies[campaign_id] = kept
            for segment_id, bits in zip(segment_ids, kept.of_segment, strict=True):
                found[campaign_id, segment_id] = bits
        return found


def entropy(shares: NDArray[np.float64]) -> float:
    """Entropy of an allocation in bits: 0 when everything goes to one variant, or nothing to any."""
    positive = shares[shares > 0]
    return max(float(-(positive * np.log2(positive)).sum()), 0.0)


def _read_budgets(
    ledger: Ledger,
    tactics: Iterable[Tactic],
    now: Instant,
    found: Mapping[Gauge, dict[tuple[str, ...], float]],
) -> set[str]:
    """Read every limit once, however many campaigns are under it; the campaigns for which nothing is left."""
    limits = [
        (tactic, *limited)
        for tactic in tactics
        for limited in zip(tactic.budget_limits, meters_of(tactic, now), strict=True)
    ]
    readings = ledger.meters.of([key for _, _, key in limits])
    exhausted = set()
    for tactic, limit, key in limits:
        # A meter begins with the first decision that counts on it.
        reading = readings.get(key, UNUSED)
        cheapest = Reading(int(tactic.most.min()), 0, 1)
        if not limit.allowance.admits(reading.plus(cheapest)):
            exhausted.add(tactic.campaign_id)
        labels = (limit.scope, str(limit.span))
        money, sends = limit.allowance
        if money is not None:
            found[MONEY_LEFT][labels] = units(money - reading.money)
            found[MONEY_LIMIT][labels] = units(money)
        if sends is not None:
            found[SENDS_LEFT][labels] = sends - reading.sends
            found[SENDS_LIMIT][labels] = sends
        elapsed = _elapsed(tactic, limit, now)
        if elapsed is not None:
            found[ELAPSED][labels] = elapsed
    return exhausted


def _elapsed(tactic: Tactic, limit: Limit, now: Instant) -> float | None:
    """Share of a limit's period that is over; None where it is open."""
    _, starts, ends = period(limit.span, now, tactic.zone)
    if limit.span is Span.EVER and limit.scope == campaign_scope(tactic.campaign_id):
        starts, ends = tactic.limits.starts_at, tactic.limits.ends_at
    if starts is None or ends is None:
        return None
    return min(max((now - starts) / (ends - starts), 0.0), 1.0)


def _since(at: Instant, now: Instant) -> float:
    return max(now - at, 0) / SECOND
