"""Who: the attributes a strategy declares, and the segments a campaign makes of them."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, GetJsonSchemaHandler, StrictInt, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from optimizer.strategy.derived import Derivation
from optimizer.strategy.fields import (
    CategoryValue,
    Document,
    Line,
    NewId,
    Number,
    PlainValue,
    Reference,
    YesNo,
)
from optimizer.strategy.sources import Believed, Fresh

ATTRIBUTE_TYPES = ("category", "number", "boolean", "text")

Reveals = Annotated[
    Reference | None,
    Field(description="the sensitive attribute this one gives away; then no search for segments looks at it"),
]


class CategoryAttribute(Document):
    """An attribute with a fixed list of values."""

    type: Literal["category"] = Field(description="category: one value of a list")
    values: tuple[CategoryValue, ...] = Field(
        min_length=1, max_length=1_000, description="every value it may have, such as [US, CA, GB]"
    )
    sensitive: YesNo = Field(default=False, description="true keeps it out of segment rules and placeholders")
    reveals: Reveals = None
    from_: Derivation | None = Field(
        default=None,
        alias="from",
        description="what it follows from, such as {event: purchase, measure: days_since}; then nobody says it",
    )
    why: Line | None = Field(default=None, description="why this may be known and used")
    sources: Believed = None
    fresh_for: Fresh = None


class NumberAttribute(Document):
    """An attribute that is a number."""

    type: Literal["number"] = Field(description="number: any number within the bounds")
    minimum: Number | None = Field(default=None, description="smallest value it may have, such as 0")
    maximum: Number | None = Field(default=None, description="largest value it may have")
    sensitive: YesNo = Field(default=False, description="true keeps it out of segment rules and placeholders")
    reveals: Reveals = None
    from_: Derivation | None = Field(
        default=None,
        alias="from",
        description="what it follows from, such as {event: purchase, measure: days_since}; then nobody says it",
    )
    why: Line | None = Field(default=None, description="why this may be known and used")
    sources: Believed = None
    fresh_for: Fresh = None


class BooleanAttribute(Document):
    """An attribute that is true or false."""

    type: Literal["boolean"] = Field(description="boolean: true or false")
    sensitive: YesNo = Field(default=False, description="true keeps it out of segment rules and placeholders")
    reveals: Reveals = None
    why: Line | None = Field(default=None, description="why this may be known and used")
    sources: Believed = None
    fresh_for: Fresh = None


class TextAttribute(Document):
    """An attribute that is free text: it fills placeholders, and no segment rule looks at it."""

    type: Literal["text"] = Field(description="text: any words, only for placeholders such as {{first_name|there}}")
    max_length: Annotated[StrictInt, Field(ge=1, le=1_000)] = Field(
        default=200, description="most characters it may have, such as 40"
    )
    sensitive: YesNo = Field(default=False, description="true keeps it out of placeholders")
    why: Line | None = Field(default=None, description="why this may be known and used")
    sources: Believed = None
    fresh_for: Fresh = None


def _attribute_tag(data: Any) -> str | None:
    # Angle brackets keep a tag, which pydantic puts into the path of an error, apart from any key.
    kind = data.get("type") if isinstance(data, dict) else getattr(data, "type", None)
    return f"<{kind}>" if isinstance(kind, str) and kind in ATTRIBUTE_TYPES else None


Attribute = Annotated[
    Annotated[CategoryAttribute, Tag("<category>")]
    | Annotated[NumberAttribute, Tag("<number>")]
    | Annotated[BooleanAttribute, Tag("<boolean>")]
    | Annotated[TextAttribute, Tag("<text>")],
    Discriminator(_attribute_tag, custom_error_type="attribute_type", custom_error_message="no such attribute type"),
]


class Condition(Document):
    """What one attribute of a recipient must be; false when that is not known. All keys must hold."""

    short_form: ClassVar[str] = "one value such as US, true or 90"

    is_: PlainValue | None = Field(default=None, alias="is", description="exactly this value")
    in_: tuple[CategoryValue, ...] | None = Field(
        default=None, alias="in", min_length=1, description="one of these values, such as [US, CA]"
    )
    not_in: tuple[CategoryValue, ...] | None = Field(
        default=None, min_length=1, description="known, and none of these values"
    )
    at_least: Number | None = Field(default=None, description="this number or more, such as 90")
    at_most: Number | None = Field(default=None, description="this number or less")
    above: Number | None = Field(default=None, description="more than this number")
    below: Number | None = Field(default=None, description="less than this number")
    equals: Number | None = Field(default=None, description="exactly this number")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str | bool):
            return {"is": data}
        return {"equals": data} if isinstance(data, int | float) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        written_out = handler(core_schema)
        written_out["minProperties"] = 1
        return {"anyOf": [{"type": ["string", "number", "boolean"]}, written_out]}

    def stated(self) -> Mapping[str, Any]:
        """The keys that were written, with their values."""
        return self.model_dump(by_alias=True, exclude_none=True)


class Segment(Document):
    """Recipients who share an allocation: those whose attributes meet every condition."""

    id: NewId = Field(description="short id of the segment, such as lapsed")
    why: Line | None = Field(default=None, description="why these recipients are apart")
    when: Mapping[Reference, Condition] = Field(
        min_length=1, max_length=50, description="conditions by attribute, such as {country: US}"
    )
