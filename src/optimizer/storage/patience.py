"""Patience with PostgreSQL: a server that says nothing for too long counts as away, whatever keeps it.

A database host that has lost power, a paused process, a network that swallows packets: none of them closes the
connection, and a client would wait for ever, for its timeouts are the server's. So the waiting itself is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg
import sqlalchemy as sa

from optimizer.storage.pipelines import PipelinedConnection

CONNECT_SECONDS = 5
# What a worker whose host has vanished holds locked is free again after this long; see `services.lease` for leases.
IDLE_SECONDS = 60


class PatientConnection(PipelinedConnection):
    """A connection that gives up when the server has said nothing for a while.

    Attributes:
        patience_seconds: how long it waits; None: for ever.
    """

    patience_seconds: float | None = None

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        """What a conversation with the server comes to.

        Raises:
            OperationalError: the server was silent for too long; the connection is closed.
        """
        if self.patience_seconds is not None:
            gen = self._patiently(gen, self.patience_seconds)
        return super().wait(gen, *arguments, **options)

    def _patiently(self, gen: Generator[Any, Any, Any], seconds: float) -> Generator[Any, Any, Any]:
        heard_at = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                heard = yield wanted  # the driver sends nothing, ten times a second, while nothing comes
                if heard:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > seconds:
                    self.pgconn.finish()  # nobody knows what the server will do: this connection is of no more use
                    raise psycopg.OperationalError(f"the server has said nothing for {seconds:g} seconds")
                wanted = gen.send(heard)
        except StopIteration as ended:
            return ended.value


def connect_patiently(engine: sa.Engine, seconds: Callable[[], float | None]) -> None:
    """Have an engine for PostgreSQL make patient connections.

    Args:
        engine: the engine.
        seconds: the patience of connections from now on; None: for ever.
    """

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> PatientConnection:
        connection = PatientConnection.connect(*arguments, **options)
        connection.patience_seconds = seconds()
        if connection.patience_seconds is not None:
            connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
            # Nobody waits for the answer any longer: the server shall not work on it, or wait for its locks, either.
            connection.execute(f"SET statement_timeout = {int(connection.patience_seconds * 1_000)}")
            # Nor sooner, should the role say so: whoever waits for another worker's lock has no lack of a database.
            connection.execute("SET lock_timeout = 0")
            connection.commit()
        return connection
