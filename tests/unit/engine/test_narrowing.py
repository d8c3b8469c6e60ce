"""Guardrails only narrow: whatever the documents say already, one more guardrail never makes a variant eligible.

Every key of the documents, and every control, is either a kind of guardrail that is tried here or listed as none, so a
new key that nobody thought about makes a test fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.contract.documents_at_random import Edition, edition_at_random, label

from optimizer.domain.controls import Controls, Status
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.domain.meters import MeterKey, Reading
from optimizer.domain.reasons import Group
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.choosing import NO_ARM, Choice, Contacts, choose
from optimizer.engine.learning import learn
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Tactic, compile_tactic
from optimizer.errors import DocumentError
from optimizer.guardrails.contacts import Contact
from optimizer.guardrails.groups import Places
from optimizer.strategy import documents, limits
from optimizer.strategy.brand import Brand, TextLimits
from optimizer.strategy.fields import Document
from optimizer.strategy.workspace import read_workspace

BEGINS: Instant = 1_789_900_800 * 1_000_000  # 2026-09-20T12:00:00Z
N = 48  # contacts of each trial
MOMENTS = 4  # at which they are looked at
FEWEST_TRIALS, MOST_TRIALS = 5, 60
NAMES = ["Ann", "Risk-Free", "BARBARA", "Ann!!", "x" * 60, "www.evil.example", "free"]
Documents = dict[str, Any]


@dataclass
class World:
    """Everything a decision depends on."""

    strategy: Documents
    campaign: Documents
    controls: Controls
    contacts: Contacts
    supplies: Supplies

    def copy(self) -> World:
        return World(deepcopy(self.strategy), deepcopy(self.campaign), self.controls, self.contacts, self.supplies)

    @property
    def channel(self) -> Documents:
        found: Documents = self.strategy["channels"].setdefault(self.campaign["channel"], {})
        return found


@dataclass(frozen=True)
class Kind:
    """A guardrail: what the world is like without it, and with it.

    Attributes:
        without: makes room for it, so that adding it replaces nothing.
        with_it: adds it.
        bites: whether it can remove a variant at all; some only change shares, or wait for people.
    """

    without: Callable[[World], object]
    with_it: Callable[[World, Random], object]
    bites: bool = True


def key(place: Callable[[World], Documents], name: str, *values: Any, bites: bool = True) -> Kind:
    """A guardrail that is one key of a mapping."""

    def add(world: World, chance: Random) -> None:
        place(world)[name] = chance.choice(values)

    return Kind(lambda world: place(world).pop(name, None), add, bites)


def budget_key(place: Callable[[World], Documents], name: str, *values: Any) -> Kind:
    def remove(world: World) -> None:
        budget = place(world)
        for other in (name, "pacing", "per"):
            budget.pop(other, None)

    def add(world: World, chance: Random) -> None:
        place(world)[name] = chance.choice(values)

    return Kind(remove, add)


def _per(world: World) -> None:
    budget = world.campaign.setdefault("budget", {})
    for name in ("per", "pacing", "daily", "monthly"):
        budget.pop(name, None)
    budget["total"] = "1.00 USD"


def strategy(world: World) -> Documents:
    return world.strategy


def campaign(world: World) -> Documents:
    return world.campaign


def channel(world: World) -> Documents:
    return world.channel


def within(place: Callable[[World], Documents], name: str) -> Callable[[World], Documents]:
    return lambda world: place(world).setdefault(name, {})


def targeting(world: World) -> Documents:
    found: Documents = world.campaign.setdefault("targetings", [{"id": "any"}])[0]
    if isinstance(world.campaign.get("control"), dict):
        world.campaign["control"].setdefault("targeting", found["id"])
    return found


def message(world: World) -> Documents:
    found: Documents = world.campaign["messages"][0]
    return found


def contacts_with(**changes: Callable[[Contacts, Random], Any]) -> Kind:
    """A guardrail that is said of a recipient, or by a caller."""

    def add(world: World, chance: Random) -> None:
        made = {name: make(world.contacts, chance) for name, make in changes.items()}
        world.contacts = replace(world.contacts, **made)

    return Kind(lambda _: None, add)


def controls_with(without: Mapping[str, Any], make: Callable[[World, Random], Mapping[str, Any]], **kept: Any) -> Kind:
    """A guardrail that a person, or a metric, has set."""

    def remove(world: World) -> None:
        world.controls = replace(world.controls, **without)

    def add(world: World, chance: Random) -> None:
        world.controls = replace(world.controls, **make(world, chance))

    return Kind(remove, add, **kept)


def variant_ids(world: World) -> list[str]:
    return Edition(world.strategy, {"first": world.campaign}).variant_ids("first")


def _more_used(world: World, _chance: Random) -> None:
    more = Reading(200_000, 0, 2)
    readings = {name: reading.plus(more) for name, reading in world.supplies.readings.items()}
    world.supplies = Supplies(readings, world.supplies.contacts)


def _one_more_contact(world: World, chance: Random) -> None:
    at = BEGINS + chance.randrange(30 * DAY)
    more = [Contact(at, chance.choice(["email", "sms"]))]
    contacts = {k: [*world.supplies.contacts.get(k, []), *more] for k in world.contacts.recipient_keys}
    world.supplies = Supplies(world.supplies.readings, contacts)


def _review(world: World) -> None:
    world.strategy.pop("review", None)
    world.controls = replace(world.controls, reviewed_at=BEGINS)


def _rollout(world: World, share: float) -> None:
    world.campaign["rollout"] = [{"share": share, "for": "P1D"}, {"share": 1.0}]
    world.controls = replace(world.controls, stage=0)


STRATEGY_BUDGET, CAMPAIGN_BUDGET = within(strategy, "budget"), within(campaign, "budget")
BRAND, DATA = within(strategy, "brand"), within(strategy, "data")
LENGTHS = within(BRAND, "limits")
KINDS: dict[str, Kind] = {
    "Channel.quiet_hours": key(channel, "quiet_hours", "21:00-08:00", "12:00-15:30", "00:00-06:00"),
    "Channel.unknown_time_zone": Kind(
        lambda world: world.channel.update(unknown_time_zone="use_strategy_zone"),
        lambda world, _: world.channel.update(unknown_time_zone="block"),
    ),
    "Channel.sends_per_day": key(channel, "sends_per_day", 1, 2, 3),
    "Channel.cost": key(channel, "cost", "0.01 USD", "0.30 USD per delivery"),
    "Strategy.contact_policy": Kind(
        lambda world: world.strategy.setdefault("contact_policy", []),
        lambda world, chance: world.strategy["contact_policy"].append({"at_most": chance.randint(1, 2), "per": "P2D"}),
    ),
    "ContactRule.at_most": Kind(
        lambda world: world.strategy.update(contact_policy=[{"at_most": 3, "per": "P7D"}]),
        lambda world, chance: world.strategy["contact_policy"][0].update(at_most=chance.randint(1, 2)),
    ),
    "ContactRule.per": Kind(
        lambda world: world.strategy.update(contact_policy=[{"at_most": 1, "per": "P1D"}]),
        lambda world, chance: world.strategy["contact_policy"][0].update(per=chance.choice(["P2D", "P30D"])),
    ),
    "ContactRule.channels": Kind(
        lambda world: world.strategy.update(contact_policy=[{"at_most": 1, "per": "P7D", "channels": ["sms"]}]),
        lambda world, _: world.strategy["contact_policy"][0].pop("channels"),
    ),
    "Data.consent_required": key(DATA, "consent_required", ["email", "sms"]),
    "Budget.total": budget_key(STRATEGY_BUDGET, "total", "0.50 USD", "2.00 USD"),
    "Budget.per": Kind(
        lambda world: (_per(world), world.campaign["budget"].update(total="9.00 USD")),
        lambda world, _: world.campaign["budget"].update(total="1.00 USD", per="day"),
        bites=False,
    ),
    "Budget.daily": budget_key(STRATEGY_BUDGET, "daily", "0.40 USD"),
    "Budget.monthly": budget_key(STRATEGY_BUDGET, "monthly", "0.60 USD"),
    "Budget.sends": budget_key(STRATEGY_BUDGET, "sends", {"daily": 1}, {"monthly": 2}),
    "Sends.total": budget_key(within(STRATEGY_BUDGET, "sends"), "total", 1, 2),
    "Sends.daily": budget_key(within(CAMPAIGN_BUDGET, "sends"), "daily", 1, 2),
    "Sends.monthly": budget_key(within(CAMPAIGN_BUDGET, "sends"), "monthly", 1, 2),
    "PacedBudget.total": budget_key(CAMPAIGN_BUDGET, "total", "0.50 USD", "2.00 USD"),
    "PacedBudget.daily": budget_key(CAMPAIGN_BUDGET, "daily", "0.40 USD"),
    "PacedBudget.monthly": budget_key(CAMPAIGN_BUDGET, "monthly", "0.60 USD"),
    "PacedBudget.sends": budget_key(CAMPAIGN_BUDGET, "sends", {"daily": 1}),
    "PacedBudget.pacing": Kind(
        lambda world: world.campaign.update(budget={"daily": "0.90 USD"}),
        lambda world, chance: world.campaign["budget"].update(pacing=chance.choice(["even", "front"])),
        bites=False,
    ),
    "Message.cost": key(message, "cost", "0.35 USD", "0.20 USD per click"),
    "Brand.banned_phrases": key(BRAND, "banned_phrases", ["risk-free"]),
    "Brand.required": key(BRAND, "required", {"email": ["nothing has this"]}),
    "Brand.requires_disclaimer": key(BRAND, "requires_disclaimer", [{"when": "free", "then": "Terms apply"}]),
    "Brand.link_domains": key(BRAND, "link_domains", ["acme.example"]),
    "TextLimits.subject": key(LENGTHS, "subject", 30),
    "TextLimits.body": key(LENGTHS, "body", 1, bites=False),  # the messages here have none
    "TextLimits.fields": key(LENGTHS, "fields", {"headline": 1}, bites=False),
    "TextLimits.capitals": key(LENGTHS, "capitals", 0.5),
    "TextLimits.exclamations": key(LENGTHS, "exclamations", 0),
    "Approval.required": Kind(
        lambda world: world.strategy.update(approval={"required": False}),
        lambda world, _: world.strategy.update(approval={"required": True}),
    ),
    "Approval.approvers": Kind(
        lambda world: world.strategy.update(approval={"required": True}),
        lambda world, _: world.strategy["approval"].update(approvers=["brand"]),
        bites=False,
    ),
    "Strategy.review": Kind(
        _review,
        lambda world, chance: world.strategy.update(
            review={"every": "P2D", "when_overdue": chance.choice(["warn", "freeze", "stop", "stop"])}
        ),
    ),
    "Strategy.holdout": key(strategy, "holdout", {"share": 0.3}),
    "Strategy.guardrail_metrics": key(
        strategy, "guardrail_metrics", [{"outcome": "complained", "at_most": 0.01, "then": "alert"}], bites=False
    ),
    "Strategy.capacity": key(strategy, "capacity", {"live_campaigns": 1, "approvals_per_week": 1}, bites=False),
    "Campaign.starts": key(campaign, "starts", "2026-09-22", "2026-10-01"),
    "Campaign.ends": key(campaign, "ends", "2026-09-22", "2026-10-01"),
    "Campaign.everyone_else": Kind(
        lambda world: world.campaign.update(everyone_else="include"),
        lambda world, _: world.campaign.update(everyone_else="exclude"),
    ),
    "Campaign.rollout": Kind(
        lambda world: world.campaign.pop("rollout", None), lambda world, chance: _rollout(world, chance.random() / 2)
    ),
    "RolloutStage.share": Kind(lambda world: _rollout(world, 0.6), lambda world, _: _rollout(world, 0.3)),
    "Campaign.holdout": key(campaign, "holdout", {"share": 0.3}),
    "Message.retired": key(message, "retired", True),
    "Targeting.retired": key(targeting, "retired", True),
    "Targeting.send_window": key(targeting, "send_window", "08:00-11:00", "20:00-02:00"),
    "Targeting.only_segments": key(targeting, "only_segments", ["american"]),
    "Controls.status": controls_with(
        {"status": Status.RUNNING}, lambda _, chance: {"status": chance.choice([Status.PAUSED, Status.STOPPED])}
    ),
    "Controls.paused": controls_with(
        {"paused": {}}, lambda world, chance: {"paused": {chance.choice(variant_ids(world)): ""}}
    ),
    "Controls.pinned": controls_with(
        {"pinned": None}, lambda world, chance: {"pinned": chance.choice(variant_ids(world))}
    ),
    "Controls.held": controls_with({"held": False}, lambda *_: {"held": True}, bites=False),
    "Controls.silent_since": controls_with(
        {"silent_since": None}, lambda *_: {"silent_since": BEGINS}, bites=False
    ),  # learning is frozen, and what it has learned goes on
    "Controls.alerted": controls_with({"alerted": {}}, lambda *_: {"alerted": {"complained": "!"}}, bites=False),
    "Contacts.excluded": contacts_with(
        excluded=lambda already, _: [(*names, "offer", "plain:day", "offer:any") for names in already.excluded]
    ),
    "Contacts.wishes": contacts_with(wishes=lambda *_: np.zeros(N, np.int64)),
    "Contacts.suppressed": contacts_with(
        suppressed=lambda already, chance: already.suppressed | np.array([chance.random() < 0.7 for _ in range(N)])
    ),
    "Contacts.consents": contacts_with(consents=lambda *_: [False] * N),
    "Contacts.zones": contacts_with(zones=lambda *_: [None] * N),
    "Supplies.readings": Kind(lambda _: None, _more_used),
    "Supplies.contacts": Kind(lambda _: None, _one_more_contact),
}
KINDS["Contacts.zones"] = replace(
    KINDS["Contacts.zones"], without=lambda world: world.channel.update(unknown_time_zone="block")
)

# Keys that forbid nothing by themselves: what things are called and say, what is learned, and how fast.
NO_GUARDRAILS = {
    "Data": {"retention"},
    "Strategy": {
        "strategy",
        "why",
        "currency",
        "time_zone",
        "objectives",
        "hygiene",
        "attributes",
        "sources",
        "events",
        "policy_defaults",
        "notify",
    },
    "Campaign": {
        "campaign",
        "serves",
        "accept_proxy",
        "why",
        "journey_stage",
        "expects",
        "channel",
        "control",
        "segments",
        "announce_segments",
        "policy",
    },
    "Message": {"id", "subject", "body", "fields", "notes"},
    "Targeting": {"id", "notes", "fields"},
    "RolloutStage": {"for", "requires"},  # when a stage ends: see the tests of rollouts
    "Brand": {"placeholders"},  # allows placeholders
    "PacedBudget": {"per"},  # as Budget.per
    "Controls": {"stage", "stage_since", "stage_approved", "reviewed_at", "watched_since", "lasting", "hearing"},
    "Contacts": {"recipient_keys", "attributes", "u", "places"},
    "Supplies": {"ordinals"},
}
# Keys that only hold others, each of which is a kind of its own.
HOLD_OTHERS = {
    "Strategy": {"data", "channels", "brand", "budget", "approval"},
    "Campaign": {"messages", "targetings", "budget"},
    "Brand": {"limits"},
}


def names_of(model: type) -> set[str]:
    if issubclass(model, Document):
        return set(model.keys())
    return {field.name for field in fields(model)}


@pytest.mark.parametrize(
    "model",
    [
        *(documents.Strategy, documents.Campaign, documents.Message, documents.Targeting),
        *(limits.Data, limits.Channel, limits.ContactRule, limits.Sends, limits.Budget, limits.PacedBudget),
        *(limits.RolloutStage, limits.Approval, Brand, TextLimits, Controls, Contacts, Supplies),
    ],
    ids=lambda model: model.__name__,
)
def test_every_key_is_a_kind_of_guardrail_that_is_tried_or_known_to_be_none(model: type) -> None:
    tried = {kind.partition(".")[2] for kind in KINDS if kind.startswith(f"{model.__name__}.")}
    known = NO_GUARDRAILS.get(model.__name__, set()) | HOLD_OTHERS.get(model.__name__, set())
    assert names_of(model) == tried | known
    assert not tried & known


def compiled(world: World) -> Tactic | None:
    """The campaign; None when its documents are refused, which narrows as much as can be."""
    edition = Edition(world.strategy, {"first": world.campaign})
    try:
        workspace = read_workspace(edition.files)
    except DocumentError:
        return None
    approvals: set[tuple[str, str, str]] = set()
    found = compile_tactic(workspace.strategy, workspace.campaigns["first"], 1, approvals, world.controls)
    approvals |= {
        ("first", v.variant_id, v.content_hash) for v in found.variants if not v.variant_id.startswith("offer")
    }
    return compile_tactic(workspace.strategy, workspace.campaigns["first"], 1, approvals, world.controls)


def table_of(tactic: Tactic) -> AllocationTable:
    nothing = np.zeros((len(tactic.rules.segment_ids), len(tactic.variants), 1))
    evidence = Evidence(np.zeros(1, dtype=np.int64), nothing, nothing, nothing, nothing)
    return AllocationTable(learn(tactic, evidence, 1, BEGINS))


def chosen(tactic: Tactic, table: AllocationTable, world: World, now: Instant) -> list[Choice]:
    room = world.supplies.room(tactic, meters_of(tactic, now), world.contacts.recipient_keys, now)
    return choose(tactic, table, world.contacts, room, now)


def possible(tactic: Tactic, choice: Choice) -> set[str]:
    """Variants that the contact could have got."""
    if choice.segment_id is None:
        return set()
    eligible = set(tactic.variant_ids) - set(choice.blocked)
    if choice.group in {Group.LEARNING, Group.CHOSEN_BY_PEOPLE}:
        return eligible
    return eligible & {tactic.variant_ids[tactic.control]} if tactic.control is not None else set()


def world_at_random(chance: Random) -> World:
    edition = edition_at_random(chance.randrange(2**32))
    written = edition.campaigns["first"]
    written["messages"][1]["subject"] = "For {{first_name|you}}"
    controls = Controls(
        status=chance.choice([Status.RUNNING] * 8 + [Status.PAUSED]),
        paused=chance.choice([{}, {}, {"plain": ""}]),
        reviewed_at=BEGINS,
        stage=chance.choice([0, 1]),
    )
    return World(edition.strategy, written, controls, contacts_at_random(chance), supplies_at_random(chance, edition))


def contacts_at_random(chance: Random) -> Contacts:
    hashes = np.array([[chance.random() for _ in range(N)] for _ in range(4)])
    return Contacts(
        recipient_keys=[f"r{n}" for n in range(N)],
        attributes=[
            {"country": chance.choice(["US", "US", "GB"])}
            | ({"first_name": chance.choice(NAMES)} if chance.random() < 0.7 else {})
            for _ in range(N)
        ],
        excluded=[chance.choice([(), (), ("greeting",)]) for _ in range(N)],
        suppressed=np.array([chance.random() < 0.1 for _ in range(N)]),
        consents=[chance.choice([None, True, True, False]) for _ in range(N)],
        zones=[chance.choice([None, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")]) for _ in range(N)],
        u=hashes[0],
        places=Places(*hashes[1:]),
        wishes=np.full(N, NO_ARM),
    )


def supplies_at_random(chance: Random, edition: Edition) -> Supplies:
    scopes = ["strategy", "campaign:first", "channel:email", "channel:sms"]
    days = [BEGINS + n * 6 * HOUR for n in range(4 * 33)]
    periods = sorted({label(span, at, edition.zone) for at in days for span in ("ever", "month", "day")})
    readings = {
        MeterKey(scope, period): Reading(
            chance.choice([0, 10_000, 300_000]), chance.choice([0, 300_000]), chance.choice([0, 0, 1, 2])
        )
        for scope in scopes
        for period in periods
    }
    past = {
        f"r{n}": [
            Contact(BEGINS + chance.randrange(30 * DAY), chance.choice(["email", "sms"]))
            for _ in range(chance.choice([0, 0, 1, 2]))
        ]
        for n in range(N)
    }
    return Supplies(readings, past)


def trial(kind: Kind, seed: int) -> bool | None:
    """Whether the guardrail removed anything; None when there is nothing to add it to."""
    chance = Random(seed)
    before = world_at_random(chance)
    kind.without(before)
    after = before.copy()
    kind.with_it(after, chance)
    wider, narrower = compiled(before), compiled(after)
    if wider is None:
        return None
    bitten = False
    wide, narrow = table_of(wider), None if narrower is None else table_of(narrower)
    for _ in range(MOMENTS):
        now = BEGINS + chance.randrange(30 * DAY)
        could = [possible(wider, choice) for choice in chosen(wider, wide, before, now)]
        can: Sequence[set[str]] = [set()] * N
        if narrower is not None and narrow is not None:
            assert narrower.variant_ids == wider.variant_ids
            can = [possible(narrower, choice) for choice in chosen(narrower, narrow, after, now)]
        for n in range(N):
            assert can[n] <= could[n], f"seed {seed}, contact {n}: {can[n] - could[n]} became eligible"
            bitten = bitten or can[n] < could[n]
    return bitten


@pytest.mark.parametrize("name", KINDS)
def test_one_more_guardrail_never_makes_a_variant_eligible(name: str) -> None:
    kind = KINDS[name]
    results: list[bool] = []
    for seed in range(MOST_TRIALS):
        found = trial(kind, seed)
        results += [] if found is None else [found]
        if len(results) >= FEWEST_TRIALS and (any(results) or not kind.bites):
            break
    assert len(results) >= FEWEST_TRIALS, "this guardrail could hardly ever be added"
    assert any(results) == kind.bites, f"{name} {'never removed anything' if kind.bites else 'removed something'}"
