"""Migrations: repeatable, safe when several processes start at once, and equal to the tables in the code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from optimizer.engine.beliefs import posterior_from
from optimizer.errors import ConfigurationError
from optimizer.policy.beta_bernoulli import BetaPosterior
from optimizer.storage.store import MIGRATION_LOCK, MIGRATIONS, Store

MIGRATE = "import sys; from optimizer.storage.store import Store; s = Store(sys.argv[1]); s.migrate(); s.close()"


def back_to(store: Store, revision: str) -> None:
    """Make the database what an earlier release had."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with store.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


@pytest.fixture
def database_url(database: str, new_database: Callable[..., str]) -> str:
    """URL of an empty database."""
    return new_database(database, empty=True)


def test_migrating_twice_changes_nothing(store: Store, rows: Callable[[Store], dict[str, int]]) -> None:
    with store.writing() as ledger:
        ledger.revisions.bump("documents")
    before = rows(store)
    store.migrate()
    assert rows(store) == before


def test_the_migrated_tables_are_those_of_the_code(store: Store) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_the_migrated_indexes_are_those_of_the_code(store: Store) -> None:
    found = sa.inspect(store.engine)
    for name, table in SQLModel.metadata.tables.items():
        in_database = {index["name"] for index in found.get_indexes(name)}
        assert in_database == {index.name for index in table.indexes}
        assert found.get_pk_constraint(name)["constrained_columns"] == [c.name for c in table.primary_key]


def test_threads_may_migrate_a_new_database_at_once(database_url: str) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        store = Store(database_url)
        try:
            store.migrate()
        except BaseException as error:  # shown below
            failures.append(error)
        finally:
            store.close()

    threads = [Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert not failures


@pytest.mark.slow
def test_processes_may_migrate_a_new_database_at_once(database_url: str) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, database_url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for process in started:
            _, said = process.communicate(timeout=60)
            assert process.returncode == 0, said
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate()
    store = Store(database_url)
    try:
        with store.reading() as ledger:
            assert ledger.decisions.count() == 0
    finally:
        store.close()


def test_tables_that_a_later_release_has_changed_are_one_sentence(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match=r"found tables that a later release has changed .*'9999'.*; allowed"):
        store.migrate()


@pytest.mark.postgres
def test_timeouts_of_the_role_end_neither_a_migration_nor_the_wait_for_somebody_elses(
    new_database: Callable[..., str],
) -> None:
    url = sa.make_url(new_database("postgresql", empty=True))
    hurried = url.update_query_dict({"options": "-c lock_timeout=50ms -c statement_timeout=200ms"})
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    store = Store(hurried.render_as_string(hide_password=False))
    failures: list[BaseException] = []

    def migrate() -> None:
        try:
            store.migrate()
        except BaseException as error:  # shown below
            failures.append(error)

    thread = Thread(target=migrate, daemon=True)
    try:
        with engine.begin() as another:
            another.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            thread.start()
            thread.join(0.5)
        thread.join(20)
        assert not thread.is_alive()
        assert not failures
        with store.reading() as ledger:
            assert ledger.decisions.count() == 0
    finally:
        store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "mysql://localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////no/such/folder/ledger.db",
        "postgresql://nobody:hunter2@127.0.0.1:1/nothing",
    ],
)
def test_a_database_that_cannot_be_opened_is_a_configuration_error_that_keeps_the_password(url: str) -> None:
    def open_and_migrate() -> None:
        store = Store(url)
        try:
            store.migrate()
        finally:
            store.close()

    with pytest.raises(ConfigurationError) as raised:
        open_and_migrate()
    assert "hunter2" not in str(raised.value)


def test_a_new_sqlite_file_may_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """SQLite answers "locked" at once, not after its time-out, to those who switch a new file to WAL together."""
    for turn in range(60):
        together = Barrier(8)

        def connect(turn: int = turn, together: Barrier = together) -> None:
            store = Store(f"sqlite:///{tmp_path}/{turn}.db")
            together.wait()
            with store.reading():
                pass
            store.close()

        with ThreadPoolExecutor(8) as pool:
            for future in [pool.submit(connect) for _ in range(8)]:
                future.result()


def test_snapshots_of_the_first_release_believe_what_they_did(store: Store) -> None:
    old = {
        "strategy_version": 1,
        "config_hash": "abc",
        "segment_ids": ["a", "b"],
        "variant_ids": ["x", "y", "z"],
        "content_hashes": ["1", "2", "3"],
        "alpha": [[1.1, 2.0, 3.0], [4.0, 5.0, 1e-3]],
        "beta": [[9.0, 8.0, 7.0], [6.0, 5.0, 4.0]],
        "trials": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        "floor": 0.02,
        "cap": 0.9,
        "penalty": 25.0,
        "price": None,
        "costs": [[0.0] * 3] * 2,
        "pace": None,
    }
    back_to(store, "0004")
    with store.engine.begin() as connection:
        row = {"campaign_id": "c", "number": 1, "created_at": 5, "body": json.dumps(old).encode()}
        connection.execute(sa.insert(SQLModel.metadata.tables["snapshots"]), row)
    store.migrate()
    with store.reading() as ledger:
        snapshot = ledger.snapshots.get("c:1")
    assert snapshot is not None
    posterior = posterior_from(snapshot.belief)
    assert isinstance(posterior, BetaPosterior)
    assert (posterior.alpha.tolist(), posterior.beta.tolist(), posterior.penalty) == (old["alpha"], old["beta"], 25.0)
    assert (snapshot.floor, snapshot.cap, snapshot.trials.tolist()) == (0.02, 0.9, old["trials"])


@pytest.mark.parametrize("n", [0, 3, 2_500])
def test_commitments_keep_everything_when_their_table_is_written_anew_and_when_it_is_written_back(
    store: Store, n: int
) -> None:
    columns = "decision_id, campaign_id, recipient_key, channel, at, ordinal, most, settled, open, closes_at, withdrawn"
    marks = ", ".join(f":{name}" for name in columns.split(", "))
    rows = [
        {
            "decision_id": f"{i * 7919 % 10_007:032x}",
            "campaign_id": "winback" if i % 3 else 'it\'s \\ "other"',
            "recipient_key": f"k{i // 2}",
            "channel": "email\t\U0001f98a",
            "at": 2**62 + i // 50,
            "ordinal": i % 2 + 1 if i % 5 else None,
            "most": 2**40 + i,
            "settled": i,
            "open": i % 4 == 0,
            "closes_at": 2**62 + i,
            "withdrawn": i % 9 == 0,
        }
        for i in range(n)
    ]
    back_to(store, "0006")
    with store.engine.begin() as connection:
        if rows:
            connection.execute(sa.text(f"INSERT INTO commitments ({columns}) VALUES ({marks})"), rows)

    def stored() -> list[dict[str, Any]]:
        with store.engine.connect() as connection:
            found = connection.execute(sa.text(f"SELECT {columns} FROM commitments")).mappings()
            return sorted((dict(row) for row in found), key=lambda row: row["decision_id"])

    expected = sorted(rows, key=lambda row: row["decision_id"])
    assert stored() == expected
    before = described(store)
    store.migrate()
    assert stored() == expected
    with store.reading() as ledger:
        assert sum(1 for _ in ledger.commitments.stream()) == n
        assert len(ledger.commitments.matured(2**63 - 1, n + 1, lock=False)) == sum(row["open"] for row in rows)
    back_to(store, "0006")
    assert stored() == expected
    assert described(store) == before


def described(store: Store) -> dict[str, Any]:
    """Columns, keys and indexes of the tables that migration 0007 writes anew."""
    found = sa.inspect(store.engine)
    return {
        name: (
            sorted((column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)),
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((index["name"], index["column_names"], bool(index["unique"])) for index in found.get_indexes(name)),
        )
        for name in ("commitments", "decisions")
    }
