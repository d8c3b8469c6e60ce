"""Parquet: any columns through a mapping; what is written here carries its own."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from optimizer.history.mapping import Mapping
from optimizer.history.table import CARRIED, Table


def read_parquet(path: Path) -> Table:
    """A file, or a pattern such as ``log/*.parquet``; with the mapping it carries, if any."""
    frame = pl.scan_parquet(path)
    first = next(iter(sorted(path.parent.glob(path.name))), path)
    carried = pl.read_parquet_metadata(first).get(CARRIED)
    if carried is not None:
        return Table(frame, Mapping.model_validate_json(carried))
    return Table(frame)


def write_parquet(frame: pl.LazyFrame, mapping: Mapping, path: Path) -> None:
    """Write standard columns, streaming.

    Args:
        frame: usable rows of the standard columns.
        mapping: of the standard columns; it travels with the file.
        path: where to.
    """
    frame.sink_parquet(path, metadata={CARRIED: mapping.model_dump_json(exclude_defaults=True)})
