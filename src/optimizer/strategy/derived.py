"""Attributes that follow from behaviour: how they are declared."""

from typing import Annotated, Final, Literal

from pydantic import Field

from optimizer.strategy.fields import Document, FieldName, OutcomeKind, Span, between

Measure = Literal["days_since", "count", "sum", "first", "last"]
OF_VALUES: Final = ("first", "last")  # measures that give one of the values as it is
WITHOUT_VALUES: Final = ("days_since", "count")  # measures that look at no value


class Derivation(Document):
    """What a recipient did that an attribute follows from."""

    event: OutcomeKind = Field(description="outcome or tracked event it follows from, such as purchase")
    measure: Measure = Field(
        description="what of these events: days_since (whole days since the latest), count, sum of their values, "
        "first or last (value of the earliest or latest that has one)"
    )
    within: Annotated[Span, between("PT1H", "P3660D")] | None = Field(
        default=None, description="only events of this long before the decision, such as P30D; without it, all"
    )
    property: FieldName | None = Field(
        default=None,
        description="property of the tracked event whose value it is, such as category; without it, the outcome's "
        "value in units of the currency",
    )
