"""The good case of the hot routes' bodies, decoded from JSON straight into structs.

What these structs take is a part of what the models in `requests` take, and means the same; a test holds the two side
by side. Whatever they refuse is left to those models, which know how to say what is wrong with it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct
from msgspec.json import Decoder

from optimizer.domain.micros import LARGEST, MICRO
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN
from optimizer.strategy.fields import ID_PATTERN
from optimizer.web.shapes.requests import (
    CURRENCY_PATTERN,
    IDENTIFIER_PATTERN,
    KIND_PATTERN,
    LARGEST_INTEGER,
    MOST_ATTRIBUTES,
    MOST_CHANNELS,
    MOST_EXCLUDED,
    MOST_ITEMS,
)


def _whole(pattern: str) -> Meta:
    # Python's `$` also stands before a line break at the end; that of pydantic's patterns does not.
    return Meta(pattern=pattern.removesuffix("$") + r"\Z")


Identifier = Annotated[str, _whole(IDENTIFIER_PATTERN)]
Recipient = Annotated[str, _whole(RECIPIENT_PATTERN)]
Integer = Annotated[int, Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
Amount = Annotated[int, Meta(ge=-LARGEST // MICRO, le=LARGEST // MICRO)]
# Of the many ways to write a time that pydantic knows, the one that everybody uses.
Time = Annotated[
    str,
    _whole(
        r"^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-][01][0-9]:[0-5][0-9])$"
    ),
]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Allows nothing unknown. Holds no cycles, so the collector of cycles need not look at it."""


class DecisionItem(_Strict, frozen=True, kw_only=True, gc=False):
    """See `requests.DecisionItem`."""

    recipient: Recipient
    request_id: Identifier | None = None
    attributes: Annotated[dict[str, bool | Integer | float | str | None], Meta(max_length=MOST_ATTRIBUTES)] = {}
    exclude: Annotated[tuple[Identifier, ...], Meta(max_length=MOST_EXCLUDED)] = ()
    consent: Annotated[dict[Annotated[str, _whole(ID_PATTERN)], bool], Meta(max_length=MOST_CHANNELS)] = {}
    time_zone: str | None = None
    defer_exposure: bool = False


class DecisionIn(DecisionItem, frozen=True, kw_only=True, gc=False):
    """See `requests.DecisionIn`."""

    campaign: Identifier


class DecisionsIn(_Strict, frozen=True, kw_only=True, gc=False):
    """See `requests.DecisionsIn`; every item is still to be decoded, so that others can be served in between."""

    campaign: Identifier
    recipients: Annotated[list[Raw], Meta(min_length=1, max_length=MOST_ITEMS)]
    request_id: Identifier | None = None
    defer_exposure: bool = False


class OutcomeIn(_Strict, frozen=True, kw_only=True, gc=False):
    """See `requests.OutcomeIn`."""

    event_id: Identifier
    kind: Annotated[str, _whole(KIND_PATTERN)]
    occurred_at: Time
    decision_id: Identifier | None = None
    recipient: Recipient | None = None
    campaign: Identifier | None = None
    value: Amount | float | str | None = None
    currency: Annotated[str, _whole(CURRENCY_PATTERN)] | None = None
    reverses: Identifier | None = None
    machine: bool = False


class OutcomesIn(_Strict, frozen=True, gc=False):
    """See `requests.OutcomesIn`; every item is still to be decoded."""

    outcomes: Annotated[list[Raw], Meta(min_length=1, max_length=MOST_ITEMS)]


DECISION = Decoder(DecisionIn)
DECISIONS = Decoder(DecisionsIn)
ITEM = Decoder(DecisionItem)
OUTCOME = Decoder(OutcomeIn)
OUTCOMES = Decoder(OutcomesIn)
