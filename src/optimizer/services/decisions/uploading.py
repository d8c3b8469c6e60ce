"""Upload: decisions that clients made themselves, each decided once more before it is believed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import takewhile
from typing import Final, NamedTuple

from optimizer.domain.decision import Attributes, Decision
from optimizer.domain.instants import SECOND, Duration, Instant, isoformat
from optimizer.domain.reasons import Reason
from optimizer.engine.basis import MOST_AGE, Basis
from optimizer.engine.rationing import choose_in_turn
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.errors import Contended, InvalidRequest, NotFound
from optimizer.policy.draw import decision_hashes, tombstones
from optimizer.services.decisions.bundling import past_basis
from optimizer.services.decisions.deciding import Asked, DecisionRequest, decisions_of, met_by, write_down
from optimizer.services.live import Live, Loaded
from optimizer.services.recipients.people import People
from optimizer.storage.bundles import Issue
from optimizer.storage.controls import EVERY_CHANNEL
from optimizer.storage.store import Ledger
from optimizer.strategy.attributes import check_attributes

SLACK: Final[Duration] = 30 * SECOND  # between the clock that issued a bundle and the one that decided by it
# What is compared of a decision, and how a refusal names it.
_COMPARED: Mapping[str, str] = {
    "decision_id": "decision_id",
    "variant_id": "variant",
    "segment_id": "segment",
    "group": "group",
    "propensity": "propensity",
    "reason": "reason",
}


class Verdict(StrEnum):
    """What becomes of a decision that a client made."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # written before; nothing changed
    REFUSED = "refused"  # the service would not have decided so: nothing was written


@dataclass(frozen=True, slots=True)
class MadeApart:
    """A decision that a client made; see `Decision` for the fields it claims.

    Attributes:
        person: keyed hash of the recipient, see `policy.draw.recipient_key`.
    """

    person: str
    request_id: str
    decided_at: Instant
    decision_id: str
    variant_id: str | None
    segment_id: str | None
    group: str
    propensity: float | None
    reason: str
    attributes: Attributes
    excluded: tuple[str, ...] = ()
    deferred: bool = False


class Uploaded(NamedTuple):
    """What became of one."""

    decision_id: str
    verdict: Verdict
    detail: str | None = None


def upload_decisions(
    ledger: Ledger, live: Live, campaign_id: str, number: int, made: Sequence[MadeApart], now: Instant
) -> list[Uploaded]:
    """Write every decision that comes out the same here, and refuse the others; what became of each, in order.

    Args:
        ledger: the ledger.
        live: gives the secret and the documents.
        campaign_id: campaign they were made for.
        number: of the bundle they were made by.
        made: the decisions.
        now: the instant.

    Raises:
        NotFound: no such bundle was ever issued.
        Contended: the campaign has got budgets since, which a transaction must be alone to count anew.
    """
    issue = ledger.bundles.get(campaign_id, number)
    if issue is None:
        raise NotFound(f"bundle: found {number} of {campaign_id!r}; allowed one that this service has issued")
    loaded, basis = live.at(ledger), past_basis(ledger, live, issue)
    following = ledger.bundles.get(campaign_id, number + 1)
    period = _Period.of(issue, following, now)
    asked = _asked(live, loaded, basis, made)
    written = ledger.decisions.by_id([one.decision_id for one in asked])
    barred = _barred(ledger, live, loaded, basis, asked)
    verdicts: list[Uploaded | None] = []
    together: dict[tuple[object, ...], dict[str, int]] = defaultdict(dict)
    for n, (one, claim) in enumerate(zip(asked, made, strict=True)):
        known = written.get(one.decision_id)
        if known is not None:
            verdicts.append(_as_written(claim, known))
            continue
        objection = _objection(basis, one, claim, period, barred)
        verdicts.append(None if objection is None else Uploaded(claim.decision_id, Verdict.REFUSED, objection))
        if objection is None:
            # Of what is known apart, only the phase of the campaign depends on the instant.
            alike = (*basis.tactic.limits.phase(claim.decided_at), claim.reason == Reason.SUPPRESSED)
            together[alike].setdefault(one.decision_id, n)
    decisions: list[Decision] = []
    for places in together.values():
        some, claims = [asked[n] for n in places.values()], [made[n] for n in places.values()]
        for n, claim, decision in zip(places.values(), claims, _again(live, loaded, basis, some, claims), strict=True):
            difference = _difference(claim, decision)
            if difference is None:
                decisions.append(decision)
            verdict = Verdict.ACCEPTED if difference is None else Verdict.REFUSED
            detail = None if difference is None else f"{difference}, as its bundle decides"
            verdicts[n] = Uploaded(claim.decision_id, verdict, detail)
    if decisions:
        write_down(ledger, {campaign_id: basis.tactic}, decisions, Supplies())
        _count_anew(ledger, loaded, campaign_id, decisions)
    accepted = {decision.decision_id: decision for decision in decisions}
    # Named twice in one upload: the second is as written as one of an earlier upload.
    return [
        verdict or _as_written(claim, accepted[one.decision_id])
        if verdict or one.decision_id in accepted
        else Uploaded(claim.decision_id, Verdict.REFUSED, "decision_id: found it twice; allowed a request once")
        for verdict, one, claim in zip(verdicts, asked, made, strict=True)
    ]


class _Period(NamedTuple):
    """When decisions of a bundle can have been made."""

    earliest: Instant
    latest: Instant

    @classmethod
    def of(cls, issue: Issue, following: Issue | None, now: Instant) -> _Period:
        ends = now if following is None else min(now, following.issued_at + MOST_AGE)
        return cls(issue.issued_at - SLACK, ends + SLACK)


def _asked(live: Live, loaded: Loaded, basis: Basis, made: Sequence[MadeApart]) -> list[Asked]:
    campaign_id, said_no = basis.campaign_id, {basis.tactic.campaign.channel: False}
    persons, requests = [one.person for one in made], [one.request_id for one in made]
    ids, chances = decision_hashes(live.secret, [campaign_id] * len(made), persons, requests)
    keys = loaded.pseudonyms.keys_of(persons) if made else []
    return [
        Asked(
            DecisionRequest(
                campaign_id,
                "",
                one.request_id,
                one.attributes,
                one.excluded,
                one.deferred,
                said_no if one.reason == Reason.NO_CONSENT else {},
            ),
            person,
            key,
            id_,
            u,
        )
        for one, person, key, id_, u in zip(made, persons, keys, ids, chances.tolist(), strict=True)
    ]


def _barred(
    ledger: Ledger, live: Live, loaded: Loaded, basis: Basis, asked: Sequence[Asked]
) -> dict[str, tuple[Instant, str]]:
    """By decision id, since when the recipient may not be sent anything, and why."""
    channels = (basis.tactic.campaign.channel, EVERY_CHANNEL)
    found: dict[str, tuple[Instant, str]] = {}
    keys = [one.recipient_key for one in asked]
    listed, profiles = ledger.suppressions.of(keys), ledger.recipients.of(keys)
    erased: Mapping[str, set[str]] = {}
    hashes = [""] * len(asked)
    if loaded.has_tombstones:
        hashes = tombstones(live.secret, [one.person for one in asked])
        erased = ledger.tombstones.of(hashes)
    for one, hashed in zip(asked, hashes, strict=True):
        if not listed.get(one.recipient_key, set()).isdisjoint(channels):
            entries = ledger.suppressions.entries(one.recipient_key)
            since = min(entry.at for entry in entries if entry.channel in channels)
            found[one.decision_id] = since + MOST_AGE + SLACK, f"on the suppression list since {isoformat(since)}"
        elif one.recipient_key in profiles and profiles[one.recipient_key].consent.get(channels[0]) is False:
            since = _said_no_since(ledger, one.recipient_key, channels[0])
            found[one.decision_id] = since + MOST_AGE + SLACK, f"a no to the channel since {isoformat(since)}"
        if not erased.get(hashed, set()).isdisjoint(channels):
            found[one.decision_id] = 0, "somebody who was erased and must not be contacted"
    return found


def _said_no_since(ledger: Ledger, recipient_key: str, channel: str) -> Instant:
    changes = [one for one in ledger.consents.of(recipient_key) if one.name == channel]
    return min(one.given_at for one in takewhile(lambda one: one.agreed is False, reversed(changes)))


def _objection(
    basis: Basis, one: Asked, claim: MadeApart, period: _Period, barred: Mapping[str, tuple[Instant, str]]
) -> str | None:
    """Why nobody need look at a decision any further; None when somebody has to."""
    if not period.earliest <= claim.decided_at <= period.latest:
        allowed = f"{isoformat(period.earliest)} to {isoformat(period.latest)}, while its bundle was in force"
        return f"decided_at: found {isoformat(claim.decided_at)}; allowed {allowed}"
    findings = check_attributes(basis.declared, claim.attributes)
    if findings:
        return str(InvalidRequest(*findings))
    if claim.variant_id is not None and one.decision_id in barred:
        since, found = barred[one.decision_id]
        if claim.decided_at > since:
            return f"recipient: found {found}; allowed those who may be sent something"
    return None


def _again(
    live: Live, loaded: Loaded, basis: Basis, some: Sequence[Asked], claims: Sequence[MadeApart]
) -> list[Decision]:
    """What the service decides on the same requests by the same bundle, each at its instant.

    Args:
        live: gives the secret.
        loaded: gives the names recipients are stored under.
        basis: what the bundle held.
        some: requests for which the campaign is in one phase, all of suppressed recipients or none.
        claims: of each.
    """
    tactic, table, at = basis.tactic, basis.table, claims[0].decided_at
    then = replace(
        loaded, version=basis.version, tactics={tactic.campaign_id: tactic}, tables={tactic.campaign_id: table}
    )
    is_listed = claims[0].reason == Reason.SUPPRESSED
    suppressed = {one.recipient_key: {EVERY_CHANNEL} for one in some} if is_listed else {}
    met = met_by(live, then, some, People(profiles={}, suppressed=suppressed))
    choices = choose_in_turn(tactic, table, met.contacts, Supplies(), at)
    found = decisions_of(then, some, met, choices, at)
    return [
        decision._replace(decided_at=claim.decided_at)
        for decision, claim in zip(found, claims, strict=True)
        if isinstance(decision, Decision)  # nobody wished for anything, so that each is one
    ]


def _difference(claim: MadeApart, decision: Decision) -> str | None:
    """What a client says of a decision that is not so; None when all of it is."""
    for name, shown in _COMPARED.items():
        found, right = getattr(claim, name), getattr(decision, name)
        if found != right:
            return f"{shown}: found {_shown(found)}; allowed {_shown(right)}"
    return None


def _as_written(claim: MadeApart, written: Decision) -> Uploaded:
    difference = _difference(claim, written)
    if difference is None:
        return Uploaded(claim.decision_id, Verdict.DUPLICATE)
    return Uploaded(claim.decision_id, Verdict.REFUSED, f"{difference}, as it was decided before")


def _count_anew(ledger: Ledger, loaded: Loaded, campaign_id: str, decisions: Sequence[Decision]) -> None:
    """Have meters read again that now count what clients decided before there was a limit.

    Raises:
        Contended: others write at the same time.
    """
    tactic = loaded.tactics.get(campaign_id)
    if tactic is None or not tactic.budget_limits:
        return
    if not ledger.alone:
        raise Contended(f"budgets of {campaign_id} are counted anew by a transaction that is alone")
    instants = {decision.decided_at for decision in decisions if decision.variant_id is not None}
    ledger.meters.forget([key for at in instants for key in meters_of(tactic, at)])


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value)[:64]
