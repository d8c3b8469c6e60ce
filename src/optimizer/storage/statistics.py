"""Statistics: sums by cell, changed by exact differences."""

from collections.abc import Iterator
from typing import Any

import orjson
import sqlalchemy as sa

from optimizer.domain.statistics import Cell, Sums, Tally
from optimizer.errors import Conflict
from optimizer.storage.connections import INEXACT
from optimizer.storage.rows import Statement, elements, is_sqlite, table_of
from optimizer.storage.tables import StatisticRow

_STATISTICS = table_of(StatisticRow)
_CELL = ("campaign_id", "segment_id", "variant_id", "content_hash", "audience", "metric", "bucket")
_SUMS = Sums._fields
_IN_ORDER = sa.select(*(_STATISTICS.c[name] for name in (*_CELL, *_SUMS)))
_NAMES = {
    "columns": ", ".join((*_CELL, *_SUMS)),
    "values": ", ".join("?" * len((*_CELL, *_SUMS))),
    "elements": elements(StatisticRow, (*_CELL, *_SUMS)),
    "cell": ", ".join(_CELL),
    "sums": ", ".join(f"{name} = statistics.{name} + excluded.{name}" for name in _SUMS),
}
# SQLite takes rows one by one, PostgreSQL all of them as one JSON text, in the order in which they stand there.
_ADD_ROW = Statement.of(
    "INSERT INTO statistics ({columns}) VALUES ({values}) ON CONFLICT ({cell}) DO UPDATE SET {sums}", **_NAMES
)
_ADD_ROWS = Statement.of(
    "INSERT INTO statistics ({columns}) SELECT {elements} FROM jsonb_array_elements({value}::jsonb) AS element "
    "ON CONFLICT ({cell}) DO UPDATE SET {sums}",
    **_NAMES,
)
STREAMED = 5_000


class Statistics:
    """The sums as one transaction sees them; its own changes are written once, when it ends."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.pending = Tally()

    def flush(self) -> None:
        """Write the pending changes in the order of their cells, so that two workers cannot deadlock.

        Raises:
            Conflict: a sum would no longer be exact.
        """
        rows = [(*cell, *sums) for cell, sums in self.pending.changes()]
        self.pending.clear()
        if not rows:
            return
        try:
            if is_sqlite(self._connection):
                _ADD_ROW.many(self._connection, rows)
            else:
                _ADD_ROWS.ask(self._connection, orjson.dumps(rows).decode())
        except (OverflowError, orjson.JSONEncodeError) as error:  # what else is inexact the database says
            raise Conflict(INEXACT) from error

    def of_campaign(self, campaign_id: str) -> Iterator[tuple[Cell, Sums]]:
        """Every cell of one campaign, without the pending changes."""
        return self._cells(_IN_ORDER.where(_STATISTICS.c.campaign_id == campaign_id))

    def all(self) -> Iterator[tuple[Cell, Sums]]:
        """Every cell, without the pending changes."""
        return self._cells(_IN_ORDER)

    def _cells(self, query: sa.Select[tuple[object, ...]]) -> Iterator[tuple[Cell, Sums]]:
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            values: tuple[Any, ...] = tuple(row)
            yield Cell(*values[: len(_CELL)]), Sums(*values[len(_CELL) :])
