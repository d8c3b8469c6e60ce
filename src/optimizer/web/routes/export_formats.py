"""How a table travels over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Format(StrEnum):
    """How a table travels."""

    NDJSON = "ndjson"  # a JSON object a line, for people and shells
    PARQUET = "parquet"  # typed columns, for notebooks and databases


MEDIA_TYPES: Final[Mapping[Format, str]] = {
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
