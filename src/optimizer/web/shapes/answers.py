"""What callers get: answer models, so that the OpenAPI document says what every field means."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.domain.outcome import Receipt
from optimizer.domain.reasons import Group, Reason
from optimizer.services.oversight.states import Learning, State


class Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class MessageOut(Out):
    """The words."""

    id: str = Field(description="Its id in the campaign's document.")
    subject: str | None = Field(
        description="Subject line, with the recipient's attributes filled in; null: it has none."
    )
    body: str | None = Field(description="Text, with the recipient's attributes filled in; null: it has none.")
    fields: dict[str, str] = Field(description="Whatever else the document gives it.")


class TargetingOut(Out):
    """Where, when and how."""

    id: str = Field(description="Its id in the campaign's document.")
    fields: dict[str, str] = Field(description="Whatever the document says of it.")


class DecisionOut(Out):
    """A decision. `variant` is null when there is nothing to send; `reason` says why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "decision_id": "9f3c0b5a2f7d4e1896d2c7a4b1e0f355",
                "campaign": "winback",
                "variant": "ten-percent",
                "message": {"id": "ten-percent", "subject": "We saved you 10%", "body": "Hi …", "fields": {}},
                "targeting": None,
                "segment": "lapsed",
                "group": "learning",
                "propensity": 0.625,
                "reason": "exploit",
                "snapshot": "winback:12",
                "decided_at": "2026-12-01T09:00:00.000000Z",
                "expires_at": "2026-12-08T09:00:00.000000Z",
                "retry_at": None,
                "chosen_by": "policy",
                "actor": None,
            }
        }
    )

    decision_id: str | None = Field(
        description="Null when the ledger could not be reached (`ledger_unavailable`): nothing was decided or "
        "recorded, so send nothing and ask again."
    )
    campaign: str = Field(description="The campaign that was asked.")
    variant: str | None = Field(description="What to send; null: nothing.")
    message: MessageOut | None = Field(description="The words of the variant.")
    targeting: TargetingOut | None = Field(
        description="Where, when and how to send it; null where the campaign has no targetings."
    )
    segment: str | None = Field(description="The segment the recipient is in; null outside the audience.")
    group: Group | None = Field(description="`learning` or a holdout; null outside the audience.")
    propensity: float | None = Field(description="Probability with which this variant was drawn.")
    reason: Reason = Field(description="Why it came out so.")
    snapshot: str | None = Field(description="What had been learned when it was decided.")
    decided_at: datetime = Field(description="When it was decided.")
    expires_at: datetime | None = Field(description="Outcomes after this instant come too late to count.")
    retry_at: datetime | None = Field(description="When asking again may give a variant, if known.")
    chosen_by: Literal["policy", "human"] | None = Field(
        description="`policy`: drawn, and learned from. `human`: pinned for everyone or chosen for this recipient, and "
        "never learned from. Null where rules left nothing to choose, as for holdouts."
    )
    actor: str | None = Field(description="The person who chose it for this recipient.")


class ProblemError(Out):
    """One mistake in a request."""

    pointer: str = Field(description="JSON pointer of the place in the body, or the name of the parameter.")
    found: str = Field(description="What stands there, shortened.")
    allowed: str = Field(description="What may stand there.")


class Problem(Out):
    """RFC 9457 problem details: the one shape of every error."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:optimizer:problem:invalid-request",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "/campaign: found nothing; allowed a value; it is required",
                "errors": [{"pointer": "/campaign", "found": "nothing", "allowed": "a value; it is required"}],
            }
        }
    )

    type: str = Field(description="Names the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status of the answer; of an item, the one it would have had alone.")
    detail: str = Field(description="What was found, and what is allowed, in a sentence.")
    errors: list[ProblemError] | None = Field(None, description="Every mistake of the request.")
    instance: str | None = Field(None, description="Names the request: the last part is the answer's `X-Request-ID`.")


class ItemProblem(Out):
    """An item of a batch that could not be answered; the others were."""

    recipient: str | None = Field(None, description="The recipient of the item, if it had one.")
    error: Problem = Field(description="What is wrong with it.")


class DecisionsOut(Out):
    """One answer per recipient, in the order asked."""

    decisions: list[DecisionOut | ItemProblem] = Field(description="A decision, or what is wrong with the item.")


class StatusOut(Out):
    """What became of one outcome."""

    event_id: str | None = Field(description="The event reported.")
    status: Receipt = Field(description="What became of it.")
    detail: str | None = Field(None, description="Why, where there is something to say.")


class OutcomesOut(Out):
    """One status per outcome, in the order reported."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"outcomes": [{"event_id": "evt-1", "status": "accepted", "detail": None}]}}
    )

    outcomes: list[StatusOut] = Field(description="What became of each.")


class OutcomeOut(Out):
    """A recorded outcome."""

    event_id: str = Field(description="The event, as its reporter calls it.")
    kind: str = Field(description="What the recipient did.")
    value: float | None = Field(description="Amount or count, if it has one.")
    currency: str | None = Field(description="Of a value that is money.")
    occurred_at: datetime = Field(description="When it happened.")
    received_at: datetime = Field(description="When it was reported.")
    reverses: str | None = Field(description="The event that this one undoes.")
    machine: bool = Field(
        description="Whether its reporter said that a machine did it; what `hygiene` takes for one is not marked.",
        examples=[False],
    )


class DecisionDetail(Out):
    """A decision and what came of it so far."""

    decision: DecisionOut = Field(description="As it was answered.")
    exposed_at: datetime | None = Field(description="When it began to count as a trial; null while it does not.")
    closes_at: datetime = Field(description="End of the attribution window.")
    reward: float = Field(description="What it has earned so far, as the objective counts.")
    outcomes: list[OutcomeOut] = Field(description="What was reported of it.")


class BudgetLineOut(Out):
    """One limit in its current period."""

    scope: str = Field(description="What the limit binds.", examples=["strategy", "campaign:winback", "channel:email"])
    period: str = Field(description="In which period.", examples=["ever", "2026-12", "2026-12-01"])
    limit: float | None = Field(description="Money, in the strategy's currency.")
    reserved: float = Field(description="Money that may yet become due.")
    settled: float = Field(description="Money that is due.")
    sends_limit: int | None = Field(description="Most messages; null without such a limit.")
    sends: int = Field(description="Messages sent, or reserved to be.")
    ends_at: datetime | None = Field(description="When the period is over; null for limits that are for ever.")
    exhausted: bool = Field(description="Not even the cheapest variant fits into what is left.")


class CampaignOut(Out):
    """One line about a campaign."""

    campaign: str = Field(description="Its id.")
    serves: str = Field(description="The objective it serves.")
    why: str | None = Field(description="Why there is such a campaign, in its document's words.")
    state: State = Field(description="Whether it sends, and if not, why.")
    learning: Learning = Field(
        description="`frozen_silence`: no outcomes come in; `frozen_review`: nobody has reviewed it in time."
    )
    frozen_since: datetime | None = Field(description="Since when nothing is learned; null while something is.")
    alarms: dict[str, str] = Field(
        description="Alarms nobody has answered, by outcome kind, or silence, collapse or change of what is learned."
    )
    variants: list[str] = Field(
        description="What may be chosen among: messages, each with a targeting where there are some."
    )
    awaiting_approval: list[str] = Field(description="Messages that nobody has approved yet.")
    segments: list[str] = Field(description="Its segments.")
    strategy_version: int = Field(description="Number of the documents in force.")
    snapshot: str = Field(description="What has been learned last.")
    rollout_share: float = Field(description="Share of the recipients that take part.")
    budget: list[BudgetLineOut] = Field(description="Every limit on money and sends, with what is in use of it.")


class CampaignsOut(Out):
    """The campaigns in force."""

    campaigns: list[CampaignOut] = Field(description="One for each campaign.")


class SegmentAllocationOut(Out):
    """How one segment's traffic is shared now."""

    segment: str = Field(description="The segment.")
    p_best: dict[str, float] = Field(description="Posterior probability of each variant to be the best.")
    allocation: dict[str, float] = Field(description="Probability of each variant to be drawn.")
    withheld: float = Field(description="Probability of sending nothing, to keep scarce budget for others.")


class AllocationOut(Out):
    """How traffic is shared under the newest snapshot."""

    campaign: str = Field(description="The campaign.")
    snapshot: str = Field(description="The snapshot this follows from.")
    segments: list[SegmentAllocationOut] = Field(description="One for each segment.")


class LearnedOut(Out):
    """The snapshot in force after learning."""

    campaign: str = Field(description="The campaign.")
    snapshot: str = Field(description="The snapshot in force now.")
    created_at: datetime = Field(description="When it was learned.")


class ConsentTextOut(Out):
    """A consent in the words it was given."""

    text: str = Field(description="The words, to the letter.")
    given_at: datetime = Field(description="When they came.")


class SaidOut(Out):
    """What one source says of an attribute."""

    source: str = Field(description="One of the strategy's `sources`; `api` where it declares none.", examples=["crm"])
    value: bool | float | str | None = Field(description="Null: it no longer knows.")
    said_at: datetime = Field(description="When it was so, as the source says.")
    used: bool = Field(description="Whether this is what decisions go by now.")


class ProfileOut(Out):
    """What is known of a recipient."""

    recipient: str = Field(description="Your id of the person.")
    attributes: dict[str, Any] = Field(description="Declared attributes, as decisions go by them now.")
    sources: dict[str, list[SaidOut]] = Field(description="By attribute, who says what of it.")
    consent: dict[str, bool] = Field(description="Whether the recipient agreed, by channel.")
    consent_texts: dict[str, ConsentTextOut] = Field(
        description="The words consents were given in, by channel or by a name of yours."
    )
    time_zone: str | None = Field(description="IANA time zone, if known.")


class HealthOut(Out):
    """Whether the service is well."""

    status: Literal["ok"] = Field(description="Nothing else is ever said with a 200.")


class ReadinessOut(HealthOut):
    """Whether the service may be sent requests."""

    warnings: list[str] = Field(description="What an operator should look at, in sentences; empty when all is well.")
