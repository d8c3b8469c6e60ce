"""CSV, also gzipped: every column is read as text, so that no row can stop the reading."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from optimizer.history.mapping import Mapping
from optimizer.history.table import Table, standard_mapping

_LOOKED_AT = 10_000  # rows that tell which columns hold numbers


def read_csv(path: Path, mapping: Mapping | None, separator: str = ",") -> Table:
    """A file of values between separators, with a first line of names.

    Numbers are told by the first 10,000 rows; what is no number further down is missing there. Columns of names
    (variants, segments, recipients, ids, declared categories) stay the text they are: 007 is not 7.

    Args:
        path: the file; ``.gz`` is unpacked while it is read.
        mapping: which column says what; without one the file must be in the standard columns.
        separator: what stands between the values.
    """
    looked_at = pl.scan_csv(path, separator=separator, infer_schema_length=_LOOKED_AT).collect_schema()
    used = standard_mapping(list(looked_at)) if mapping is None else mapping
    frame = pl.scan_csv(path, separator=separator, infer_schema=False)
    names = {used.variant, used.recipient, used.decision_id, *used.segment}
    names |= {attribute.column for attribute in used.attributes if attribute.values is not None}
    if used.eligible is not None:
        names.add(used.eligible.column)
    time = None if used.time is None else used.time.column
    kinds = {}
    for column, kind in looked_at.items():
        if column in names:
            continue
        if kind == pl.Boolean:
            kinds[column] = pl.col(column).str.to_lowercase() == "true"
        elif kind.is_numeric():
            whole = column == time and kind.is_integer()
            kinds[column] = pl.col(column).str.strip_chars().cast(pl.Int64 if whole else pl.Float64, strict=False)
    return Table(frame.with_columns(**kinds), None if mapping is not None else used)
