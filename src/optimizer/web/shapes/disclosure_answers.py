"""What somebody gets who asks what is kept about them, and what is said of an erasure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from optimizer.domain.happenings import Happening
from optimizer.domain.instants import isoformat
from optimizer.domain.micros import units
from optimizer.domain.sayings import Said
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.recipients.disclosing import About, Disclosure
from optimizer.storage.consents import Consent
from optimizer.storage.controls import EVERY_CHANNEL
from optimizer.storage.recipients import Profile
from optimizer.web.shapes.answers import MessageOut, Out, SaidOut, TargetingOut
from optimizer.web.shapes.oversight_answers import KeptReportOut, SuppressionOut
from optimizer.web.shapes.rendering import kept_report_json, outcome_json, words_json


class KnownProfileOut(Out):
    """The stored profile."""

    attributes: dict[str, Any] = Field(description="Declared attributes, as they are used now.")
    sources: dict[str, list[SaidOut]] = Field(description="By attribute, who says what of it.")
    consent: dict[str, bool] = Field(description="By channel, whether the recipient agreed.")
    time_zone: str | None = Field(description="IANA name; null when unknown.")


class ConsentOut(Out):
    """A change of a consent."""

    name: str = Field(description="A channel, or the caller's name of a text.")
    given_at: datetime = Field(description="When it was changed.")
    agreed: bool | None = Field(description="Yes or no; null where nothing was said any more.")
    text: str | None = Field(description="The words it was given in, to the letter.")


class CommitmentKeptOut(Out):
    """What a decision to send used up."""

    channel: str = Field(description="How it was sent.")
    at: datetime = Field(description="When the contact was counted.")
    cost: float = Field(description="What became due, in the strategy's currency.")
    withdrawn: bool = Field(description="Whether it was never sent.")


class OutcomeKeptOut(Out):
    """What the recipient did."""

    event_id: str = Field(description="The reporter's id of it.")
    kind: str = Field(description="What it is.")
    value: float | None = Field(description="Its amount; null where it has none.")
    currency: str | None = Field(description="Of the value.")
    occurred_at: datetime = Field(description="When it happened.")
    received_at: datetime = Field(description="When it was reported.")
    reverses: str | None = Field(description="The event it undoes; null for most.")
    machine: bool = Field(description="Whether a machine caused it, by its reporter.")


class DecisionKeptOut(Out):
    """A decision, the words it sent and what came of it."""

    decision_id: str = Field(description="Its id.")
    campaign: str = Field(description="The campaign.")
    request_id: str = Field(description="The caller's id of the request.")
    decided_at: datetime = Field(description="When it was made.")
    variant: str | None = Field(description="The variant chosen; null when nothing was sent.")
    message: MessageOut | None = Field(description="The words; null when nothing was sent.")
    targeting: TargetingOut | None = Field(description="Where and when; null without targetings.")
    segment: str | None = Field(description="The segment; null outside the audience.")
    group: str = Field(description="The group the recipient was in.")
    reason: str = Field(description="Why this variant, or none.")
    propensity: float | None = Field(description="Probability of the draw; null without one.")
    attributes: dict[str, Any] = Field(description="What was known of the recipient then.")
    excluded: list[str] = Field(description="Variants the caller did not want.")
    time_zone: str | None = Field(description="Of the recipient; null when unknown.")
    consent: bool | None = Field(description="To the channel; null when nobody had said.")
    actor: str | None = Field(description="Who chose, where a person did.")
    commitment: CommitmentKeptOut | None = Field(description="What it used up; null when nothing was sent.")
    outcomes: list[OutcomeKeptOut] = Field(description="What came of it.")


class HappeningKeptOut(Out):
    """Something the recipient did that an attribute follows from."""

    event_id: str = Field(description="The reporter's id of it.")
    kind: str | None = Field(description="None: it only undoes another event.")
    value: float | None = Field(description="Its amount; null where it has none.")
    properties: dict[str, str | float] = Field(description="What else attributes look at.")
    occurred_at: datetime = Field(description="When it happened.")
    received_at: datetime = Field(description="When it was reported.")
    decision_id: str | None = Field(description="The decision it is an outcome of; null for others.")
    reverses: str | None = Field(description="The event it undoes; null for most.")
    machine: bool = Field(description="Whether a machine caused it.")


class ReportKeptOut(Out):
    """A report that could not be used."""

    reason: str = Field(description="Why not.")
    received_at: datetime = Field(description="When it came, or was judged last.")
    report: KeptReportOut = Field(description="What it said.")


class MembershipKeptOut(Out):
    """The segment of a campaign, of those that announce it, that the recipient is in; beside it their id, sealed."""

    campaign: str = Field(description="The campaign.")
    segment: str | None = Field(description="null: none that the campaign declares.")
    since: datetime | None = Field(description="null: since before it was looked at.")


class NoticeKeptOut(Out):
    """What others are told about the recipient, or were lately."""

    notice_id: str = Field(description="The `webhook-id` it is posted under.")
    kind: str = Field(description="What it is about.")
    campaign: str | None = Field(description="The campaign.")
    at: datetime = Field(description="When it happened.")
    data: dict[str, Any] = Field(description="What its receivers get, besides the id of the recipient.")


class DisclosureOut(Out):
    """Everything that is kept about a recipient."""

    recipient: str = Field(description="The caller's id.")
    recipient_key: str = Field(description="What stands for the recipient in the ledger.")
    at: datetime = Field(description="When this was put together.")
    profile: KnownProfileOut | None = Field(description="The stored profile; null when there is none.")
    consents: list[ConsentOut] = Field(description="Every change of a consent, oldest first.")
    suppressions: list[SuppressionOut] = Field(description="Channels on which nothing is sent.")
    decisions: list[DecisionKeptOut] = Field(description="Every decision, with what came of it.")
    behaviour: list[HappeningKeptOut] = Field(description="What the recipient did that attributes follow from.")
    quarantine: list[ReportKeptOut] = Field(description="Reports that could not be used.")
    memberships: list[MembershipKeptOut] = Field(description="Segments the recipient is in, as far as announced.")
    notices: list[NoticeKeptOut] = Field(description="What others are told about the recipient.")


class ErasedOut(Out):
    """What an erasure took out."""

    profiles: int = Field(description="How many stored profiles went.")
    decisions: int = Field(description="How many decisions are about nobody now.")
    quarantined: int = Field(description="How many reports in quarantine went.")
    tombstones: int = Field(description="Entries that keep somebody who said no from being contacted again.")
    scrubbed: bool = Field(
        description="Whether the old bytes have left the database's files too; if not, the service goes on trying with "
        "SQLite, and PostgreSQL needs `optimizer privacy scrub --whole`."
    )


def disclosure_json(found: Disclosure) -> dict[str, Any]:
    """See `DisclosureOut`."""
    return {
        "recipient": found.recipient,
        "recipient_key": found.recipient_key,
        "at": isoformat(found.at),
        "profile": None if found.profile is None else _profile_json(found.profile, found.believed),
        "consents": [_consent_json(consent) for consent in found.consents],
        "suppressions": [
            {
                "channel": None if one.channel == EVERY_CHANNEL else one.channel,
                "at": isoformat(one.at),
                "source": one.source,
            }
            for one in found.suppressions
        ],
        "decisions": [_decision_json(about) for about in found.decisions],
        "behaviour": [_happening_json(happening) for happening in found.behaviour],
        "quarantine": [
            {
                "reason": kept.reason,
                "received_at": isoformat(kept.received_at),
                "report": kept_report_json(OutcomeReport(**kept.report)),
            }
            for kept in found.quarantine
        ],
        "memberships": [
            {
                "campaign": one.campaign_id,
                "segment": one.segment_id,
                "since": isoformat(one.since) if one.since else None,
            }
            for one in found.memberships
        ],
        "notices": [
            {
                "notice_id": one.notice_id,
                "kind": one.kind.value,
                "campaign": one.campaign_id,
                "at": isoformat(one.at),
                "data": dict(one.data),
            }
            for one in found.notices
        ],
    }


def said_json(said: Said, used: Mapping[str, str | None]) -> dict[str, list[dict[str, Any]]]:
    """By attribute, see `answers.SaidOut`."""
    return {
        name: [
            {"source": source, "value": one.value, "said_at": isoformat(one.at), "used": used.get(name) == source}
            for source, one in by_source.items()
        ]
        for name, by_source in sorted(said.items())
    }


def _profile_json(profile: Profile, used: Mapping[str, str | None]) -> dict[str, Any]:
    return {
        "attributes": dict(profile.attributes),
        "sources": said_json(profile.said, used),
        "consent": dict(profile.consent),
        "time_zone": profile.time_zone,
    }


def _consent_json(consent: Consent) -> dict[str, Any]:
    return {
        "name": consent.name,
        "given_at": isoformat(consent.given_at),
        "agreed": consent.agreed,
        "text": consent.words,
    }


def _happening_json(happening: Happening) -> dict[str, Any]:
    return {
        "event_id": happening.event_id,
        "kind": happening.kind or None,
        "value": None if happening.value is None else units(happening.value),
        "properties": dict(happening.properties),
        "occurred_at": isoformat(happening.occurred_at),
        "received_at": isoformat(happening.received_at),
        "decision_id": happening.decision_id,
        "reverses": happening.reverses,
        "machine": happening.machine,
    }


def _decision_json(about: About) -> dict[str, Any]:
    decision, commitment = about.decision, about.commitment
    return {
        "decision_id": decision.decision_id,
        "campaign": decision.campaign_id,
        "request_id": decision.request_id,
        "decided_at": isoformat(decision.decided_at),
        "variant": decision.variant_id,
        **words_json(about.variant).fields,
        "segment": decision.segment_id,
        "group": decision.group,
        "reason": decision.reason,
        "propensity": decision.propensity,
        "attributes": dict(decision.attributes),
        "excluded": list(decision.excluded),
        "time_zone": decision.time_zone,
        "consent": decision.consent,
        "actor": decision.actor,
        "commitment": None
        if commitment is None
        else {
            "channel": commitment.channel,
            "at": isoformat(commitment.at),
            "cost": units(commitment.settled),
            "withdrawn": commitment.withdrawn,
        },
        "outcomes": [outcome_json(outcome) for outcome in about.outcomes],
    }
