"""Statistics by day, summed by the database: a campaign's months are a few thousand rows, whatever its traffic."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from optimizer.domain.instants import DAY, Instant
from optimizer.domain.statistics import Cell, Sums
from optimizer.storage.rows import table_of
from optimizer.storage.tables import StatisticRow

_STATISTICS = table_of(StatisticRow)
_DAY = (_STATISTICS.c.bucket - _STATISTICS.c.bucket % DAY).label("day")
_PLACE = [_STATISTICS.c[name] for name in ("campaign_id", "segment_id", "variant_id", "content_hash", "audience")]
# PostgreSQL sums into decimals; each of these sums fits where its parts are.
_SUMS = [sa.cast(sa.func.sum(_STATISTICS.c[name]), sa.BigInteger).label(name) for name in Sums._fields]


class DailySums:
    """Statistics by day as one transaction sees them, without its own pending changes."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def of_campaign(self, campaign_id: str, metrics: Sequence[str], since: Instant = 0) -> list[tuple[Cell, Sums]]:
        """The cells of some metrics, with days in UTC for buckets.

        Args:
            campaign_id: the campaign.
            metrics: names of metrics; see `domain.statistics`.
            since: first instant of the first day.
        """
        wanted = (
            _STATISTICS.c.campaign_id == campaign_id,
            _STATISTICS.c.metric.in_(metrics),
            _STATISTICS.c.bucket >= since,
        )
        query = sa.select(*_PLACE, _STATISTICS.c.metric, _DAY, *_SUMS).where(*wanted)
        rows = self._connection.execute(query.group_by(*_PLACE, _STATISTICS.c.metric, _DAY)).all()
        found = [tuple(row) for row in rows]
        return [(Cell(*row[:7]), Sums(*row[7:])) for row in found]
