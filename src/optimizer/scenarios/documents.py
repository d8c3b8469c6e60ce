"""The scenario an analyst writes, as frozen pydantic models; only keys that do something exist.

Rules that span several keys live in `reading`, where each finding can point at the key to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, StrictInt, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from optimizer.domain.instants import DAY
from optimizer.scenarios.histories import HistoryPart
from optimizer.scenarios.worlds import WorldDocument
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.fields import (
    DateOrMoment,
    Document,
    HalfLife,
    Line,
    NewId,
    Number,
    Reference,
    Span,
    between,
    not_allowed,
)
from optimizer.strategy.policy_settings import PolicySettings

MAX_POLICIES = 200
MAX_GUARDRAILS = 50
MAX_SHARES = 1_000  # a history may have many more variants than a campaign
AS_WRITTEN = "as_written"

VariantId = Annotated[str, Field(pattern=r"\S", max_length=97)]
SegmentName = Annotated[str, Field(pattern=r"\S", max_length=200)]  # a history's are values of its columns, crossed
Share = Annotated[Number, Field(ge=0, le=1)]
Shares = Annotated[Mapping[VariantId, Share], Field(min_length=1, max_length=MAX_SHARES)]


class Learning(PolicySettings):
    """A policy that learns: the campaign's own, with other settings where some are named."""

    short_form: ClassVar[str] = AS_WRITTEN

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {} if data == AS_WRITTEN else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"const": AS_WRITTEN}, handler(core_schema)]}


class Learned(Document):
    """A fixed policy that is read off the history: for whoever gets it, the variant that did best."""

    by: Literal["segment", "model"] = Field(
        default="segment", description="segment: the best variant of each segment; model: of each recipient's features"
    )


_KINDS_OF_POLICY = ("learning", "uniform", "always", "shares", "shares_by_segment", "logged", "learned")


class PolicyEntry(Document):
    """One policy to compare; exactly one key besides the name says what it is."""

    name: NewId = Field(description="short id of the policy, such as equal-split")
    learning: Learning | None = Field(
        default=None, description="as_written for the campaign's own policy, or other settings such as {floor: 0.1}"
    )
    uniform: Literal[True] | None = Field(default=None, description="true: every variant equally often")
    always: VariantId | None = Field(default=None, description="one variant for everyone, such as ten-percent")
    shares: Shares | None = Field(default=None, description="a fixed share of each variant, such as {hello: 0.6}")
    shares_by_segment: Mapping[SegmentName, Shares] | None = Field(
        default=None, min_length=1, max_length=201, description="fixed shares of each segment, by segment"
    )
    logged: Literal[True] | None = Field(default=None, description="true: what the history's own policy did")
    learned: Learned | None = Field(
        default=None, description="what the history itself says is best, such as {by: segment}; cross-fitted"
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> PolicyEntry:
        said = [key for key in _KINDS_OF_POLICY if getattr(self, key) is not None]
        if len(said) != 1:
            raise not_allowed(f"a name, and exactly one of: {', '.join(_KINDS_OF_POLICY)}")
        return self

    @property
    def kind(self) -> str:
        """The key that says what it is."""
        return next(key for key in _KINDS_OF_POLICY if getattr(self, key) is not None)


class GuardrailEntry(Document):
    """Other guardrails to rehearse: keys of the documents, each laid over what is written there."""

    name: NewId = Field(description="short id of these guardrails, such as half-the-budget")
    strategy: Mapping[str, Any] | None = Field(
        default=None, min_length=1, description="keys of the strategy to change, such as {holdout: {share: 0.1}}"
    )
    campaign: Mapping[str, Any] | None = Field(
        default=None, min_length=1, description='keys of the campaign to change, such as {budget: {daily: "50 USD"}}'
    )


class Rehearse(Document):
    """When a rehearsal begins and how long it lasts."""

    starts: DateOrMoment | None = Field(
        default=None, description="first day, or a moment; default the campaign's first day, else 2026-01-05, a Monday"
    )
    for_: Annotated[Span, between("PT1H", "P1096D")] | None = Field(
        default=None, alias="for", description="how long it lasts, such as P28D (the default)"
    )
    step: Annotated[Span, between("PT1M", "P7D")] | None = Field(
        default=None,
        description="how often it learns; default the policy's `refresh`, yet at least an hour, so that it is quick",
    )
    reaction: Annotated[HalfLife, between("PT1M", "P366D")] = Field(
        default=DAY,
        description="how long people take to approve a stage or to review, once asked; default P1D; or `never`",
        json_schema_extra={"default": "P1D"},
    )
    release: Annotated[HalfLife, between("PT1M", "P366D")] = Field(
        default=None,
        description="how long until people let a rollout go on that a guardrail holds, such as P1D; default `never`",
        json_schema_extra={"default": "never"},
    )


class Replay(Document):
    """How learning policies are replayed on the history."""

    method: Literal["rejection", "doubly_robust"] | None = Field(
        default=None, description="default: rejection for a constant propensity, doubly_robust for any other"
    )
    permutations: Annotated[StrictInt, Field(ge=1, le=100_000)] = Field(
        default=50, description="orders the rows are replayed in; 1 keeps the order of the history"
    )
    refresh: Annotated[StrictInt, Field(ge=1, le=1_000_000_000)] = Field(
        default=1_000, description="rows between two refreshes of the policy"
    )


EstimatorName = Literal["ips", "clipped_ips", "snips", "dm", "dr", "sndr", "switch_dr"]
IntervalName = Literal["normal", "bootstrap", "empirical_bernstein", "betting"]


class Evaluate(Document):
    """How fixed policies are judged on the history."""

    estimators: tuple[EstimatorName, ...] | None = Field(
        default=None, min_length=1, description="estimators to show; default all that the history allows"
    )
    intervals: tuple[IntervalName, ...] | None = Field(
        default=None, min_length=1, description="intervals to show; default all that are known to hold"
    )
    level: Annotated[Number, Field(ge=0.5, le=0.999)] = Field(
        default=0.95, description="how often an interval is to hold the truth"
    )
    bootstraps: Annotated[StrictInt, Field(ge=1, le=100_000)] = Field(
        default=1_000, description="resamples of the bootstrap"
    )
    reward_model: Literal["auto", "none", "cells", "logistic", "ridge", "boosting"] = Field(
        default="auto", description="model of the reward, which dm, dr, sndr and switch_dr need; none leaves them out"
    )
    folds: Annotated[StrictInt, Field(ge=2, le=50)] = Field(
        default=5, description="folds of the cross-fitting: no row is judged by a model that saw it"
    )
    clip: Annotated[Number, Field(gt=0)] = Field(
        default=10.0, description="the most an importance weight counts in clipped_ips"
    )
    switch_at: Annotated[Number, Field(ge=0)] = Field(
        default=10.0, description="the largest importance weight on which switch_dr relies"
    )
    reward_range: tuple[Number, Number] | None = Field(
        default=None,
        description="least and most a reward can be, such as [0, 1]; empirical_bernstein and betting need it",
    )
    chunk_rows: Annotated[StrictInt, Field(ge=1_000, le=10_000_000)] = Field(
        default=250_000, description="rows held in memory at a time"
    )

    @model_validator(mode="after")
    def _range_in_order(self) -> Evaluate:
        if self.reward_range is not None and not self.reward_range[0] < self.reward_range[1]:
            raise not_allowed("a reward_range of two numbers, the lower one first, such as [0, 1]")
        return self


class Scenario(Document):
    """A question, what it is asked of, and how it is answered."""

    scenario: NewId = Field(description="short id of the scenario, such as first-rehearsal")
    question: Line | None = Field(default=None, description="what it is to answer, in a sentence")
    seed: Annotated[StrictInt, Field(ge=0, lt=2**53)] = Field(
        default=0, description="of all chance: equal seeds give equal results"
    )
    replications: Annotated[StrictInt, Field(ge=1, le=10_000)] = Field(
        default=20, description="rehearsals of each policy, each in a world of its own"
    )
    workspace: Line | None = Field(
        default=None, description="folder with strategy.yaml and campaigns/, from this file, such as ../.."
    )
    strategy: Strategy | None = Field(default=None, description="a strategy written here, instead of a workspace")
    campaigns: tuple[Campaign, ...] | None = Field(
        default=None, min_length=1, max_length=50, description="campaigns written here, beside the strategy"
    )
    campaign: Reference | None = Field(
        default=None, description="id of the campaign it is about; may be left out when there is only one"
    )
    history: HistoryPart | None = Field(default=None, description="what was logged, and how to read it")
    world: WorldDocument | None = Field(
        default=None, description="where campaigns are rehearsed: {synthetic: ...}, or fitted to the history"
    )
    rehearse: Rehearse = Field(default=Rehearse(), description="when a rehearsal begins and how long it lasts")
    policies: tuple[PolicyEntry, ...] = Field(
        default=(PolicyEntry(name=AS_WRITTEN, learning=Learning()), PolicyEntry(name="uniform", uniform=True)),
        min_length=1,
        max_length=MAX_POLICIES,
        description="policies to compare; default the campaign's own and an equal split",
    )
    guardrails: tuple[GuardrailEntry, ...] = Field(
        default=(), max_length=MAX_GUARDRAILS, description="other guardrails to compare with those as written"
    )
    replay: Replay = Field(default=Replay(), description="how learning policies are replayed on the history")
    evaluate: Evaluate = Field(default=Evaluate(), description="how fixed policies are judged on the history")
