"""One store for SQLite and PostgreSQL: opening, migrating, and the transaction everything happens in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from optimizer.errors import ConfigurationError, Unavailable
from optimizer.storage.checkpoints import Checkpoints
from optimizer.storage.connections import (
    DRIVER_ERRORS,
    IMMEDIATELY,
    begun_if_free,
    engine_at,
    errors_of_the_database,
    is_transient,
    shown,
)
from optimizer.storage.ledger import Ledger
from optimizer.storage.patience import connect_patiently
from optimizer.storage.rows import Answer, driver_of, is_sqlite
from optimizer.storage.versions import COUNTERS

__all__ = ["Ledger", "Store", "Writing", "is_transient"]

MIGRATIONS = Path(__file__).parent / "migrations"
WRITERS_LOCK = 0x0B71_1124  # held by every writing transaction, shared unless it is alone
TOGETHER = f"SELECT pg_advisory_xact_lock_shared({WRITERS_LOCK})"
ALONE = f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})"
MIGRATION_LOCK = 0x0B71_1123  # any number, the same in every worker
# SQLite's writer meets random pages of two large indexes at every decision: at ten million decisions a quarter of a
# GiB keeps enough of them to spare it a fifth of its work. It takes as much as it needs; a process has one writer.
WRITERS_CACHE = "PRAGMA cache_size = -262144"  # KiB
# PostgreSQL plans a prepared statement once: while a table is small, or before it was analysed, by reading all of it,
# which it would go on doing as the table grows. Every look-up of a writer has an index, and shall use it.
WRITERS_PLANS = "SET enable_seqscan = off"
CANNOT_WRITE = "the ledger cannot take writes now; nothing was written"


class Writing:
    """A transaction that may write: all of it is durable once `commit` has returned, or none of it.

    It ends with `commit` or `rollback`. One thread uses it at a time; `commit` may be called from another than the
    one that ran the statements, which is free to do other things while the disk is flushed::

        transaction = store.begin()
        with transaction.working() as ledger:  # rolls back when something goes wrong
            answers = decide(ledger, live, requests, now)
        transaction.commit()

    Attributes:
        ledger: what it reads and writes.
    """

    def __init__(self, ledger: Ledger, connection: sa.Connection, committed: Callable[[sa.Connection], None]) -> None:
        self.ledger = ledger
        self._connection = connection
        self._committed = committed
        self._over = False

    @contextmanager
    def working(self) -> Iterator[Ledger]:
        """Statements of the transaction; whatever is raised in the block rolls it back first.

        Raises:
            Unavailable: the database went away meanwhile.
            Contended: another worker was faster.
        """
        try:
            with errors_of_the_database(CANNOT_WRITE):
                yield self.ledger
        except BaseException as error:
            if isinstance(error, Unavailable) and not is_transient(error):
                _give_up(self._connection)  # whatever is wrong with it, a new one may do better
            self.rollback()
            raise

    def flush(self) -> None:
        """Write the statistics and meters that have changed; `commit` does it if nobody has.

        Raises:
            Unavailable, Contended: as `working`; rolled back.
        """
        with self.working() as ledger:
            ledger.statistics.flush()
            ledger.meters.flush()

    def commit(self) -> None:
        """Make it durable.

        Raises:
            Unavailable, Contended: as `working`; rolled back.
        """
        self.flush()
        with self.working():
            done = None
            if not is_sqlite(self._connection):  # in one message with what was written last
                done = driver_of(self._connection).ask("COMMIT")
            self._connection.commit()
            if done is not None and done.command != b"COMMIT":  # somebody went on after a statement had failed
                raise Unavailable(CANNOT_WRITE)
        self._over = True
        self._committed(self._connection)

    def rollback(self) -> None:
        """Leave nothing of it; does nothing when it is over, and does not mind a database that is gone."""
        if self._over:
            return
        self._over = True
        with suppress(*DRIVER_ERRORS):
            if not self._connection.invalidated:  # SQLAlchemy takes a COMMIT that failed for an end; it is none
                self._connection.connection.rollback()
        with suppress(*DRIVER_ERRORS):
            self._connection.close()


class Store:
    """A database that holds a ledger.

    Args:
        url: ``sqlite:////absolute/path/ledger.db`` or ``postgresql://user:password@host/database``.

    Raises:
        ConfigurationError: not a URL of one of these two databases.
    """

    def __init__(self, url: str) -> None:
        self.engine = engine_at(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._checkpoints = Checkpoints(self.engine)
        self._idle: deque[sa.Connection] = deque()  # of writers: giving one back and taking it out again costs more
        self._patience_seconds: float | None = None
        if not self.is_sqlite:
            connect_patiently(self.engine, lambda: self._patience_seconds)

    def __str__(self) -> str:
        return shown(self.engine.url)

    @property
    def folder(self) -> Path | None:
        """Where the ledger is, for a ledger in a file."""
        return Path(str(self.engine.url.database)).parent if self.is_sqlite else None

    def migrate(self) -> None:
        """Bring the tables to the current version; safe when several processes start at once."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        try:
            with self._begin(immediate=True) as connection:
                if not self.is_sqlite:
                    for name in ("statement_timeout", "lock_timeout"):  # of the role: this may take, or wait, long
                        connection.exec_driver_sql(f"SET LOCAL {name} = 0")
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except SQLAlchemyError as error:
            raise ConfigurationError(f"cannot open the ledger {self}: {_first_line(error)}") from error
        except CommandError as error:  # Alembic's: there is no such version among ours
            raise ConfigurationError(
                f"cannot open the ledger {self}: found tables that a later release has changed ({error}); allowed "
                "those of this release or an earlier one: install the later one, or go back with a backup"
            ) from error

    def begin(self, *, alone: bool = False) -> Writing:
        """Begin a transaction that may write and that another thread may commit; else see `writing`.

        Args:
            alone: no other transaction writes meanwhile, in this process or another.

        Raises:
            Unavailable: the database cannot take the transaction now.
        """
        with errors_of_the_database(CANNOT_WRITE):
            connection, counters = self._begun(alone=alone)
        return Writing(
            Ledger(connection, alone=alone or self.is_sqlite, counters=counters), connection, self._after_commit
        )

    def begin_if_free(self) -> Writing | None:
        """The same on SQLite without waiting for anybody; None where that cannot be, and `begin` will tell why."""
        try:
            connection = self._idle.pop()
        except IndexError:  # to open a connection takes a while
            return None
        try:
            is_free = begun_if_free(driver_of(connection))
            if is_free:
                connection.begin()
        except DRIVER_ERRORS:
            _give_up(connection)
            return None
        if not is_free:
            self._idle.append(connection)
            return None
        return Writing(Ledger(connection, alone=True), connection, self._after_commit)

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
        transaction = self.begin(alone=alone)
        with transaction.working() as ledger:
            yield ledger
        transaction.commit()

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        """A transaction that only reads, one consistent view of the ledger.

        Raises:
            Unavailable: the database cannot be read now.
        """
        with errors_of_the_database("the ledger cannot be read now"), self._begin(immediate=False) as connection:
            yield Ledger(connection, alone=False)

    def expect_answers_within(self, seconds: float) -> None:
        """From now on, count a PostgreSQL that says nothing for so long as away; a person at a terminal may wait."""
        self._patience_seconds = seconds
        self.close()

    def close(self) -> None:
        """Give every connection back."""
        self._checkpoints.close()
        while self._idle:
            self._idle.pop().close()
        self.engine.dispose()

    def _after_commit(self, connection: sa.Connection) -> None:
        self._idle.append(connection)
        if self.is_sqlite:
            self._checkpoints.after_commit()

    def _begun(self, *, alone: bool) -> tuple[sa.Connection, Answer | None]:
        """A connection in a transaction that may write; and the counters, where they came with the same message."""
        while True:
            try:
                connection, is_new = self._idle.pop(), False
            except IndexError:
                connection, is_new = self._connected(), True
            try:
                connection.begin()
                if self.is_sqlite:
                    driver_of(connection).execute(IMMEDIATELY)
                    counters = None
                else:
                    driver = driver_of(connection)
                    driver.ask("BEGIN")
                    driver.ask(ALONE if alone else TOGETHER)
                    counters = driver.ask(COUNTERS.postgresql)
                    driver.hear()
            except BaseException as error:
                is_lost = not is_new and isinstance(error, DRIVER_ERRORS)
                _give_up(connection)
                with suppress(*DRIVER_ERRORS):
                    connection.close()
                if not is_lost:  # else the database may have been started anew since the connection was last used
                    raise
            else:
                return connection, counters

    def _connected(self) -> sa.Connection:
        """A connection that will write; its transactions begin when we say so, not by themselves."""
        options = {"by_hand": True} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        connection = self.engine.connect().execution_options(**options)
        driver_of(connection).execute(WRITERS_CACHE if self.is_sqlite else WRITERS_PLANS)
        return connection

    @contextmanager
    def _begin(self, *, immediate: bool) -> Iterator[sa.Connection]:
        options: dict[str, Any] = {"immediate": immediate}
        if not self.is_sqlite and not immediate:  # one consistent view, as SQLite's readers have anyway
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection


def _give_up(connection: sa.Connection) -> None:
    """Close a connection for good, whatever state it is in."""
    with suppress(*DRIVER_ERRORS):
        if is_sqlite(connection):
            # Closed with a statement that somebody still holds, such as an exception's traceback, it would keep the
            # lock of all writers until that statement is forgotten. (PostgreSQL rolls back when the socket closes;
            # there a ROLLBACK could wait for a server that says nothing.)
            driver_of(connection).rollback()
    with suppress(*DRIVER_ERRORS):
        connection.invalidate()


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n", maxsplit=1)[0]
