"""Decide: which variant for this recipient? One function for one request and for a blast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np

from optimizer.domain.decision import Attributes, Decision
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Reason
from optimizer.engine.assessment import contributions
from optimizer.engine.choosing import NO_ARM, Choice, Contacts
from optimizer.engine.rationing import choose_in_turn
from optimizer.engine.supplies import Supplies
from optimizer.engine.tactic import Tactic
from optimizer.errors import Conflict, InvalidRequest, NotFound, OptimizerError, RequestFinding
from optimizer.insights.ranking_words import refusal
from optimizer.policy.draw import recipient_key
from optimizer.services.committing import commit_to, supplies_of
from optimizer.services.live import Live, Loaded
from optimizer.services.people import People, agreed, known_of
from optimizer.services.proving import Chances, chances
from optimizer.storage.store import Ledger
from optimizer.strategy.attributes import check_attributes
from optimizer.strategy.variants import Variant


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """What a caller asks: see `POST /v1/decisions`.

    `attributes` and `time_zone` win over the stored profile; `consent` by channel adds to it, and a no always wins.
    `chosen` is the variant that a person, the `actor`, has chosen for the recipient; None lets the policy choose.
    """

    campaign_id: str
    recipient: str
    request_id: str
    attributes: Attributes
    excluded: tuple[str, ...] = ()
    deferred: bool = False
    consent: Mapping[str, bool] = field(default_factory=dict)
    time_zone: str | None = None
    chosen: str | None = None
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision with what the caller needs to act on it.

    Attributes:
        variant: words and targeting; None when there is nothing to send.
        expires_at: last instant at which an outcome still counts, as far as is known yet.
    """

    decision: Decision
    variant: Variant | None
    expires_at: Instant


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its hashes."""

    request: DecisionRequest
    recipient_key: str
    chance: Chances

    @property
    def decision_id(self) -> str:
        return self.chance.decision_id


def decide(
    ledger: Ledger, live: Live, requests: Sequence[DecisionRequest], now: Instant
) -> list[Answer | OptimizerError]:
    """Answer every request, in order; one that cannot be answered gets its error and changes nothing.

    A request seen before, by any worker, gets the answer it got then.
    """
    loaded = live.at(ledger)
    asked = [hashed(live.secret, request) for request in requests]
    made = ledger.decisions.by_id([one.decision_id for one in asked])
    problems = [None if one.decision_id in made else problem_of(loaded, one.request) for one in asked]
    # Of requests with the same id, the first that can be answered is answered, and the others get that answer.
    usable: dict[str, Asked] = {}
    for one, problem in zip(asked, problems, strict=True):
        if problem is None and one.decision_id not in made:
            usable.setdefault(one.decision_id, one)
    by_campaign: dict[str, list[Asked]] = {}
    for one in usable.values():
        by_campaign.setdefault(one.request.campaign_id, []).append(one)
    people = known_of(ledger, [one.recipient_key for one in usable.values()])
    tactics = {campaign_id: loaded.tactics[campaign_id] for campaign_id in by_campaign}
    with_limits = [one.recipient_key for one in usable.values() if tactics[one.request.campaign_id].contact_limits]
    supplies = supplies_of(ledger, list(tactics.values()), with_limits, now)
    new: list[Decision] = []
    refused: dict[str, OptimizerError] = {}
    for campaign_id, some in by_campaign.items():
        for one, found in zip(some, _decisions(loaded, campaign_id, some, people, supplies, now), strict=True):
            if isinstance(found, Decision):
                new.append(found)
            else:
                refused[one.decision_id] = found

    written = ledger.decisions.insert(new)
    for decision in new:
        if decision.decision_id in written:
            ledger.statistics.pending.add(contributions(live.reward_rule(ledger, decision), decision, ()))
            made[decision.decision_id] = decision
    commit_to(ledger, tactics, [decision for decision in new if decision.decision_id in written], supplies)
    lost_races = [d.decision_id for d in new if d.decision_id not in written]
    made |= ledger.decisions.by_id(lost_races)
    return [
        _answered(ledger, live, one.request, made[one.decision_id])
        if one.decision_id in made
        else problem or refused[one.decision_id]
        for one, problem in zip(asked, problems, strict=True)
    ]


def _answered(ledger: Ledger, live: Live, request: DecisionRequest, decision: Decision) -> Answer | OptimizerError:
    if request.chosen is None or request.chosen == decision.variant_id:
        return answer(ledger, live, decision)
    found = f"{request.request_id!r}, under which {decision.variant_id or 'nothing'} was decided"
    return Conflict(f"request_id: found {found}; allowed another request_id for another choice")


def answer(ledger: Ledger, live: Live, decision: Decision) -> Answer:
    """The answer a decision gives, whenever it is asked for."""
    window = live.reward_rule(ledger, decision).window
    return Answer(decision, live.variant(ledger, decision), decision.decided_at + window)


def hashed(secret: bytes, request: DecisionRequest) -> Asked:
    """A request with the hashes of what it names."""
    key = recipient_key(secret, request.recipient)
    return Asked(request, key, chances(secret, request.campaign_id, key, request.request_id))


def problem_of(loaded: Loaded, request: DecisionRequest) -> OptimizerError | None:
    """Why a request cannot be answered, whoever it is about; None when it can be."""
    try:
        tactic = loaded.tactic(request.campaign_id)
    except NotFound as error:
        return error
    findings = list(check_attributes(loaded.declared, request.attributes))
    if request.chosen is not None and request.chosen not in tactic.variant_ids:
        findings.append(RequestFinding("/variant", repr(request.chosen), ", ".join(tactic.variant_ids)))
    return InvalidRequest(*findings) if findings else None


def _decisions(
    loaded: Loaded,
    campaign_id: str,
    some: Sequence[Asked],
    people: People,
    supplies: Supplies,
    now: Instant,
) -> list[Decision | OptimizerError]:
    tactic, table = loaded.tactics[campaign_id], loaded.tables[campaign_id]
    met = met_by(loaded, tactic, some, people)
    choices = choose_in_turn(tactic, table, met.contacts, supplies, now)
    return [
        _decision(tactic, one, choice, met, n, table.snapshot.snapshot_id if choice.drawn else None, now)
        if one.request.chosen is None or choice.arm is not None
        else Conflict(refusal(tactic, one.request.chosen, choice))
        for n, (one, choice) in enumerate(zip(some, choices, strict=True))
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Met:
    """Some recipients as the engine looks at them, and the names of their time zones."""

    contacts: Contacts
    zones: Sequence[str | None]


def met_by(loaded: Loaded, tactic: Tactic, some: Sequence[Asked], people: People) -> Met:
    """What requests to one campaign say of their recipients, together with what is stored of them."""
    channel = tactic.campaign.channel
    profiles = [people.profile(one.recipient_key) for one in some]
    attributes = [
        {**_declared_only(loaded, profile.attributes), **one.request.attributes}
        for one, profile in zip(some, profiles, strict=True)
    ]
    zones = [one.request.time_zone or profile.time_zone for one, profile in zip(some, profiles, strict=True)]
    consents = [
        agreed(channel, profile.consent, one.request.consent) for one, profile in zip(some, profiles, strict=True)
    ]
    arm_of = {variant_id: arm for arm, variant_id in enumerate(tactic.variant_ids)}
    wishes = [NO_ARM if one.request.chosen is None else arm_of[one.request.chosen] for one in some]
    contacts = Contacts(
        recipient_keys=[one.recipient_key for one in some],
        attributes=attributes,
        excluded=[one.request.excluded for one in some],
        suppressed=np.array([people.is_suppressed(one.recipient_key, channel) for one in some], dtype=bool),
        consents=consents,
        zones=[None if zone is None else ZoneInfo(zone) for zone in zones],
        u=np.array([one.chance.u for one in some]),
        places=Chances.places([one.chance for one in some]),
        wishes=np.array(wishes) if any(wish != NO_ARM for wish in wishes) else None,
    )
    return Met(contacts, zones)


def _decision(
    tactic: Tactic, one: Asked, choice: Choice, met: Met, n: int, snapshot_id: str | None, now: Instant
) -> Decision:
    return Decision(
        decision_id=one.decision_id,
        campaign_id=tactic.campaign_id,
        recipient_key=one.recipient_key,
        request_id=one.request.request_id,
        strategy_version=tactic.strategy_version,
        segment_id=choice.segment_id,
        group=choice.group,
        variant_id=None if choice.arm is None else tactic.variant_ids[choice.arm],
        content_hash=None if choice.arm is None else tactic.content_hashes[choice.arm],
        propensity=choice.propensity,
        reason=choice.reason,
        snapshot_id=snapshot_id,
        decided_at=now,
        blocked=choice.blocked,
        deferred=one.request.deferred,
        attributes=met.contacts.attributes[n],
        excluded=one.request.excluded,
        retry_at=choice.retry_at,
        time_zone=met.zones[n],
        consent=met.contacts.consents[n],
        rollout_share=tactic.shares.rollout,
        actor=one.request.actor if choice.reason is Reason.CHOSEN_BY_HUMAN else None,
    )


def _declared_only(loaded: Loaded, profile: Attributes) -> Attributes:
    """A stored profile without what the documents in force no longer declare."""
    return {name: value for name, value in profile.items() if name in loaded.declared}
