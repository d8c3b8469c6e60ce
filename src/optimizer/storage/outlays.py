"""Outlays: what commitments add up to, hour by hour, summed by the database."""

from typing import NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import HOUR, Instant
from optimizer.storage.rows import table_of
from optimizer.storage.tables import CommitmentRow

_COMMITMENTS = table_of(CommitmentRow)


class Outlay(NamedTuple):
    """What the messages of one hour cost.

    Attributes:
        hour: start of the hour they were decided in.
        sends: messages, without those withdrawn.
        most: the most they could cost, micro-units.
        settled: what is due of it so far.
        reserved: what may yet become due.
    """

    hour: Instant
    sends: int
    most: int
    settled: int
    reserved: int


class Outlays:
    """Sums of the commitments, as one transaction sees them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def by_hour(
        self, since: Instant, *, campaign_id: str | None = None, channel: str | None = None
    ) -> tuple[Outlay, ...]:
        """What was committed in each hour from an instant on, in order; hours without any are left out.

        Args:
            since: the first instant.
            campaign_id: of one campaign, or None for all.
            channel: of one channel, or None for all.
        """
        table = _COMMITMENTS.c
        hour = sa.literal_column(f"commitments.at / {HOUR}", sa.BigInteger).label("hour")
        kept = sa.case((table.withdrawn, 0), else_=table.most)
        reserved = sa.case((table.open, table.most - table.settled), else_=0)
        sums = (sa.case((table.withdrawn, 0), else_=1), kept, table.settled, reserved)
        query = sa.select(hour, *(sa.func.sum(each) for each in sums)).where(table.at >= since).group_by(hour)
        for column, value in ((table.campaign_id, campaign_id), (table.channel, channel)):
            query = query if value is None else query.where(column == value)
        rows = sorted(tuple(int(each) for each in row) for row in self._connection.execute(query))
        return tuple(Outlay(row[0] * HOUR, *row[1:]) for row in rows)
