"""The documents marketers write, as frozen pydantic models; only keys that are enforced exist.

Durations are integer microseconds. Rules that span several keys live in `references`, where each finding can
point at the key to change; a model read by `workspace.read_workspace` has passed those as well.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Discriminator, Field, Tag

from optimizer.domain.instants import Instant, instant
from optimizer.strategy.audience import Attribute, Segment
from optimizer.strategy.brand import Brand
from optimizer.strategy.event_mapping import EventMapping, EventName
from optimizer.strategy.fields import (
    Currency,
    DateOrMoment,
    Document,
    FieldName,
    Line,
    NewId,
    Number,
    OutcomeKind,
    Reference,
    Span,
    Text,
    Window,
    YesNo,
    Zone,
    between,
)
from optimizer.strategy.hygiene import Hygiene
from optimizer.strategy.limits import (
    Approval,
    Budget,
    Capacity,
    Channels,
    ContactRule,
    Data,
    GuardrailMetric,
    PacedBudget,
    Penalties,
    Review,
    RolloutStage,
)
from optimizer.strategy.money import CostPerEvent, MoneyAbove0
from optimizer.strategy.notify import Notify
from optimizer.strategy.policy_settings import PolicySettings, ResolvedPolicy, resolved_policy
from optimizer.strategy.sources import MAX_SOURCES, DataSource

MAX_VARIANTS = 50
MAX_SEGMENTS = 200

Fields = Annotated[Mapping[FieldName, Text], Field(min_length=1, max_length=50)]


class Reward(Document):
    """What an outcome is worth."""

    outcome: OutcomeKind = Field(description="kind of the outcome that earns the reward, such as purchase")
    value: Literal["first", "count", "amount"] = Field(
        description="`first`: 1 when the outcome happened at all. `count`: 1 for each time it happened. "
        "`amount`: the sum of its values, in the currency"
    )
    at_most: MoneyAbove0 | None = Field(
        default=None,
        description='most that one decision can earn, with value amount, such as "500 USD": a giant order counts less',
    )


class Objective(Document):
    """One thing worth maximising; a campaign serves exactly one."""

    id: NewId = Field(description="short id that campaigns name in `serves`, such as repeat_purchase")
    why: Line | None = Field(default=None, description="why this matters, in a sentence for colleagues")
    proxy_for: Reference | None = Field(
        default=None, description="the objective this one only stands in for; campaigns then need `accept_proxy`"
    )
    reward: Reward = Field(description="what counts as success, such as {outcome: purchase, value: first}")
    penalties: Penalties = Field(
        default_factory=dict,
        max_length=20,
        description="what an outcome takes off the reward, in rewards (value amount: in units of the currency), "
        "such as {unsubscribed: 5}",
    )
    attribution_window: Annotated[Span, between("PT1M", "P366D")] = Field(
        description="how late an outcome may come and still count, such as P7D (seven days)"
    )
    counts_from: Literal["decision", "delivered", "opened"] = Field(
        default="decision", description="the moment from which a decision counts as a trial"
    )


class Holdout(Document):
    """Recipients who are kept on control, to measure what the rest gains."""

    share: Number = Field(default=0.0, ge=0, le=0.5, description="share of recipients, such as 0.05")


class Strategy(Document):
    """The why and the limits: objectives, and the data and settings that campaigns may use."""

    strategy: NewId = Field(description="short id of the strategy, such as acme-retail")
    why: Line | None = Field(default=None, description="what all of this is for, in a sentence")
    currency: Currency = Field(description="ISO 4217 code, such as USD")
    time_zone: Zone = Field(description="IANA time zone that dates are read in, such as America/New_York")
    objectives: tuple[Objective, ...] = Field(
        min_length=1, max_length=100, description="a list of what is maximised, at least one"
    )
    hygiene: Hygiene = Field(
        default=Hygiene(), description="outcomes that machines cause, and values that nobody should believe"
    )
    attributes: Mapping[Reference, Attribute] = Field(
        default_factory=dict,
        max_length=200,
        description="the only data about recipients that may be used or stored, by name",
    )
    sources: tuple[DataSource, ...] = Field(
        default=(),
        max_length=MAX_SOURCES,
        description="who says what of recipients, first the one to believe first, such as [crm, site, esp]",
    )
    events: Mapping[EventName, EventMapping] = Field(
        default_factory=dict,
        max_length=500,
        description="outcomes that events of other tools are, by the event's name, such as {Email Opened: opened}",
    )
    data: Data = Field(default=Data(), description="what the use of data depends on")
    channels: Channels = Field(
        default_factory=dict, max_length=50, description="ways messages travel, by name, such as email"
    )
    contact_policy: tuple[ContactRule, ...] = Field(
        default=(), max_length=20, description="how often a recipient may be contacted, across all campaigns"
    )
    brand: Brand | None = Field(default=None, description="what words may say, and must")
    guardrail_metrics: tuple[GuardrailMetric, ...] = Field(
        default=(), max_length=20, description="rates that must stay low, whatever a campaign serves"
    )
    budget: Budget = Field(default=Budget(), description="what all campaigns together may spend")
    capacity: Capacity = Field(default=Capacity(), description="how much the team can look after")
    approval: Approval = Field(default=Approval(), description="whether people approve words first")
    review: Review | None = Field(default=None, description="how often people look at each campaign")
    notify: tuple[Notify, ...] = Field(
        default=(), max_length=20, description="who is told when something happens that people should know of"
    )
    holdout: Holdout = Field(default=Holdout(), description="the same recipients held out of every campaign")
    policy_defaults: PolicySettings = Field(
        default=PolicySettings(), description="policy settings for campaigns that leave them out"
    )


class Message(Document):
    """Words shown; at least one of subject, body and fields."""

    id: NewId = Field(description="short id of the message, such as ten-percent")
    subject: Line | None = Field(default=None, description="subject line or title")
    body: Text | None = Field(default=None, description="body text; may use the sender's placeholders")
    fields: Fields | None = Field(default=None, description="further texts for the sender, by name")
    cost: CostPerEvent | None = Field(
        default=None, description='what it costs beside the channel, once, such as "0.50 USD per purchase"'
    )
    notes: Line | None = Field(default=None, description="for colleagues; recipients never see it")
    retired: bool = Field(
        default=False,
        strict=True,
        description="true: no longer sent. Its id, words and what was learned stay, so that it can come back",
    )


class Targeting(Document):
    """Where and when a message is delivered; each message is tried with each targeting."""

    id: NewId = Field(description="short id of the targeting, such as morning")
    notes: Line | None = Field(default=None, description="for colleagues: where and when, in words")
    send_window: Window | None = Field(
        default=None, description='hours of the recipient\'s day it is sent in, such as "08:00-11:00"'
    )
    only_segments: tuple[Reference, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SEGMENTS + 1,
        description="segments it is for; without this key it is for all",
    )
    fields: Fields | None = Field(
        default=None, description='what the sender needs to know, by name, such as {slot: "08:00-11:00"}'
    )
    retired: bool = Field(
        default=False, strict=True, description="true: nothing is sent with it any more; what was learned stays"
    )


class ControlVariant(Document):
    """The variant that held-out recipients get."""

    short_form: ClassVar[str] = "nothing"

    message: Reference = Field(description="id of the message held-out recipients get")
    targeting: Reference | None = Field(
        default=None, description="id of its targeting, when the campaign has targetings"
    )


def _control_tag(data: Any) -> str:
    return "<nothing>" if data == "nothing" else "<variant>"


Control = Annotated[
    Annotated[Literal["nothing"], Tag("<nothing>")] | Annotated[ControlVariant, Tag("<variant>")],
    Discriminator(_control_tag),
]


class Expected(Document):
    """What people expect of a campaign before it is live: how long it learns follows from it, and nothing else does."""

    decisions_per_day: Annotated[Number, Field(gt=0, le=1e9)] = Field(
        description="decisions of the whole campaign a day, such as 5000"
    )
    success_rate: Annotated[Number, Field(gt=0, lt=1)] = Field(
        description="share of the decisions that succeed, such as 0.02"
    )
    lift: Annotated[Number, Field(ge=0.01, le=5)] = Field(
        default=0.2, description="by how much the best variant should be better, such as 0.2 for a fifth"
    )
    segments: Mapping[Reference, Annotated[Number, Field(ge=0, le=1)]] = Field(
        default_factory=dict,
        max_length=MAX_SEGMENTS + 1,
        description="share of the decisions in each segment, such as {lapsed: 0.3}; the others share what is left",
    )


class Campaign(Document):
    """One tactic serving one objective over a period."""

    campaign: NewId = Field(description="short id of the campaign, such as winback")
    serves: Reference = Field(description="id of the objective in strategy.yaml it serves")
    accept_proxy: Line | None = Field(
        default=None, description="why a proxy will do, when the objective served is one (`proxy_for`)"
    )
    why: Line | None = Field(default=None, description="what it is for, in a sentence for colleagues")
    journey_stage: Line | None = Field(default=None, description="where recipients are, such as re-engagement")
    channel: Reference = Field(description="how messages travel, such as email")
    starts: DateOrMoment | None = Field(
        default=None, description="first day in the strategy's time zone, such as 2026-12-01, or a moment"
    )
    ends: DateOrMoment | None = Field(
        default=None, description="last day, all of it included, such as 2027-01-15, or a moment"
    )
    messages: tuple[Message, ...] = Field(
        min_length=1, max_length=MAX_VARIANTS, description="a list of the messages to choose from"
    )
    targetings: tuple[Targeting, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_VARIANTS,
        description="optional second factor: a variant is message x targeting",
    )
    control: Control | None = Field(default=None, description="what held-out recipients get: `nothing` or a variant")
    segments: tuple[Segment, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_SEGMENTS,
        description="a list of segments; the first that matches wins",
    )
    everyone_else: Literal["include", "exclude"] = Field(
        default="include", description="whether recipients outside every segment take part"
    )
    announce_segments: YesNo = Field(
        default=False, description="true: whoever `notify` names is told when a recipient enters or leaves a segment"
    )
    policy: PolicySettings = Field(default=PolicySettings(), description="how variants are chosen")
    budget: PacedBudget = Field(default=PacedBudget(), description="what this campaign may spend")
    rollout: tuple[RolloutStage, ...] = Field(
        default=(), max_length=20, description="pilot first, then scale: shares of the audience, stage by stage"
    )
    holdout: Holdout = Field(default=Holdout(), description="recipients held out of this campaign")
    expects: Expected | None = Field(
        default=None, description="what you expect before it is live; check and plan say how long it learns"
    )


def effective_policy(strategy: Strategy, campaign: Campaign) -> ResolvedPolicy:
    """The policy a campaign runs under: its own settings, then the strategy's, then the built-in defaults."""
    return resolved_policy(campaign.policy, strategy.policy_defaults)


def campaign_period(strategy: Strategy, campaign: Campaign) -> tuple[Instant | None, Instant | None]:
    """First instant of a campaign and the first instant after it; None where it is open."""
    return period(campaign.starts, campaign.ends, strategy.time_zone)


def period(
    starts: date | datetime | None, ends: date | datetime | None, zone: ZoneInfo
) -> tuple[Instant | None, Instant | None]:
    """Half-open ``[start, end)``: a first day counts from midnight, a last day to the midnight after it."""
    return _instant(starts, zone, days_after=0), _instant(ends, zone, days_after=1)


def _instant(at: date | datetime | None, zone: ZoneInfo, days_after: int) -> Instant | None:
    if at is None or isinstance(at, datetime):
        return None if at is None else instant(at)
    return instant(datetime.combine(at + timedelta(days=days_after), time(), zone))
