"""Statements to PostgreSQL wait for one another and go together; that shows in nothing but the number of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from optimizer.domain.meters import Allowance, MeterKey, Reading
from optimizer.errors import Contended, Unavailable
from optimizer.services.decisions.deciding import decide
from optimizer.storage.pipelines import MOST_UNSENT, PipelinedConnection
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


Rows = Iterable[tuple[int, str]]


@pytest.fixture
def copied(store: Store) -> Callable[[Writing, Rows], Any]:
    """Copies rows into a table of numbers and texts; gives the connection they went over."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE copied (n bigint PRIMARY KEY, said text NOT NULL)")

    def copy(transaction: Writing, rows: Rows) -> Any:
        talk = driver(transaction)
        talk.copy_in("COPY copied (n, said) FROM STDIN (FORMAT BINARY)", ["int8", "text"], rows)
        return talk

    return copy


def count_copied(store: Store) -> int:
    with store.engine.begin() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM copied").scalar_one())


def test_rows_are_copied_in_while_we_go_on(store: Store, copied: Any) -> None:
    transaction = store.begin()
    hostile = "\u00e4\"'\\ \t\n\\N{}"
    talk = copied(transaction, [(1, "one"), (2, hostile)])
    assert talk.is_copying
    copied(transaction, [(3, "")])  # the end of the first is heard before
    assert talk.ask("SELECT n, said FROM copied ORDER BY n").fetchall() == [(1, "one"), (2, hostile), (3, "")]
    assert not talk.is_copying
    copied(transaction, [(4, "four")])
    transaction.commit()  # and that of the last before the COMMIT
    assert count_copied(store) == 4


def test_rows_that_no_socket_takes_at_once_arrive(store: Store, copied: Any) -> None:
    n = 3 * MOST_UNSENT // 1_000
    transaction = store.begin()
    talk = copied(transaction, ((k, "x" * 1_000) for k in range(n)))
    assert talk.ask("SELECT count(*), sum(length(said)) FROM copied").fetchall() == [(n, 1_000 * n)]
    transaction.commit()


def test_what_is_wrong_with_copied_rows_is_heard_later(store: Store, copied: Any) -> None:
    transaction = store.begin()
    talk = copied(transaction, [(5, "first"), (5, "again")])
    with pytest.raises(psycopg.errors.UniqueViolation):
        talk.ask("SELECT 1").fetchall()
    transaction.rollback()
    transaction = store.begin()
    copied(transaction, [(5, "first"), (5, "again")])
    with pytest.raises(sa.exc.IntegrityError, match="duplicate key"):
        transaction.commit()
    assert count_copied(store) == 0


def test_copied_rows_that_are_given_up_leave_nothing_and_the_connection_serves_again(store: Store, copied: Any) -> None:
    for rows in ([(6, "fine")], [(6, "first"), (6, "again")]):
        transaction = store.begin()
        talk = copied(transaction, rows)
        transaction.rollback()
        assert not talk.is_copying
        assert count_copied(store) == 0
    with store.writing() as ledger:
        assert ledger.decisions.by_id(["none"]) == {}


def test_rows_that_cannot_be_written_are_an_error_at_once_and_leave_nothing(store: Store, copied: Any) -> None:
    transaction = store.begin()
    with pytest.raises(TypeError), transaction.working():
        copied(transaction, [(7, "fine"), ("no number", "wrong")])
    assert count_copied(store) == 0


def test_patience_ends_with_a_server_that_does_not_say_what_became_of_copied_rows(store: Store, copied: Any) -> None:
    first, second = store.begin(), store.begin()
    copied(first, [(8, "not durable yet")]).hear()
    talk = copied(second, [(8, "waits for the first")])
    talk.patience_seconds = 0.3
    with pytest.raises(psycopg.OperationalError, match="has said nothing"):
        talk.hear()
    first.commit()
    second.rollback()
    assert count_copied(store) == 1
