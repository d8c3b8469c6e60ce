"""What documents are made of: mappings with known keys; ids, texts, numbers, durations, dates, zones, times of day."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, ClassVar, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from optimizer.domain.daily_window import MINUTES_PER_DAY, DailyWindow
from optimizer.domain.instants import Duration, duration
from optimizer.strategy.currencies import CODES
from optimizer.strategy.slips import currency_meant, date_advice, span_meant, window_meant

ID_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,47}$"
KIND_PATTERN: Final = r"^[a-z][a-z0-9_]{0,47}$"
FIELD_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$"
CURRENCY_PATTERN: Final = r"^[A-Z]{3}$"
WORDS_PATTERN: Final = r"\S"

EVERYONE_ELSE: Final = "everyone-else"
NOTHING: Final = "nothing"
WITHHELD: Final = "withheld"
RESERVED = frozenset({EVERYONE_ELSE, NOTHING, WITHHELD})

ALLOWED = "allowed"  # type of the errors raised here: their message is what a finding says is allowed

_DURATION = re.compile(
    r"P(?=.*\d)(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?\Z",
    re.ASCII,
)
_YEARS_OR_MONTHS = re.compile(r"P[^T]*[YM]", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})\Z", re.ASCII)
_TIME_OF_DAY = "([01][0-9]|2[0-3]):([0-5][0-9])"
_WINDOW = re.compile(rf"{_TIME_OF_DAY}-(?:{_TIME_OF_DAY}|24:00)\Z")


def not_allowed(allowed: str) -> PydanticCustomError:
    """The error whose finding says ``allowed ...``."""
    # Braces would be read as places to fill in, so the sentence travels as a value.
    return PydanticCustomError(ALLOWED, "{allowed}", {"allowed": allowed})


def parsed_duration(text: object) -> Duration:
    """Microseconds of an ISO 8601 duration in weeks, days, hours, minutes and seconds."""
    if isinstance(text, str):
        if _YEARS_OR_MONTHS.match(text):
            raise not_allowed(
                "days instead of months or years, whose length varies: P30D for a month, P365D for a year"
            )
        if match := _DURATION.match(text):
            weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
            try:
                return duration(timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds))
            except OverflowError:
                pass
    meant = span_meant(text)
    raise not_allowed(f"an ISO 8601 duration such as {meant or 'P7D (seven days), PT12H or PT90M'}")


def span_written(written: object) -> str | None:
    """The ISO 8601 duration that was written, or that ``3 days`` means; None when it is no time."""
    return written if isinstance(written, str) and _DURATION.match(written) else span_meant(written)


def between(low: str, high: str) -> AfterValidator:
    """Bounds of a duration, both included, as people write them."""
    shortest, longest = parsed_duration(low), parsed_duration(high)

    def check(value: Duration | None) -> Duration | None:
        if value is not None and not shortest <= value <= longest:
            raise not_allowed(f"a duration from {low} to {high}")
        return value

    return AfterValidator(check)


def _half_life(text: object) -> Duration | None:
    return None if text == "never" else parsed_duration(text)


def _new_id(text: str) -> str:
    if text in RESERVED:
        raise not_allowed(f"another id: {text} has a meaning of its own")
    return text


def _date(text: object) -> date | datetime:
    try:
        if isinstance(text, str) and _DATE.match(text):
            day = date.fromisoformat(text)
            if 2000 <= day.year <= 2999:
                return day
        elif isinstance(text, str) and _MOMENT.match(text):
            moment = datetime.fromisoformat(text)
            if 2000 <= moment.year <= 2999:
                return moment.astimezone(UTC)
    except ValueError:  # 30 February, 25:00
        pass
    raise not_allowed(
        date_advice(text)
        or "a date such as 2026-12-01, or a time with its offset such as 2026-12-01T09:00:00-05:00 (years 2000 to 2999)"
    )


def parsed_window(text: object) -> DailyWindow:
    """The part of each day between two times, past midnight when the second is the earlier one."""
    if isinstance(text, str) and (match := _WINDOW.match(text)):
        hour, minute, end_hour, end_minute = (int(part or 0) for part in match.groups())
        start, end = 60 * hour + minute, 60 * end_hour + end_minute
        if start == end and not text.endswith("24:00"):
            raise not_allowed("two different times of day: 00:00-24:00 for the whole day, no such key for none of it")
        return DailyWindow(start, end or MINUTES_PER_DAY)
    allowed = "two times of day such as 21:00-08:00, each from 00:00 to 23:59, the second also 24:00"
    meant = window_meant(text)
    raise not_allowed(allowed + (f' (did you mean "{meant}"?)' if meant else ""))


# Names of zones that people write who mean a place where clocks change: half of the year they are an hour off.
NO_SUMMER_TIME: Final = frozenset({"EST", "MST"})


@cache
def time_zones() -> frozenset[str]:
    """Names of every IANA time zone known here."""
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _time_zone(text: object) -> ZoneInfo:
    if isinstance(text, str) and text in time_zones() - NO_SUMMER_TIME:
        return ZoneInfo(text)
    raise PydanticCustomError("time_zone", "an IANA time zone")


def _currency(text: object) -> str:
    if isinstance(text, str) and text in CODES:
        return text
    meant = currency_meant(text)
    guess = f' (did you mean "{meant}"?)' if meant in CODES else ""
    raise not_allowed(f"an ISO 4217 code of three capital letters, such as USD{guess}")


def _plain(value: object) -> str | bool:
    if isinstance(value, str | bool):
        return value
    raise not_allowed("text or true/false; numbers go with equals, at_least, at_most, above, below")


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^P(?=.*\d)(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$",
    "examples": ["P7D", "PT12H"],
}

Reference = Annotated[str, Field(pattern=ID_PATTERN)]
NewId = Annotated[Reference, AfterValidator(_new_id)]
OutcomeKind = Annotated[str, Field(pattern=KIND_PATTERN)]
FieldName = Annotated[str, Field(pattern=FIELD_PATTERN)]
Currency = Annotated[str, PlainValidator(_currency), WithJsonSchema({"type": "string", "pattern": CURRENCY_PATTERN})]
Line = Annotated[str, Field(pattern=WORDS_PATTERN, max_length=1_000)]
Text = Annotated[str, Field(pattern=WORDS_PATTERN, max_length=100_000)]
CategoryValue = Annotated[str, Field(pattern=WORDS_PATTERN, max_length=200)]
Number = Annotated[float, Strict(), AllowInfNan(allow_inf_nan=False)]
YesNo = Annotated[bool, Strict()]
PlainValue = Annotated[str | bool, PlainValidator(_plain), WithJsonSchema({"type": ["string", "boolean"]})]
Span = Annotated[Duration, PlainValidator(parsed_duration), WithJsonSchema(_DURATION_SCHEMA)]
HalfLife = Annotated[
    Duration | None,
    PlainValidator(_half_life),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"const": "never"}]}),
]
Zone = Annotated[
    ZoneInfo,
    PlainValidator(_time_zone),
    WithJsonSchema({"type": "string", "examples": ["America/New_York", "Europe/Berlin", "UTC"]}),
]
Window = Annotated[
    DailyWindow,
    PlainValidator(parsed_window),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
            "examples": ["21:00-08:00", "08:00-11:00"],
        }
    ),
]
DateOrMoment = Annotated[
    date | datetime,
    PlainValidator(_date),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]


class Document(BaseModel):
    """A mapping in a document: frozen, and without any key it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    short_form: ClassVar[str] = ""
    """What may be written instead of the keys."""

    @model_validator(mode="before")
    @classmethod
    def _note_the_model(cls, data: Any, info: ValidationInfo) -> Any:
        # Lets `wording` say which keys a mapping could have had: pydantic reports only the one it could not.
        if isinstance(info.context, dict):
            info.context[id(data)] = cls
        return data

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys as they are written."""
        return tuple(entry.alias or name for name, entry in cls.model_fields.items())
