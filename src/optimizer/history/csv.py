"""CSV, also gzipped: every column is read as text, so that no value can stop the reading."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import chain
from pathlib import Path

import polars as pl

from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.mapping import Mapping
from optimizer.history.table import Table, standard_mapping

_LOOKED_AT = 10_000  # rows that tell which columns hold numbers
_BLOCK = 8 * 2**20  # bytes read at a time
_MOST_QUOTED = 64 * 2**20  # bytes within which a quote must be closed


def read_csv(path: Path, mapping: Mapping | None, separator: str = ",") -> Table:
    """A file of values between separators, with a first line of names.

    Numbers are told by the first 10,000 rows; what is no number further down is missing there. Columns of names
    (variants, segments, recipients, ids, declared categories) stay the text they are: 007 is not 7.

    Args:
        path: the file; ``.gz`` is unpacked while it is read.
        mapping: which column says what; without one the file must be in the standard columns.
        separator: what stands between the values.
    """
    first = next(_blocks(path))
    looked_at = pl.scan_csv(
        BytesIO(first), separator=separator, infer_schema_length=_LOOKED_AT, encoding="utf8-lossy"
    ).collect_schema()
    used = standard_mapping(list(looked_at)) if mapping is None else mapping
    kinds = _kinds(looked_at, used)

    def batches(columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        wanted = [kinds[column] for column in columns]
        for block in _blocks(path):
            texts = pl.read_csv(BytesIO(block), separator=separator, infer_schema=False, encoding="utf8-lossy")
            yield texts.select(wanted)

    schema = pl.DataFrame(schema=dict.fromkeys(looked_at, pl.String)).select(*kinds.values()).schema
    return Table(schema, batches, None if mapping is not None else used)


def _kinds(looked_at: pl.Schema, mapping: Mapping) -> dict[str, pl.Expr]:
    """Each column as what it is: numbers, truths, or the text it was."""
    names = {mapping.variant, mapping.recipient, mapping.decision_id, *mapping.segment}
    names |= {attribute.column for attribute in mapping.attributes if attribute.values is not None}
    if mapping.eligible is not None:
        names.add(mapping.eligible.column)
    time = None if mapping.time is None else mapping.time.column
    kinds = {}
    for column, kind in looked_at.items():
        text = pl.col(column)
        if column not in names and kind == pl.Boolean:
            text = text.str.to_lowercase() == "true"
        elif column not in names and kind.is_numeric():
            whole = column == time and kind.is_integer()
            text = text.str.strip_chars().cast(pl.Int64 if whole else pl.Float64, strict=False)
        kinds[column] = text
    return kinds


def _blocks(path: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time, each block after the line of names; at least one block."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        head, rest = b"", b""
        for block in chain(iter(lambda: file.read(_BLOCK), b""), [b""]):
            rest += block
            end = _end_of_lines(rest) if block else len(rest)
            if not head and end:
                after = rest.find(b"\n") + 1 or len(rest)
                yielded, head = rest[:end], rest[:after]
            elif end:
                yielded = head + rest[:end]
            else:
                _check_quotes(path, rest)
                continue
            yield yielded
            rest = rest[end:]
        if not head:
            yield b""


def _end_of_lines(block: bytes) -> int:
    """Where the last line ends that is not within quotes; 0 where none does."""
    end = block.rfind(b"\n") + 1
    while end and block.count(b'"', 0, end) % 2:
        end = block.rfind(b"\n", 0, end - 1) + 1
    return end


def _check_quotes(path: Path, block: bytes) -> None:
    if len(block) > _MOST_QUOTED:
        found = f"{path.name}: a quote that is not closed within {_MOST_QUOTED // 2**20} MiB"
        raise InvalidRequest(RequestFinding("history.file", found, "quotes in pairs"))
