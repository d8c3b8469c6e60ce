"""Outcomes: written once, found by decision; and the quarantine of reports that could not be used."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.domain.outcome import Outcome
from optimizer.storage.rows import insert_new, portions, table_of, upsert
from optimizer.storage.tables import OutcomeRow, QuarantineRow

_OUTCOMES = table_of(OutcomeRow)
_QUARANTINE = table_of(QuarantineRow)
_FIELDS = tuple(Outcome.__dataclass_fields__)
STREAMED = 5_000


class Outcomes:
    """The outcomes of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Write those whose event id is new.

        Returns:
            Event ids that were written.
        """
        rows = [{name: getattr(outcome, name) for name in _FIELDS} for outcome in outcomes]
        return insert_new(self._connection, OutcomeRow, "event_id", rows)

    def of(self, decision_ids: Sequence[str]) -> dict[str, list[Outcome]]:
        """Everything recorded for these decisions; an empty list for those without outcomes."""
        found: dict[str, list[Outcome]] = defaultdict(list)
        for some in portions(sorted(set(decision_ids))):
            query = sa.select(_OUTCOMES).where(_OUTCOMES.c.decision_id.in_(some))
            for row in self._connection.execute(query):
                found[row.decision_id].append(_outcome(row))
        return found

    def count(self) -> int:
        """How many there are."""
        return self._connection.execute(sa.select(sa.func.count()).select_from(_OUTCOMES)).scalar_one()

    def known(self, event_ids: Sequence[str], *, kind: str | None = None) -> set[str]:
        """Those of these event ids that are recorded already, of one kind or of any."""
        found: set[str] = set()
        for some in portions(sorted(set(event_ids))):
            query = sa.select(_OUTCOMES.c.event_id).where(_OUTCOMES.c.event_id.in_(some))
            query = query if kind is None else query.where(_OUTCOMES.c.kind == kind)
            found.update(self._connection.execute(query).scalars())
        return found

    def stream(self) -> Iterator[tuple[str, list[Outcome]]]:
        """All, grouped by decision, in order of the decision's id."""
        query = sa.select(_OUTCOMES).order_by(_OUTCOMES.c.decision_id)
        rows = self._connection.execute(query, execution_options={"yield_per": STREAMED})
        for decision_id, group in groupby(rows, key=lambda row: row.decision_id):
            yield decision_id, [_outcome(row) for row in group]


class Kept(NamedTuple):
    """A report in quarantine.

    Attributes:
        reason: why it could not be used, in a sentence.
        report: what was reported; a recipient only as a keyed hash.
        received_at: when it was last judged.
    """

    event_id: str
    reason: str
    report: dict[str, Any]
    received_at: Instant


class Quarantine:
    """Reports we could not use."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def keep(self, event_id: str, reason: str, report: dict[str, Any], now: Instant) -> None:
        """Keep a report; a second one of the same event replaces the first."""
        row = {
            "event_id": event_id,
            "reason": reason,
            "report": orjson.dumps(report).decode(),
            "received_at": now,
        }
        statement = upsert(self._connection, QuarantineRow)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["event_id"],
                set_={name: statement.excluded[name] for name in ("reason", "report", "received_at")},
            ),
            row,
        )

    def release(self, event_ids: Sequence[str]) -> None:
        """Forget these reports: they have been recorded after all."""
        for some in portions(sorted(set(event_ids))):
            self._connection.execute(sa.delete(_QUARANTINE).where(_QUARANTINE.c.event_id.in_(some)))

    def latest(self, n: int) -> list[Kept]:
        """The `n` judged last, the newest first."""
        newest = sa.select(_QUARANTINE).order_by(_QUARANTINE.c.received_at.desc(), _QUARANTINE.c.event_id).limit(n)
        return [_kept(row) for row in self._connection.execute(newest)]

    def of(self, event_ids: Sequence[str]) -> list[Kept]:
        """Those of these events that wait, in the order of their ids."""
        found: list[Kept] = []
        for some in portions(sorted(set(event_ids))):
            query = sa.select(_QUARANTINE).where(_QUARANTINE.c.event_id.in_(some)).order_by(_QUARANTINE.c.event_id)
            found += [_kept(row) for row in self._connection.execute(query)]
        return found

    def event_ids(self) -> list[str]:
        """Every event that waits, in the order of their ids."""
        query = sa.select(_QUARANTINE.c.event_id).order_by(_QUARANTINE.c.event_id)
        return list(self._connection.execute(query).scalars())

    def count(self) -> int:
        """How many wait."""
        return self._connection.execute(sa.select(sa.func.count()).select_from(_QUARANTINE)).scalar_one()


def _outcome(row: sa.Row[tuple[object, ...]]) -> Outcome:
    return Outcome(**{name: getattr(row, name) for name in _FIELDS})


def _kept(row: sa.Row[tuple[object, ...]]) -> Kept:
    return Kept(row.event_id, row.reason, orjson.loads(row.report), row.received_at)
