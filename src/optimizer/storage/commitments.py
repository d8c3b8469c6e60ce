"""Commitments: what decisions to send have used up, by recipient, by age, and summed for the meters."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Brief, Decision
from optimizer.domain.instants import Instant
from optimizer.domain.meters import Reading
from optimizer.storage.rows import AppendedRows, Later, Statement, is_sqlite, keys_of, table_of
from optimizer.storage.tables import CommitmentRow

_COMMITMENTS = table_of(CommitmentRow)
_FIELDS = Commitment._fields
_NAMES = {
    "columns": ", ".join(_FIELDS),
    "listed": ", ".join(f"c.{name}" for name in _FIELDS),
}
_APPENDED = AppendedRows(CommitmentRow, _FIELDS)
# A commitment stands where its decision does: at its instant. `places` are instants and ids, as one JSON text.
_OF = Statement.of_each(
    "SELECT {listed} FROM json_each(?) AS place CROSS JOIN commitments AS c "
    "ON c.at = json_extract(place.value, '$[0]') AND c.decision_id = json_extract(place.value, '$[1]')",
    "SELECT {listed} FROM jsonb_array_elements(%s::jsonb) AS place JOIN commitments AS c "
    "ON c.at = (place->>0)::bigint AND c.decision_id = place->>1 ORDER BY c.at, c.decision_id FOR UPDATE OF c",
    **_NAMES,
)
_CHANGE_ROW = Statement.of(
    "UPDATE commitments SET settled = {value}, open = {value}, closes_at = {value}, withdrawn = {value} "
    "WHERE at = {value} AND decision_id = {value}"
)
_CHANGE_ROWS = Statement.of(
    "UPDATE commitments AS c SET settled = (new->>0)::bigint, open = (new->>1)::boolean, "
    "closes_at = (new->>2)::bigint, withdrawn = (new->>3)::boolean FROM jsonb_array_elements({value}::jsonb) AS new "
    "WHERE c.at = (new->>4)::bigint AND c.decision_id = new->>5"
)
# Found through the decisions, which have an index by recipient and instant: one of its own would cost every decision.
_CONTACTS = Statement.of(
    "SELECT d.recipient_key, c.at, c.channel, c.campaign_id FROM decisions AS d {nested} commitments AS c "
    "ON c.at = d.decided_at AND c.decision_id = d.decision_id "
    "WHERE d.recipient_key IN {keys} AND d.decided_at > {value} AND NOT c.withdrawn"
)
_LAST_ORDINALS = Statement(
    "SELECT k.value, (SELECT max(c.ordinal) FROM commitments AS c "
    "WHERE c.recipient_key = k.value AND c.ordinal IS NOT NULL) FROM json_each(?) AS k",
    "SELECT k, (SELECT max(c.ordinal) FROM commitments AS c "
    "WHERE c.recipient_key = k AND c.ordinal IS NOT NULL) FROM unnest(%s::text[]) AS k",
)
CONTACTS_LOCK = 0x0B71_1125  # any number, the same in every worker
_TAKE_TURN = Statement("SELECT 1", f"SELECT pg_advisory_xact_lock({CONTACTS_LOCK})")
_MATURED = Statement.of(
    "SELECT {columns} FROM commitments WHERE open AND closes_at < {value} ORDER BY closes_at LIMIT {value}", **_NAMES
)
_MATURED_LOCKED = Statement.of(
    "SELECT {columns} FROM commitments WHERE open AND closes_at < {value} ORDER BY closes_at LIMIT {value} "
    "{locked_if_free}",
    **_NAMES,
)
_EVERY = [_COMMITMENTS.c[name] for name in _FIELDS]
STREAMED = 5_000


class Commitments:
    """The commitments of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, commitments: Sequence[Commitment]) -> None:
        """Write new ones; another worker's claim to the same contact of a recipient makes the transaction fail."""
        if not commitments:
            return
        if is_sqlite(self._connection):
            _APPENDED.write(self._connection, commitments)
        elif any(commitment.ordinal is not None for commitment in commitments):
            # In the order of the claims, so that two workers cannot wait for each other's in a circle.
            in_order = sorted(commitments, key=lambda c: (c.recipient_key, c.ordinal or 0, c.decision_id))
            _APPENDED.write(self._connection, in_order)
        else:  # in the order of their key, by which a database appends faster
            _APPENDED.write(self._connection, sorted(commitments))

    def change(self, commitments: Sequence[Commitment]) -> None:
        """Write what settling or closing has changed."""
        rows = [(c.settled, c.open, c.closes_at, c.withdrawn, c.at, c.decision_id) for c in commitments]
        if not rows:
            return
        if is_sqlite(self._connection):
            _CHANGE_ROW.many(self._connection, rows)
        else:
            _CHANGE_ROWS.run(self._connection, orjson.dumps(rows).decode())

    def of(self, decisions: Iterable[Decision | Brief]) -> dict[str, Commitment]:
        """The commitments of these decisions by id, kept from other workers until the transaction ends."""
        places = {(decision.decided_at, decision.decision_id) for decision in decisions}
        if not places:
            return {}
        rows = _OF.rows(self._connection, orjson.dumps(list(places)).decode())
        return {row[0]: _commitment(row) for row in rows}

    def read(self, decision: Decision) -> Commitment | None:
        """The commitment of one decision, for looking at."""
        here = (_COMMITMENTS.c.at == decision.decided_at, _COMMITMENTS.c.decision_id == decision.decision_id)
        row = self._connection.execute(sa.select(*_EVERY).where(*here)).one_or_none()
        return None if row is None else _commitment(row)

    def contacts(
        self, recipient_keys: Sequence[str], since: Instant, *, apart_from: str | None = None
    ) -> dict[str, list[tuple[Instant, str]]]:
        """When, and on which channel, each recipient was contacted after an instant; but for those of one campaign."""
        return self.later_contacts(recipient_keys, since, apart_from=apart_from)()

    def later_contacts(
        self, recipient_keys: Sequence[str], since: Instant, *, apart_from: str | None = None
    ) -> Later[dict[str, list[tuple[Instant, str]]]]:
        """The same, together with what else is asked for."""
        if not recipient_keys:
            return dict
        answer = _CONTACTS.ask(self._connection, keys_of(self._connection, set(recipient_keys)), since)

        def found() -> dict[str, list[tuple[Instant, str]]]:
            contacts: dict[str, list[tuple[Instant, str]]] = defaultdict(list)
            for key, at, channel, campaign_id in answer.fetchall():
                if campaign_id != apart_from:
                    contacts[key].append((at, channel))
            return contacts

        return found

    def take_turn(self) -> None:
        """Wait, before anything else is looked at, until no other transaction that has called this is under way.

        For those that contact many: two of them nearly always contact some recipient both, and one would be in vain.
        """
        _TAKE_TURN.ask(self._connection)

    def last_ordinals(self, recipient_keys: Sequence[str]) -> dict[str, int]:
        """The number of each recipient's last contact that was counted; absent when there is none."""
        return self.later_last_ordinals(recipient_keys)()

    def later_last_ordinals(self, recipient_keys: Sequence[str]) -> Later[dict[str, int]]:
        """The same, together with what else is asked for."""
        if not recipient_keys:
            return dict
        answer = _LAST_ORDINALS.ask(self._connection, keys_of(self._connection, set(recipient_keys)))
        return lambda: {key: ordinal for key, ordinal in answer.fetchall() if ordinal is not None}

    def matured(self, now: Instant, most: int, *, lock: bool = True) -> list[Commitment]:
        """The first of those that are open although nothing can be due any more, kept from other workers if locked."""
        return self.later_matured(now, most, lock=lock)()

    def later_matured(self, now: Instant, most: int, *, lock: bool = True) -> Later[list[Commitment]]:
        """The same, together with what else is asked for."""
        statement = _MATURED_LOCKED if lock else _MATURED  # what another worker is at, it will release itself
        answer = statement.ask(self._connection, now, most)
        return lambda: [_commitment(row) for row in answer.fetchall()]

    def sum_of(
        self, *, campaign_id: str | None, channel: str | None, starts: Instant | None, ends: Instant | None
    ) -> Reading:
        """What commitments made in a period add up to.

        Args:
            campaign_id: of one campaign, or None for all.
            channel: of one channel, or None for all.
            starts: first instant of the period; None where it is open.
            ends: first instant after it; None where it is open.
        """
        table = _COMMITMENTS.c
        reserved = sa.case((table.open, table.most - table.settled), else_=0)
        sends = sa.case((table.withdrawn, 0), else_=1)
        query = sa.select(*(sa.func.coalesce(sa.func.sum(each), 0) for each in (reserved, table.settled, sends)))
        for column, value in ((table.campaign_id, campaign_id), (table.channel, channel)):
            query = query if value is None else query.where(column == value)
        query = query if starts is None else query.where(table.at >= starts)
        query = query if ends is None else query.where(table.at < ends)
        return Reading(*(int(each) for each in self._connection.execute(query).one()))

    def stream(self) -> Iterator[Commitment]:
        """All, in the order they were made in, without holding them in memory."""
        query = sa.select(*_EVERY).order_by(_COMMITMENTS.c.at, _COMMITMENTS.c.decision_id)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            yield _commitment(row)


def _commitment(row: Sequence[Any]) -> Commitment:
    values = list(row)
    values[8], values[10] = bool(row[8]), bool(row[10])  # open, withdrawn: SQLite has no booleans of its own
    return Commitment(*values)
