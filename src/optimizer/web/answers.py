"""What callers get: answer models, so that the OpenAPI document says what every field means."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from optimizer.domain.outcome import Receipt
from optimizer.domain.reasons import Group, Reason
from optimizer.services.summaries import Learning, State


class Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class MessageOut(Out):
    """The words."""

    id: str
    subject: str | None
    body: str | None
    fields: dict[str, str]


class TargetingOut(Out):
    """Where, when and how."""

    id: str
    fields: dict[str, str]


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

    decision_id: str
    campaign: str
    variant: str | None
    message: MessageOut | None
    targeting: TargetingOut | None
    segment: str | None
    group: Group
    propensity: float | None = Field(description="Probability with which this variant was drawn.")
    reason: Reason
    snapshot: str | None
    decided_at: datetime
    expires_at: datetime = Field(description="Outcomes after this instant come too late to count.")
    retry_at: datetime | None = Field(description="When asking again may give a variant, if known.")
    chosen_by: Literal["policy", "human"] | None = Field(
        description="`policy`: drawn, and learned from. `human`: pinned for everyone or chosen for this recipient, and "
        "never learned from. Null where rules left nothing to choose, as for holdouts."
    )
    actor: str | None = Field(description="The person who chose it for this recipient.")


class ProblemError(Out):
    """One mistake in a request."""

    pointer: str = Field(description="JSON pointer of the place in the body, or the name of the parameter.")
    found: str
    allowed: str


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

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemError] | None = None


class ItemProblem(Out):
    """An item of a batch that could not be answered; the others were."""

    recipient: str | None = None
    error: Problem


class DecisionsOut(Out):
    """One answer per recipient, in the order asked."""

    decisions: list[DecisionOut | ItemProblem]


class StatusOut(Out):
    """What became of one outcome."""

    event_id: str | None
    status: Receipt
    detail: str | None = None


class OutcomesOut(Out):
    """One status per outcome, in the order reported."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"outcomes": [{"event_id": "evt-1", "status": "accepted", "detail": None}]}}
    )

    outcomes: list[StatusOut]


class OutcomeOut(Out):
    """A recorded outcome."""

    event_id: str
    kind: str
    value: float | None
    currency: str | None
    occurred_at: datetime
    received_at: datetime
    reverses: str | None
    machine: bool = Field(
        description="Whether its reporter said that a machine did it; what `hygiene` takes for one is not marked.",
        examples=[False],
    )


class DecisionDetail(Out):
    """A decision and what came of it so far."""

    decision: DecisionOut
    exposed_at: datetime | None = Field(description="When it began to count as a trial; null while it does not.")
    closes_at: datetime = Field(description="End of the attribution window.")
    reward: float
    outcomes: list[OutcomeOut]


class BudgetLineOut(Out):
    """One limit in its current period."""

    scope: str = Field(examples=["strategy", "campaign:winback", "channel:email"])
    period: str = Field(examples=["ever", "2026-12", "2026-12-01"])
    limit: float | None = Field(description="Money, in the strategy's currency.")
    reserved: float = Field(description="Money that may yet become due.")
    settled: float = Field(description="Money that is due.")
    sends_limit: int | None
    sends: int
    ends_at: datetime | None = Field(description="When the period is over; null for limits that are for ever.")
    exhausted: bool = Field(description="Not even the cheapest variant fits into what is left.")


class CampaignOut(Out):
    """One line about a campaign."""

    campaign: str
    serves: str
    why: str | None
    state: State
    learning: Learning = Field(
        description="`frozen_silence`: no outcomes come in; `frozen_review`: nobody has reviewed it in time."
    )
    frozen_since: datetime | None = Field(description="Since when nothing is learned; null while something is.")
    alarms: dict[str, str] = Field(
        description="Alarms nobody has answered, by outcome kind, or silence, collapse or change of what is learned."
    )
    variants: list[str]
    awaiting_approval: list[str]
    segments: list[str]
    strategy_version: int
    snapshot: str
    rollout_share: float = Field(description="Share of the recipients that take part.")
    budget: list[BudgetLineOut] = Field(description="Every limit on money and sends, with what is in use of it.")


class CampaignsOut(Out):
    """The campaigns in force."""

    campaigns: list[CampaignOut]


class SegmentAllocationOut(Out):
    """How one segment's traffic is shared now."""

    segment: str
    p_best: dict[str, float]
    allocation: dict[str, float]
    withheld: float = Field(description="Probability of sending nothing, to keep scarce budget for others.")


class AllocationOut(Out):
    """How traffic is shared under the newest snapshot."""

    campaign: str
    snapshot: str
    segments: list[SegmentAllocationOut]


class LearnedOut(Out):
    """The snapshot in force after learning."""

    campaign: str
    snapshot: str
    created_at: datetime


class ProfileOut(Out):
    """What is known of a recipient."""

    recipient: str
    attributes: dict[str, Any]
    consent: dict[str, bool]
    time_zone: str | None


class HealthOut(Out):
    """Whether the service is well."""

    status: Literal["ok"]
