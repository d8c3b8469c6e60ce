"""Outcomes: written once, found by decision; and the quarantine of reports that could not be used."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.domain.outcome import Outcome
from optimizer.storage.rows import NewRows, Statement, keys_of, portions, table_of, upsert
from optimizer.storage.tables import OutcomeRow, QuarantineRow

_OUTCOMES = table_of(OutcomeRow)
_QUARANTINE = table_of(QuarantineRow)
_FIELDS = Outcome._fields
_NEW = NewRows(OutcomeRow, _FIELDS)
_OF = Statement.of("SELECT {columns} FROM outcomes WHERE decision_id IN {keys}", columns=", ".join(_FIELDS))
_KNOWN_KIND = Statement.of("SELECT event_id FROM outcomes WHERE event_id IN {keys} AND kind = {value}")
_ANY_WAIT = Statement.of("SELECT 1 FROM quarantine LIMIT 1")
_RELEASE = Statement.of("DELETE FROM quarantine WHERE event_id IN {keys}")
_EVERY = [_OUTCOMES.c[name] for name in _FIELDS]
STREAMED = 5_000


class Outcomes:
    """The outcomes of one transaction."""

    def __init__(self, connection: sa.Connection, *, alone: bool = False) -> None:
        self._connection = connection
        self._alone = alone

    def insert(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Write those whose event id is new; see `Decisions.insert`.

        Returns:
            Event ids that were written.
        """
        return _NEW.insert(self._connection, outcomes, alone=self._alone)

    def of(self, decision_ids: Collection[str], *, besides: Collection[str] = ()) -> dict[str, list[Outcome]]:
        """Everything recorded for these decisions but these events; an empty list for those without outcomes."""
        found: dict[str, list[Outcome]] = defaultdict(list)
        if decision_ids:
            # Column by column: there may be thousands, and anything else takes twice as long.
            for event_id, id_, kind, value, currency, at, heard_at, reverses, machine in _OF.rows(
                self._connection, keys_of(self._connection, set(decision_ids))
            ):
                if event_id not in besides:
                    outcome = Outcome(event_id, id_, kind, value, currency, at, heard_at, reverses, bool(machine))
                    found[id_].append(outcome)
        return found

    def count(self) -> int:
        """How many there are."""
        return self._connection.execute(sa.select(sa.func.count()).select_from(_OUTCOMES)).scalar_one()

    def known(self, event_ids: Sequence[str], *, kind: str | None = None) -> set[str]:
        """Those of these event ids that are recorded already, of one kind or of any."""
        if not event_ids:
            return set()
        if kind is None:
            return _NEW.known(self._connection, set(event_ids))
        return {key for (key,) in _KNOWN_KIND.rows(self._connection, keys_of(self._connection, set(event_ids)), kind)}

    def stream(self) -> Iterator[tuple[str, list[Outcome]]]:
        """All, grouped by decision, in order of the decision's id."""
        query = sa.select(*_EVERY).order_by(_OUTCOMES.c.decision_id)
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

    def release(self, event_ids: Collection[str]) -> None:
        """Forget these reports: they have been recorded after all. Mostly none wait, and there is nothing to find."""
        if event_ids and _ANY_WAIT.rows(self._connection):
            _RELEASE.run(self._connection, keys_of(self._connection, set(event_ids)))

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

    def oldest_at(self) -> Instant | None:
        """When the one that has waited longest was judged last; None when none waits."""
        return self._connection.execute(sa.select(sa.func.min(_QUARANTINE.c.received_at))).scalar_one()


def _outcome(row: Sequence[Any]) -> Outcome:
    return Outcome._make((*row[:-1], bool(row[-1])))  # SQLite has no booleans of its own


def _kept(row: sa.Row[tuple[object, ...]]) -> Kept:
    return Kept(row.event_id, row.reason, orjson.loads(row.report), row.received_at)
