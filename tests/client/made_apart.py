"""Decisions made away from the service, for tests: what a client would decide by a bundle, and how it uploads that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.contract.documents_at_random import campaign_at_random, strategy_at_random

from optimizer.domain.instants import Instant
from optimizer.engine.apart import Apart
from optimizer.engine.basis import read_basis
from optimizer.services.decisions.bundling import Bundle, issue_bundle
from optimizer.services.decisions.uploading import MadeApart, Uploaded, upload_decisions

NAMES = ["Ann", "Risk-Free", "BARBARA", "Ann!!", "x" * 60, "free"]


def files_at_random(seed: int) -> dict[str, str]:
    """Documents of one campaign whose guardrails let anybody decide."""
    chance = Random(seed)
    strategy, campaign = strategy_at_random(chance), campaign_at_random(chance, "first")
    for key in ("contact_policy", "budget", "data"):
        strategy.pop(key, None)
    for channel in strategy["channels"].values():
        for key in ("quiet_hours", "sends_per_day", "unknown_time_zone"):
            channel.pop(key, None)
    campaign.pop("budget", None)
    for targeting in campaign.get("targetings", []):
        targeting.pop("send_window", None)
    return {"strategy.yaml": json.dumps(strategy), "campaigns/first.yaml": json.dumps(campaign)}


def attributes_at_random(chance: Random) -> dict[str, Any]:
    said = {"country": chance.choice(["US", "GB", None]), "first_name": chance.choice([*NAMES, None])}
    return {name: value for name, value in said.items() if value is not None}


def bundle_of(house: Any, campaign: str) -> Bundle:
    with house.deployment.store.writing(alone=True) as ledger:
        return issue_bundle(ledger, house.deployment.live, campaign, house.now)


def apart_of(house: Any, bundle: Bundle) -> Apart:
    """As a client has it: from the text."""
    assert bundle.basis is not None, bundle.reason
    basis = read_basis(bundle.basis.text)
    nobody = (frozenset(bundle.suppressed), frozenset(bundle.barred), frozenset(bundle.refused))
    return Apart(basis, house.deployment.live.secret, *nobody)


def made_by(apart: Apart, requests: Sequence[Any], at: Instant) -> list[MadeApart]:
    """What a client claims of some requests."""
    given = apart.decide(
        [one.recipient for one in requests],
        [one.request_id for one in requests],
        [one.attributes for one in requests],
        [one.excluded for one in requests],
        at,
    )
    names = apart.tactic.variant_ids
    return [
        MadeApart(
            person,
            one.request_id,
            at,
            decision_id,
            None if choice.arm is None else names[choice.arm],
            choice.segment_id,
            choice.group,
            choice.propensity,
            choice.reason,
            one.attributes,
            one.excluded,
            one.deferred,
        )
        for person, decision_id, choice, one in zip(
            given.persons, given.decision_ids, given.choices, requests, strict=True
        )
    ]


def uploaded(house: Any, bundle: Bundle, made: Sequence[MadeApart], campaign: str = "winback") -> list[Uploaded]:
    with house.deployment.store.writing(alone=True) as ledger:
        return upload_decisions(ledger, house.deployment.live, campaign, bundle.number or 0, made, house.now)
