"""The limit: the same rows into the same tables and indexes, and nothing else.

An empty database of the service's own schema takes the rows that the service has just written, as Python values:
by sqlite3's `executemany` with the service's own durability, or by psycopg's `COPY`; a transaction for each batch.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql

from optimizer.storage.store import Store
from serving_parts.databases import SQLITE, libpq

Rows = Mapping[str, Sequence[tuple[Any, ...]]]


class Bare:
    """An empty ledger into which rows are only written.

    Args:
        url: of an empty database.
        tables: those that will be written.
    """

    def __init__(self, url: str, tables: Sequence[str]) -> None:
        store = Store(url)
        store.migrate()
        inspector = sa.inspect(store.engine)
        self.columns = {table: [column["name"] for column in inspector.get_columns(table)] for table in tables}
        store.close()
        self.is_sqlite = sa.make_url(url).drivername.startswith(SQLITE)
        self._sqlite: sqlite3.Connection | None = None
        self._server: psycopg.Connection[Any] | None = None
        if self.is_sqlite:
            self._sqlite = sqlite3.connect(sa.make_url(url).database or "", isolation_level=None)
            self._sqlite.executescript(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536"
            )
        else:
            self._server = psycopg.connect(libpq(url))

    @property
    def way(self) -> str:
        return "executemany" if self.is_sqlite else "COPY"

    def seconds(self, rows: Rows) -> float:
        """Seconds that one durable transaction of these rows takes."""
        start = perf_counter()
        if self._sqlite is not None:
            self._insert(self._sqlite, rows)
        elif self._server is not None:
            self._copy(self._server, rows)
        return perf_counter() - start

    def close(self) -> None:
        for connection in (self._sqlite, self._server):
            if connection is not None:
                connection.close()

    def _insert(self, connection: sqlite3.Connection, rows: Rows) -> None:
        connection.execute("BEGIN IMMEDIATE")
        for table, these in rows.items():
            columns = self.columns[table]
            places = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", these)
        connection.execute("COMMIT")

    def _copy(self, connection: psycopg.Connection[Any], rows: Rows) -> None:
        with connection.cursor() as cursor:
            for table, these in rows.items():
                columns = sql.SQL(", ").join(map(sql.Identifier, self.columns[table]))
                statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
                with cursor.copy(statement) as copy:
                    for row in these:
                        copy.write_row(row)
        connection.commit()


@contextmanager
def bare(url: str, tables: Sequence[str]) -> Iterator[Bare]:
    """An empty ledger, closed with the block."""
    opened = Bare(url, tables)
    try:
        yield opened
    finally:
        opened.close()


def in_parts(rows: Rows, n: int) -> list[Rows]:
    """The rows as ``n`` transactions of the same size."""
    return [
        {table: these[part * len(these) // n : (part + 1) * len(these) // n] for table, these in rows.items()}
        for part in range(n)
    ]
