"""Statistics by hour, summed by the database over segments, variants and groups."""

from typing import NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.rows import table_of
from optimizer.storage.tables import StatisticRow

_STATISTICS = table_of(StatisticRow)


class HourlySum(NamedTuple):
    """How many there were in one hour: decisions, trials or outcomes, by the metric."""

    bucket: Instant
    n: int


class HourlySums:
    """Statistics by hour as one transaction sees them, without its own pending changes."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def of_campaign(self, campaign_id: str, metric: str, since: Instant, until: Instant) -> tuple[HourlySum, ...]:
        """The hours of one metric that begin at `since` or later and before `until`, in order."""
        table = _STATISTICS.c
        wanted = (table.campaign_id == campaign_id, table.metric == metric, table.bucket >= since, table.bucket < until)
        query = sa.select(table.bucket, sa.func.sum(table.n)).where(*wanted).group_by(table.bucket)
        rows = self._connection.execute(query.order_by(table.bucket))
        return tuple(HourlySum(int(at), int(n)) for at, n in rows)
