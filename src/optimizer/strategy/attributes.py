"""Whether what a caller says about a recipient is what the strategy declared."""

import json
import re
from collections.abc import Mapping
from math import isfinite

from optimizer.errors import RequestFinding
from optimizer.strategy.audience import Attribute, CategoryAttribute, NumberAttribute, TextAttribute
from optimizer.strategy.source import shortened
from optimizer.strategy.wording import one_of, span

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
        elif value is None or (refused := _allowed_instead(declared[name], value)) is None:
            continue
        else:
            found, allowed = _shown(value), refused
        findings.append(RequestFinding(f"{pointer}/{_escaped(name)}", found, allowed))
    return findings


def _allowed_instead(declared: Attribute, value: object) -> str | None:
    """What is allowed instead of a value; None when it is allowed itself."""
    if isinstance(declared, NumberAttribute):
        return None if _is_number_within(declared, value) else span(declared.minimum, declared.maximum)
    if isinstance(declared, CategoryAttribute):
        if isinstance(value, str) and len(value) > MAX_TEXT:
            return f"text of at most {MAX_TEXT} characters"
        # A list has no hash, but is not a category, either.
        return None if isinstance(value, str) and value in declared.values else one_of(declared.values, value)
    if isinstance(declared, TextAttribute):
        return None if _is_line_within(declared, value) else f"one line of 1 to {declared.max_length} characters"
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
