"""Connections to SQLite and PostgreSQL: how each is opened, how its transactions begin, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from optimizer.errors import ConfigurationError, Conflict, Contended, Unavailable
from optimizer.storage.patience import CONNECT_SECONDS
from optimizer.storage.tables import EXACT_TOTAL, ONE_CONTACT_AT_A_TIME

IMMEDIATELY = "BEGIN IMMEDIATE"  # SQLite: with the lock of all writers
BUSY_SECONDS = 30  # how long a writer waits for another process's SQLite transaction
ATTEMPTS_AT_WAL, WAIT_FOR_WAL_SECONDS = 100, 0.05

# From so many pages of 4 KiB on, a COMMIT copies SQLite's log into the database file; see `checkpoints`, which mostly
# does it before. A log that is longer keeps more in memory and takes longer to read again after a crash.
LONGEST_LOG_PAGES = 16_000

# What the driver raises when the database is away, locked, full or shutting down. Its words may name hosts and users:
# they go to the log as the cause, never to a caller. Statements of the hot path meet the driver without SQLAlchemy.
_OUT_OF_REACH = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.TimeoutError,
    sqlite3.OperationalError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
# A host that has vanished is noticed by the network within half a minute, whoever waits for it: see tcp(7).
_KEPT_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
DRIVER_ERRORS = (sa.exc.SQLAlchemyError, sqlite3.Error, psycopg.Error)
_REFUSED_ROWS = (sa.exc.IntegrityError, sqlite3.IntegrityError, psycopg.IntegrityError)

# Constraints by which the first of two workers wins: to contact a recipient, to decide a request, to record an event.
_RACES = (ONE_CONTACT_AT_A_TIME, "decisions_pkey", "outcomes_pkey")

INEXACT = "value: found amounts whose sum over one hour would leave 64 bits; nothing was written"
_OUT_OF_RANGE = "22003"  # PostgreSQL: numeric_value_out_of_range

USED_MEANWHILE = "budgets: another worker has just used one that was counted on"
_NO_ROOM = "22012"  # PostgreSQL: division_by_zero, which only a claim on meters comes to, see there

# PostgreSQL: serialization_failure, deadlock_detected. The transaction was rolled back and may be run again.
_TRANSIENT = {"40001", "40P01"}
# read_only_sql_transaction (the server is a replica now), idle_in_transaction_session_timeout (we were too slow),
# insufficient_privilege, invalid_schema_name, undefined_table (somebody has taken rights or tables away, or is about to
# restore them), data_corrupted, index_corrupted.
_NO_LONGER_WRITABLE = {"25006", "25P03", "42501", "3F000", "42P01", "XX001", "XX002"}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@contextmanager
def errors_of_the_database(sentence: str) -> Iterator[None]:
    """Turn what the driver says into the errors of this house.

    Args:
        sentence: what cannot be done now, when the database is out of reach.
    """
    try:
        yield
    except _REFUSED_ROWS as error:
        if EXACT_TOTAL in str(error):
            raise Conflict(INEXACT) from error
        if not any(name in str(error) for name in _RACES):
            raise
        raise Contended("another worker has just written what this transaction was about to write") from error
    except DRIVER_ERRORS as error:
        if isinstance(error, _OUT_OF_REACH) or _sqlstate(error) in _NO_LONGER_WRITABLE or _is_damage(error):
            raise Unavailable(sentence) from error
        if _sqlstate(error) == _NO_ROOM:
            raise Contended(USED_MEANWHILE) from error
        if _sqlstate(error) == _OUT_OF_RANGE:
            raise Conflict(INEXACT) from error
        raise


def is_transient(error: BaseException) -> bool:
    """Whether the database rolled the transaction back only because another one was in its way."""
    if isinstance(error, Contended):
        return True
    cause = error.__cause__ if isinstance(error, Unavailable) else error
    return _sqlstate(cause) in _TRANSIENT


def _sqlstate(error: BaseException | None) -> str | None:
    return getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None)


def _is_damage(error: BaseException) -> bool:
    """Whether SQLite's file is no longer whole; the lowest byte of a code is its kind."""
    code = getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGED


def engine_at(url: str) -> sa.Engine:
    """SQLAlchemy's engine for a database.

    Raises:
        ConfigurationError: not a URL of one of the two databases.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise ConfigurationError(
            "database URL: found something that is no URL; allowed sqlite:////path/ledger.db or postgresql://…"
        ) from None
    except ValueError:  # of SQLAlchemy's own reading, which shows it
        raise ConfigurationError("database URL: found a port that is no number; allowed one, such as 5432") from None
    is_postgresql = parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}
    # What follows the first @ of a password would be shown as part of the host, and after a slash of the database.
    if "@" in (parsed.host or "") or (is_postgresql and "@" in (parsed.database or "")):
        raise ConfigurationError("database URL: found a second @; allowed %40 for one within a name or password")
    if is_postgresql:
        return sa.create_engine(
            _with_socket(parsed.set(drivername="postgresql+psycopg")),
            pool_pre_ping=True,
            hide_parameters=True,  # an error that is logged shall not carry what is known of people
            connect_args={"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8", **_KEPT_ALIVE},
            pool_timeout=CONNECT_SECONDS,
        )
    if parsed.drivername == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        # A transaction's statements run in one thread and its COMMIT in another, never at the same time.
        arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        engine = sa.create_engine(parsed, hide_parameters=True, connect_args=arguments)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    raise ConfigurationError(
        f"database URL: found {parsed.drivername}; allowed sqlite:////path/ledger.db or postgresql://…"
    )


def _with_socket(url: sa.URL) -> sa.URL:
    """The folder of a Unix socket where SQLAlchemy looks for it; libpq's URLs may have it, escaped, as their host."""
    folder = unquote(url.host or "")
    if not folder.startswith("/"):
        return url
    port = {} if url.port is None else {"port": str(url.port)}
    query = {**url.query, "host": folder, **port}
    return sa.URL.create(url.drivername, url.username, url.password, database=url.database, query=query)


def shown(url: sa.URL) -> str:
    """A URL as it may be shown: without a password, wherever that stands."""
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def _prepare_sqlite(dbapi_connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    dbapi_connection.isolation_level = None  # we say BEGIN ourselves, below
    cursor = dbapi_connection.cursor()
    _keep_a_write_ahead_log(cursor)
    cursor.execute("PRAGMA synchronous = FULL")  # acknowledged means durable
    cursor.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_LOG_PAGES}")
    cursor.execute("PRAGMA cache_size = -65536")  # KiB
    cursor.execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
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
    options = connection.get_execution_options()
    if not options.get("by_hand"):
        connection.exec_driver_sql(IMMEDIATELY if options.get("immediate", True) else "BEGIN")


def begun_if_free(driver: sqlite3.Connection) -> bool:
    """Begin a transaction that writes, if no other does now; whether it has begun."""
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        driver.execute(IMMEDIATELY)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        driver.execute(f"PRAGMA busy_timeout = {1_000 * BUSY_SECONDS}")
    return True
