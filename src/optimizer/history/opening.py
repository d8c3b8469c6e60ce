"""Opening a history: whatever the format, lazily, larger than memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError
from pydantic import ValidationError

from optimizer.domain.feedback import LoggedFeedback
from optimizer.domain.instants import isoformat
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.history.columns import (
    ATTRIBUTE,
    DECIDED_AT,
    OUTCOME,
    PROPENSITY,
    SEGMENT,
    UNUSABLE,
    VARIANT,
    named,
)
from optimizer.history.contents import Contents, contents, estimated_shares
from optimizer.history.csv import read_csv
from optimizer.history.dsjson import read_dsjson
from optimizer.history.feedback import feedback_of
from optimizer.history.mapping import Mapping
from optimizer.history.obp import read_obp
from optimizer.history.parquet import read_parquet
from optimizer.history.standard import standard_frame
from optimizer.history.table import Table, slices, standard_mapping

# What reading a damaged file may raise: polars, `gzip`, and the mapping that a file carries.
_UNREADABLE = (PolarsError, PanicException, OSError, EOFError, zlib.error, ValidationError)
CHUNK = 100_000
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".dsjson", ".dsjson.gz", ".npz")


class History:
    """A log of decisions in the standard columns; nothing is read before it is asked for.

    Args:
        table: the file as it is.
        mapping: which column says what; None when the file says so itself, or is in the standard columns.
        place: where the mapping stands, for what is said of its mistakes.

    Raises:
        InvalidRequest: the mapping does not fit the columns.
    """

    def __init__(self, table: Table, mapping: Mapping | None = None, place: str = "history") -> None:
        self.mapping = mapping or table.mapping or standard_mapping(list(table.schema))
        self._table, self._place = table, place
        self._every = standard_frame(table.frame, self.mapping, place)

    @cached_property
    def contents(self) -> Contents:
        """What is in it, found in one pass the first time it is asked for."""
        return contents(self._every_batch(), self.mapping, self._place)

    @property
    def frame(self) -> pl.LazyFrame:
        """The standard columns of the rows that can be used, lazily and in order."""
        return self._usable_of(self._every)

    @property
    def unusable(self) -> dict[str, int]:
        """How many rows cannot be used, by reason; reads the history once."""
        return self.contents.unusable

    @property
    def standard_mapping(self) -> Mapping:
        """How `frame` is read once it is written somewhere: arms, segments and features stay what they are.

        Raises:
            InvalidRequest: no row can be used.
        """
        found = self.usable_contents()
        columns = list(self.frame.collect_schema())
        attributes = [
            {
                "column": ATTRIBUTE + name,
                "name": name,
                "values": found.categories.get(name) or None,
                "optional": name in found.incomplete,
            }
            for name in named(columns, ATTRIBUTE)
        ]
        return standard_mapping(
            columns,
            variants=list(found.variant_ids),
            segments=found.segment_ids,
            propensity={"column": PROPENSITY, "source": self.mapping.propensity.known_from},
            attributes=attributes,
        )

    def batches(self, size: int = CHUNK) -> Iterator[pl.DataFrame]:
        """The standard columns of the usable rows in order, at most `size` at a time, in flat memory."""
        usable = (self._usable_of(batch.lazy()).collect() for batch in self._every_batch())
        return _resized(usable, size)

    def chunks(self, size: int = CHUNK) -> Iterator[LoggedFeedback]:
        """The usable rows in order, at most `size` at a time, in flat memory.

        Raises:
            InvalidRequest: no row can be used.
        """
        found = self.usable_contents()
        for batch in self.batches(size):
            yield feedback_of(batch, found, self.mapping.propensity.known_from)

    def feedback(self) -> LoggedFeedback:
        """All usable rows, in memory.

        Raises:
            InvalidRequest: no row can be used.
        """
        found = self.usable_contents()
        try:
            frame = self.frame.collect()
        except _UNREADABLE as error:
            raise _unreadable(self._place, error) from error
        return feedback_of(frame, found, self.mapping.propensity.known_from)

    def summary(self) -> str:
        """What is in it, in a few lines for people."""
        found = self.contents
        kept = found.rows - sum(found.unusable.values())
        lines = [f"{kept:,} of {found.rows:,} rows can be used"]
        lines += [
            f"  {n:,} cannot: {reason}" for reason, n in sorted(found.unusable.items(), key=lambda item: -item[1])
        ]
        lines.append(f"{len(found.variant_ids)} variants: {_listed(found.variant_ids)}")
        lines.append(f"{len(found.segment_ids)} segments: {_listed(found.segment_ids)}")
        lines.append(f"propensities: {self.mapping.propensity.known_from}")
        columns = self.frame.collect_schema().names()
        for what, prefix in (("attributes", ATTRIBUTE), ("further outcomes", OUTCOME)):
            if named(columns, prefix):
                lines.append(f"{what}: {_listed(named(columns, prefix))}")
        if kept and DECIDED_AT in columns:
            at = pl.col(DECIDED_AT)
            first, last = self.frame.select(at.min().alias("first"), at.max().alias("last")).collect().row(0)
            lines.append(f"decided from {isoformat(first)} to {isoformat(last)}")
        return "\n".join(lines)

    def _every_batch(self) -> Iterator[pl.DataFrame]:
        """Standard columns of all rows with `UNUSABLE`, in order, as many at a time as the table gives."""
        try:
            if self.mapping.order == "time":
                yield self._every.collect()
                return
            asked = {column for _, column in self.mapping.columns()} | {UNUSABLE}
            for batch in self._table.batches([column for column in self._table.schema if column in asked]):
                yield standard_frame(batch.lazy(), self.mapping, self._place).collect()
        except _UNREADABLE as error:
            raise _unreadable(self._place, error) from error

    def _usable_of(self, every: pl.LazyFrame) -> pl.LazyFrame:
        usable = every.filter(pl.col(UNUSABLE).is_null()).drop(UNUSABLE)
        if not self.mapping.propensity.estimate:
            return usable
        shares = estimated_shares(self.contents).lazy()
        columns = list(usable.collect_schema())
        joined = usable.drop(PROPENSITY).join(shares, on=[SEGMENT, VARIANT], how="left", maintain_order="left")
        return joined.select(columns)

    def usable_contents(self) -> Contents:
        """What is in it, once it is known that some of it can be used.

        Raises:
            InvalidRequest: no row can be used.
        """
        found = self.contents
        if sum(found.unusable.values()) == found.rows:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in found.unusable.items()) or "no rows"
            raise InvalidRequest(RequestFinding(self._place, f"unusable rows only: {reasons}", "some that can be used"))
        return found


def open_history(path: str | Path, mapping: Mapping | None = None, place: str = "history") -> History:
    """A history by its file's suffix: CSV or TSV (also gzipped), Parquet, VW dsjson (also gzipped), or an OBP dict.

    Args:
        path: the file; for Parquet also a pattern such as ``log/*.parquet``.
        mapping: which column says what; may be left out where the file is in the standard columns or carries its own.
        place: where the mapping stands, for what is said of its mistakes.

    Raises:
        InvalidRequest: no such file, not a format that is read here, or the mapping does not fit the columns.
    """
    path = Path(path)
    if not any(path.parent.glob(path.name)):
        raise InvalidRequest(RequestFinding(f"{place}.file", str(path), "a file that is there"))
    try:
        return History(_table(path, mapping, place), mapping, place)
    except _UNREADABLE as error:
        raise _unreadable(place, error, f"{path}: ") from error


def _table(path: Path, mapping: Mapping | None, place: str) -> Table:
    name = path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        return read_csv(path, mapping)
    if name.endswith(".tsv"):
        return read_csv(path, mapping, separator="\t")
    if path.name.endswith(".parquet"):
        return read_parquet(path)
    if name.endswith(".dsjson"):
        return read_dsjson(path)
    if path.name.endswith(".npz"):
        return read_obp(path)
    raise InvalidRequest(RequestFinding(f"{place}.file", path.name, f"a file that ends in {', '.join(SUFFIXES)}"))


def _unreadable(place: str, error: BaseException, where: str = "") -> InvalidRequest:
    said = str(error).split("\n", maxsplit=1)[0]
    return InvalidRequest(RequestFinding(f"{place}.file", where + said, "a file in its format"))


def _resized(frames: Iterable[pl.DataFrame], size: int) -> Iterator[pl.DataFrame]:
    """The same rows, `size` at a time; fewer in the last frame only."""
    rest: pl.DataFrame | None = None
    for frame in frames:
        rest = frame if rest is None or rest.is_empty() else pl.concat([rest, frame])
        whole = len(rest) // size * size
        yield from slices(rest[:whole], size)
        rest = rest[whole:]
    if rest is not None and len(rest):
        yield rest


def _listed(names: tuple[str, ...], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
