"""pydantic's errors in a marketer's words: one table, so that no jargon leaks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from optimizer.errors import Finding
from optimizer.strategy import audience, brand, documents, fields, limits
from optimizer.strategy.source import Path, Source, shortened

_LISTED = 12
_AN_ID = "a short id of lower-case letters, digits, '.', '_' and '-' (at most 48), such as ten-percent"

_PATTERNS = {
    fields.ID_PATTERN: _AN_ID,
    fields.KIND_PATTERN: "a name of lower-case letters, digits and '_' (at most 48), such as purchase",
    fields.FIELD_PATTERN: "a name of letters, digits, '.', '_' and '-' (at most 48), such as template_id",
    fields.CURRENCY_PATTERN: "an ISO 4217 code of three capital letters, such as USD",
    fields.WORDS_PATTERN: "text that is not blank",
}

# What is allowed instead, by pydantic's type of error and the details it gives.
_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    fields.ALLOWED: lambda details: details["allowed"],
    "string_type": lambda _: 'text; put a number or true/false in quotes to make it text, as in "10"',
    "string_pattern_mismatch": lambda details: _PATTERNS[details["pattern"]],
    "string_too_long": lambda details: f"at most {details['max_length']:,} characters",
    "float_type": lambda _: "a number, without quotes",
    "finite_number": lambda _: "a number that is not infinite",
    "bool_type": lambda _: "true or false",
    "literal_error": lambda details: f"one of: {details['expected'].replace(' or ', ', ').replace(chr(39), '')}",
    "int_type": lambda _: "a whole number, without quotes",
    "less_than": lambda details: f"a number below {numeral(details['lt'])}",
    "greater_than": lambda details: f"a number above {numeral(details['gt'])}",
    "greater_than_equal": lambda details: f"a number of {numeral(details['ge'])} or more",
    "less_than_equal": lambda details: f"a number of {numeral(details['le'])} or less",
    "tuple_type": lambda _: 'a list: [first, second], or lines that each begin with "- "',
    "dict_type": lambda _: "names and values: {name: value}, or one name: value per line",
    "too_short": lambda details: f"at least {details['min_length']} of them, or no such key",
    "too_long": lambda details: f"at most {details['max_length']:,} of them",
}


def meant(written: str, candidates: Iterable[str]) -> str | None:
    """The candidate that is close to what was written, if any."""
    if len(written) > 100:  # nobody's slip of the finger, and slow to compare
        return None
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    matches = get_close_matches(written.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def closest(written: str, candidates: Iterable[str]) -> str:
    """`` (did you mean "subject"?)`` when a candidate is close to what was written, else nothing."""
    candidate = meant(written, candidates)
    return f' (did you mean "{shortened(candidate)}"?)' if candidate else ""


def one_of(candidates: Iterable[str], written: object = None) -> str:
    """``one of: id, subject, body (did you mean "subject"?)``."""
    names = list(candidates)
    if not names:
        return "none: there is nothing to name here"
    listed = ", ".join(map(shortened, names[:_LISTED])) + (
        f" … ({len(names):,} in all)" if len(names) > _LISTED else ""
    )
    return f"one of: {listed}" + (closest(written, names) if isinstance(written, str) else "")


def numeral(number: float) -> str:
    """A number as people write it: 500 rather than 500.0."""
    whole = float(number).is_integer() and abs(number) < 1e15
    return f"{number:.0f}" if whole else repr(number)


def span(low: float | None, high: float | None) -> str:
    """Numbers between two bounds, in words."""
    if low is None:
        return "a number" if high is None else f"a number of {numeral(high)} or less"
    return f"a number of {numeral(low)} or more" if high is None else f"a number from {numeral(low)} to {numeral(high)}"


def schema_findings(
    source: Source, error: ValidationError, models: Mapping[int, type[fields.Document]]
) -> Iterator[Finding]:
    """Findings of one document's validation.

    Args:
        source: the document as written.
        error: what pydantic said about ``source.data``.
        models: the validation's context: the model of each mapping, by the mapping's ``id()``.
    """
    errors = error.errors(include_url=False)
    misspelt = set(_misspelt(source, errors, models))
    for details in errors:
        path, on_key = _path(source, details["loc"])
        if details["type"] == "missing" and path in misspelt:
            continue
        if source.is_broken(path) or _is_an_echo(details, source.value(path)):
            continue
        if details["type"] == "attribute_type":
            path = (*path, "type") if isinstance(source.value(path), dict) else path
        on_key = on_key or details["type"] == "extra_forbidden"
        yield source.finding(path, _allowed(details, path, source, models), on_key=on_key)


def _path(source: Source, loc: Path) -> tuple[Path, bool]:
    """The path in the document, without pydantic's own tags, and whether the error is about a key."""
    on_key = loc[-1:] == ("[key]",)
    path: Path = ()
    for step in loc[:-1] if on_key else loc:
        here = source.value(path)
        if step not in _TAGS or (isinstance(here, dict) and step in here):
            path = (*path, step)
    return path, on_key


_TAGS = frozenset({"<nothing>", "<variant>", *(f"<{kind}>" for kind in audience.ATTRIBUTE_TYPES)})


def _misspelt(
    source: Source, errors: Iterable[ErrorDetails], models: Mapping[int, type[fields.Document]]
) -> Iterator[Path]:
    """Paths of the keys that unknown keys were meant to be: those are not missing as well."""
    for details in errors:
        path, _ = _path(source, details["loc"])
        model = models.get(id(source.value(path[:-1])))
        if details["type"] == "extra_forbidden" and model:
            key = meant(str(path[-1]), model.keys())
            if key:
                yield (*path[:-1], key)


def _is_an_echo(details: ErrorDetails, written: object) -> bool:
    """Whether a list only counts as too short because its items have findings of their own."""
    return (
        details["type"] == "too_short"
        and isinstance(written, list | dict)
        and len(written) >= details["ctx"]["min_length"]
    )


def _allowed(details: ErrorDetails, path: Path, source: Source, models: Mapping[int, type[fields.Document]]) -> str:
    kind = details["type"]
    parent = models.get(id(source.value(path[:-1])))
    if kind == "missing" and parent:
        return f"this key, which is required: {_description(parent, str(path[-1]))}"
    if kind == "extra_forbidden" and parent:
        return one_of(parent.keys(), path[-1])
    if kind == "attribute_type":
        return one_of(audience.ATTRIBUTE_TYPES, source.value(path)) + ", as in {type: boolean}"
    if kind == "time_zone":
        written = source.value(path)
        guess = closest(written, fields.time_zones()) if isinstance(written, str) else ""
        return f"an IANA time zone, such as America/New_York or UTC{guess}"
    if kind == "model_type":
        model = _model(details["ctx"]["class_name"])
        keys = f"keys and values, from: {', '.join(model.keys())}"
        return f"{model.short_form}, or {keys}" if model.short_form else keys
    words = _WORDS.get(kind)
    return words(details.get("ctx", {})) if words else "another value"


def _model(name: str) -> type[fields.Document]:
    homes = (documents, limits, audience, brand)
    model: type[fields.Document] = next(getattr(home, name) for home in homes if hasattr(home, name))
    return model


def _description(model: type[fields.Document], key: str) -> str:
    return next(entry.description or key for name, entry in model.model_fields.items() if (entry.alias or name) == key)
