"""pydantic's errors in a marketer's words: one table, so that no jargon leaks."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from optimizer.errors import Finding
from optimizer.strategy import audience, fields
from optimizer.strategy.slips import zone_meant
from optimizer.strategy.yaml.source import MAX_FINDINGS, Path, Source, shortened

_LISTED = 12
_INPUT = "input"
_A_NUMBER = re.compile(r"(?P<number>-?\d{1,12}(?:[.,]\d{1,6}|(?:,\d{3})+)?) ?(?P<percent>%)?\Z", re.ASCII)
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(?:,\d{3})+\Z", re.ASCII)
_AN_ID = "a short id of lower-case letters, digits, '.', '_' and '-' (at most 48), such as ten-percent"

_PATTERNS = {
    fields.ID_PATTERN: _AN_ID,
    fields.KIND_PATTERN: "a name of lower-case letters, digits and '_' (at most 48), such as purchase",
    fields.FIELD_PATTERN: "a name of letters, digits, '.', '_' and '-' (at most 48), such as template_id",
    fields.WORDS_PATTERN: "text that is not blank",
}

# What is allowed instead, by pydantic's type of error and the details it gives.
_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    fields.ALLOWED: lambda details: details["allowed"],
    "string_type": lambda details: f"text; a number or true/false goes in quotes{_as_text(details[_INPUT])}",
    "string_pattern_mismatch": lambda details: _PATTERNS[details["pattern"]] + _renamed(**details),
    "string_too_long": lambda details: f"at most {details['max_length']:,} characters",
    "time_zone": lambda details: f"an IANA time zone, such as America/New_York or UTC{_zone(details[_INPUT])}",
    "float_type": lambda details: f"a number, without quotes{_as_number(details[_INPUT])}",
    "finite_number": lambda _: "a number that is not infinite",
    "bool_type": lambda _: "true or false",
    "literal_error": lambda details: one_of(re.findall(r"'([^']*)'", details["expected"]), details[_INPUT]),
    "int_type": lambda details: f"a whole number in digits, without quotes{_as_number(details[_INPUT])}",
    "less_than": lambda details: f"a number below {numeral(details['lt'])}{_as_share(details['lt'], details[_INPUT])}",
    "greater_than": lambda details: f"a number above {numeral(details['gt'])}",
    "greater_than_equal": lambda details: f"a number of {numeral(details['ge'])} or more",
    "less_than_equal": lambda details: (
        f"a number of {numeral(details['le'])} or less{_as_share(details['le'], details[_INPUT])}"
    ),
    "tuple_type": lambda details: f'a list: {_as_list(details[_INPUT])}, or lines that each begin with "- "',
    "dict_type": lambda _: "names and values: {name: value}, or one name: value per line",
    "too_short": lambda details: f"at least {details['min_length']} of them, or no such key",
    "too_long": lambda details: f"at most {details['max_length']:,} of them",
}


def _as_text(written: object) -> str:
    return f', as in "{shortened(str(written))}"' if isinstance(written, int | float) and written is not True else ""


def _as_list(written: object) -> str:
    return (
        f"[{shortened(written)}]"
        if isinstance(written, str) and not set(written) & set("[]{}\n")
        else "[first, second]"
    )


def _as_number(written: object) -> str:
    """The number that a text such as ``"0.1"``, ``0,1``, ``10 %`` or ``200,000`` stands for."""
    match = _A_NUMBER.match(written) if isinstance(written, str) else None
    if match is None:
        return ""
    if match["percent"]:
        share = numeral(round(float(match["number"].replace(",", ".")) / 100, 6))
        return f" or %: {share} for {match['number']} %"
    text = match["number"]
    return ": " + (text.replace(",", "") if _THOUSANDS.match(text) else text.replace(",", "."))


def _as_share(limit: float, written: object) -> str:
    """How a share is written, for whoever wrote it as per cent."""
    if limit <= 1 and isinstance(written, int | float) and 1 < written <= 100:
        return f", as a share: {numeral(round(written / 100, 6))} for {numeral(written)} %"
    return ""


def _renamed(input: object, pattern: str, **_: object) -> str:
    """A name close to what was written that keeps to the pattern."""
    letters = str(input) if pattern == fields.FIELD_PATTERN else str(input).lower()
    for between in "-_":
        name = re.sub(r"[^A-Za-z0-9._-]+", between, letters).strip("-_.")
        if re.match(pattern, name):
            return f' (did you mean "{name}"?)'
    return ""


def stands(source: Source, path: Path) -> bool:
    """Whether a key is there, be it empty or misspelt: then it has a finding of its own."""
    around = source.value(path[:-1])
    names = around if isinstance(around, dict) else {}
    return path in source.keys or any(meant(name, [str(path[-1])]) for name in names)


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
    if whole:
        return f"{number:.0f}"
    return f"{number:.9f}".rstrip("0") if 1e-9 < abs(number) < 1e-3 else repr(number)


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
    errors = error.errors(include_url=False)[:MAX_FINDINGS]  # each may look for the closest name
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


_KINDS = ("nothing", "variant", "file", "columns", "word", "typical", "numbers", *audience.ATTRIBUTE_TYPES)
_TAGS = frozenset(f"<{kind}>" for kind in _KINDS)


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
        return f"this key, which is required: {_description(parent, str(path[-1]))}{_choices(parent, str(path[-1]))}"
    if kind == "extra_forbidden" and parent:
        return one_of(parent.keys(), path[-1])
    if kind == "attribute_type":
        return one_of(audience.ATTRIBUTE_TYPES, source.value(path)) + ", as in {type: boolean}"
    if kind == "model_type":
        model = _model(details["ctx"]["class_name"])
        keys = f"keys and values, from: {', '.join(model.keys())}"
        keys += _with_keys(model, source.value(path))
        return f"{model.short_form}, or {keys}" if model.short_form else keys
    if kind == "string_type" and isinstance(details["input"], bool) and parent and isinstance(path[-1], str):
        return f"text: {_description(parent, str(path[-1]))}"
    words = _WORDS.get(kind)
    return words({**details.get("ctx", {}), _INPUT: details["input"]}) if words else "another value"


def _zone(written: object) -> str:
    if not isinstance(written, str):
        return ""
    known = zone_meant(written, fields.time_zones())
    return f' (did you mean "{known}"?)' if known else closest(written, fields.time_zones())


def _model(name: str) -> type[fields.Document]:
    return next(model for model in _subclasses(fields.Document) if model.__name__ == name)


def _subclasses(model: type[fields.Document]) -> Iterator[type[fields.Document]]:
    for subclass in model.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _description(model: type[fields.Document], key: str) -> str:
    return next(entry.description or key for name, entry in model.model_fields.items() if (entry.alias or name) == key)


def _choices(model: type[fields.Document], key: str) -> str:
    """The words a key may have, when there are only some."""
    annotations = {entry.alias or name: entry.annotation for name, entry in model.model_fields.items()}
    words = get_args(annotations[key]) if get_origin(annotations[key]) is Literal else ()
    return f"; one of: {', '.join(words)}" if len(words) > 1 else ""


def _with_keys(model: type[fields.Document], written: object) -> str:
    """How one value is written with the key it belongs to."""
    needed = [entry.alias or name for name, entry in model.model_fields.items() if entry.is_required()]
    key = needed[0] if len(needed) == 1 else model.keys()[0] if len(model.keys()) == 1 else ""
    if not key or isinstance(written, bool | list | dict) or written in ("none", "no"):
        return ""
    return f", as in {{{key}: {shortened(str(written))}}}"
