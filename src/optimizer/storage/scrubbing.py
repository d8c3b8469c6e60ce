"""Scrub: what was deleted or overwritten leaves the files of the database as well.

A database keeps old bytes for a while: SQLite in its write-ahead log, PostgreSQL in dead rows until they are vacuumed,
and in write-ahead segments until those are recycled.
"""

from typing import Final

from optimizer.storage.connections import BUSY_SECONDS, errors_of_the_database
from optimizer.storage.persons import KEYED
from optimizer.storage.rows import table_of
from optimizer.storage.store import Store
from optimizer.storage.tables import OutcomeRow, QuarantineRow

PATIENCE_MILLISECONDS: Final = 250
_HOLDERS: Final = (*KEYED, table_of(OutcomeRow), table_of(QuarantineRow))


def scrub(store: Store, *, whole: bool) -> bool:
    """Take old bytes out of the database's files; whether all of that could be done.

    SQLite zeroes deleted bytes in the database file itself (`secure_delete`), so only the write-ahead log is left to
    empty, for which no reader may be in the middle of an old view. PostgreSQL needs `whole`.

    Args:
        store: the database.
        whole: rewrite the database (SQLite), or every table that holds persons (PostgreSQL: ``VACUUM FULL``, which
            locks each table meanwhile). Takes as long as copying it, and as much space.

    Raises:
        Unavailable: the database cannot do it now.
    """
    with errors_of_the_database("the files of the ledger cannot be scrubbed now"):
        return _scrub_sqlite(store, whole=whole) if store.is_sqlite else _scrub_postgresql(store, whole=whole)


def _scrub_sqlite(store: Store, *, whole: bool) -> bool:
    pooled = store.engine.raw_connection()  # outside the transactions that SQLAlchemy begins by itself
    try:
        cursor = pooled.cursor()
        if whole:
            cursor.execute("VACUUM")
        # Writers wait while this waits for readers, so it must not wait for long.
        cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MILLISECONDS}")
        busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1_000}")
        cursor.close()
    finally:
        pooled.close()
    return bool(busy == 0)


def _scrub_postgresql(store: Store, *, whole: bool) -> bool:
    if whole:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in _HOLDERS:
                # The planner's statistics hold some values of each column, and ANALYZE leaves those of an empty table
                # as they were. A column that is given a type, if only its own, loses them.
                types = {column.name: column.type.compile(store.engine.dialect) for column in table.columns}
                again = ", ".join(f'ALTER "{name}" TYPE {kind}' for name, kind in types.items())
                connection.exec_driver_sql(f"ALTER TABLE {table.name} {again}")
                connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table.name}")
            connection.exec_driver_sql("VACUUM (FULL) pg_statistic")
            connection.exec_driver_sql("CHECKPOINT")
    return whole
