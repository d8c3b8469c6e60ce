"""Decide: which variant for this recipient? One function for one request and for a blast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes, Decision
from optimizer.domain.instants import Duration, Instant
from optimizer.domain.reasons import Reason
from optimizer.engine.assessment import contributions_unheard
from optimizer.engine.choosing import NO_ARM, Choice, Contacts
from optimizer.engine.placing import places_of
from optimizer.engine.rationing import choose_in_turn
from optimizer.engine.supplies import Supplies
from optimizer.engine.tactic import Tactic
from optimizer.errors import Conflict, InvalidRequest, NotFound, OptimizerError, RequestFinding
from optimizer.insights.ranking_words import refusal
from optimizer.policy.draw import decision_hashes, recipient_keys
from optimizer.services.decisions.committing import commit_to, later_supplies
from optimizer.services.live import Live, Loaded
from optimizer.services.recipients.behaviour import with_behaviour
from optimizer.services.recipients.people import People, agreed, later_known
from optimizer.storage.rows import Later
from optimizer.storage.store import Ledger
from optimizer.strategy.attributes import are_allowed, check_attributes
from optimizer.strategy.variants import Variant

_NOTHING_SAID: Mapping[str, bool] = MappingProxyType({})


class DecisionRequest(NamedTuple):
    """What a caller asks: see `POST /v1/decisions`.

    `attributes` and `time_zone` win over the stored profile; `consent` by channel adds to it, and a no always wins.
    `chosen` is the variant that a person, the `actor`, has chosen for the recipient; None lets the policy choose.
    `fresh` says that the request id has just been drawn at random, so nobody can have asked with it before.
    """

    campaign_id: str
    recipient: str
    request_id: str
    attributes: Attributes
    excluded: tuple[str, ...] = ()
    deferred: bool = False
    consent: Mapping[str, bool] = _NOTHING_SAID
    time_zone: str | None = None
    chosen: str | None = None
    actor: str | None = None
    fresh: bool = False


class Answer(NamedTuple):
    """A decision with what the caller needs to act on it.

    Attributes:
        variant: words and targeting; None when there is nothing to send.
        expires_at: last instant at which an outcome still counts, as far as is known yet.
    """

    decision: Decision
    variant: Variant | None
    expires_at: Instant


class Asked(NamedTuple):
    """A request with its hashes.

    Attributes:
        person: keyed hash of the recipient, from which all that is left to chance is hashed.
        recipient_key: what is stored in its place.
        u: in [0, 1), where the draw falls.
    """

    request: DecisionRequest
    person: str
    recipient_key: str
    decision_id: str
    u: float


def decide(
    ledger: Ledger, live: Live, requests: Sequence[DecisionRequest], now: Instant
) -> list[Answer | OptimizerError]:
    """Answer every request, in order; one that cannot be answered gets its error and changes nothing.

    A request seen before, by any worker, gets the answer it got then.
    """
    loaded = live.at(ledger)
    asked = hashed(live, loaded, requests)
    made_before = ledger.decisions.later_by_id([one.decision_id for one in asked if not one.request.fresh])
    people, supplies = _later_known(ledger, live, loaded, asked, now)
    made = made_before()
    problems = _problems_of(loaded, requests)
    # Of requests with the same id, the first that can be answered is answered, and the others get that answer.
    usable: dict[str, Asked] = {}
    for one, problem in zip(asked, problems, strict=True):
        if problem is None and one.decision_id not in made:
            usable.setdefault(one.decision_id, one)
    refused: dict[str, OptimizerError] = {}
    if usable:
        new, refused = _decided(ledger, live, loaded, usable.values(), people(), supplies(), now)
        made |= new
    words = _Words(ledger, live)
    return [
        words.answer_to(one.request, made[one.decision_id])
        if one.decision_id in made
        else problem or refused[one.decision_id]
        for one, problem in zip(asked, problems, strict=True)
    ]


def _later_known(
    ledger: Ledger, live: Live, loaded: Loaded, asked: Sequence[Asked], now: Instant
) -> tuple[Later[People], Later[Supplies]]:
    """What is known of everybody asked for, and what may be used up for them: asked for before it is known for whom."""
    tactics = {id_: loaded.tactics[id_] for one in asked if (id_ := one.request.campaign_id) in loaded.tactics}
    with_limits = {id_ for id_, tactic in tactics.items() if tactic.contact_limits}
    persons, keys = [one.person for one in asked], [one.recipient_key for one in asked]
    limited = [one.recipient_key for one in asked if one.request.campaign_id in with_limits] if with_limits else []
    people = later_known(ledger, live, loaded, persons, keys, now)
    return people, later_supplies(ledger, list(tactics.values()), limited, now)


def _decided(
    ledger: Ledger,
    live: Live,
    loaded: Loaded,
    usable: Collection[Asked],
    people: People,
    supplies: Supplies,
    now: Instant,
) -> tuple[dict[str, Decision], dict[str, OptimizerError]]:
    """Decide on requests that nobody has made before, and write it down.

    Returns:
        By decision id, what was decided, and why nothing was.
    """
    by_campaign: dict[str, list[Asked]] = defaultdict(list)
    for one in usable:
        by_campaign[one.request.campaign_id].append(one)
    in_order = [one for some in by_campaign.values() for one in some]
    tactics = {campaign_id: loaded.tactics[campaign_id] for campaign_id in by_campaign}
    met = met_by(live, loaded, in_order, people)
    if loaded.deriving:
        derive(ledger, loaded, in_order, met, now)
    choices: list[Choice] = []
    for campaign_id, some in by_campaign.items():
        contacts = met.contacts.part(len(choices), len(choices) + len(some))
        choices += choose_in_turn(tactics[campaign_id], loaded.tables[campaign_id], contacts, supplies, now)
    made = decisions_of(loaded, in_order, met, choices, now)
    refused = {
        one.decision_id: found for one, found in zip(in_order, made, strict=True) if not isinstance(found, Decision)
    }
    return write_down(ledger, tactics, [found for found in made if isinstance(found, Decision)], supplies), refused


def write_down(
    ledger: Ledger, tactics: Mapping[str, Tactic], decisions: Sequence[Decision], supplies: Supplies
) -> dict[str, Decision]:
    """Write new decisions and all that follows from them; by id, what stands written now."""
    new = {decision.decision_id: decision for decision in decisions}
    written = ledger.decisions.insert(decisions)
    mine = [decision for id_, decision in new.items() if id_ in written]
    ledger.statistics.pending.add(contributions_unheard(lambda one: tactics[one.campaign_id].reward_rule, mine))
    commit_to(ledger, tactics, mine, supplies)
    lost_races = [id_ for id_ in new if id_ not in written]
    return new | ledger.decisions.by_id(lost_races) if lost_races else new


class _Words:
    """Answers to requests, with the words of the documents of then: looked up once for all decisions of a batch."""

    def __init__(self, ledger: Ledger, live: Live) -> None:
        self._ledger, self._live = ledger, live
        self._known: dict[tuple[int, str, str | None], tuple[Variant | None, Duration]] = {}

    def answer_to(self, request: DecisionRequest, decision: Decision) -> Answer | OptimizerError:
        if request.chosen is not None and request.chosen != decision.variant_id:
            found = f"{request.request_id!r}, under which {decision.variant_id or 'nothing'} was decided"
            return Conflict(f"request_id: found {found}; allowed another request_id for another choice")
        place = (decision.strategy_version, decision.campaign_id, decision.variant_id)
        known = self._known.get(place)
        if known is None:
            window = self._live.reward_rule(self._ledger, decision).window
            known = self._known[place] = self._live.variant(self._ledger, decision), window
        return Answer(decision, known[0], decision.decided_at + known[1])


def answer(ledger: Ledger, live: Live, decision: Decision) -> Answer:
    """The answer a decision gives, whenever it is asked for."""
    window = live.reward_rule(ledger, decision).window
    return Answer(decision, live.variant(ledger, decision), decision.decided_at + window)


def hashed(live: Live, loaded: Loaded, requests: Sequence[DecisionRequest]) -> list[Asked]:
    """Requests with the hashes of what they name, in order."""
    persons = recipient_keys(live.secret, [request.recipient for request in requests])
    keys = loaded.pseudonyms.keys_of(persons)
    ids, chances = decision_hashes(
        live.secret,
        [request.campaign_id for request in requests],
        persons,
        [request.request_id for request in requests],
    )
    return list(map(Asked, requests, persons, keys, ids, chances.tolist()))


def _problems_of(loaded: Loaded, requests: Sequence[DecisionRequest]) -> Sequence[OptimizerError | None]:
    """Why each request cannot be answered, None where it can be."""
    if len(requests) > len(loaded.declared):  # then one look at each attribute, which mostly finds nothing, is cheaper
        are_clear = all(one.campaign_id in loaded.tactics and one.chosen is None for one in requests)
        if are_clear and are_allowed(loaded.declared, [one.attributes for one in requests]):
            return [None] * len(requests)
    return [problem_of(loaded, one) for one in requests]


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


def decisions_of(
    loaded: Loaded, some: Sequence[Asked], met: Met, choices: Sequence[Choice], now: Instant
) -> list[Decision | OptimizerError]:
    """What was chosen for each, as it is written down; or why a wish could not be fulfilled."""
    made: list[Decision | OptimizerError] = []
    asked_about = {one.request.campaign_id for one in some}
    snapshot_ids = {campaign_id: loaded.tables[campaign_id].snapshot.snapshot_id for campaign_id in asked_about}
    for one, choice, attributes, zone, consent in zip(
        some, choices, met.contacts.attributes, met.zones, met.contacts.consents, strict=True
    ):
        request, arm = one.request, choice.arm
        tactic = loaded.tactics[request.campaign_id]
        if arm is None and request.chosen is not None:
            made.append(Conflict(refusal(tactic, request.chosen, choice)))
            continue
        # In the order of the fields: it is made for every request, and names would take longer than all else here.
        decision = Decision(
            one.decision_id,
            request.campaign_id,
            one.recipient_key,
            request.request_id,
            tactic.strategy_version,
            choice.segment_id,
            choice.group,
            None if arm is None else tactic.variant_ids[arm],
            None if arm is None else tactic.content_hashes[arm],
            choice.propensity,
            choice.reason,
            snapshot_ids[request.campaign_id] if choice.drawn else None,
            now,
            choice.blocked,
            request.deferred,
            attributes,
            request.excluded,
            choice.retry_at,
            zone,
            consent,
            tactic.shares.rollout,
            request.actor if choice.reason is Reason.CHOSEN_BY_HUMAN else None,
        )
        made.append(decision)
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Met:
    """Some recipients as the engine looks at them, and the names of their time zones."""

    contacts: Contacts
    zones: Sequence[str | None]


def met_by(live: Live, loaded: Loaded, some: Sequence[Asked], people: People) -> Met:
    """What requests say of their recipients, together with what is stored of them."""
    tactics = [loaded.tactics[one.request.campaign_id] for one in some]
    attributes: list[Attributes] = []
    zones: list[str | None] = []
    consents: list[bool | None] = []
    suppressed: list[bool] = []
    for one, tactic in zip(some, tactics, strict=True):
        request, profile, channel = one.request, people.profiles.get(one.recipient_key), tactic.campaign.channel
        if profile is None:
            attributes.append(request.attributes)
            zones.append(request.time_zone)
            consents.append(request.consent.get(channel))
        else:
            attributes.append({**_declared_only(loaded, profile.attributes), **request.attributes})
            zones.append(request.time_zone or profile.time_zone)
            consents.append(agreed(channel, profile.consent, request.consent))
        suppressed.append(people.is_suppressed(one.recipient_key, channel))
    contacts = Contacts(
        recipient_keys=[one.recipient_key for one in some],
        attributes=attributes,
        excluded=[one.request.excluded for one in some],
        suppressed=np.array(suppressed, dtype=bool),
        consents=consents,
        zones=[None if zone is None else ZoneInfo(zone) for zone in zones],
        u=np.array([one.u for one in some]),
        places=places_of(live.secret, tactics, [one.person for one in some]),
        wishes=_wishes(tactics, [one.request.chosen for one in some]),
    )
    return Met(contacts, zones)


def derive(ledger: Ledger, loaded: Loaded, some: Sequence[Asked], met: Met, now: Instant) -> None:
    """Add the attributes that follow from what the recipients did, for campaigns that look at them."""
    asked = [(one.request.campaign_id, one.recipient_key) for one in some]
    met.contacts.attributes = with_behaviour(ledger, loaded, asked, met.contacts.attributes, now)


def _wishes(tactics: Sequence[Tactic], chosen: Sequence[str | None]) -> NDArray[np.int64] | None:
    """The arm that a person has chosen for each recipient; None when nobody has chosen any."""
    if not any(chosen):
        return None
    return np.array(
        [
            NO_ARM if variant_id is None else tactic.variant_ids.index(variant_id)
            for tactic, variant_id in zip(tactics, chosen, strict=True)
        ]
    )


def _declared_only(loaded: Loaded, profile: Attributes) -> Attributes:
    """A stored profile without what the documents in force no longer declare."""
    return {name: value for name, value in profile.items() if name in loaded.declared}
