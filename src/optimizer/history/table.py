"""What a reader makes of a file, and the mapping of a file that is in the standard columns already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import (
    ATTRIBUTE,
    COST,
    DECIDED_AT,
    DECISION_ID,
    ELIGIBLE,
    OUTCOME,
    PROPENSITY,
    RECIPIENT,
    REWARD,
    SEGMENT,
    VARIANT,
    named,
)
from optimizer.history.mapping import Mapping

CARRIED = "optimizer.history"
"""Where a file that was written here says how it is read: the mapping as JSON."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file as it is.

    Attributes:
        frame: its columns, lazily.
        mapping: how it is read, where the file says so itself.
    """

    frame: pl.LazyFrame
    mapping: Mapping | None = None


def standard_mapping(columns: Sequence[str], **known: object) -> Mapping:
    """The mapping of a file in the standard columns.

    Args:
        columns: the columns it has.
        known: further keys of the mapping, such as the names of all variants in their order.

    Raises:
        InvalidRequest: a column that every history needs is not there.
    """
    missing = [name for name in (VARIANT, PROPENSITY, REWARD) if name not in columns]
    if missing:
        found = f"no column {', '.join(missing)} and no mapping"
        raise InvalidRequest(RequestFinding("history", found, "a mapping that says which column is which"))
    document: dict[str, object] = {
        "variant": VARIANT,
        "propensity": PROPENSITY,
        "reward": REWARD,
        "attributes": [{"column": ATTRIBUTE + name, "name": name} for name in named(columns, ATTRIBUTE)],
        "outcomes": {name: OUTCOME + name for name in named(columns, OUTCOME)},
    }
    if DECIDED_AT in columns:
        document["time"] = {"column": DECIDED_AT, "unit": "us"}
    document |= {key: key for key in (DECISION_ID, RECIPIENT, SEGMENT, ELIGIBLE, COST) if key in columns}
    return Mapping.model_validate(document | known)
