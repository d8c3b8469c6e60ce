"""What recipients did, as far as attributes follow from it: written once, found by recipient."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from optimizer.domain.happenings import NO_PROPERTIES, UNDOING, Happening
from optimizer.domain.instants import Instant
from optimizer.storage.behaviour_tables import BehaviourRow
from optimizer.storage.rows import NewRows, Row, Statement, keys_of, table_of

_BEHAVIOUR = table_of(BehaviourRow)
_COLUMNS = tuple(column.name for column in _BEHAVIOUR.columns)
_NEW = NewRows(BehaviourRow, _COLUMNS)
_LISTED = ", ".join(_COLUMNS)
_FIELDS = Happening._fields
_PROPERTIES = _FIELDS.index("properties")
_OF = Statement.of("SELECT {columns} FROM behaviour WHERE recipient_key IN {keys}", columns=", ".join(_FIELDS))
# The newest of one kind of one recipient stay; ids in the order of their bytes, as Python has them.
_TRIM = (
    "DELETE FROM behaviour WHERE recipient_key = {value} AND kind = {value} AND event_id IN (SELECT event_id FROM "
    "behaviour WHERE recipient_key = {value} AND kind = {value} ORDER BY occurred_at DESC, event_id{bytes} DESC "
    "LIMIT {most} OFFSET {value})"
)
_TRIMMED = Statement.of_each(
    _TRIM.format(value="?", bytes="", most="-1"), _TRIM.format(value="%s", bytes=' COLLATE "C"', most="ALL")
)
# Outcomes of people who are still known; of what undoes another event, only what may undo one of the kinds.
_FILL = Statement.of(
    "INSERT INTO behaviour ({columns}) "
    "SELECT o.event_id, d.recipient_key, CASE WHEN o.reverses IS NULL THEN o.kind ELSE '{undoing}' END, "
    "CASE WHEN o.reverses IS NULL THEN o.occurred_at ELSE o.received_at END, o.received_at, "
    "CASE WHEN o.reverses IS NULL THEN o.value END, NULL, o.decision_id, d.decided_at, o.reverses, o.machine "
    "FROM outcomes AS o {nested} decisions AS d ON d.decision_id = o.decision_id "
    "LEFT JOIN outcomes AS undone ON undone.event_id = o.reverses "
    "WHERE d.request_id <> '' AND (CASE WHEN o.reverses IS NULL THEN o.kind ELSE coalesce(undone.kind, '') END) "
    "IN {keys} AND (o.reverses IS NOT NULL OR NOT o.machine OR o.kind IN {keys}) "
    "AND (CASE WHEN o.reverses IS NULL THEN o.occurred_at ELSE o.received_at END) >= {value} "
    "ON CONFLICT (event_id) DO NOTHING",
    columns=_LISTED,
    undoing=UNDOING,
)


class Happenings:
    """What recipients did, as one transaction sees it."""

    def __init__(self, connection: sa.Connection, *, alone: bool = False) -> None:
        self._connection = connection
        self._alone = alone

    def insert(self, happenings: Sequence[Happening], most: int) -> int:
        """Write those whose event id is new, and keep the newest of each kind of each recipient.

        Args:
            happenings: of any recipients.
            most: how many are kept of one kind of one recipient.

        Returns:
            How many were written.

        Raises:
            psycopg.errors.UniqueViolation: another worker was faster, which `Writing` reports as Contended.
        """
        if not happenings:
            return 0
        known = _NEW.known(self._connection, {happening.event_id for happening in happenings})
        new = [happening for happening in happenings if happening.event_id not in known]
        written = _NEW.insert(self._connection, map(_row, new), alone=self._alone)
        self._trim({(happening.recipient_key, happening.kind) for happening in new}, most)
        return len(written)

    def of(self, recipient_keys: Collection[str]) -> dict[str, list[Happening]]:
        """What is known of these recipients, in any order; absent where nothing is."""
        found: dict[str, list[Happening]] = defaultdict(list)
        if recipient_keys:
            for row in _OF.rows(self._connection, keys_of(self._connection, set(recipient_keys))):
                found[row[0]].append(_happening(row))
        return found

    def fill(self, kinds: Collection[str], of_machines: Collection[str], since: Instant, most: int) -> int:
        """Add what the outcomes of the ledger say and is not here yet; how much that was.

        Args:
            kinds: of outcomes.
            of_machines: those of them that are wanted even if their reporter calls them a machine's.
            since: of no earlier ones.
            most: how many are kept of one kind of one recipient.
        """
        wanted = keys_of(self._connection, [*sorted(kinds), UNDOING]), keys_of(self._connection, sorted(of_machines))
        filled = _FILL.run(self._connection, *wanted, since)
        many = sa.select(_BEHAVIOUR.c.recipient_key, _BEHAVIOUR.c.kind).group_by("recipient_key", "kind")
        rows = self._connection.execute(many.having(sa.func.count() > most)).all()
        self._trim({(row.recipient_key, row.kind) for row in rows}, most)
        return filled

    def keep_only(self, kinds: Collection[str]) -> int:
        """Forget what is of no other kind than these, and, without any, everything; how much that was."""
        gone = sa.delete(_BEHAVIOUR)
        if kinds:
            gone = gone.where(_BEHAVIOUR.c.kind.not_in([*sorted(kinds), UNDOING]))
        return self._connection.execute(gone).rowcount

    def forget_before(self, before: Instant, n: int) -> int:
        """Forget at most `n` that happened before an instant; how many that were."""
        old = sa.select(_BEHAVIOUR.c.event_id).where(_BEHAVIOUR.c.occurred_at < before)
        some = old.order_by(_BEHAVIOUR.c.occurred_at).limit(n).scalar_subquery()
        return self._connection.execute(sa.delete(_BEHAVIOUR).where(_BEHAVIOUR.c.event_id.in_(some))).rowcount

    def count(self) -> int:
        """How many there are."""
        return self._connection.execute(sa.select(sa.func.count()).select_from(_BEHAVIOUR)).scalar_one()

    def _trim(self, pairs: Iterable[tuple[str, str]], most: int) -> None:
        # In one order, so that two workers cannot wait for one another.
        _TRIMMED.many(self._connection, [(*pair, *pair, most) for pair in sorted(pairs)])


def _row(happening: Happening) -> Row:
    given = happening._asdict()
    given["properties"] = orjson.dumps(dict(happening.properties)).decode() if happening.properties else None
    return tuple(given[name] for name in _COLUMNS)


def _happening(row: Sequence[Any]) -> Happening:
    values = list(row)
    values[_PROPERTIES] = orjson.loads(values[_PROPERTIES]) if values[_PROPERTIES] else NO_PROPERTIES
    values[-1] = bool(values[-1])  # SQLite has no booleans of its own
    return Happening(*values)
