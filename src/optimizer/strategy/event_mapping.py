"""How a strategy says which outcomes the events of other tools are."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from optimizer.strategy.fields import KIND_PATTERN, Document, OutcomeKind

EventName = Annotated[str, Field(pattern=r"\S", max_length=200)]
PropertyName = Annotated[str, Field(pattern=r"\S", max_length=200)]


class EventMapping(Document):
    """What an event of others is here."""

    short_form: ClassVar[str] = "an outcome alone, such as opened"

    outcome: OutcomeKind = Field(description="the outcome it is, such as purchase")
    value: PropertyName | None = Field(
        default=None, description="the event's property that holds the amount or count, such as revenue"
    )
    currency: PropertyName | None = Field(
        default=None, description="the event's property that holds the currency of the value, such as currency"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"outcome": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string", "pattern": KIND_PATTERN}, handler(core_schema)]}
