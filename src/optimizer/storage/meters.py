"""Meters: what is in use of each limited budget. The database has the last word on every claim."""

from collections.abc import Sequence

import orjson
import sqlalchemy as sa

from optimizer.domain.meters import UNUSED, Allowance, MeterKey, Reading
from optimizer.errors import Contended
from optimizer.storage.connections import USED_MEANWHILE
from optimizer.storage.rows import Later, Row, Statement, is_sqlite, keys_of, table_of, upsert
from optimizer.storage.tables import MeterRow

_METERS = table_of(MeterRow)
_READ = Statement.of(
    "SELECT scope, period, reserved, settled, sends FROM meters WHERE scope IN {keys} AND period IN {keys}"
)
# Adds to a meter as long as no more than so much money and so many sends were in use before. SQLite takes the changes
# row by row; PostgreSQL all of them as one JSON text, after it has locked their meters in the order of the keys.
_ADD_ROW = Statement.of(
    "UPDATE meters SET reserved = reserved + {value}, settled = settled + {value}, sends = sends + {value} "
    "WHERE scope = {value} AND period = {value} AND reserved + settled <= {value} AND sends <= {value}"
)
_ADD_ROWS = Statement.of(
    "UPDATE meters AS m SET reserved = m.reserved + (new->>0)::bigint, settled = m.settled + (new->>1)::bigint, "
    "sends = m.sends + (new->>2)::bigint FROM jsonb_array_elements({value}::jsonb) AS new "
    "WHERE m.scope = new->>3 AND m.period = new->>4 "
    "AND m.reserved + m.settled <= (new->>5)::bigint AND m.sends <= (new->>6)::bigint"
)
# The same, but the transaction fails where one of them has no room: by a division by zero, as SQL has no word for it.
# Thus the COMMIT can go in the same message.
_CLAIM_ROWS = Statement.of_each(
    "",
    "WITH claimed AS ({add} RETURNING 1) SELECT 1 / (count(*) = jsonb_array_length(%s::jsonb))::integer FROM claimed",
    add=_ADD_ROWS.postgresql,
)
_LOCK = Statement.of(
    "SELECT 1 FROM meters AS m JOIN jsonb_array_elements({value}::jsonb) AS new "
    "ON m.scope = new->>3 AND m.period = new->>4 ORDER BY m.scope, m.period FOR UPDATE OF m"
)
UNLIMITED = 2**63 - 1


class Meters:
    """The meters as one transaction sees them; its claims are written once, when it ends."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._claims: dict[MeterKey, Reading] = {}
        self._allowances: dict[MeterKey, Allowance] = {}
        self._returns: dict[MeterKey, Reading] = {}

    def of(self, keys: Sequence[MeterKey]) -> dict[MeterKey, Reading]:
        """What is in use on these meters, with what this transaction has changed; absent when nothing ever was."""
        return self.later_of(keys)()

    def later_of(self, keys: Sequence[MeterKey]) -> Later[dict[MeterKey, Reading]]:
        """The same, together with what else is asked for; with what was changed by the time it is looked at."""
        if not keys:
            return dict
        wanted = {key: key for key in keys}
        scopes, periods = ({key[part] for key in wanted} for part in (0, 1))
        answer = _READ.ask(self._connection, keys_of(self._connection, scopes), keys_of(self._connection, periods))

        def found() -> dict[MeterKey, Reading]:
            readings: dict[MeterKey, Reading] = {}
            for scope, period, reserved, settled, sends in answer.fetchall():
                key = wanted.get((scope, period))  # type: ignore[call-overload]
                if key is not None:
                    readings[key] = Reading(reserved, settled, sends)
            # What is given back to a meter that does not exist yet makes none: it is read from the commitments.
            for changes in (self._claims, self._returns):
                for key in changes.keys() & readings.keys():
                    readings[key] = readings[key].plus(changes[key])
            return readings

        return found

    def claim(self, key: MeterKey, more: Reading, allowance: Allowance) -> None:
        """Use more of a meter, within what is allowed."""
        before = self._claims.get(key)
        self._claims[key] = more if before is None else before.plus(more)
        self._allowances[key] = allowance

    def give_back(self, key: MeterKey, change: Reading) -> None:
        """Change a meter by what never adds to it: a settlement, or the release of what was reserved."""
        self._returns[key] = self._returns.get(key, UNUSED).plus(change)

    def flush(self) -> None:
        """Write the changes; two workers that write at once lock the meters in one order and cannot deadlock.

        Raises:
            Contended: another worker has used what this transaction counted on; it may be tried again. PostgreSQL
                says so by the end of the transaction.
        """
        claims = [self._change(key) for key in self._claims]
        # A scope without a limit has no meter, and needs none; a claim was made on one that was there.
        given_back = (key for key, change in self._returns.items() if change != UNUSED)
        returns = [self._change(key) for key in given_back if key not in self._claims]
        if not claims and not returns:
            return
        if is_sqlite(self._connection):
            n_claimed = _ADD_ROW.many(self._connection, claims) if claims else 0
            _ADD_ROW.many(self._connection, returns)
            if n_claimed < len(claims):
                raise Contended(USED_MEANWHILE)
        else:
            _LOCK.ask(self._connection, orjson.dumps([*claims, *returns]).decode())
            if returns:
                _ADD_ROWS.ask(self._connection, orjson.dumps(returns).decode())
            if claims:
                text = orjson.dumps(claims).decode()
                _CLAIM_ROWS.ask(self._connection, text, text)
        for changes in (self._claims, self._returns):
            changes.clear()

    def _change(self, key: MeterKey) -> Row:
        returned = self._returns.get(key, UNUSED)
        claimed = self._claims.get(key)
        if claimed is None:
            return *returned, *key, UNLIMITED, UNLIMITED
        more = claimed if returned is UNUSED else claimed.plus(returned)
        money, sends = self._allowances[key]
        # What costs nothing is within every limit, even one that was lowered below what is in use.
        return (
            *more,
            *key,
            UNLIMITED if money is None or claimed.money == 0 else money - more.money,
            UNLIMITED if sends is None or claimed.sends == 0 else sends - more.sends,
        )

    def set(self, key: MeterKey, reading: Reading) -> None:
        """Make a meter say this, whatever this transaction has given back before; only when it is alone."""
        self._returns.pop(key, None)
        statement = upsert(self._connection, MeterRow).values(scope=key.scope, period=key.period, **reading._asdict())
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["scope", "period"], set_=reading._asdict())
        )

    def forget(self, keys: Sequence[MeterKey]) -> None:
        """Remove meters, to be read anew from the commitments; only when the transaction is alone."""
        for key in sorted(set(keys)):
            self._connection.execute(sa.delete(_METERS).where(*_at(key)))

    def all(self) -> dict[MeterKey, Reading]:
        """Every meter, without the pending changes."""
        rows = self._connection.execute(sa.select(_METERS))
        return {MeterKey(row.scope, row.period): Reading(row.reserved, row.settled, row.sends) for row in rows}


def _at(key: MeterKey) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _METERS.c.scope == key.scope, _METERS.c.period == key.period
