"""Meters: what is in use of each limited budget. The database has the last word on every claim."""

from collections.abc import Sequence

import sqlalchemy as sa

from optimizer.domain.meters import UNUSED, Allowance, MeterKey, Reading
from optimizer.errors import Contended
from optimizer.storage.rows import table_of, upsert
from optimizer.storage.tables import MeterRow

_METERS = table_of(MeterRow)
_READING = Reading._fields


class Meters:
    """The meters as one transaction sees them; its claims are written once, when it ends."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._claims: dict[MeterKey, Reading] = {}
        self._allowances: dict[MeterKey, Allowance] = {}
        self._returns: dict[MeterKey, Reading] = {}

    def of(self, keys: Sequence[MeterKey]) -> dict[MeterKey, Reading]:
        """What is in use on these meters, with what this transaction has changed; absent when nothing ever was."""
        found: dict[MeterKey, Reading] = {}
        wanted = sorted(set(keys))
        if wanted:
            here = sa.tuple_(_METERS.c.scope, _METERS.c.period).in_(wanted)
            for row in self._connection.execute(sa.select(_METERS).where(here)):
                found[MeterKey(row.scope, row.period)] = Reading(row.reserved, row.settled, row.sends)
        # What is given back to a meter that does not exist yet makes none: it is read from the commitments.
        for changes in (self._claims, self._returns):
            for key in changes.keys() & found.keys():
                found[key] = found[key].plus(changes[key])
        return found

    def claim(self, key: MeterKey, more: Reading, allowance: Allowance) -> None:
        """Use more of a meter, within what is allowed."""
        self._claims[key] = self._claims.get(key, UNUSED).plus(more)
        self._allowances[key] = allowance

    def give_back(self, key: MeterKey, change: Reading) -> None:
        """Change a meter by what never adds to it: a settlement, or the release of what was reserved."""
        self._returns[key] = self._returns.get(key, UNUSED).plus(change)

    def flush(self) -> None:
        """Write the changes in the order of their keys, so that two workers cannot deadlock.

        Raises:
            Contended: another worker has used what this transaction counted on; it may be tried again.
        """
        for key in sorted(self._claims.keys() | self._returns.keys()):
            returned = self._returns.get(key, UNUSED)
            if key in self._claims:
                self._use(key, self._claims[key], returned, self._allowances[key])
            elif returned != UNUSED:
                # A scope without a limit has no meter, and needs none.
                self._connection.execute(sa.update(_METERS).where(*_at(key)).values(_added(returned)))
        for changes in (self._claims, self._returns):
            changes.clear()

    def _use(self, key: MeterKey, claimed: Reading, returned: Reading, allowance: Allowance) -> None:
        more = claimed.plus(returned)
        used = (_METERS.c.reserved + _METERS.c.settled + more.money, _METERS.c.sends + more.sends)
        # What costs nothing is within every limit, even one that was lowered below what is in use.
        within = [
            amount <= limit
            for amount, limit, asked in zip(used, allowance, (claimed.money, claimed.sends), strict=True)
            if limit is not None and asked > 0
        ]
        statement = sa.update(_METERS).where(*_at(key), *within).values(_added(more)).returning(_METERS.c.scope)
        if self._connection.execute(statement).one_or_none() is None:
            raise Contended(f"budget of {key.scope}, {key.period}: another worker has just used it")

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


def _added(change: Reading) -> dict[str, sa.ColumnElement[int]]:
    return {name: _METERS.c[name] + getattr(change, name) for name in _READING}
