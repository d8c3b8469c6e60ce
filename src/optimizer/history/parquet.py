"""Parquet: any columns through a mapping; what is written here carries its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from optimizer.history.mapping import Mapping
from optimizer.history.table import CARRIED, Table, rows_of_a_batch


def read_parquet(path: Path) -> Table:
    """A file, or a pattern such as ``log/*.parquet``; with the mapping it carries, if any."""
    frame = pl.scan_parquet(path)
    first = min(path.parent.glob(path.name), default=path)
    carried = pl.read_parquet_metadata(first).get(CARRIED)
    n_rows = frame.select(pl.len()).collect().item()

    def batches(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        size = rows_of_a_batch(len(columns))
        for start in range(0, n_rows, size):
            yield frame.select(columns).slice(start, size).collect()

    mapping = None if carried is None else Mapping.model_validate_json(carried)
    return Table(frame.collect_schema(), batches, mapping)


def write_parquet(frame: pl.LazyFrame, mapping: Mapping, path: Path) -> None:
    """Write standard columns, streaming.

    Args:
        frame: usable rows of the standard columns.
        mapping: of the standard columns; it travels with the file.
        path: where to.
    """
    frame.sink_parquet(path, metadata={CARRIED: mapping.model_dump_json(exclude_defaults=True)})
