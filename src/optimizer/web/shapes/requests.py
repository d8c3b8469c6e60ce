"""What callers may send: request models that allow nothing unknown."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SkipValidation,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from optimizer.domain.decision import Attributes, AttributeValue
from optimizer.domain.micros import micros
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN
from optimizer.strategy.fields import ID_PATTERN, time_zones

# What `wire` allows on the hot routes too.
IDENTIFIER_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
KIND_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"
CURRENCY_PATTERN = r"^[A-Z]{3}$"
WORDS_PATTERN = r"^[^\x00]*$"
MOST_ITEMS = 10_000
MOST_ATTRIBUTES = 200
MOST_EXCLUDED = 100
MOST_CHANNELS = 50
LARGEST_INTEGER = 2**53  # beyond it a float no longer tells neighbours apart

Identifier = Annotated[StrictStr, Field(pattern=IDENTIFIER_PATTERN, examples=["winback"])]
Recipient = Annotated[
    StrictStr,
    Field(
        pattern=RECIPIENT_PATTERN,
        description="Your id of the person. Only a keyed hash of it is kept.",
        examples=["customer-4711"],
    ),
]
Value = StrictBool | Annotated[StrictInt, Field(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)] | StrictFloat | StrictStr
AttributesIn = Annotated[
    dict[StrictStr, Value | None],
    Field(
        max_length=MOST_ATTRIBUTES,
        description="Declared attributes; null means unknown. They win over the stored profile.",
        examples=[{"country": "US", "days_since_purchase": 120}],
    ),
]


def _time_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError(
            f"found {name[:60] or repr(name)}; allowed an IANA time zone such as America/New_York, or no such key"
        )
    return name


TimeZoneIn = Annotated[
    StrictStr,
    AfterValidator(_time_zone),
    Field(description="The recipient's IANA time zone, for quiet hours and send windows.", examples=["Europe/Paris"]),
]
ConsentIn = Annotated[
    dict[Annotated[StrictStr, Field(pattern=ID_PATTERN)], StrictBool],
    Field(
        max_length=MOST_CHANNELS,
        description="Whether the recipient agreed, by channel. Adds to the stored profile; a no always wins.",
        examples=[{"email": True}],
    ),
]


def _written_out(value: Any) -> Any:
    # pydantic would take a bare number for seconds or, if it is large, for milliseconds: nobody should have to guess.
    if not isinstance(value, str) or value[4:5] != "-":
        raise PydanticCustomError("datetime_text", "not a date and a time")
    return value


TimeIn = Annotated[AwareDatetime, BeforeValidator(_written_out)]

ConsentTextsIn = Annotated[
    dict[
        Annotated[StrictStr, Field(pattern=ID_PATTERN)],
        Annotated[StrictStr, Field(min_length=1, max_length=10_000, pattern=WORDS_PATTERN)],
    ],
    Field(
        max_length=MOST_CHANNELS,
        description="The words or strings in which consents were given, by channel or by a name of yours. Kept to the "
        "letter with the time they came, never interpreted; without this key those there are stay.",
        examples=[{"tcf": "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA"}],
    ),
]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _AboutRecipient(_In):
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
        max_length=MOST_EXCLUDED,
        description="Variants you do not want this time; unknown ones are ignored.",
        examples=[["ten-percent"]],
    )
    consent: ConsentIn = Field(default_factory=dict)
    time_zone: TimeZoneIn | None = Field(
        default=None, description="IANA name, for hours of the day; wins over the stored profile."
    )


class DecisionItem(_AboutRecipient):
    """One recipient of a batch."""

    defer_exposure: StrictBool = Field(
        default=False, description="Count this decision as a trial only once you say it was exposed."
    )


class DecisionIn(DecisionItem):
    """Which variant for this recipient?"""

    campaign: Identifier = Field(description="The campaign that asks.")


class RankIn(_AboutRecipient):
    """What may I offer to this recipient? The `request_id` is the one the choice will be recorded under."""

    campaign: Identifier = Field(description="The campaign that asks.")


class ChosenIn(DecisionItem):
    """A person has chosen this variant for the recipient, of those that `POST /v1/decisions/rank` offered."""

    campaign: Identifier = Field(description="The campaign that asks.")
    variant: Identifier = Field(description="The variant chosen.", examples=["ten-percent"])
    request_id: Identifier = Field(
        description="That of the ranking. Repeating it with the same variant changes nothing.", examples=["call-4711"]
    )
    actor: Identifier | None = Field(
        default=None,
        description="Who chose: your id of the person; by default the name of the key.",
        examples=["agent-7"],
    )


class DecisionsIn(_In):
    """Which variant for each of these recipients?"""

    campaign: Identifier = Field(description="The campaign that asks.")
    request_id: Identifier | None = Field(
        default=None, description="Used for every item that has none; makes the whole batch safe to repeat."
    )
    defer_exposure: StrictBool = Field(
        default=False, description="As in each item: decisions count only once their exposure is reported."
    )
    recipients: Annotated[
        list[SkipValidation[DecisionItem]],
        Field(description="Whom to decide for.", min_length=1, max_length=MOST_ITEMS),
    ]


def _an_amount(value: float | str) -> float | str:
    micros(value)
    return value


class OutcomeIn(_In):
    """What a recipient did."""

    event_id: Identifier = Field(description="Your id of the event; reporting it again changes nothing.")
    decision_id: Identifier | None = Field(default=None, description="The decision it followed.")
    recipient: Recipient | None = Field(
        default=None,
        description="Instead of decision_id: the campaign's latest decision for this recipient before it happened.",
    )
    campaign: Identifier | None = Field(default=None, description="Needed with `recipient`.")
    kind: Annotated[StrictStr, Field(pattern=KIND_PATTERN)] = Field(
        description="`delivered`, `opened`, `clicked`, `purchase` …; "
        "`exposed`, `withdrawn` and `bounced` move the exposure.",
        examples=["purchase"],
    )
    value: Annotated[StrictInt | StrictFloat | StrictStr, AfterValidator(_an_amount)] | None = Field(
        default=None, description="Amount or count, as a number or a decimal text.", examples=["19.90"]
    )
    currency: Annotated[StrictStr, Field(pattern=CURRENCY_PATTERN)] | None = Field(
        default=None, description="Of a value that is money; the strategy's currency."
    )
    occurred_at: TimeIn = Field(description="When it happened, with a time zone.")
    reverses: Identifier | None = Field(
        default=None, description="event_id of an outcome that this one undoes (refund, mistake)."
    )
    machine: StrictBool = Field(
        default=False, description="No person did it (scanner, proxy, robot): recorded, but neither rewarded nor due."
    )

    @model_validator(mode="after")
    def _names_a_decision(self) -> OutcomeIn:
        given = [name for name in ("decision_id", "recipient", "campaign") if getattr(self, name) is not None]
        if given not in (["decision_id"], ["recipient", "campaign"]):
            found = " and ".join(given) or "none of them"
            raise ValueError(f"found {found}; allowed either decision_id, or recipient together with campaign")
        return self


class OutcomesIn(_In):
    """Several outcomes; each gets its own status."""

    outcomes: Annotated[
        list[SkipValidation[OutcomeIn]],
        Field(description="What happened, in any order.", min_length=1, max_length=MOST_ITEMS),
    ]


def _one_or_many(body: Any) -> str:
    return ONE_OR_MANY[1] if isinstance(body, dict) and "outcomes" in body else ONE_OR_MANY[0]


ONE_OR_MANY = ("<one>", "<many>")
OneOrMany = Annotated[
    Annotated[OutcomeIn, Tag(ONE_OR_MANY[0])] | Annotated[OutcomesIn, Tag(ONE_OR_MANY[1])], Discriminator(_one_or_many)
]


class ProfileIn(_In):
    """What a source knows of a recipient; replaces what it said before."""

    attributes: AttributesIn
    source: Annotated[StrictStr, Field(pattern=ID_PATTERN)] | None = Field(
        default=None,
        description="Who says so, of the strategy's `sources`; by default the one the key speaks for, else the first.",
        examples=["crm"],
    )
    consent: ConsentIn = Field(default_factory=dict)
    consent_texts: ConsentTextsIn | None = Field(
        default=None, description="By channel, the words of the consents; absent leaves those there are."
    )
    time_zone: TimeZoneIn | None = Field(default=None, description="IANA name.")


class ExposureIn(_In):
    """When the variant reached the recipient."""

    occurred_at: TimeIn | None = Field(default=None, description="By default now.")


def known(attributes: dict[str, AttributeValue | None]) -> Attributes:
    """Attributes without those that are null: unknown is the same as not said."""
    return {name: value for name, value in attributes.items() if value is not None}
