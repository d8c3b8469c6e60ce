"""How a scenario writes a world: who there is, what they do, when they come, and what changes meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, StrictInt, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from optimizer.strategy.fields import (
    Document,
    NewId,
    Number,
    OutcomeKind,
    Reference,
    Span,
    YesNo,
    Zone,
    between,
    not_allowed,
)

FITTED = "fitted"
MOST_RECIPIENTS = 5_000_000


def _attribute_value(written: object) -> str | bool | float:
    if isinstance(written, str | bool):
        return written
    if isinstance(written, int | float):
        return float(written)
    raise not_allowed("text, a number, or true/false")


VariantName = Annotated[str, Field(pattern=r"\S", max_length=97)]
Rate = Annotated[Number, Field(ge=0, le=1)]
Rates = Annotated[Mapping[VariantName, Rate], Field(min_length=1, max_length=101)]
Median = Annotated[Number, Field(gt=0, le=1e6)]
Odds = Annotated[Number, Field(gt=0, le=1_000)]
Factor = Annotated[Number, Field(ge=0, le=1_000_000)]
AttributeValue = Annotated[
    str | bool | float,
    PlainValidator(_attribute_value),
    WithJsonSchema({"type": ["string", "boolean", "number"]}),
]
Later = Annotated[Span, between("PT1S", "P1096D")]


class RecipientTypeDocument(Document):
    """Recipients who are alike, but for chance."""

    name: NewId = Field(description="short id of the type, such as loyal")
    share: Annotated[Number, Field(gt=0)] = Field(default=1.0, description="how many there are, in proportion")
    attributes: Mapping[Reference, AttributeValue] = Field(
        default_factory=dict, max_length=200, description="declared attributes of each, such as {country: US}"
    )
    time_zone: Zone | None = Field(default=None, description="their time zone; without it nobody knows it")
    consent: Rate | None = Field(
        default=None, description="share that agreed to the channel, the others said no; default nobody was asked"
    )
    activity: Annotated[Number, Field(gt=0)] = Field(default=1.0, description="how often they come, in proportion")


class DelayDocument(Document):
    """How long an outcome takes: a median and a spread, or a mean alone."""

    median: Later | None = Field(default=None, description="half come sooner, such as PT20H; log-normal")
    spread: Annotated[Number, Field(gt=0, le=5)] = Field(
        default=1.0, description="standard deviation of the delay's logarithm: 1 is two in three within a factor of 2.7"
    )
    mean: Later | None = Field(default=None, description="mean of an exponential delay, such as PT6H")

    @model_validator(mode="after")
    def _is_one_thing(self) -> DelayDocument:
        if (self.median is None) == (self.mean is None):
            raise not_allowed("either a median, with a spread, or a mean")
        return self


class AmountDocument(Document):
    """What an outcome is worth: always the same, or a median, of each variant or of all, and a spread."""

    fixed: Annotated[Number, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="always so much, in units of the currency, such as 25"
    )
    median: Median | None = Field(default=None, description="half are worth less, in units of the currency; log-normal")
    medians: Annotated[Mapping[VariantName, Median], Field(min_length=1, max_length=101)] | None = Field(
        default=None, description="the same by variant or message, where they differ, such as {hello: 25}"
    )
    spread: Annotated[Number, Field(gt=0, le=5)] = Field(
        default=1.0, description="standard deviation of the amount's logarithm"
    )

    @model_validator(mode="after")
    def _is_one_thing(self) -> AmountDocument:
        if (self.fixed is None) == (self.median is None):
            raise not_allowed("either a fixed amount, or a median with a spread")
        if self.medians is not None and self.median is None:
            raise not_allowed("medians beside a median, which is that of all others")
        return self


class OutcomeDocument(Document):
    """Something recipients do, and how often they do it.

    A rate is looked up for the type and the variant, then for the variant, then for its message, then `rate`.
    """

    after: OutcomeKind | None = Field(
        default=None, description="outcome it follows, one above it; the rates are of those; default the decision"
    )
    rate: Rate | None = Field(default=None, description="chance after any variant, where `rates` names none")
    rates: Rates | None = Field(
        default=None, description="chance by variant or message, and of `nothing` sent, such as {hello: 0.02}"
    )
    rates_by_type: Mapping[Reference, Rates] | None = Field(
        default=None, min_length=1, max_length=200, description="the same by type of recipients, where they differ"
    )
    delay: DelayDocument | None = Field(default=None, description="how long it takes, such as {median: PT20H}")
    amount: AmountDocument | None = Field(default=None, description="what it is worth, such as {fixed: 25}")
    frailty: Annotated[Number, Field(ge=0, le=5)] = Field(
        default=0.0, description="how much recipients of one type differ, in log-odds; such outcomes go together"
    )

    @model_validator(mode="after")
    def _has_a_rate(self) -> OutcomeDocument:
        if self.rate is None and self.rates is None and self.rates_by_type is None:
            raise not_allowed("a rate, or rates, such as {rate: 0.02}")
        return self


class ArrivalsDocument(Document):
    """Who comes by, and when: again and again, or everyone once."""

    per_day: Annotated[Number, Field(gt=0, le=1e9)] = Field(description="contacts a day, such as 1500")
    hours: tuple[Factor, ...] | None = Field(
        default=None, min_length=24, max_length=24, description="24 factors, by hour of the day; default all equal"
    )
    days: tuple[Factor, ...] | None = Field(
        default=None, min_length=7, max_length=7, description="7 factors, Monday first; default all equal"
    )
    clock: Literal["utc", "recipient"] = Field(default="utc", description="whose hours and days these are")
    once: YesNo = Field(
        default=False, description="true: everyone comes once, `per_day` of them together each day, as in a mailing"
    )

    @model_validator(mode="after")
    def _once_has_no_hours(self) -> ArrivalsDocument:
        if self.once and (self.hours or self.days):
            raise not_allowed("no hours and no days where everyone comes once")
        if any(factors is not None and max(factors) <= 0 for factors in (self.hours, self.days)):
            raise not_allowed("one factor above 0")
        return self


class Moved(Document):
    """What a change moves; without these keys, everything."""

    outcomes: tuple[OutcomeKind, ...] = Field(default=(), max_length=50, description="outcomes it moves; default all")
    variant: VariantName | None = Field(default=None, description="variant it moves, or `nothing`; default all")


class DriftDocument(Moved):
    """A rate that changes for good."""

    after: Later = Field(description="how long after the start, such as P14D")
    odds: Odds = Field(description="factor of the odds from then on, such as 0.5; about that of a small rate")
    over: Later | None = Field(default=None, description="how long the change takes; default at once")
    type: Reference | None = Field(default=None, description="type of recipients it moves; default all")


class SeasonDocument(Moved):
    """Days of the week that are better or worse than others."""

    odds: tuple[Odds, ...] = Field(
        min_length=7, max_length=7, description="7 factors of the odds, Monday first, such as [1, 1, 1, 1, 1, 0.7, 0.6]"
    )
    clock: Literal["utc", "recipient"] = Field(default="utc", description="whose days these are")


class NoveltyDocument(Moved):
    """What is new does better, until it is not new any more."""

    odds: Odds = Field(description="factor of the odds while it is new, such as 1.5")
    half_life: Later | None = Field(default=None, description="time in which the effect halves, such as P7D")
    messages: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="earlier messages after which the effect has halved, such as 2"
    )

    @model_validator(mode="after")
    def _wears_off(self) -> NoveltyDocument:
        if self.half_life is None and self.messages is None:
            raise not_allowed("a half_life, or messages, or both")
        return self


class FatigueDocument(Moved):
    """Each earlier message to a recipient changes the odds by the same factor."""

    odds: Odds = Field(description="factor of the odds for each earlier message, such as 0.9")
    at_most: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None, description="earlier messages beyond these change nothing more"
    )


class Synthetic(Document):
    """A world whose truth is written down."""

    recipients: Annotated[StrictInt, Field(ge=1, le=MOST_RECIPIENTS)] = Field(
        description="how many recipients there are, such as 20000"
    )
    types: tuple[RecipientTypeDocument, ...] = Field(
        default=(RecipientTypeDocument(name="all"),), min_length=1, max_length=200, description="types of recipients"
    )
    outcomes: Mapping[OutcomeKind, OutcomeDocument] = Field(
        min_length=1, max_length=20, description="what recipients do, by name; an outcome follows only one above it"
    )
    arrivals: ArrivalsDocument = Field(description="who comes by, and when, such as {per_day: 1500}")
    drift: tuple[DriftDocument, ...] = Field(default=(), max_length=50, description="rates that change for good")
    season: tuple[SeasonDocument, ...] = Field(default=(), max_length=50, description="better and worse weekdays")
    novelty: tuple[NoveltyDocument, ...] = Field(default=(), max_length=50, description="effects that wear off")
    fatigue: tuple[FatigueDocument, ...] = Field(default=(), max_length=50, description="what messages add up to")


class Fitted(Document):
    """A world fitted to the history: rates with their uncertainty, amounts and arrivals as they were."""

    recipients: Annotated[StrictInt, Field(ge=1, le=MOST_RECIPIENTS)] | None = Field(
        default=None, description="how many recipients there are; default as many as in the history"
    )
    arrivals: ArrivalsDocument | None = Field(
        default=None, description="who comes by, and when; default as in the history, where it knows times"
    )
    nothing: VariantName | None = Field(
        default=None, description="variant of the history that is like sending nothing, such as no-mail"
    )
    by: tuple[Reference, ...] | None = Field(
        default=None, min_length=1, max_length=20, description="attributes whose values have rates of their own"
    )
    prior_rows: Annotated[Number, Field(ge=1, le=1e6)] = Field(
        default=10.0, description="rows that the belief in the rates of the whole history is worth in each cell"
    )
    rates: Literal["uncertain", "likeliest"] = Field(
        default="uncertain", description="uncertain: drawn anew in each replication; likeliest: always the same"
    )


class WorldDocument(Document):
    """A world to rehearse in: synthetic, or fitted to the history."""

    short_form: ClassVar[str] = FITTED

    synthetic: Synthetic | None = Field(default=None, description="a world whose truth is written down")
    fitted: Fitted | None = Field(default=None, description="a world fitted to the history, such as {rates: likeliest}")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {FITTED: {}} if data == FITTED else data

    @model_validator(mode="after")
    def _is_one_thing(self) -> WorldDocument:
        if (self.synthetic is None) == (self.fitted is None):
            raise not_allowed("either synthetic, or fitted")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"const": FITTED}, handler(core_schema)]}
