"""Time inside the house: one integer, microseconds since 1970-01-01T00:00:00Z.

Integers sort, subtract and store alike in Python, numpy, SQLite and PostgreSQL, and carry no zone to forget.
Datetimes exist only at the edges (YAML, HTTP, screens).
"""

from datetime import UTC, datetime, timedelta

Instant = int
Duration = int  # microseconds

SECOND: Duration = 1_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def instant(moment: datetime) -> Instant:
    """The instant of an aware datetime.

    Raises:
        ValueError: the datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"found {moment.isoformat()} without a time zone; allowed 2026-12-01T09:00:00Z")
    return (moment - _EPOCH) // _MICROSECOND


def duration(span: timedelta) -> Duration:
    """Microseconds of a timedelta, exactly."""
    return span // _MICROSECOND


def moment(at: Instant) -> datetime:
    """The UTC datetime of an instant."""
    return _EPOCH + timedelta(microseconds=at)


def isoformat(at: Instant) -> str:
    """RFC 3339 text of an instant, always in UTC: ``2026-12-01T09:00:00.000000Z``.

    An instant outside the years 1 to 9999, which a time with an offset can name, is shown as the nearest inside.
    """
    return moment(min(max(at, _FIRST), _LAST)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def bucket(at: Instant, width: Duration = HOUR) -> Instant:
    """Start of the time bucket that holds an instant."""
    return at - at % width
