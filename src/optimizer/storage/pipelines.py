"""Statements to PostgreSQL that travel together: each waits until somebody looks at an answer, and goes with the rest.

A transaction of decisions has a dozen statements. The driver's cursors send each by itself and wait for its answer, and
take several times the processor that libpq, the C library under them, needs. Here a statement is prepared once and
then named, and those that wait go as one message in libpq's pipeline mode
(https://www.postgresql.org/docs/current/libpq-pipeline-mode.html). Nothing can be said out of turn: whatever the
driver itself is asked to do on such a connection comes after what waits.

Rows that are copied in are handed to the server, which takes its time with them; that it is done is heard before
anything else is said. Meanwhile we go on with the next thousand.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, cast
from zlib import crc32

import psycopg
from psycopg import generators
from psycopg.adapt import Transformer
from psycopg.copy import LibpqWriter
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Wait

MOST_UNSENT = 2**22  # bytes of rows that are copied in which libpq keeps for us while the server is busy


class Reply:
    """The answer to one statement. Looking at it sends whatever waits, and raises what was wrong with any of that."""

    __slots__ = ("_connection", "result")

    def __init__(self, connection: PipelinedConnection) -> None:
        self._connection = connection
        self.result: PGresult | None = None

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Every row."""
        result = self._heard()
        loader = self._connection.loader
        loader.set_pgresult(result)
        return loader.load_rows(0, result.ntuples, tuple)

    @property
    def rowcount(self) -> int:
        """How many rows were changed, or found."""
        return self._heard().command_tuples or 0

    @property
    def command(self) -> bytes:
        """What was done: a COMMIT of a transaction in which something failed is a ROLLBACK."""
        return self._heard().command_status or b""

    def _heard(self) -> PGresult:
        if self.result is None:
            self._connection.hear()
        if self.result is None:
            raise psycopg.InterfaceError("the statement was not executed: its transaction failed or was given up")
        return self.result


class _Unended(LibpqWriter):
    """Says that no rows will follow, and waits neither until they are sent nor for what becomes of them."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor, flush_threshold=MOST_UNSENT)

    def finish(self, exc: BaseException | None = None) -> None:
        if exc is None:
            self.connection.wait(self._ended())
            cast(PipelinedConnection, self.connection).is_copying = True
        else:
            super().finish(exc)

    def _ended(self) -> Generator[Any, Any, None]:
        while self.connection.pgconn.put_copy_end() == 0:  # libpq has no room for it
            yield Wait.W
        self.connection.pgconn.flush()  # as much as the socket takes


class PipelinedConnection(psycopg.Connection[Any]):
    """A connection whose statements may wait for one another.

    Attributes:
        loader: makes Python's values of an answer's.
        is_copying: rows were copied in, and the server has not been heard to be done with them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.loader = Transformer(self)
        self.is_copying = False
        self._unsaid: list[tuple[str, list[bytes | None], Reply]] = []
        self._known_names: dict[str, bytes] = {}
        self._new_names = count()

    def ask(self, statement: str, parameters: Sequence[object] = ()) -> Reply:
        """Have a statement executed after all that were asked for before, when an answer is looked at.

        Args:
            statement: with ``%s`` for each parameter; the database tells their types from where they stand.
            parameters: texts, numbers, truth values, or None.
        """
        reply = Reply(self)
        self._unsaid.append((statement, [_written(value) for value in parameters], reply))
        return reply

    def copy_in(self, statement: str, kinds: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write rows with COPY, after all that was asked for before; what is wrong with them is heard later.

        Args:
            statement: that says COPY in binary, which the server need not parse.
            kinds: the type of each column.
            rows: their values.
        """
        with self.cursor() as cursor, cursor.copy(statement, writer=_Unended(cursor)) as copy:
            copy.set_types(kinds)
            for row in rows:
                copy.write_row(row)

    def hear(self) -> None:
        """Send what waits, and have its answers.

        Raises:
            psycopg.Error: the first statement that failed; those after it were not executed.
        """
        waiting, self._unsaid = self._unsaid, []
        if self.is_copying:
            self.is_copying = False
            self.wait(self._copied())
        if waiting:
            self.wait(self._conversation(waiting))

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        """What a conversation with the server comes to; what waits is said before."""
        self.hear()
        return super().wait(gen, *arguments, **options)

    def rollback(self) -> None:
        """Leave nothing of the transaction, nor of what still waits."""
        self._unsaid.clear()
        with suppress(psycopg.Error):  # of rows that are given up
            self.hear()
        # The driver thinks of every prepared statement as outdated now, and has the server forget them all, ours too,
        # when it is asked for something next: which it is before a writer's connection is used again.
        self._known_names.clear()
        super().rollback()

    def _copied(self) -> Generator[Any, Any, None]:
        while self.pgconn.flush():
            yield Wait.W
        (result,) = yield from generators.fetch_many(self.pgconn)
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)

    def _conversation(self, asked: Sequence[tuple[str, list[bytes | None], Reply]]) -> Generator[Any, Any, None]:
        server = self.pgconn
        server.enter_pipeline_mode()
        new: dict[str, bytes] = {}
        expected: list[Reply | str] = []  # in the order in which the server answers; a text is one that is prepared
        for statement, parameters, reply in asked:
            name = self._known_names.get(statement) or new.get(statement)
            if name is None:
                # Told by its text: a pooler that mixes us up with others must never give us one of their statements.
                text = _numbered(statement).encode()
                name = new[statement] = b"ours_%08x_%d" % (crc32(text), next(self._new_names))
                server.send_prepare(name, text)
                expected.append(statement)
            server.send_query_prepared(name, parameters)
            expected.append(reply)
        server.pipeline_sync()
        yield from generators.send(server)
        failure: psycopg.Error | None = None
        for one in expected:
            (result,) = yield from generators.fetch_many(server)
            if result.status == ExecStatus.FATAL_ERROR:
                failure = error_from_result(result)
                if server.status == ConnStatus.BAD:
                    raise failure
            elif failure is None:
                if isinstance(one, Reply):
                    one.result = result
                else:
                    self._known_names[one] = new[one]
        yield from generators.fetch_many(server)  # the end of the pipeline
        server.exit_pipeline_mode()
        if failure is not None:
            raise failure


def _written(value: object) -> bytes | None:
    """A parameter as PostgreSQL reads it."""
    if value is None:
        return None
    text = str(value).encode()
    if b"\0" in text:  # the C library would take it for the end
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return text


def _numbered(statement: str) -> str:
    """A statement with PostgreSQL's own marks, ``$1`` for the first parameter."""
    first, *others = statement.split("%s")
    return first + "".join(f"${place}{part}" for place, part in enumerate(others, 1))
