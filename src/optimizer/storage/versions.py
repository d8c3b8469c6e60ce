"""What is in force: versions of the documents, and the counters that tell running workers what has changed."""

from dataclasses import dataclass
from typing import NamedTuple

import orjson
import sqlalchemy as sa

from optimizer.domain.instants import Instant
from optimizer.storage.rows import Answer, Statement, table_of, upsert
from optimizer.storage.tables import RevisionRow, StrategyVersionRow

_VERSIONS = table_of(StrategyVersionRow)
_REVISIONS = table_of(RevisionRow)
COUNTERS = Statement.of("SELECT name, number FROM revisions")


@dataclass(frozen=True, slots=True)
class StrategyVersion:
    """The documents of one `apply`, as their authors wrote them."""

    version: int
    digest: str
    files: dict[str, str]
    applied_at: Instant
    actor: str
    note: str


class Applied(NamedTuple):
    """Who put a version in force, when and why."""

    version: int
    digest: str
    applied_at: Instant
    actor: str
    note: str


class StrategyVersions:
    """Versions of the documents."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, version: StrategyVersion) -> None:
        """Add a version; its number must be new."""
        self._connection.execute(
            sa.insert(_VERSIONS),
            {
                "version": version.version,
                "digest": version.digest,
                "files": orjson.dumps(version.files).decode(),
                "applied_at": version.applied_at,
                "actor": version.actor,
                "note": version.note,
            },
        )

    def latest(self) -> StrategyVersion | None:
        """The version in force."""
        return self._one(sa.select(_VERSIONS).order_by(_VERSIONS.c.version.desc()).limit(1))

    def get(self, version: int) -> StrategyVersion | None:
        """One version."""
        return self._one(sa.select(_VERSIONS).where(_VERSIONS.c.version == version))

    def applied(self, n: int) -> list[Applied]:
        """The newest `n` versions without their documents, newest first."""
        columns = (_VERSIONS.c[name] for name in Applied._fields)
        query = sa.select(*columns).order_by(_VERSIONS.c.version.desc()).limit(n)
        return [Applied(*row) for row in self._connection.execute(query)]

    def _one(self, query: sa.Select[tuple[object, ...]]) -> StrategyVersion | None:
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return None
        return StrategyVersion(row.version, row.digest, orjson.loads(row.files), row.applied_at, row.actor, row.note)


class Revisions:
    """Named counters. A worker that has seen a counter knows whether anything it loaded is out of date.

    Args:
        connection: in a transaction.
        first: what `COUNTERS` came to when the transaction began; it is said once, if nobody has held or changed a
            counter before.

    Attributes:
        bumped: whether this very transaction has counted, so that it sees numbers nobody else does yet.
    """

    def __init__(self, connection: sa.Connection, first: Answer | None = None) -> None:
        self._connection = connection
        self._first = first
        self.bumped = False

    def all(self) -> dict[str, int]:
        """Every counter."""
        answer, self._first = self._first or COUNTERS.ask(self._connection), None
        return dict(answer.fetchall())

    def bump(self, name: str) -> None:
        """Count one up. Two transactions that bump the same counter follow one another."""
        self.bumped, self._first = True, None
        statement = upsert(self._connection, RevisionRow)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"number": _REVISIONS.c.number + 1}),
            {"name": name, "number": 1, "value": ""},
        )

    def hold(self, name: str) -> None:
        """Keep other transactions from counting or holding this counter until this one ends."""
        self.value(name, "")
        self._connection.execute(sa.select(_REVISIONS.c.number).where(_REVISIONS.c.name == name).with_for_update())

    def value(self, name: str, first: str) -> str:
        """The value kept under a name; `first` is kept if there was none."""
        self._first = None
        statement = upsert(self._connection, RevisionRow).on_conflict_do_nothing(index_elements=["name"])
        self._connection.execute(statement, {"name": name, "number": 0, "value": first})
        return self._connection.execute(sa.select(_REVISIONS.c.value).where(_REVISIONS.c.name == name)).scalar_one()

    def read(self, name: str) -> str:
        """The value kept under a name; empty when there is none."""
        query = sa.select(_REVISIONS.c.value).where(_REVISIONS.c.name == name)
        return self._connection.execute(query).scalar_one_or_none() or ""

    def write(self, name: str, value: str) -> None:
        """Replace the value kept under a name, without counting."""
        statement = upsert(self._connection, RevisionRow)
        self._connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"value": statement.excluded.value}),
            {"name": name, "number": 0, "value": value},
        )
