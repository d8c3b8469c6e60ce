"""Statistics: sums by cell, changed by exact differences."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from optimizer.domain.statistics import Cell, Sums, Tally
from optimizer.errors import Conflict
from optimizer.storage.rows import table_of, upsert
from optimizer.storage.tables import StatisticRow

_STATISTICS = table_of(StatisticRow)
_CELL = ("campaign_id", "segment_id", "variant_id", "content_hash", "audience", "metric", "bucket")
_SUMS = Sums._fields
_IN_ORDER = sa.select(*(_STATISTICS.c[name] for name in (*_CELL, *_SUMS)))
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
        rows = [dict(zip(_CELL, cell, strict=True)) | sums._asdict() for cell, sums in self.pending.changes()]
        self.pending.clear()
        if not rows:
            return
        statement = upsert(self._connection, StatisticRow)
        statement = statement.on_conflict_do_update(
            index_elements=list(_CELL),
            set_={name: _STATISTICS.c[name] + statement.excluded[name] for name in _SUMS},
        )
        try:
            self._connection.execute(statement, rows)
        except (sa.exc.IntegrityError, sa.exc.DataError, OverflowError) as error:
            raise Conflict(
                "value: found amounts whose sum over one hour would leave 64 bits; nothing was written"
            ) from error

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
