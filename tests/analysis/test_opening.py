"""Opening a reading room: what it needs, and that it leaves everything as it was."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

import optimizer
from optimizer.analysis import service_source
from optimizer.analysis.rooms import ReadingRoom
from optimizer.analysis.service_source import ServiceSource
from optimizer.deployment import Deployment
from optimizer.errors import ConfigurationError, OptimizerError, Unavailable
from optimizer.settings import Settings
from optimizer.storage.read_only import ReadOnlyStore


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPTIMIZER_DATABASE_URL", "OPTIMIZER_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shop_folder(workspace: Callable[..., Path], make_house: Callable[..., Any], ready_file: Path) -> Path:
    """A workspace whose ledger has some decisions, as a service leaves it."""
    folder = workspace()
    (folder / ".optimizer").mkdir()
    (folder / ".optimizer" / "ledger.db").write_bytes(ready_file.read_bytes())
    deployment = Deployment(folder, Settings(actor="tester"))
    house = make_house(deployment)
    house.apply()
    house.learning(3)
    deployment.close()
    return folder


def state_of(folder: Path) -> dict[str, str]:
    """Every file that is there for good, and what is in it."""
    kept = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in kept}


def test_a_workspace_is_read_and_stays_as_it_was(shop_folder: Path) -> None:
    before = state_of(shop_folder)
    with optimizer.open(shop_folder) as room:
        assert set(room.decisions("winback")["group"]) >= {"learning"}
        assert room.campaigns()["campaign"].to_list() == ["members", "newsletter", "winback"]
        assert repr(room) == "<reading room on the ledger of workspace>"
        assert "winback" in room._repr_html_()
    assert state_of(shop_folder) == before


def test_a_service_may_write_while_somebody_reads(shop_folder: Path, make_house: Callable[..., Any]) -> None:
    deployment = Deployment(shop_folder, Settings(actor="tester"))
    house = make_house(deployment)
    with optimizer.open(shop_folder) as room:
        walk = room.portions("decisions", size=1)
        first = [next(walk)]
        house.decided("somebody-new")
        rest = list(walk)
        before = len(pl.concat(first + rest))
        assert len(room.decisions()) == before + 1  # the walk saw one moment
    deployment.close()


def test_nothing_can_be_written_through_it(database_url: str) -> None:
    store = ReadOnlyStore(database_url)
    try:
        for change in (
            lambda ledger: ledger.revisions.bump("documents"),
            lambda ledger: ledger.controls._connection.exec_driver_sql("CREATE TABLE mine (n INTEGER)"),
        ):
            with pytest.raises(Exception, match=r"readonly|read-only|cannot be read"), store.reading() as ledger:
                change(ledger)
    finally:
        store.close()


def test_what_is_not_there_is_not_made(tmp_path: Path, workspace: Callable[..., Path]) -> None:
    with pytest.raises(ConfigurationError, match=r"workspace: found no strategy.yaml in .*; allowed a folder"):
        optimizer.open(tmp_path)
    folder = workspace()
    with pytest.raises(ConfigurationError, match=r"ledger: found no .*ledger.db; allowed a ledger"):
        optimizer.open(folder)
    assert not (folder / ".optimizer").exists()


@pytest.mark.postgres
def test_a_ledger_of_another_release_is_refused_and_not_migrated(
    workspace: Callable[..., Path], new_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPTIMIZER_DATABASE_URL", new_database("postgresql", empty=True))
    monkeypatch.setenv("OPTIMIZER_SECRET", "x" * 32)
    with pytest.raises(ConfigurationError, match=r"ledger: found tables of version none; allowed 0"):
        optimizer.open(workspace())


def test_an_older_file_is_refused_and_not_migrated(shop_folder: Path) -> None:
    file = shop_folder / ".optimizer" / "ledger.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
    before = state_of(shop_folder)
    with pytest.raises(ConfigurationError, match=r"ledger: found tables of version 0003; allowed 0"):
        optimizer.open(shop_folder)
    assert state_of(shop_folder) == before
    for other in (b"", b"not a database at all, but a text"):
        file.write_bytes(other)
        with pytest.raises(ConfigurationError, match=r"ledger: found something else in .*ledger.db"):
            optimizer.open(shop_folder)
        assert file.read_bytes() == other


def test_another_secret_is_refused(shop_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTIMIZER_SECRET", "y" * 32)
    with pytest.raises(ConfigurationError, match="secret: found one that differs"):
        optimizer.open(shop_folder)
    monkeypatch.delenv("OPTIMIZER_SECRET")
    (shop_folder / ".optimizer" / "secret").unlink()
    with pytest.raises(ConfigurationError, match="secret: found none in"):
        optimizer.open(shop_folder)
    assert not (shop_folder / ".optimizer" / "secret").exists()


def test_keys_belong_to_services(shop_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="key: found one with a workspace"):
        optimizer.open(shop_folder, key="opt_live_1")
    with pytest.raises(ConfigurationError, match="key: found none; allowed an API key with scope analyse"):
        optimizer.open("http://127.0.0.1:1")


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import optimizer, sys; print(sorted(n for n in sys.modules if n.startswith(('optimizer.', 'polars', 'http'))))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# ---------------------------------------------------------------- a service that is not as it should be


def answered(*answers: httpx.Response | Exception) -> tuple[ReadingRoom, list[httpx.Request]]:
    """A room on a service that gives these answers, and what it was asked."""
    asked: list[httpx.Request] = []
    waiting = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        given = waiting.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    source = ServiceSource("http://service.example", "opt_live_1", httpx.MockTransport(answer))
    return ReadingRoom(source), asked


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(service_source.time, "sleep", waited.append)
    return waited


def test_a_busy_service_is_asked_again_when_it_says(waits: list[float], tmp_path: Path) -> None:
    pl.DataFrame({"campaign": ["winback"]}).write_parquet(tmp_path / "table")
    busy = httpx.Response(429, headers={"Retry-After": "7"}, json={"detail": "too much"})
    whole = httpx.Response(200, content=(tmp_path / "table").read_bytes())
    room, asked = answered(busy, busy, whole)
    assert room.campaigns()["campaign"].to_list() == ["winback"]
    assert waits == [7.0, 7.0]
    assert asked[0].headers["authorization"] == "Bearer opt_live_1"
    room, asked = answered(*[busy] * 9)
    with pytest.raises(Unavailable, match="too much"):
        room.campaigns()
    assert len(asked) == 5


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (httpx.ConnectError("refused"), Unavailable, "service: found nobody who answers at http://service.example"),
        (httpx.Response(401, json={"detail": "API key: found one"}), ConfigurationError, "API key: found one"),
        (httpx.Response(403, json={"detail": "found scopes decide"}), ConfigurationError, "found scopes decide"),
        (httpx.Response(409, json={"detail": "no strategy"}), OptimizerError, "no strategy"),
        (httpx.Response(500, text="oh"), Unavailable, "the service answered 500"),
    ],
    ids=str,
)
def test_what_a_service_refuses_is_said(waits: list[float], answer: Any, error: type[Exception], said: str) -> None:
    room, _ = answered(answer)
    with pytest.raises(error, match=said):
        room.campaigns()


def test_an_id_cannot_name_another_route() -> None:
    room, asked = answered()
    with pytest.raises(OptimizerError, match=r"id: found '\.\./\.\./metrics'"):
        room.explain("../../metrics")
    assert asked == []
