"""Statements both databases understand, each text written once and prepared once, whatever the number of keys.

What a decision or an outcome asks of the ledger goes straight to the driver, as tuples: SQLAlchemy's compilation,
result objects and per-row processing cost several times what SQLite needs for the same rows. Everything else uses
SQLAlchemy. The tables in `tables.py` name the columns for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson
import sqlalchemy as sa
import sqlmodel
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

T = TypeVar("T")
Row = tuple[Any, ...]
Later = Callable[[], T]
"""What a look-up finds, when it is called; what was asked for before that goes to PostgreSQL in one message."""
_SQLITE = {
    "value": "?",
    "keys": "(SELECT value FROM json_each(?))",
    "locked": "",
    "locked_if_free": "",
    "unindexed": "+",
    "nested": "CROSS JOIN",
}
_POSTGRESQL = {
    "value": "%s",
    "locked": "FOR UPDATE",
    "locked_if_free": "FOR UPDATE SKIP LOCKED",
    "unindexed": "",
    "nested": "JOIN",
}
_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]
NUL = "\\u0000"  # as JSON writes it
MOST_IN_JSON = 256  # rows; of more, COPY costs PostgreSQL less than JSON saves us
PORTION = 500  # parameters of one IN (...); well under every limit


def table_of(row: type[SQLModel]) -> sa.Table:
    """The SQLAlchemy table behind a SQLModel class."""
    return row.__table__  # type: ignore[attr-defined]


def upsert(connection: sa.Connection, row: type[SQLModel]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in the connection's dialect."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(table_of(row))


class Answer(Protocol):
    """What a statement comes to; PostgreSQL may be asked only when somebody looks at it, with all before it.

    Attributes:
        rowcount: how many rows were changed.
    """

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Row]:
        """Every row."""
        ...


class Executed(NamedTuple):
    """What a statement came to.

    SQLite's own cursors read on while the transaction writes, and one that somebody still holds, such as an exception's
    traceback, keeps the ledger of then before the eyes of whoever uses the connection next.
    """

    rows: list[Row]
    rowcount: int

    def fetchall(self) -> list[Row]:
        """Every row."""
        return self.rows


class Statement(NamedTuple):
    """One statement in the words of each driver."""

    sqlite: str
    postgresql: str

    @classmethod
    def of(cls, template: str, **names: str) -> Statement:
        """A statement both databases understand but for small things.

        Args:
            template: SQL in which ``{value}`` stands for a parameter, ``IN {keys}`` for a list of texts given as the
                one parameter that `keys_of` makes, ``{locked}`` for the lock that keeps rows from other workers
                (SQLite has one writer at a time and needs none), ``{locked_if_free}`` for the same of rows nobody has
                locked, ``{unindexed}`` before a column whose index SQLite shall not take for the best one, and
                ``{nested}`` for a join that SQLite shall do from left to right.
            names: what else stands in braces.
        """
        return cls(
            template.format(**_SQLITE, **names),
            # IN (SELECT unnest(…)) may be planned as a join with the whole table; = ANY is always looked up.
            template.replace("IN {keys}", "= ANY({value}::text[])").format(**_POSTGRESQL, **names),
        )

    @classmethod
    def of_each(cls, sqlite: str, postgresql: str, **names: str) -> Statement:
        """A statement that each database has words of its own for, with names in braces."""
        return cls(sqlite.format(**names), postgresql.format(**names))

    def rows(self, connection: sa.Connection, *parameters: object) -> list[Row]:
        """Execute it and fetch everything."""
        return self.ask(connection, *parameters).fetchall()

    def run(self, connection: sa.Connection, *parameters: object) -> int:
        """Execute it; the number of rows it has changed."""
        return self.ask(connection, *parameters).rowcount

    def ask(self, connection: sa.Connection, *parameters: object) -> Answer:
        """Have it executed after all that was asked for before; what it comes to can be looked at later."""
        driver = driver_of(connection)
        if is_sqlite(connection):
            cursor = driver.execute(self.sqlite, parameters)
            answer: Answer = Executed(cursor.fetchall(), cursor.rowcount)
        elif driver.autocommit:  # a writer's: we have said BEGIN ourselves, which otherwise the driver does
            answer = driver.ask(self.postgresql, parameters)
        else:
            answer = driver.execute(self.postgresql, parameters)
        return answer

    def many(self, connection: sa.Connection, rows: Iterable[Row]) -> int:
        """Execute it for every row; the number of rows it has changed."""
        cursor = driver_of(connection).cursor()
        cursor.executemany(self._text(connection), rows)
        return cursor.rowcount

    def copy(self, connection: sa.Connection, kinds: Sequence[str], rows: Iterable[Row]) -> None:
        """Write rows with PostgreSQL's COPY; what is wrong with them is heard when something else is asked."""
        driver_of(connection).copy_in(self.postgresql, kinds, rows)

    def _text(self, connection: sa.Connection) -> str:
        return self.sqlite if is_sqlite(connection) else self.postgresql


def driver_of(connection: sa.Connection) -> Any:
    """The driver's connection under SQLAlchemy's, in the same transaction."""
    return connection.connection.dbapi_connection


def is_sqlite(connection: sa.Connection) -> bool:
    return connection.dialect.name == "sqlite"


def keys_of(connection: sa.Connection, keys: Iterable[str]) -> str:
    """Texts as the one parameter that a statement with ``{keys}`` takes."""
    if is_sqlite(connection):
        return orjson.dumps(list(keys)).decode()
    some = list(keys)
    literal = '","'.join(some)
    if "\\" in literal or literal.count('"') != 2 * max(0, len(some) - 1):
        literal = '","'.join(key.replace("\\", "\\\\").replace('"', '\\"') for key in some)
    return '{"' + literal + '"}' if some else "{}"


def elements(row: type[SQLModel], columns: Sequence[str]) -> str:
    """What PostgreSQL selects of ``element``, a JSON array with a value for each of these columns of a table."""
    kinds = [table_of(row).c[name].type for name in columns]
    return ", ".join(
        # A text is cut to its column's length by a cast, and refused without one.
        f"element->>{place}" if kind.python_type is str else f"(element->>{place})::{kind.compile(_POSTGRES)}"
        for place, kind in enumerate(kinds)
    )


# What PostgreSQL calls the types of our columns; in binary, a number must have as many bytes as its column.
_BINARY: Mapping[type[sa.types.TypeEngine[Any]], str] = {
    sa.Text: "text",
    sqlmodel.AutoString: "text",
    sa.Integer: "int4",
    sa.BigInteger: "int8",
    sa.Double: "float8",
    sa.Boolean: "bool",
}


class _PlainRows:
    """Writes rows of one table to SQLite.

    Its driver takes texts and numbers in plain tuples as they are. For anything else, None, a truth value, a tuple
    whose values have names, it looks for an adapter first, and that takes longer than to write the value. So rows are
    made plain, and columns that none of them fills are left out.

    Args:
        row: the table.
        columns: its columns in the order in which rows give their values.
        ending: what else the statement says.
    """

    def __init__(self, row: type[SQLModel], columns: Sequence[str], ending: str = "") -> None:
        table = table_of(row)
        self._table, self._columns, self._ending = table.name, columns, ending
        certain = [name for name in columns if not table.c[name].nullable]
        self._truths = {name for name in certain if isinstance(table.c[name].type, sa.Boolean)}

    def write(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        """Write them; how many were written."""
        names: list[str] = []
        columns: list[Iterable[Any]] = []
        for name, values in zip(self._columns, zip(*rows, strict=True), strict=True):
            if values[0] is not None or values.count(None) < len(values):
                names.append(name)
                columns.append(map(int, values) if name in self._truths else values)
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {self._table} ({', '.join(names)}) VALUES ({marks}) {self._ending}"  # noqa: S608
        cursor = driver_of(connection).cursor()
        cursor.executemany(statement, zip(*columns, strict=True))
        return int(cursor.rowcount)


class AppendedRows:
    """Writes rows of one table, in order.

    Args:
        row: the table.
        columns: its columns in the order in which rows give their values.
    """

    def __init__(self, row: type[SQLModel], columns: Sequence[str]) -> None:
        names = {"table": table_of(row).name, "columns": ", ".join(columns), "elements": elements(row, columns)}
        self._plain = _PlainRows(row, columns)
        self._insert = Statement.of(
            "INSERT INTO {table} ({columns}) SELECT {elements} FROM jsonb_array_elements({value}::jsonb) AS element",
            **names,
        )
        self._copy = Statement.of("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)", **names)
        self._kinds = [_BINARY[type(table_of(row).c[name].type)] for name in columns]

    def write(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Write them; on PostgreSQL, that one of them was there already may be found out later in the transaction."""
        if is_sqlite(connection):
            self._plain.write(connection, rows)
            return
        text = orjson.dumps(rows, default=tuple).decode() if len(rows) <= MOST_IN_JSON else NUL
        if NUL in text:  # PostgreSQL's JSON has none, not even where one is only spoken of
            self._copy.copy(connection, self._kinds, rows)
        else:
            self._insert.ask(connection, text)


class NewRows:
    """Writes rows of one table whose keys are new.

    Args:
        row: the table.
        columns: its columns in the order in which rows give their values; the key comes first.
    """

    def __init__(self, row: type[SQLModel], columns: Sequence[str]) -> None:
        names = {"table": table_of(row).name, "key": columns[0]}
        of = Statement.of
        self._plain = _PlainRows(row, columns, f"ON CONFLICT ({columns[0]}) DO NOTHING")
        self._last = of("SELECT coalesce(max(rowid), 0) FROM {table}", **names)
        self._since = of("SELECT {key} FROM {table} WHERE rowid > {value}", **names)
        self._appended = AppendedRows(row, columns)
        self._known = of("SELECT {key} FROM {table} WHERE {key} IN {keys}", **names)

    def insert(self, connection: sa.Connection, rows: Iterable[Row], *, alone: bool) -> set[str]:
        """Write the rows whose key is not there yet, in key order (so that two workers cannot deadlock).

        Args:
            connection: in a transaction that may write.
            rows: values in the order of the columns.
            alone: no other transaction writes meanwhile.

        Returns:
            The keys that were written.

        Raises:
            psycopg.errors.UniqueViolation: another worker wrote one of these keys first, by the end of the
                transaction. Nothing was written.
        """
        first: dict[str, Row] = {}
        for row in rows:
            first.setdefault(row[0], row)
        ordered = [first[key] for key in sorted(first)]
        if not ordered:
            return set()
        if is_sqlite(connection):
            return self._insert_into_sqlite(connection, ordered)
        if alone:  # else the caller has looked, and whoever wrote since makes this fail
            known = self.known(connection, [row[0] for row in ordered])
            ordered = [row for row in ordered if row[0] not in known]
        self._appended.write(connection, ordered)
        return {row[0] for row in ordered}

    def known(self, connection: sa.Connection, keys: Iterable[str]) -> set[str]:
        """Those of these keys that are there."""
        return {key for (key,) in self._known.rows(connection, keys_of(connection, keys))}

    def _insert_into_sqlite(self, connection: sa.Connection, rows: Sequence[Row]) -> set[str]:
        ((last,),) = self._last.rows(connection)
        if self._plain.write(connection, rows) == len(rows):
            return {row[0] for row in rows}
        return {key for (key,) in self._since.rows(connection, last)}


def portions(items: Sequence[T], size: int = PORTION) -> Iterator[Sequence[T]]:
    """Consecutive parts of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
