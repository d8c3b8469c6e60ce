"""A rehearsal is the service: with the same chance, both decide, learn, spend and act alike, step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.contract.documents_at_random import NAME_THAT_BREAKS_THE_BRAND, edition_at_random
from tests.unit.simulation.small_worlds import SmallWorld

from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.domain.meters import UNUSED
from optimizer.engine.allocations import Allocations
from optimizer.engine.choosing import NO_ARM, REASONS, Chosen, Contacts
from optimizer.engine.rationing import chosen_in_turn
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.groups import GROUPS
from optimizer.policy.draw import recipient_key
from optimizer.services.decisions.committing import later_supplies
from optimizer.services.decisions.deciding import Answer, DecisionRequest
from optimizer.services.decisions.proving import Chances, chances
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.simulation import rehearsing
from optimizer.simulation.rehearsing import Plan, rehearse
from optimizer.simulation.world import Population
from optimizer.strategy.workspace import read_workspace

KINDS = ("delivered", "clicked", "purchase", "unsubscribed", "complained", "withdrawn")
ZONES = (ZoneInfo("America/New_York"), ZoneInfo("Europe/London"), None)
CAMPAIGN = "first"
METRICS = [
    {"outcome": "unsubscribed", "at_most": 0.02, "confidence": 0.9, "then": "pause_variant"},
    {"outcome": "complained", "at_most": 0.03, "confidence": 0.9, "then": "alert"},
    {"outcome": "complained", "at_most": 0.04, "confidence": 0.8, "then": "stop_campaign"},
]


def world_at_random(chance: Random, n_arms: int, value: int = 0) -> SmallWorld:
    """Thirty people of two countries; nothing comes of nothing."""
    names = ["Ann", "Bob", NAME_THAT_BREAKS_THE_BRAND]
    attributes = [{"country": chance.choice(["US", "GB"]), "first_name": chance.choice(names)} for _ in range(30)]
    chances_of = dict(zip(KINDS, (0.9, 0.4, 0.3, 0.08, 0.04, 0.05), strict=True))
    rates = {kind: np.full((1, n_arms + 1), rate) for kind, rate in chances_of.items()}
    for of_kind in rates.values():
        of_kind[:, :-1] *= [chance.uniform(0.3, 1.0) for _ in range(n_arms)]
        of_kind[:, -1] = 0.0
    from_where = [chance.choice(ZONES) for _ in attributes]
    people = Population(
        attributes, np.zeros(30, np.int64), from_where, [chance.choice([True, None]) for _ in range(30)]
    )
    delays = {kind: chance.choice([HOUR, 2 * DAY]) for kind in KINDS}
    if value:  # of amounts, in a world with machines
        rates["trapped"] = np.full((1, n_arms + 1), 0.1)
    return SmallWorld(rates, people, per_hour=3.0, delays=delays, value=value)


class Double:
    """The service, doing on a ledger what the rehearsal does, and compared with it at every turn."""

    def __init__(self, house: Any, world: SmallWorld) -> None:
        self.house, self.world = house, world
        self.decided: list[str] = []  # ids, in order
        self.requests = count(1)
        self.n_sent = self.n_drawn = 0
        self.reasons: set[str] = set()

    def chosen_in_turn(
        self, tactic: Tactic, table: Allocations, contacts: Contacts, supplies: Supplies, now: Instant
    ) -> Chosen:
        """What the rehearsal chooses by the service's chance, after the service has answered the same."""
        live, ids = self.house.deployment.live, [f"r{next(self.requests)}" for _ in contacts.recipient_keys]
        keys = [recipient_key(live.secret, name) for name in contacts.recipient_keys]
        chance = [chances(live.secret, CAMPAIGN, key, id_) for key, id_ in zip(keys, ids, strict=True)]
        same = replace(contacts, u=np.array([one.u for one in chance]), places=Chances.places(chance))
        self.house.now = now
        self._same_meters(tactic, supplies, now)
        found = chosen_in_turn(tactic, table, same, supplies, now)
        answers = self.house.decide(*(self._request(same, n, id_, tactic) for n, id_ in enumerate(ids)))
        for n, answer in enumerate(answers):
            assert isinstance(answer, Answer), answer
            decision, arm, segment = answer.decision, int(found.arms[n]), int(found.segments[n])
            assert decision.variant_id == (None if arm == NO_ARM else tactic.variant_ids[arm])
            assert decision.segment_id == (None if segment < 0 else tactic.rules.segment_ids[segment])
            assert (decision.group, decision.reason) == (GROUPS[found.groups[n]], REASONS[found.reasons[n]])
            assert decision.propensity == (None if np.isnan(found.propensities[n]) else found.propensities[n])
            assert (decision.snapshot_id is not None) == found.drawn[n]
            assert set(decision.blocked) == {tactic.variant_ids[a] for a in np.flatnonzero(found.codes[n])}
            self.decided.append(decision.decision_id)
            self.reasons.add(decision.reason)
            self.n_sent += arm != NO_ARM
            self.n_drawn += bool(found.drawn[n])
        return found

    def step(self, rehearsal: Any, now: Instant) -> None:
        """Outcomes that the rehearsal has just heard of are reported; then the service learns and is the same."""
        self.house.now = now
        deployment = self.house.deployment
        with deployment.store.writing(alone=True) as ledger:
            later_supplies(ledger, [rehearsal.tactic], [], now)()  # releases what has matured
        snapshot = self.house.learn(CAMPAIGN)
        with deployment.store.reading() as ledger:
            assert ledger.controls.all()[CAMPAIGN] == rehearsal.controls
            kept = {cell: sums for cell, sums in ledger.statistics.of_campaign(CAMPAIGN) if any(sums)}
        assert kept == dict(rehearsal.journal.tallies.cells())
        mine = rehearsal.posterior_table.snapshot
        # Not to the last digit: trials that are not whole, of hours that a rehearsal takes together.
        assert snapshot.belief.close_to(mine.belief, 1e-12)
        assert (snapshot.trials == mine.trials).all()
        assert (snapshot.price, snapshot.created_at) == (mine.price, mine.created_at)

    def report(self, rows: list[int], kinds: list[int], at: list[int], now: Instant) -> None:
        self.house.now = now
        reports = [
            OutcomeReport(
                f"{row}:{kind}", self.world.kinds[kind], when, decision_id=self.decided[row], value=self.world.value
            )
            for row, kind, when in zip(rows, kinds, at, strict=True)
        ]
        recorded = self.house.record(*reports)
        assert {one.status.value for one in recorded} <= {"accepted", "late"}

    def _request(self, contacts: Contacts, n: int, id_: str, tactic: Tactic) -> DecisionRequest:
        zone, consent = contacts.zones[n], contacts.consents[n]
        return self.house.request(
            contacts.recipient_keys[n],
            id_,
            CAMPAIGN,
            attributes=contacts.attributes[n],
            time_zone=None if zone is None else zone.key,
            consent={} if consent is None else {tactic.campaign.channel: consent},
        )

    def _same_meters(self, tactic: Tactic, supplies: Supplies, now: Instant) -> None:
        keys = meters_of(tactic, now)
        with self.house.deployment.store.reading() as ledger:
            found = ledger.meters.of(keys)
        for key, reading in found.items():
            assert reading == supplies.readings.get(key, UNUSED), key


# What happens in each is known: documents that were drawn until everything a campaign can meet has been met.
MET = {
    1: {"contact_policy", "budget_exhausted", "outside_rollout", "recipient_suppressed", "advance rollout"},
    46: {"withheld", "advance rollout", "outside_rollout", "budget_exhausted"},
    193: {"pause", "alert", "hold rollout", "outside_rollout", "no_eligible_variant"},
    385: {"stop", "campaign_stopped", "outside_audience", "holdout", "contact_policy"},
}
MORE = {
    5: {"outside_send_window", "unknown_time_zone", "campaign_not_started", "sends_exhausted"},
    9: {"quiet_hours", "targeting_not_for_segment", "brand_rule", "no_consent"},
    137: {"no_consent", "recipient_suppressed", "budget_exhausted"},
    65: {"withheld", "holdout", "no_eligible_variant"},
    97: {"withheld", "unknown_time_zone", "quiet_hours", "begin rollout"},
    171: {"pause", "alert", "contact_policy", "recipient_suppressed"},
}


@pytest.mark.parametrize("seed", [*MET, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MORE)])
def test_a_rehearsal_does_what_the_service_does(
    seed: int,
    deploy: Callable[..., Any],
    make_house: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    edition = edition_at_random(seed)
    run, reasons = rehearsed_beside(edition, seed, 0, deploy, make_house, monkeypatch, tmp_path)
    assert set(run.reasons) == reasons
    assert {*run.reasons, *run.blocks, *(event.action for event in run.events)} >= (MET | MORE)[seed]


@pytest.mark.parametrize("seed", [46, pytest.param(193, marks=pytest.mark.slow)])
def test_rewards_in_amounts_and_machines_are_judged_as_the_service_does(
    seed: int,
    deploy: Callable[..., Any],
    make_house: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    edition = edition_at_random(seed)
    most = {"at_most": "12 USD"} if seed % 2 else {}
    edition.strategy["objectives"][0]["reward"] = {"outcome": "purchase", "value": "amount", **most}
    edition.strategy["hygiene"] = {"fastest": "PT20M", "honeypot": "trapped", "machine_kinds": ["clicked"]}
    edition.strategy["hygiene"] |= {"machine_kinds": ["clicked", "purchase"]} if seed % 2 else {}
    edition.campaigns[CAMPAIGN]["policy"] |= {"model": "hurdle"}
    rehearsed_beside(edition, seed, 12_345_678, deploy, make_house, monkeypatch, tmp_path)


def rehearsed_beside(
    edition: Any,
    seed: int,
    value: int,
    deploy: Callable[..., Any],
    make_house: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> tuple[Any, set[str]]:
    """A rehearsal of these documents, and the reasons the service gave meanwhile, which did all of it, too."""
    chance = Random(seed)
    if seed % 2 and "hygiene" not in edition.strategy:
        edition.strategy["guardrail_metrics"] = METRICS
    if seed % 2:
        edition.strategy["objectives"][0]["penalties"] = {"unsubscribed": 0.5, "complained": 2}
    if seed % 3 == 0:
        edition.campaigns[CAMPAIGN]["policy"] |= {"half_life": "P2D", "cap": 0.8}
    files = {path: text for path, text in edition.files.items() if path != "campaigns/second.yaml"}
    workspace = read_workspace(files)
    strategy, campaign = workspace.strategy, workspace.campaigns[CAMPAIGN]
    house = make_house(deploy(f"sqlite:///{tmp_path}/ledger.db"))
    house.apply(files)
    for message in campaign.messages:
        house.approve(CAMPAIGN, message.id)
    world = world_at_random(chance, len(edition.variant_ids(CAMPAIGN)), value)
    double = Double(house, world)
    monkeypatch.setattr(rehearsing, "chosen_in_turn", double.chosen_in_turn)
    hear, learn = rehearsing.Journal.hear, rehearsing._Rehearsal.learn

    def heard_and_reported(journal: Any, now: Instant) -> Any:
        rows, kinds, at = journal._coming
        due = at <= now
        if due.any() and now < house.now + 100 * DAY:
            double.report(rows[due].tolist(), kinds[due].tolist(), at[due].tolist(), now)
        return hear(journal, now)

    def learned_and_compared(rehearsal: Any, cells: Any, now: Instant) -> None:
        learn(rehearsal, cells, now)
        double.step(rehearsal, now)

    monkeypatch.setattr(rehearsing.Journal, "hear", heard_and_reported)
    monkeypatch.setattr(rehearsing._Rehearsal, "learn", learned_and_compared)
    plan = Plan(house.now, house.now + 4 * DAY, step=6 * HOUR, reaction=None)
    run = rehearse(strategy, campaign, world, plan, seed=seed)
    assert run.decisions == len(double.decided) > 100
    assert run.over_budget == 0
    verified = house.verify()
    assert (verified.mismatches, verified.differing, verified.false_meters) == ((), (), ())
    return run, double.reasons
