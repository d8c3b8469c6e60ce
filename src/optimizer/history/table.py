"""What a reader makes of a file, and the mapping of a file that is in the standard columns already.

Files are read in batches made one at a time, when they are asked for. (polars' own scans read as far ahead of a slow
consumer as they can, so that their memory grows with the file: https://github.com/pola-rs/polars/issues/28569.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import polars as pl
from polars.io.plugins import register_io_source

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


CELLS = 2_000_000  # of a batch, about: what is held in memory at a time

_MORSEL = 10_000  # rows handed to polars at a time, which takes some thirty of them in advance

Batches = Callable[[Sequence[str]], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Table:
    """A file as it is.

    Attributes:
        schema: its columns.
        batches: gives these columns of all its rows, in order, a batch at a time; can be asked again.
        mapping: how it is read, where the file says so itself.
    """

    schema: pl.Schema
    batches: Batches
    mapping: Mapping | None = None

    @property
    def frame(self) -> pl.LazyFrame:
        """The same lazily."""

        def source(
            columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            batches = self.batches(list(self.schema) if columns is None else columns)
            left = n_rows
            for some in chain.from_iterable(slices(batch, _MORSEL) for batch in batches):
                wanted = some if left is None else some.head(left)
                yield wanted if predicate is None else wanted.filter(predicate)
                if left is not None:
                    left -= len(wanted)
                    if left <= 0:
                        return

        return register_io_source(source, schema=self.schema, is_pure=True)


def in_memory(frame: pl.DataFrame, mapping: Mapping | None = None) -> Table:
    """Columns that are in memory."""
    return Table(frame.schema, lambda columns: slices(frame.select(columns), rows_of_a_batch(len(columns))), mapping)


def slices(frame: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    """Consecutive rows, at most `size` at a time; views, not copies."""
    for start in range(0, len(frame), size):
        yield frame[start : start + size]


def rows_of_a_batch(n_columns: int) -> int:
    """How many rows of so many columns are read at a time."""
    return max(1_000, CELLS // max(n_columns, 1))


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
