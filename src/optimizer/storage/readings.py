"""Readings for pages: sums the database makes itself, so that a million decisions come back as some hundred rows."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from optimizer.domain.instants import DAY, HOUR, SECOND, Duration, Instant, moment
from optimizer.domain.statistics import Cell, Sums
from optimizer.storage.rows import table_of
from optimizer.storage.tables import StatisticRow

_STATISTICS = table_of(StatisticRow)
_CELL = ("campaign_id", "segment_id", "variant_id", "content_hash", "audience", "metric")
BEGINNING: Final[Instant] = 0
FOR_EVER: Final[Duration] = 2**62  # as a width: everything in one bucket, that of `BEGINNING`; as an instant: no end
_EPOCH = date(1970, 1, 1)


class DaySums(NamedTuple):
    """Sums of one day in some time zone, over all words a variant has had.

    Attributes:
        day: days since 1970 in that zone.
    """

    segment_id: str
    variant_id: str
    group: str
    metric: str
    day: int
    sums: Sums


class Readings:
    """Sums over many rows, as one transaction sees them; none of them changes anything."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def cells(
        self,
        campaign_id: str,
        widths: Mapping[str, Duration],
        since: Instant = BEGINNING,
        until: Instant = FOR_EVER,
    ) -> tuple[list[tuple[Cell, Sums]], int]:
        """A campaign's statistics in wider buckets, without the pending changes.

        Args:
            campaign_id: the campaign.
            widths: the metrics that are wanted, by how their names begin, and how wide their buckets are: a whole
                number of hours, or `FOR_EVER`.
            since: the first bucket that counts.
            until: the first that does not.

        Returns:
            The cells, in no order, and how many rows they are the sums of.
        """
        table, width = _STATISTICS, _width(_STATISTICS.c.metric, widths)
        start = (table.c.bucket - table.c.bucket % width).label("start")
        place = [table.c[name] for name in _CELL]
        query = (
            sa.select(*place, start, sa.func.count(), *_summed(table, Sums._fields))
            .where(table.c.campaign_id == campaign_id, table.c.bucket >= since, table.c.bucket < until)
            .where(sa.or_(*(_begins(table.c.metric, name) for name in widths)))
            .group_by(*place, start)
        )
        rows = self._connection.execute(query).all()
        n_place = len(place) + 1
        found = [(Cell(*row[:n_place]), Sums(*map(int, row[n_place + 1 :]))) for row in rows]
        return found, sum(row[n_place] for row in rows)

    def days(
        self,
        campaign_id: str,
        metrics: Sequence[str],
        zone: ZoneInfo,
        since: Instant,
        until: Instant,
    ) -> list[DaySums]:
        """A campaign's statistics by day in a time zone, an hour belonging to the day in which it begins.

        Args:
            campaign_id: the campaign.
            metrics: names of those that are wanted.
            zone: whose days.
            since: the first bucket that counts; not far from the first there is, for every hour from there on is asked
                how far the zone is ahead.
            until: the first that does not.
        """
        table = _STATISTICS
        place = [table.c.segment_id, table.c.variant_id, table.c.audience, table.c.metric]
        of_campaign = (table.c.campaign_id == campaign_id, table.c.metric.in_(metrics))
        wanted = (*of_campaign, table.c.bucket >= since, table.c.bucket < until)
        day = _day(table.c.bucket, zone, since, until)
        query = sa.select(*place, day, *_summed(table, Sums._fields)).where(*wanted).group_by(*place, day)
        return [DaySums(*row[:4], int(row[4]), Sums(*map(int, row[5:]))) for row in self._connection.execute(query)]


def day_of(day: int) -> date:
    """The date of a day since 1970."""
    return _EPOCH + timedelta(days=day)


def _summed(table: sa.Table, names: Sequence[str]) -> list[sa.ColumnElement[Any]]:
    return [sa.func.sum(table.c[name]) for name in names]


def _begins(metric: sa.ColumnElement[str], name: str) -> sa.ColumnElement[bool]:
    return metric.startswith(name, autoescape=True)


def _width(metric: sa.ColumnElement[str], widths: Mapping[str, Duration]) -> sa.ColumnElement[Any]:
    whens = [(_begins(metric, name), _number(width)) for name, width in widths.items()]
    return sa.case(*whens, else_=_number(FOR_EVER))


def _day(at: sa.ColumnElement[int], zone: ZoneInfo, first: Instant, last: Instant) -> sa.ColumnElement[Any]:
    """The day of an instant, as the zone's clocks stood between two instants."""
    changes = _offsets(zone, first - first % DAY, last)
    whens = [(at < _number(until), _number(offset)) for until, offset in changes[:-1]]
    offset = sa.case(*whens, else_=_number(changes[-1][1])) if whens else _number(changes[-1][1])
    local = at + offset
    return ((local - local % _number(DAY)) / _number(DAY)).label("day")


@cache
def _offsets(zone: ZoneInfo, first: Instant, last: Instant) -> tuple[tuple[Instant, Duration], ...]:
    """How far a zone is ahead of UTC, until which instant, in order; to the hour in which its clocks are changed."""
    found: list[tuple[Instant, Duration]] = []
    hours = range(first, max(last, first + HOUR) + HOUR, HOUR)
    offsets = [_offset(zone, at) for at in hours]
    for after, (before, offset) in zip(hours[1:], pairwise(offsets), strict=True):
        if offset != before:
            found.append((after, before))
    return (*found, (FOR_EVER, offsets[-1]))


def _offset(zone: ZoneInfo, at: Instant) -> Duration:
    span = moment(at).astimezone(zone).utcoffset() or timedelta()
    return int(span.total_seconds()) * SECOND


def _number(value: int) -> sa.ColumnElement[int]:
    """A number as part of the text: both databases then know that the same expression stands in GROUP BY."""
    return sa.literal_column(str(value), sa.BigInteger)
