"""Statements to PostgreSQL wait for one another and go together; that shows in nothing but the number of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from optimizer.domain.meters import Allowance, MeterKey, Reading
from optimizer.errors import Contended, Unavailable
from optimizer.services.deciding import decide
from optimizer.storage.pipelines import PipelinedConnection
from optimizer.storage.rows import driver_of
from optimizer.storage.store import Store, Writing

pytestmark = pytest.mark.postgres
KEY = MeterKey("strategy", "ever")


@pytest.fixture
def store(new_database: Callable[[str], str]) -> Iterator[Store]:
    store = Store(new_database("postgresql"))
    yield store
    store.close()


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The statements of each message to the database."""
    said: list[list[str]] = []
    conversation = PipelinedConnection._conversation

    def noted(self: PipelinedConnection, asked: Any) -> Any:
        said.append([statement for statement, *_ in asked])
        return conversation(self, asked)

    monkeypatch.setattr(PipelinedConnection, "_conversation", noted)
    return said


def driver(transaction: Writing) -> Any:
    return driver_of(transaction.ledger._connection)


def test_statements_go_together_when_an_answer_is_looked_at(store: Store, messages: list[list[str]]) -> None:
    with store.writing():
        pass
    messages.clear()
    transaction = store.begin()
    talk = driver(transaction)
    one, two = talk.ask("SELECT 1"), talk.ask("SELECT %s::bigint + %s", [2, 3])
    assert len(messages) == 1  # the beginning
    assert two.fetchall() == [(5,)]
    assert messages[1:] == [["SELECT 1", "SELECT %s::bigint + %s"]]
    assert one.fetchall() == one.fetchall() == [(1,)]
    assert len(messages) == 2
    transaction.rollback()


def test_a_decision_takes_three_messages(house: Any, messages: list[list[str]]) -> None:
    if house.deployment.store.is_sqlite:
        pytest.skip("SQLite is in the process")
    for n in range(3):
        house.decided(f"ann-{n}")
    messages.clear()
    with house.deployment.store.writing() as ledger:
        decide(ledger, house.deployment.live, [house.request(f"bob-{n}") for n in range(20)], house.now)
    assert len(messages) == 3
    assert messages[0][0] == "BEGIN"
    assert messages[2][-1] == "COMMIT"


def test_values_come_as_they_are(store: Store) -> None:
    transaction = store.begin()
    values = [None, "ä\"'\\ \n{}", "", 2**63 - 1, -1, 0.1, 1e-300, True, False]
    kinds = ["text", "text", "text", "bigint", "integer", "float8", "float8", "boolean", "boolean"]
    asked = ", ".join(f"%s::{kind}" for kind in kinds)
    assert driver(transaction).ask(f"SELECT {asked}", values).fetchall() == [tuple(values)]
    with pytest.raises(psycopg.DataError, match="NUL"):
        driver(transaction).ask("SELECT %s::text", ["a\0b"])
    transaction.rollback()


def test_what_the_driver_is_asked_comes_after_what_waits(store: Store) -> None:
    transaction = store.begin()
    talk = driver(transaction)
    talk.ask("CREATE TEMPORARY TABLE said (n bigint) ON COMMIT DROP")
    changed = talk.ask("INSERT INTO said VALUES (%s), (%s)", [1, 2])
    assert talk.execute("SELECT n FROM said ORDER BY n").fetchall() == [(1,), (2,)]
    assert changed.rowcount == 2
    transaction.rollback()


def test_after_a_statement_that_fails_none_is_executed_and_the_connection_serves_again(store: Store) -> None:
    for _ in range(3):  # what the driver thinks of its prepared statements after a rollback is no matter of ours
        transaction = store.begin()
        talk = driver(transaction)
        for _ in range(7):
            talk.execute("SELECT 1")
        before, wrong, after = (talk.ask(f"SELECT 1 / {n}::integer", []) for n in (1, 0, 2))
        with pytest.raises(psycopg.errors.DivisionByZero):
            after.fetchall()
        assert before.fetchall() == [(1,)]
        for reply in (wrong, after):
            with pytest.raises(psycopg.InterfaceError, match="not executed"):
                reply.fetchall()
        transaction.rollback()
        with store.writing() as ledger:
            assert ledger.decisions.by_id(["none"]) == {}
    assert store.engine.pool.checkedin() + store.engine.pool.checkedout() == 1  # type: ignore[attr-defined]


def test_what_waits_is_forgotten_when_its_transaction_is_given_up(store: Store, messages: list[list[str]]) -> None:
    transaction = store.begin()
    reply = driver(transaction).ask("SELECT 'never said'")
    transaction.rollback()
    with pytest.raises(psycopg.InterfaceError):
        reply.fetchall()
    with store.writing():
        pass
    assert not any("never said" in statement for message in messages for statement in message)


def test_a_claim_without_room_is_contended_and_its_commit_is_not_executed(store: Store) -> None:
    with store.writing(alone=True) as ledger:
        ledger.meters.set(KEY, Reading(0, 0, 0))
    transaction = store.begin()
    transaction.ledger.revisions.bump("documents")
    transaction.ledger.meters.claim(KEY, Reading(0, 0, 2), Allowance(None, 1))
    with pytest.raises(Contended):
        transaction.commit()
    with store.reading() as ledger:
        assert ledger.meters.all() == {KEY: Reading(0, 0, 0)}
        assert "documents" not in ledger.revisions.all()


def test_a_transaction_sees_the_counters_as_they_are_once_it_holds_one(store: Store) -> None:
    with store.writing() as waiting:
        with store.writing() as other:
            other.revisions.bump("documents")
        waiting.revisions.hold("snapshots")
        assert waiting.revisions.all()["documents"] == 1


def test_a_commit_of_what_has_failed_is_an_error(store: Store) -> None:
    transaction = store.begin()
    with pytest.raises(psycopg.errors.DivisionByZero):
        driver(transaction).ask("SELECT 1 / 0").fetchall()
    with pytest.raises(Unavailable):
        transaction.commit()
    with store.writing():
        pass
