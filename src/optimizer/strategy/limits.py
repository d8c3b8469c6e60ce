"""The guardrails marketers write: money, contacts, channels, stages, reviews, and what makes automation stop.

What each of them does when a decision is made lives in `guardrails`; here is only how it is written.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from optimizer.strategy.fields import (
    Document,
    Line,
    Number,
    OutcomeKind,
    Reference,
    Span,
    Window,
    YesNo,
    between,
)
from optimizer.strategy.money import CostPerEvent, MoneyAbove0

Count = Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]
Period = Literal["day", "month"]


_Kept = Annotated[Span, between("P1D", "P3660D")] | None


class Retention(Document):
    """How long anything is kept about a person; sums over all of them stay."""

    decisions: _Kept = Field(
        default=None, description="decisions and their outcomes are about nobody this long after, such as P400D"
    )
    profiles: _Kept = Field(
        default=None, description="profiles go that were neither written nor of use for this long, such as P400D"
    )
    quarantine: _Kept = Field(
        default=None, description="reports that could not be used go after this long, such as P30D"
    )


class Data(Document):
    """What the use of data depends on."""

    retention: Retention = Field(default=Retention(), description="how long anything is kept about a person")

    consent_required: tuple[Reference, ...] = Field(
        default=(), max_length=50, description="channels that need the recipient's consent, such as [email, sms]"
    )


class Channel(Document):
    """A way messages travel."""

    quiet_hours: Window | None = Field(
        default=None, description='hours of the recipient\'s day in which nothing is sent, such as "21:00-08:00"'
    )
    unknown_time_zone: Literal["block", "use_strategy_zone"] = Field(
        default="block",
        description="what to do when hours matter and the recipient's zone is unknown: `block` sends nothing",
    )
    sends_per_day: Count | None = Field(default=None, description="most messages a day, such as 200000")
    cost: CostPerEvent | None = Field(
        default=None, description='what each message costs, such as "0.0008 USD" or "0.002 USD per delivery"'
    )


class ContactRule(Document):
    """How often a recipient may be contacted, across all campaigns."""

    at_most: Annotated[StrictInt, Field(ge=1, le=1_000)] = Field(description="most messages per recipient, such as 2")
    per: Annotated[Span, between("PT1M", "P366D")] = Field(description="in any period this long, such as P7D")
    channels: tuple[Reference, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=50,
        description="channels that count together, such as [email, sms]; without this key all of them",
    )


class Sends(Document):
    """Limits on how many messages may be sent."""

    total: Count | None = Field(default=None, description="most messages ever, such as 50000")
    daily: Count | None = Field(default=None, description="most messages a day in the strategy's time zone")
    monthly: Count | None = Field(default=None, description="most messages a calendar month")


class Budget(Document):
    """Limits that are never exceeded: each decision reserves the most it can cost before it is answered."""

    total: MoneyAbove0 | None = Field(default=None, description='most money ever, or per `per`, such as "5000 USD"')
    per: Period | None = Field(default=None, description="month or day: `total` is for each of them, not for ever")
    daily: MoneyAbove0 | None = Field(default=None, description="most money a day in the strategy's time zone")
    monthly: MoneyAbove0 | None = Field(default=None, description="most money a calendar month")
    sends: Sends | None = Field(default=None, description="most messages, such as {daily: 1000}")


class PacedBudget(Budget):
    """A campaign's budget, and how it is spread over time."""

    pacing: Literal["even", "front", "none"] = Field(
        default="none",
        description="even: spent evenly over the campaign, month or day; front: sooner; none: as it comes",
    )


class GuardrailMetric(Document):
    """A rate that must stay low, whatever the objective gains."""

    outcome: OutcomeKind = Field(description="kind of the outcome that is watched, such as unsubscribed")
    at_most: Annotated[Number, Field(ge=1e-6, le=0.5)] = Field(
        description="largest share of exposed decisions with such an outcome, such as 0.005"
    )
    confidence: Annotated[Number, Field(gt=0.5, lt=1)] = Field(
        default=0.95, description="how sure it must be that the rate is higher, such as 0.95"
    )
    then: Literal["pause_variant", "alert", "stop_campaign"] = Field(
        description="what happens then; only a person undoes it"
    )


class Capacity(Document):
    """How much a team can look after."""

    live_campaigns: Count | None = Field(default=None, description="most campaigns in force at once, such as 5")
    variants_per_campaign: Count | None = Field(default=None, description="most variants of a campaign, such as 8")
    approvals_per_week: Count | None = Field(
        default=None, description="messages the team can read in a week; more waiting is a warning"
    )


class Review(Document):
    """How often people look at what automation does."""

    every: Annotated[Span, between("PT1M", "P366D")] = Field(description="time between two reviews, such as P14D")
    when_overdue: Literal["warn", "freeze", "stop"] = Field(
        default="warn", description="warn; freeze: the allocation stays as it is; stop: nothing is sent"
    )


class RolloutStage(Document):
    """A part of the audience that takes part, and what must hold before it does."""

    share: Annotated[Number, Field(gt=0, le=1)] = Field(
        description="share of recipients that take part, such as 0.1; the others get control"
    )
    for_: Annotated[Span, between("PT1M", "P366D")] | None = Field(
        default=None, alias="for", description="how long this stage lasts at least, such as P3D"
    )
    requires: tuple[Literal["no_guardrail_breach", "approval"], ...] = Field(
        default=(), description="what must hold before this stage begins: no_guardrail_breach, approval"
    )


class Approval(Document):
    """Whether people must approve words before anyone sees them, and who may."""

    required: YesNo = Field(default=True, description="true: a message is served only once it is approved")
    approvers: tuple[Line, ...] | None = Field(
        default=None, min_length=1, max_length=100, description="who may approve, such as [brand]; default anyone"
    )


Channels = Mapping[Reference, Channel]
Penalties = Mapping[OutcomeKind, Annotated[Number, Field(gt=0, le=1_000)]]
