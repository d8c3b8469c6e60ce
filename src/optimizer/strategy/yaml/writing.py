"""Values as YAML text: plain where that is safe beyond doubt, else in quotes; read back, they are what they were."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from optimizer.strategy.yaml.scalars import resolved

# Letters, digits and a little between them: nothing that YAML, or a person, could take for anything but text.
_PLAIN = re.compile(r"[^\W\d_](?:[\w.,+/%()@' -]*[\w.+/%)])?\Z|[\d][\w.:+-]*\Z")
_PLAIN_IN_FLOW = re.compile(r"[^\W\d_](?:[\w.+/%()@' -]*[\w.+/%)])?\Z|[\d][\w.+-]*\Z")
# What JSON leaves as it is and YAML does not take, or would take for a line break.
_HIDDEN = re.compile("[\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]")
_SEVERAL = (dict, list, tuple)


def scalar_text(value: Any, *, in_flow: bool = False, quote: str = "") -> str:
    """One value in one line.

    Args:
        value: not None: documents leave out what they do not say.
        in_flow: between braces or brackets, where commas part values.
        quote: the quotation mark around what stood there before, which texts keep; empty when there was none.
    """
    if not isinstance(value, str):
        return json.dumps(value)
    if quote == "'" and re.fullmatch(r"[^\W_][\w.,:+/%()@ -]*", value):
        return f"'{value}'"
    plain = _PLAIN_IN_FLOW if in_flow else _PLAIN
    if not quote and plain.match(value) and resolved(value) == value and value.isprintable():
        return value
    return _HIDDEN.sub(_escaped, json.dumps(value, ensure_ascii=False))


def flow_text(value: Any) -> str:
    """A value in one line, in braces and brackets where it has several parts."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar_text(key, in_flow=True)}: {flow_text(v)}" for key, v in value.items()) + "}"
    if isinstance(value, _SEVERAL):
        return "[" + ", ".join(map(flow_text, value)) + "]"
    return scalar_text(value, in_flow=True)


def block_lines(value: Mapping[str, Any], most: int) -> list[str]:
    """A mapping with a line for each key; what a key holds stands in its line, or below it where that is too long.

    Args:
        value: not empty.
        most: characters of a line of its own.
    """
    lines: list[str] = []
    for key, one in value.items():
        name = scalar_text(key)
        line = f"{name}: {flow_text(one) if isinstance(one, _SEVERAL) else scalar_text(one)}"
        if len(line) <= most or not isinstance(one, _SEVERAL) or not one:
            lines.append(line)
        elif isinstance(one, Mapping):
            lines += [f"{name}:", *("  " + inner for inner in block_lines(one, most - 2))]
        else:
            lines += [f"{name}:", *("  " + inner for item in one for inner in item_lines(item, most - 2))]
    return lines


def item_lines(value: Any, most: int, *, in_flow: bool = False) -> list[str]:
    """An item of a list, with its dash; mappings have a line for each key, or braces if `in_flow`."""
    if isinstance(value, Mapping) and value and not in_flow:
        first, *rest = block_lines(value, most - 2)
        return [f"- {first}", *("  " + line for line in rest)]
    return [f"- {flow_text(value) if isinstance(value, _SEVERAL) else scalar_text(value)}"]


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
