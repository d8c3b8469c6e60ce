"""Sources: who says what of recipients, as a strategy declares them, and who speaks for whom."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from optimizer.domain.sayings import API
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.strategy.fields import Document, Line, NewId, Reference, Span, between
from optimizer.strategy.yaml.source import shortened

MAX_SOURCES = 20

Believed = Annotated[
    tuple[Reference, ...] | None,
    Field(
        min_length=1,
        max_length=MAX_SOURCES,
        description="the only sources that are believed about it, first the one to believe first, such as [crm]; "
        "without this key all of them, in the order of the strategy's `sources`",
    ),
]
Fresh = Annotated[
    Annotated[Span, between("PT1M", "P3660D")] | None,
    Field(description="how long a source is believed before the next one is asked, such as P90D; the newest otherwise"),
]


class DataSource(Document):
    """One of those who say something of recipients."""

    short_form: ClassVar[str] = "an id alone, such as crm"

    id: NewId = Field(description="short id of the source, such as crm")
    api_keys: tuple[Line, ...] = Field(
        default=(),
        max_length=50,
        description="names of the API keys that speak for it, and for no other; without this key any other key may",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"id": data} if isinstance(data, str) else data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}


def speaks_for(sources: Sequence[DataSource], key_name: str, asked: str | None = None, *, least: bool = False) -> str:
    """The source that a caller speaks for.

    A key that a source names speaks for that source alone, and nobody else does. Any other key speaks for the source
    it asks for, or by default for the first that names no keys; an SDK cannot ask, and speaks for the last of them.

    Args:
        sources: as the strategy declares them.
        key_name: name of the caller's API key.
        asked: the source the request names, if it does.
        least: by default the one that is believed least.

    Raises:
        InvalidRequest: no such source, or none that this key may speak for.
    """
    own = [source.id for source in sources if key_name in source.api_keys]
    free = [source.id for source in sources if not source.api_keys] if sources else [API]
    may = own or free
    if asked is None and may:
        return may[-1 if least else 0]
    if asked in may:
        return str(asked)
    allowed = f"{' or '.join(may)}, for which this key speaks" if may else "a key that speaks for a source"
    raise InvalidRequest(RequestFinding("/source", shortened(asked or f"key {key_name}"), allowed))
