"""Every row of every table, out of one ledger and into another, whichever the databases."""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

STREAMED = 5_000
# Who learns what, and posts to whom, at this moment is of no use anywhere else.
_LEFT_BEHIND = frozenset({"leases", "receivers"})
_UNFIT = (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.InterfaceError)


class Archive:
    """The tables of one transaction as plain rows that JSON can hold."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @property
    def tables(self) -> list[str]:
        """Names of the tables that make up a ledger."""
        return sorted(name for name in SQLModel.metadata.tables if name not in _LEFT_BEHIND)

    @property
    def revision(self) -> str:
        """Version of the tables."""
        return MigrationContext.configure(self._connection).get_current_revision() or ""

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns, in the order of its rows."""
        return [column.name for column in SQLModel.metadata.tables[table].columns]

    def optional(self, table: str) -> set[str]:
        """The columns that a row of an older release may lack: the database knows what to write instead."""
        columns = SQLModel.metadata.tables[table].columns
        return {c.name for c in columns if c.nullable or c.server_default is not None}

    def count(self, table: str) -> int:
        """How many rows a table has."""
        rows = sa.select(sa.func.count()).select_from(SQLModel.metadata.tables[table])
        return self._connection.execute(rows).scalar_one()

    def stream(self, table: str) -> Iterator[list[Any]]:
        """Every row, in the order of the primary key, without holding them in memory; bytes as base64."""
        columns = SQLModel.metadata.tables[table].columns
        binary = [place for place, column in enumerate(columns) if isinstance(column.type, sa.LargeBinary)]
        query = sa.select(*columns).order_by(*SQLModel.metadata.tables[table].primary_key)
        for row in self._connection.execute(query, execution_options={"yield_per": STREAMED}):
            values = list(row)
            for place in binary:
                values[place] = b64encode(values[place]).decode()
            yield values

    def fill(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write rows as `stream` gave them.

        Raises:
            ValueError: no table could have them.
        """
        into = SQLModel.metadata.tables[table]
        binary = {name for name in columns if isinstance(into.c[name].type, sa.LargeBinary)}
        try:
            values = [dict(zip(columns, row, strict=True)) for row in rows]
            for name in binary:
                for value in values:
                    value[name] = b64decode(value[name])
            self._connection.execute(sa.insert(into), values)
        except sa.exc.DBAPIError as error:
            if not isinstance(error, _UNFIT):
                raise  # the database has a trouble of its own
            raise ValueError(type(error.orig).__name__) from None
        except (sa.exc.StatementError, TypeError, OverflowError) as error:
            raise ValueError(type(error).__name__) from None

    def clear(self, table: str) -> None:
        """Remove every row of a table."""
        self._connection.execute(sa.delete(SQLModel.metadata.tables[table]))
