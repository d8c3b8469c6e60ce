"""What plain text means in YAML 1.2: few words are anything but text."""

import re
from math import inf

# The core schema of YAML 1.2.2, section 10.3.2.
_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")


def resolved(text: str) -> str | int | float | bool | None:
    """What a plain (unquoted) scalar means in YAML 1.2: ``no``, ``21:00`` and ``2026-12-01`` are text."""
    value: str | int | float | bool | None = text
    if _NULL.match(text):
        value = None
    elif _BOOL.match(text):
        value = text[0] in "tT"
    elif _INT.match(text):
        base = {"o": 8, "x": 16}.get(text[1:2], 10)
        # Beyond 64 bits an integer is a float: int() refuses, and nobody means, thousands of digits.
        value = int(text, base) if len(text) <= 18 else float(text) if base == 10 else inf
    elif _FLOAT.match(text):
        value = float(text)
    elif _NOT_FINITE.match(text):
        value = float(text.replace(".", ""))
    return value
