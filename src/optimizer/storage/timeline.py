"""The ledger by days: how much happened on each, which tells whether what was read of a day is still all of it."""

from typing import NamedTuple

import sqlalchemy as sa

from optimizer.domain.instants import DAY, Instant
from optimizer.storage.rows import table_of
from optimizer.storage.tables import DecisionRow, OutcomeRow

_DECISIONS, _OUTCOMES = table_of(DecisionRow), table_of(OutcomeRow)
_DAY = sa.literal_column(f"decisions.decided_at / {DAY}", sa.BigInteger).label("day")
_ANONYMOUS = sa.func.sum(sa.case((_DECISIONS.c.request_id == "", 1), else_=0))


class DayTally(NamedTuple):
    """What there is of one day. Rows are only ever added or made anonymous, so equal counts mean equal rows.

    Attributes:
        decisions: how many were made on it.
        anonymous: how many of them are about nobody any more.
        outcomes: how many have been recorded for them, whenever they came.
    """

    decisions: int
    anonymous: int
    outcomes: int


class Timeline:
    """The days of the decisions, as one transaction sees them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def days(self, campaign_id: str | None = None) -> dict[int, DayTally]:
        """Every day with decisions, in days since 1970 UTC, in order; reads all of them and their outcomes once."""
        wanted = sa.true() if campaign_id is None else _DECISIONS.c.campaign_id == campaign_id
        made = sa.select(_DAY, sa.func.count(), _ANONYMOUS).select_from(_DECISIONS).where(wanted).group_by("day")
        joined = _OUTCOMES.join(_DECISIONS, _DECISIONS.c.decision_id == _OUTCOMES.c.decision_id)
        heard = sa.select(_DAY, sa.func.count()).select_from(joined).where(wanted).group_by("day")
        outcomes: dict[int, int] = {row[0]: row[1] for row in self._connection.execute(heard)}
        rows = sorted(tuple(row) for row in self._connection.execute(made))
        return {day: DayTally(int(n), int(anonymous), int(outcomes.get(day, 0))) for day, n, anonymous in rows}

    def count(self, campaign_id: str, since: Instant, until: Instant) -> int:
        """How many decisions of a campaign were made at `since` or later and before `until`."""
        at = _DECISIONS.c.decided_at
        wanted = (_DECISIONS.c.campaign_id == campaign_id, at >= since, at < until)
        return self._connection.execute(sa.select(sa.func.count()).select_from(_DECISIONS).where(*wanted)).scalar_one()
