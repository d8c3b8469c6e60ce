"""The peer: durable decisions with nothing around them, in a process of its own; says its address once it answers.

A bare ASGI handler, typed JSON, a draw from fixed shares and group commit: no key, no guardrail, no budget, no holdout,
no statistics, no second look at a request that was asked before. What it reaches is what the server, the interpreter
and the database leave for all of that. It writes either one row into a table without an index, which is as little as
can be durable, or the rows of the ledger, a decision and its commitment with their indexes.

Run: ``python bare_app.py DATABASE_URL one-row|ledger-rows``, with an empty database.
"""

import asyncio
import gc
import json
import socket
import sqlite3
import sys
import time
from bisect import bisect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Protocol

import msgspec
import psycopg
import sqlalchemy as sa
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1]))

from optimizer.storage.connections import LONGEST_LOG_PAGES
from optimizer.storage.store import Store
from serving_parts.databases import libpq

Row = tuple[Any, ...]
Send = Callable[[dict[str, Any]], Awaitable[None]]
ONE_ROW, LEDGER_ROWS = "one-row", "ledger-rows"
LOG = "CREATE TABLE log (decision_id TEXT, campaign TEXT, recipient TEXT, variant TEXT, propensity REAL, at BIGINT)"
COLUMNS = {
    "decisions": "decision_id, campaign_id, recipient_key, request_id, strategy_version, segment_id, audience, "
    "variant_id, content_hash, propensity, reason, snapshot_id, decided_at, blocked, deferred, attributes, excluded, "
    "rollout_share",
    "commitments": "at, decision_id, campaign_id, recipient_key, channel, most, settled, open, closes_at, withdrawn",
    "log": "decision_id, campaign, recipient, variant, propensity, at",
}
ARMS, SHARES = ("ten-percent", "new-arrivals", "hello", "quiz", "free-delivery", "best-of"), (0.1, 0.3, 0.5, 0.7, 0.9)
HEAD = (b"content-type", b"application/json")


class Asked(msgspec.Struct):
    campaign: str
    recipient: str
    request_id: str
    attributes: dict[str, bool | int | float | str]


class Log(Protocol):
    """Where rows are written."""

    async def write(self, rows: Sequence[Row]) -> None:
        """Returns once they are durable."""


class SqliteLog:
    """Statements on the loop, the flush in a thread."""

    def __init__(self, url: str, tables: Sequence[str]) -> None:
        file = sa.make_url(url).database or ""
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.executescript(
            f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {LONGEST_LOG_PAGES}; "
            f"PRAGMA cache_size = -65536; {LOG if tables == ['log'] else ''}"
        )
        marks = {table: ", ".join("?" * len(COLUMNS[table].split(","))) for table in tables}
        self._inserts = [f"INSERT INTO {table} ({COLUMNS[table]}) VALUES ({marks[table]})" for table in tables]
        self._thread = ThreadPoolExecutor(1)

    async def write(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for statement, these in zip(self._inserts, zip(*rows, strict=True), strict=True):
            self._connection.executemany(statement, these)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.execute, "COMMIT")


class PostgresqlLog:
    """All of it in a thread, by COPY."""

    def __init__(self, url: str, tables: Sequence[str]) -> None:
        self._connection = psycopg.connect(libpq(url))
        if tables == ["log"]:
            self._connection.execute(LOG)
            self._connection.commit()
        self._copies = [f"COPY {table} ({COLUMNS[table]}) FROM STDIN" for table in tables]
        self._thread = ThreadPoolExecutor(1)

    async def write(self, rows: Sequence[Row]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._copied, rows)

    def _copied(self, rows: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor:
            for statement, these in zip(self._copies, zip(*rows, strict=True), strict=True):
                with cursor.copy(statement.encode()) as copy:
                    for row in these:
                        copy.write_row(row)
        self._connection.commit()


class App:
    """Answers every POST with a decision once it is in the log."""

    def __init__(self, log: Log, *, whole: bool) -> None:
        self._log, self._whole = log, whole
        self._decode, self._encode = msgspec.json.Decoder(Asked).decode, msgspec.json.Encoder().encode
        self._random = Random(2026).random
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = await self._decided(self._decode(body)) if scope["method"] == "POST" else b"{}"
        head = [HEAD, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    async def _decided(self, asked: Asked) -> bytes:
        id_ = blake2b(asked.request_id.encode(), digest_size=16).hexdigest()
        person = blake2b(asked.recipient.encode(), digest_size=16).hexdigest()
        arm, at = ARMS[bisect(SHARES, self._random())], time.time_ns() // 1_000
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((self._rows(asked, id_, person, arm, at), done))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await done
        return self._encode({"decision_id": id_, "campaign": asked.campaign, "variant": arm, "propensity": 0.2})

    def _rows(self, asked: Asked, id_: str, person: str, arm: str, at: int) -> Row:
        if not self._whole:
            return ((id_, asked.campaign, person, arm, 0.2, at),)
        said = self._encode(asked.attributes).decode()
        made = (id_, asked.campaign, person, asked.request_id, 1, "lapsed", "learning", arm, "9f3c0b5a2f7d4e18", 0.2)
        decision = (*made, "exploit", "winback:1", at, "{}", False, said, "[]", 1.0)
        return decision, (at, id_, asked.campaign, person, "email", 800, 800, False, at + 604_800_000_000, False)

    async def _write(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            await self._log.write([rows for rows, _ in some])
            for _, done in some:
                done.set_result(None)
        self._writing = None


def main() -> None:
    url, kind = sys.argv[1:]
    if kind == LEDGER_ROWS:
        store = Store(url)
        store.migrate()
        store.close()
    tables = ["decisions", "commitments"] if kind == LEDGER_ROWS else ["log"]
    log = (SqliteLog if url.startswith("sqlite") else PostgresqlLog)(url, tables)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2_048)
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    gc.freeze()
    app = App(log, whole=kind == LEDGER_ROWS)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
