"""One store for SQLite and PostgreSQL: opening, migrating, and the transaction everything happens in."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from optimizer.errors import ConfigurationError, Contended, Unavailable
from optimizer.storage.access import Approvals, Keys
from optimizer.storage.audit import AuditTrail
from optimizer.storage.commitments import Commitments
from optimizer.storage.controls import CampaignControls, Suppressions
from optimizer.storage.decisions import Decisions
from optimizer.storage.meters import Meters
from optimizer.storage.outcomes import Outcomes, Quarantine
from optimizer.storage.recipients import Recipients
from optimizer.storage.snapshots import Snapshots
from optimizer.storage.statistics import Statistics
from optimizer.storage.tables import ONE_CONTACT_AT_A_TIME
from optimizer.storage.versions import Revisions, StrategyVersions

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30  # how long a writer waits for another process's SQLite transaction
ATTEMPTS_AT_WAL, WAIT_FOR_WAL_SECONDS = 100, 0.05
WRITERS_LOCK = 0x0B71_1124  # held by every writing transaction, shared unless it is alone
MIGRATION_LOCK = 0x0B71_1123  # any number, the same in every worker

# What the driver raises when the database is away, locked, full or shutting down. Its words may name hosts and users:
# they go to the log as the cause, never to a caller.
_OUT_OF_REACH = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)

# PostgreSQL: serialization_failure, deadlock_detected. The transaction was rolled back and may be run again.
_TRANSIENT = {"40001", "40P01"}


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one transaction can read and write, one attribute per kind of record."""

    decisions: Decisions
    outcomes: Outcomes
    quarantine: Quarantine
    statistics: Statistics
    snapshots: Snapshots
    versions: StrategyVersions
    revisions: Revisions
    approvals: Approvals
    audit: AuditTrail
    keys: Keys
    recipients: Recipients
    commitments: Commitments
    meters: Meters
    controls: CampaignControls
    suppressions: Suppressions
    alone: bool

    @classmethod
    def on(cls, connection: sa.Connection, *, alone: bool) -> Ledger:
        """The ledger as this connection's transaction sees it; `alone`: no other one writes meanwhile."""
        return cls(
            Decisions(connection),
            Outcomes(connection),
            Quarantine(connection),
            Statistics(connection),
            Snapshots(connection),
            StrategyVersions(connection),
            Revisions(connection),
            Approvals(connection),
            AuditTrail(connection),
            Keys(connection),
            Recipients(connection),
            Commitments(connection),
            Meters(connection),
            CampaignControls(connection),
            Suppressions(connection),
            alone,
        )


class Store:
    """A database that holds a ledger.

    Args:
        url: ``sqlite:////absolute/path/ledger.db`` or ``postgresql://user:password@host/database``.

    Raises:
        ConfigurationError: not a URL of one of these two databases.
    """

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"

    def __str__(self) -> str:
        return self.engine.url.render_as_string(hide_password=True)

    def migrate(self) -> None:
        """Bring the tables to the current version; safe when several processes start at once."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        try:
            with self._begin(immediate=True) as connection:
                if not self.is_sqlite:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except SQLAlchemyError as error:
            raise ConfigurationError(f"cannot open the ledger {self}: {_first_line(error)}") from error

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[Ledger]:
        """A transaction that may write; all of it is durable when the block ends, or none of it.

        Args:
            alone: no other transaction writes meanwhile, in this process or another. Whoever has lost a race asks
                for it, so nobody loses twice. (SQLite has one writer at a time anyway.)

        Raises:
            Unavailable: the database cannot take the transaction now.
            Contended: another worker was faster; nothing was written.
        """
        try:
            with self._begin(immediate=True) as connection:
                if not self.is_sqlite:
                    lock = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
                    connection.execute(sa.select(lock(WRITERS_LOCK)))
                ledger = Ledger.on(connection, alone=alone or self.is_sqlite)
                yield ledger
                ledger.statistics.flush()
                ledger.meters.flush()
        except sa.exc.IntegrityError as error:
            if ONE_CONTACT_AT_A_TIME not in str(error.orig):
                raise
            raise Contended("another worker has just contacted one of these recipients") from error
        except _OUT_OF_REACH as error:
            raise Unavailable("the ledger cannot take writes now; nothing was written") from error

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """A transaction that only reads, one consistent view of the ledger.

        Raises:
            Unavailable: the database cannot be read now.
        """
        try:
            with self._begin(immediate=False) as connection:
                yield Ledger.on(connection, alone=False)
        except _OUT_OF_REACH as error:
            raise Unavailable("the ledger cannot be read now") from error

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()

    @contextmanager
    def _begin(self, *, immediate: bool) -> Iterator[sa.Connection]:
        options: dict[str, Any] = {"immediate": immediate}
        if not self.is_sqlite and not immediate:  # one consistent view, as SQLite's readers have anyway
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection


def is_transient(error: BaseException) -> bool:
    """Whether the database rolled the transaction back only because another one was in its way."""
    if isinstance(error, Contended):
        return True
    cause = error.__cause__ if isinstance(error, Unavailable) else error
    return isinstance(cause, DBAPIError) and getattr(cause.orig, "sqlstate", None) in _TRANSIENT


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            "database URL: found something that is no URL; allowed sqlite:////path/ledger.db or postgresql://…"
        ) from None
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            hide_parameters=True,  # an error that is logged shall not carry what is known of people
            connect_args={"connect_timeout": 10},
        )
    if parsed.drivername == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        engine = sa.create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    raise ConfigurationError(
        f"database URL: found {parsed.drivername}; allowed sqlite:////path/ledger.db or postgresql://…"
    )


def _prepare_sqlite(dbapi_connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    dbapi_connection.isolation_level = None  # we say BEGIN ourselves, below
    cursor = dbapi_connection.cursor()
    _keep_a_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous = FULL")  # acknowledged means durable
    cursor.execute("PRAGMA cache_size = -65536")  # KiB
    cursor.close()


def _keep_a_write_ahead_log(cursor: sa.engine.interfaces.DBAPICursor) -> None:
    """Switch a new database to WAL. SQLite does not wait for its lock here, as it does for every other statement."""
    for attempt in range(ATTEMPTS_AT_WAL):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if attempt == ATTEMPTS_AT_WAL - 1:
                raise
            time.sleep(WAIT_FOR_WAL_SECONDS)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n", maxsplit=1)[0]
