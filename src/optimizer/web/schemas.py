"""What goes over the wire: request models that allow nothing unknown, answer models that document themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.domain.outcome import Receipt
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.services.summaries import State

MOST_ITEMS = 10_000

Identifier = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$", examples=["winback"])]
Recipient = Annotated[
    StrictStr,
    Field(
        pattern=r"^[A-Za-z0-9._:@+=/~|-]{1,128}$",
        description="Your id of the person. Only a keyed hash of it is kept.",
        examples=["customer-4711"],
    ),
]
Value = StrictBool | Annotated[StrictInt, Field(ge=-(2**53), le=2**53)] | StrictFloat | StrictStr
AttributesIn = Annotated[
    dict[StrictStr, Value | None],
    Field(
        max_length=200,
        description="Declared attributes; null means unknown. They win over the stored profile.",
        examples=[{"country": "US", "days_since_purchase": 120}],
    ),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DecisionItem(_In):
    """One recipient of a batch."""

    recipient: Recipient
    request_id: Identifier | None = Field(
        default=None,
        description="Same campaign, recipient and request_id: same decision, however often you ask. "
        "Without one, every call is a new decision.",
        examples=["blast-2026-12-01"],
    )
    attributes: AttributesIn = Field(default_factory=dict)
    exclude: tuple[Identifier, ...] = Field(
        default=(),
        max_length=100,
        description="Variants you do not want this time.",
        examples=[["ten-percent"]],
    )
    defer_exposure: StrictBool = Field(
        default=False, description="Count this decision as a trial only once you say it was exposed."
    )


class DecisionIn(DecisionItem):
    """Which variant for this recipient?"""

    campaign: Identifier


class DecisionsIn(_In):
    """Which variant for each of these recipients?"""

    campaign: Identifier
    request_id: Identifier | None = Field(
        default=None, description="Used for every item that has none; makes the whole batch safe to repeat."
    )
    defer_exposure: StrictBool = False
    recipients: Annotated[list[SkipValidation[DecisionItem]], Field(min_length=1, max_length=MOST_ITEMS)]


class OutcomeIn(_In):
    """What a recipient did."""

    event_id: Identifier = Field(description="Your id of the event; reporting it again changes nothing.")
    decision_id: Identifier | None = Field(default=None, description="The decision it followed.")
    recipient: Recipient | None = Field(
        default=None, description="Instead of decision_id: the campaign's latest decision for this recipient."
    )
    campaign: Identifier | None = Field(default=None, description="Needed with `recipient`.")
    kind: Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")] = Field(
        description="`delivered`, `opened`, `clicked`, `purchase` …; "
        "`exposed`, `withdrawn` and `bounced` move the exposure.",
        examples=["purchase"],
    )
    value: Annotated[StrictInt | StrictFloat | StrictStr | None, Field(union_mode="left_to_right")] = Field(
        default=None, description="Amount or count, as a number or a decimal text.", examples=["19.90"]
    )
    currency: Annotated[StrictStr, Field(pattern=r"^[A-Z]{3}$")] | None = Field(
        default=None, description="Of a value that is money; the strategy's currency."
    )
    occurred_at: AwareDatetime = Field(description="When it happened, with a time zone.")
    reverses: Identifier | None = Field(
        default=None, description="event_id of an outcome that this one undoes (refund, mistake)."
    )

    @model_validator(mode="after")
    def _names_a_decision(self) -> OutcomeIn:
        by_recipient = self.recipient is not None and self.campaign is not None
        if (self.decision_id is not None) == by_recipient or (self.recipient is None) != (self.campaign is None):
            raise ValueError("either decision_id, or recipient together with campaign")
        return self


class OutcomesIn(_In):
    """Several outcomes; each gets its own status."""

    outcomes: Annotated[list[SkipValidation[OutcomeIn]], Field(min_length=1, max_length=MOST_ITEMS)]


class ProfileIn(_In):
    """What is known of a recipient; replaces what was known before."""

    attributes: AttributesIn


class ExposureIn(_In):
    """When the variant reached the recipient."""

    occurred_at: AwareDatetime | None = Field(default=None, description="By default now.")


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class MessageOut(_Out):
    """The words."""

    id: str
    subject: str | None
    body: str | None
    fields: dict[str, str]


class TargetingOut(_Out):
    """Where, when and how."""

    id: str
    fields: dict[str, str]


class DecisionOut(_Out):
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


class ItemProblem(_Out):
    """An item of a batch that could not be answered; the others were."""

    recipient: Any = None
    error: dict[str, Any] = Field(description="RFC 9457 problem details of this item.")


class DecisionsOut(_Out):
    """One answer per recipient, in the order asked."""

    decisions: list[DecisionOut | ItemProblem]


class StatusOut(_Out):
    """What became of one outcome."""

    event_id: str | None
    status: Receipt
    detail: str | None = None


class OutcomesOut(_Out):
    """One status per outcome, in the order reported."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"outcomes": [{"event_id": "evt-1", "status": "accepted", "detail": None}]}}
    )

    outcomes: list[StatusOut]


class OutcomeOut(_Out):
    """A recorded outcome."""

    event_id: str
    kind: str
    value: float | None
    currency: str | None
    occurred_at: datetime
    received_at: datetime
    reverses: str | None


class DecisionDetail(_Out):
    """A decision and what came of it so far."""

    decision: DecisionOut
    exposed_at: datetime | None = Field(description="When it began to count as a trial; null while it does not.")
    closes_at: datetime = Field(description="End of the attribution window.")
    reward: float
    outcomes: list[OutcomeOut]


class VariantExplainedOut(_Out):
    """One variant of one decision."""

    variant_id: str
    removed_by: Block | None = Field(description="The rule that removed it; null if it could be chosen.")
    alpha: float
    beta: float
    mean: float
    p_best: float
    allocation: float


class RecomputedOut(_Out):
    """The decision computed again from its snapshot and request."""

    same: bool


class ExplanationOut(_Out):
    """Why a decision came out as it did."""

    decision: DecisionOut
    attributes: dict[str, Any] = Field(description="What the segment rules saw.")
    removed: dict[str, Block] = Field(description="Rule that removed each variant that could not be chosen.")
    variants: list[VariantExplainedOut] = Field(description="Empty when nothing was drawn.")
    floor: float | None
    cap: float | None
    u: float = Field(description="Where the draw fell in [0, 1).")
    snapshot: str | None
    config_hash: str | None
    strategy_version: int
    recomputed: RecomputedOut


class CampaignOut(_Out):
    """One line about a campaign."""

    campaign: str
    serves: str
    why: str | None
    state: State
    variants: list[str]
    awaiting_approval: list[str]
    segments: list[str]
    strategy_version: int
    snapshot: str


class CampaignsOut(_Out):
    """The campaigns in force."""

    campaigns: list[CampaignOut]


class SegmentAllocationOut(_Out):
    """How one segment's traffic is shared now."""

    segment: str
    p_best: dict[str, float]
    allocation: dict[str, float]


class AllocationOut(_Out):
    """How traffic is shared under the newest snapshot."""

    campaign: str
    snapshot: str
    segments: list[SegmentAllocationOut]


class RateOut(_Out):
    """Successes among trials, with a 95 % credible interval."""

    trials: int
    positives: int
    rate: float | None
    low: float
    high: float


class VariantReportOut(_Out):
    """One variant in one segment, learning group only."""

    variant: str
    decisions: int
    rate: RateOut
    mean_reward: float | None
    p_best: float
    allocation: float


class SegmentReportOut(_Out):
    """One segment."""

    segment: str
    variants: list[VariantReportOut]
    learning: RateOut
    holdout: RateOut


class ReportOut(_Out):
    """What a campaign did and learned."""

    campaign: CampaignOut
    as_of: datetime
    objective: str
    objective_why: str | None
    reward_outcome: str
    segments: list[SegmentReportOut]
    outcomes: dict[str, int] = Field(description="How many outcomes of each kind fell within their window.")


class LearnedOut(_Out):
    """The snapshot in force after learning."""

    campaign: str
    snapshot: str
    created_at: datetime


class ProfileOut(_Out):
    """What is known of a recipient."""

    recipient: str
    attributes: dict[str, Any]


class HealthOut(_Out):
    """Whether the service is well."""

    status: Literal["ok"]


def known(attributes: dict[str, AttributeValue | None]) -> Attributes:
    """Attributes without those that are null: unknown is the same as not said."""
    return {name: value for name, value in attributes.items() if value is not None}
