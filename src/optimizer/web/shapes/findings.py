"""pydantic's errors about a request in our words: place, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from pydantic import ValidationError

from optimizer.errors import RequestFinding
from optimizer.services.recipients.suppressing import RECIPIENT_PATTERN
from optimizer.web.shapes.requests import CURRENCY_PATTERN, IDENTIFIER_PATTERN, KIND_PATTERN, ONE_OR_MANY, WORDS_PATTERN

_SHOWN = 60
_PATTERNS = {
    IDENTIFIER_PATTERN: "an identifier: 1 to 64 letters, digits, '.', '_', ':' or '-'",
    RECIPIENT_PATTERN: "a recipient id: 1 to 128 letters, digits or any of . _ : @ + = / ~ | -",
    KIND_PATTERN: "an outcome kind: lower-case letters, digits and '_' (at most 48), such as purchase",
    WORDS_PATTERN: "text without the character U+0000, which a database may refuse",
    CURRENCY_PATTERN: "an ISO 4217 code of three capital letters, such as USD",
}
_AMOUNT = {"a number, or text": "a number, or a decimal number as text"}  # which the text of no other union is
_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "a value; it is required",
    "extra_forbidden": lambda _: "no such key here",
    "string_type": lambda _: "text",
    "string_pattern_mismatch": lambda ctx: _PATTERNS.get(ctx["pattern"], f"text like {ctx['pattern']}"),
    "bool_type": lambda _: "true or false",
    "string_too_short": lambda ctx: f"at least {ctx['min_length']:,} characters",
    "string_too_long": lambda ctx: f"at most {ctx['max_length']:,} characters",
    "bool_parsing": lambda _: "true or false",
    "int_parsing": lambda _: "a whole number",
    "int_parsing_size": lambda _: "a smaller number",
    "int_type": lambda _: "a number",
    "float_type": lambda _: "a number",
    "finite_number": lambda _: "a finite number",
    "too_long": lambda ctx: f"at most {ctx['max_length']:,} of them",
    "too_short": lambda ctx: f"at least {ctx['min_length']:,} of them",
    "list_type": lambda _: "a list",
    "tuple_type": lambda _: "a list",
    "dict_type": lambda _: "an object of names and values",
    "model_type": lambda _: "a JSON object",
    "model_attributes_type": lambda _: "a JSON object, sent with Content-Type: application/json",
    "timezone_aware": lambda _: "a time with its zone, such as 2026-12-01T09:00:00Z",
    "greater_than_equal": lambda ctx: f"{ctx['ge']} or more",
    "less_than_equal": lambda ctx: f"{ctx['le']} or less",
    "enum": lambda ctx: str(ctx["expected"]).replace("'", ""),
    "literal_error": lambda ctx: str(ctx["expected"]).replace("'", ""),
}


def findings_of(details: Sequence[Any]) -> list[RequestFinding]:
    """Our findings for pydantic's errors, one for each place."""
    by_place: dict[str, RequestFinding] = {}
    for detail in details:
        finding = _finding(detail)
        known = by_place.get(finding.pointer)
        if known is None:
            by_place[finding.pointer] = finding
        elif finding.allowed not in known.allowed:  # the arms of a union each complain about the same value
            allowed = f"{known.allowed}, or {finding.allowed}"
            by_place[finding.pointer] = RequestFinding(known.pointer, known.found, _AMOUNT.get(allowed, allowed))
    return list(by_place.values())


def item_findings(error: ValidationError) -> list[RequestFinding]:
    """Our findings about one item of a batch, with pointers from the item's own root."""
    return findings_of([{**detail, "loc": ("body", *detail["loc"])} for detail in error.errors()])


def _finding(detail: Mapping[str, Any]) -> RequestFinding:
    kind, value = detail["type"], detail.get("input")
    if kind.startswith("datetime") or kind == "timezone_aware":
        allowed = "a time with its zone, such as 2026-12-01T09:00:00Z"
    else:
        words = _WORDS.get(kind)
        allowed = "another value" if words is None else words(detail.get("ctx", {}))
    found = "nothing" if kind == "missing" else shown(value)
    if kind == "value_error":  # raised by our own validators, which say both
        found, _, allowed = str(detail["ctx"]["error"]).removeprefix("found ").partition("; allowed ")
    return RequestFinding(_pointer(detail["loc"]), found, allowed)


def shown(value: object) -> str:
    """A value as it was sent, shortened, on one line."""
    if isinstance(value, dict):
        return f"an object with {len(value)} key{'' if len(value) == 1 else 's'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bytes):
        return "a body that is not marked as JSON"
    text = orjson.dumps(value).decode() if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


# pydantic names the arm of a union it tried; that is no place in the body.
_ARMS = {"bool", "int", "float", "str", "constrained-int", "constrained-str", *ONE_OR_MANY}


def _pointer(loc: Sequence[str | int]) -> str:
    if not loc or loc[0] != "body":
        return str(loc[-1]) if loc else "/"
    places = [str(place) for place in loc[1:]]
    if places and places[0] in _ARMS:
        places.pop(0)
    if len(places) > 1 and places[-1] in _ARMS:
        places.pop()
    return "".join("/" + place.replace("~", "~0").replace("/", "~1") for place in places) or "/"
