"""Whether what a caller says about a recipient is what the strategy declared."""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from math import isfinite, nan
from typing import Any

from optimizer.errors import RequestFinding
from optimizer.strategy.audience import Attribute, BooleanAttribute, CategoryAttribute, NumberAttribute, TextAttribute
from optimizer.strategy.derived import Derivation
from optimizer.strategy.wording import one_of, span
from optimizer.strategy.yaml.source import shortened

MAX_TEXT = 200  # as long as a declared value may be

# A line break would end a subject, and a lone half of a character cannot be stored.
_NOT_ON_A_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_attributes(
    declared: Mapping[str, Attribute], attributes: Mapping[str, object], pointer: str = "/attributes"
) -> list[RequestFinding]:
    """What is wrong with a request's attributes; empty when nothing is.

    None means that the value is not known: it is allowed, and the caller drops it.

    Args:
        declared: the strategy's attributes.
        attributes: the request's, as JSON gave them.
        pointer: JSON pointer of the attributes in the request.
    """
    findings = []
    for name, value in attributes.items():
        if name not in declared:
            found, allowed = shortened(name), one_of(declared, name)
        elif value is None or (refused := _ALLOWED_INSTEAD[type(declared[name])](declared[name], value)) is None:
            continue
        else:
            found, allowed = _shown(value), refused
        findings.append(RequestFinding(f"{pointer}/{_escaped(name)}", found, allowed))
    return findings


def are_allowed(declared: Mapping[str, Attribute], rows: Sequence[Mapping[str, object]]) -> bool:
    """Whether nothing is wrong with the attributes of many requests; False also where that is not seen at once.

    Each value is looked at once, however many say it; of numbers only the least and the greatest.
    """
    said = 0
    for name, attribute in declared.items():
        column = [row[name] for row in rows if name in row]
        said += len(column)
        kinds = set(map(type, column)) - {type(None)}
        if len(kinds) > 1 and not kinds <= {int, float}:  # True and 1 are equal, and not allowed alike
            return False
        try:
            values: Collection[Any] = set(column) - {None}
            if kinds and kinds <= {int, float}:
                values = {min(values), max(values)} if all(map(isfinite, values)) else {nan}
        except (TypeError, OverflowError):  # a list, say, or a number too large to be one
            return False
        if any(_ALLOWED_INSTEAD[type(attribute)](attribute, value) is not None for value in values):
            return False
    return said == sum(map(len, rows))


def _instead_of_number(declared: NumberAttribute, value: object) -> str | None:
    if declared.from_ is not None:
        return _follows(declared.from_)
    return None if _is_number_within(declared, value) else span(declared.minimum, declared.maximum)


def _instead_of_category(declared: CategoryAttribute, value: object) -> str | None:
    if declared.from_ is not None:
        return _follows(declared.from_)
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return f"text of at most {MAX_TEXT} characters"
    # A list has no hash, but is not a category, either.
    return None if isinstance(value, str) and value in declared.values else one_of(declared.values, value)


def _follows(source: Derivation) -> str:
    return f"no value: this attribute follows from {source.event} events, which are reported as outcomes or tracked"


def _instead_of_text(declared: TextAttribute, value: object) -> str | None:
    return None if _is_line_within(declared, value) else f"one line of 1 to {declared.max_length} characters"


def _instead_of_boolean(declared: BooleanAttribute, value: object) -> str | None:  # noqa: ARG001
    return None if isinstance(value, bool) else "true or false"


def _is_line_within(declared: TextAttribute, value: object) -> bool:
    if not isinstance(value, str) or len(value) > declared.max_length:
        return False
    return bool(value.strip()) and not _NOT_ON_A_LINE.search(value)


def _is_number_within(declared: NumberAttribute, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        number = float(value)
    except OverflowError:
        return False
    low, high = declared.minimum, declared.maximum
    return isfinite(number) and (low is None or low <= number) and (high is None or number <= high)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return shortened(json.dumps(value[:MAX_TEXT], ensure_ascii=False))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 1024:  # Python refuses to print thousands of digits
        return "a number of hundreds of digits"
    return shortened(str(value)) if isinstance(value, int | float) else "a list or an object"


def _escaped(name: str) -> str:
    """A JSON pointer's reference token, RFC 6901 section 3."""
    return (name if len(name) <= MAX_TEXT else shortened(name)).replace("~", "~0").replace("/", "~1")


# What is allowed instead of a value, None when it is allowed itself; by the attribute's type, looked up for every value
# of every request.
_ALLOWED_INSTEAD: Mapping[type[Attribute], Callable[[Any, object], str | None]] = {
    NumberAttribute: _instead_of_number,
    CategoryAttribute: _instead_of_category,
    TextAttribute: _instead_of_text,
    BooleanAttribute: _instead_of_boolean,
}
