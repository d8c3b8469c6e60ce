"""Bulk statements that both databases understand, in portions both accept."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

T = TypeVar("T")
PORTION = 500  # parameters of one IN (...); well under every limit


def table_of(row: type[SQLModel]) -> sa.Table:
    """The SQLAlchemy table behind a SQLModel class."""
    return row.__table__  # type: ignore[attr-defined]


def upsert(connection: sa.Connection, row: type[SQLModel]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT, in the connection's dialect."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return insert(table_of(row))


def insert_new(connection: sa.Connection, row: type[SQLModel], key: str, values: Sequence[dict[str, Any]]) -> set[str]:
    """Insert the rows whose key is not there yet, in key order (so that two workers cannot deadlock).

    Returns:
        The keys that were inserted.
    """
    if not values:
        return set()
    column = table_of(row).c[key]
    statement = upsert(connection, row).on_conflict_do_nothing(index_elements=[column]).returning(column)
    ordered = sorted(values, key=lambda value: value[key])
    return set(connection.execute(statement, ordered).scalars())


def portions(items: Sequence[T], size: int = PORTION) -> Iterator[Sequence[T]]:
    """Consecutive parts of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
