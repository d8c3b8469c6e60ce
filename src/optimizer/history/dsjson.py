"""Files of VW dsjson, the log of Vowpal Wabbit's decision service: one JSON object a line, also gzipped.

https://github.com/VowpalWabbit/vowpal_wabbit/wiki/DSJSON. The reward is the negative of ``_label_cost``. Events that
a sampling logger dropped (``pdrop``) are not made up for.
"""

from __future__ import annotations

import gzip
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import orjson
import polars as pl

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
    UNUSABLE,
    VARIANT,
)
from optimizer.history.dsjson_lines import BESIDE, Row, line_of, row_of
from optimizer.history.mapping import Mapping
from optimizer.history.table import Table, standard_mapping

_CARRIED = "history"  # under `BESIDE` in the first line: how the file is read
_LOOKED_AT = 10_000  # lines that tell which attributes and outcomes there are
_BATCH = 10_000
_KINDS: Final[dict[str, pl.DataType]] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "hash": pl.UInt64(),
    "texts": pl.List(pl.String()),
}
_FIXED = {
    DECISION_ID: "text",
    DECIDED_AT: "integer",
    SEGMENT: "text",
    VARIANT: "text",
    PROPENSITY: "number",
    ELIGIBLE: "texts",
    REWARD: "number",
    COST: "number",
}
_ALWAYS = (VARIANT, PROPENSITY, REWARD)


def read_dsjson(path: Path) -> Table:
    """A file of lines in the standard columns. Attributes are the numbers and texts of the shared context.

    Which attributes and outcomes there are is told by the first 10,000 lines, in files written here by the first.
    """
    carried = _carried(path)
    kinds: dict[str, str]
    if carried is None:
        with _opened(path) as file:
            kinds = _kinds(islice(_rows(file), _LOOKED_AT))
        mapping = standard_mapping(list(kinds))
    else:
        mapping, kinds = Mapping.model_validate(carried["mapping"]), carried["columns"]
    kinds = {**kinds, UNUSABLE: "text"}
    schema = pl.Schema({name: _KINDS[kind] for name, kind in kinds.items()})

    def batches(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        wanted = {name: schema[name] for name in columns}
        with _opened(path) as file:
            rows = _rows(file)
            while some := list(islice(rows, _BATCH)):
                yield _frame(some, wanted)

    return Table(schema, batches, mapping)


def write_dsjson(
    batches: Iterable[pl.DataFrame], mapping: Mapping, path: Path, progress: Callable[[int], None] = lambda _: None
) -> None:
    """Write standard columns.

    Args:
        batches: usable rows.
        mapping: of the standard columns, with every variant named; it travels in the first line.
        path: where to; ``.gz`` is packed.
        progress: told the number of rows written so far.
    """
    done, first = 0, True
    with _opened(path, "wb") as file:
        for batch in batches:
            for row in batch.iter_rows(named=True):
                line = line_of(row, mapping.variant_ids or ())
                if first:
                    carried = {"mapping": mapping.model_dump(mode="json", exclude_defaults=True)}
                    line[BESIDE][_CARRIED] = {**carried, "columns": _kinds_of(batch.schema)}
                    first = False
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            done += len(batch)
            progress(done)


def _opened(path: Path, mode: str = "rb") -> IO[Any]:
    return gzip.open(path, mode) if path.suffix == ".gz" else path.open(mode)  # type: ignore[return-value]


def _carried(path: Path) -> dict[str, Any] | None:
    with _opened(path) as file:
        first = _parsed(file.readline())
    beside = first.get(BESIDE) if isinstance(first, dict) else None
    return beside.get(_CARRIED) if isinstance(beside, dict) else None


def _parsed(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _rows(file: IO[bytes]) -> Iterator[Row]:
    for line in file:
        if line.strip():
            parsed = _parsed(line)
            yield {UNUSABLE: "unreadable line"} if parsed is None else row_of(parsed)


def _kinds(rows: Iterable[Row]) -> dict[str, str]:
    """Kind of each column that these rows say something about."""
    kinds = {name: _FIXED[name] for name in _ALWAYS}
    for row in rows:
        for name, value in row.items():
            if name == UNUSABLE or value is None:
                continue
            if name in _FIXED:
                kinds[name] = _FIXED[name]
            elif name.startswith(OUTCOME):
                kinds[name] = "number"
            elif name == RECIPIENT or isinstance(value, str) or kinds.get(name) == "text":
                kinds[name] = "text"
            else:
                kinds[name] = "number"
    fixed = [name for name in (*_FIXED, RECIPIENT) if name in kinds]
    return {name: kinds[name] for name in [*fixed, *sorted(kinds.keys() - set(fixed))]}


def _kinds_of(schema: pl.Schema) -> dict[str, str]:
    """Kind of each standard column of a frame."""
    kinds = {}
    for name, dtype in schema.items():
        is_text = name == RECIPIENT or name.startswith(ATTRIBUTE)
        kinds[name] = "number" if name.startswith(OUTCOME) else _FIXED.get(name, "number")
        if is_text and dtype == pl.String:
            kinds[name] = "text"
        elif name == RECIPIENT:
            kinds[name] = "hash"
    return kinds


def _frame(rows: list[Row], schema: abc.Mapping[str, pl.DataType]) -> pl.DataFrame:
    columns = {}
    for name, kind in schema.items():
        cells: Iterable[Any] = (row.get(name) for row in rows)
        if kind == pl.Float64:
            cells = (float(cell) if isinstance(cell, int | float) else None for cell in cells)
        elif kind == pl.String:
            cells = (cell if cell is None or isinstance(cell, str) else str(cell) for cell in cells)
        columns[name] = pl.Series(name, list(cells), dtype=kind, strict=False)
    return pl.DataFrame(columns)
