"""Statements that go straight to the driver: the same rows come back, on both databases, whatever stands in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Decision
from optimizer.domain.meters import Allowance, MeterKey, Reading
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.domain.statistics import Cell, Sums
from optimizer.errors import Conflict, Contended, Unavailable
from optimizer.storage import (
    checkpoints,
    commitments,
    connections,
    controls,
    decisions,
    meters,
    outcomes,
    recipients,
)
from optimizer.storage.controls import Suppression
from optimizer.storage.decisions import COLUMNS
from optimizer.storage.recipients import Profile
from optimizer.storage.rows import Statement, driver_of, keys_of, table_of
from optimizer.storage.store import Ledger, Store
from optimizer.storage.tables import LARGEST_SUM, CommitmentRow, DecisionRow, OutcomeRow

ODD = [
    "'; DROP TABLE decisions; --",
    '"quoted" and \\"escaped\\"',
    "back\\slash \\N \\. \\t \\x00",
    "\\",
    '"',
    "a,b{c}d",
    "tab\there",
    "line\nfeed\r\nand return",
    "\x01\x07\x1b\x7f",
    "🦊 Zażółć 田中 \u202e \ufeff",
    "NULL",
    "null",
    "%s %(x)s ? $1 :name",
    " leading and trailing ",
    "",
]


def a_decision(decision_id: str = "d1", **changes: Any) -> Decision:
    decision = Decision(
        decision_id=decision_id,
        campaign_id="winback",
        recipient_key="k1",
        request_id="r1",
        strategy_version=1,
        segment_id="lapsed",
        group=Group.LEARNING,
        variant_id="ten-percent",
        content_hash="c0ffee",
        propensity=0.1 + 0.2,
        reason=Reason.EXPLORE,
        snapshot_id="winback:1",
        decided_at=10,
        blocked={},
        deferred=False,
        attributes={},
        excluded=(),
    )
    return decision._replace(**changes)


def a_commitment(decision: Decision, **changes: Any) -> Commitment:
    commitment = Commitment(
        decision_id=decision.decision_id,
        campaign_id=decision.campaign_id,
        recipient_key=decision.recipient_key,
        channel="email",
        at=decision.decided_at,
        ordinal=None,
        most=5,
        settled=1,
        open=True,
        closes_at=decision.decided_at + 100,
    )
    return commitment._replace(**changes)


def an_outcome(event_id: str, decision_id: str = "d1", **changes: Any) -> Outcome:
    return Outcome(event_id, decision_id, "purchase", 19_900_000, "USD", 5, 6, None)._replace(**changes)


def test_every_field_has_a_column_and_every_column_a_field() -> None:
    assert set(COLUMNS) == {column.name for column in table_of(DecisionRow).columns}
    assert set(Commitment._fields) == {column.name for column in table_of(CommitmentRow).columns}
    assert set(Outcome._fields) == {column.name for column in table_of(OutcomeRow).columns}


def comes_back_as_it_went_in(store: Store, text: str) -> None:
    decision = a_decision(
        text,
        campaign_id=text,
        recipient_key=text,
        request_id=text,
        segment_id=text,
        variant_id=text,
        content_hash=text,
        snapshot_id=text,
        blocked={text: Block.ENDED},
        attributes={text: text, "n": 1.5, "b": True},
        excluded=(text, "x"),
        time_zone=text,
        actor=text,
        consent=False,
        retry_at=2**62,
        propensity=None,
    )
    other = a_decision(f"other {ODD.index(text)}", segment_id=None, consent=True)
    commitment = a_commitment(decision, channel=text, ordinal=1)
    outcome = an_outcome(text, text, kind=text, currency=text, reverses=text, value=-(2**63), machine=True)
    meter, cell = MeterKey(text, text), Cell(text, text, text, text, text, text, 0)
    with store.writing(alone=True) as ledger:
        assert ledger.decisions.insert([other, decision]) == {text, other.decision_id}
        ledger.commitments.insert([commitment])
        assert ledger.outcomes.insert([outcome]) == {text}
        ledger.statistics.pending.add([(cell, Sums(1, 1, -5, 1))])
        ledger.recipients.put(text, Profile({"a": text}, {text: False}, text), 1)
        ledger.suppressions.add([Suppression(text, text, 1, text)])
        ledger.meters.set(meter, Reading(1, 2, 3))
    with store.writing() as ledger:
        ledger.statistics.pending.add([(cell, Sums(1, 1, -5, 1))])
        assert ledger.commitments.of([decision, other]) == {text: commitment}
        ledger.meters.claim(meter, Reading(1, 0, 1), Allowance(4, 4))
    with store.reading() as ledger:
        assert ledger.decisions.by_id([text, other.decision_id, "no such"]) == {
            text: decision,
            other.decision_id: other,
        }
        assert ledger.decisions.latest_of(text, text) == decision
        assert ledger.commitments.read(decision) == commitment
        assert ledger.commitments.contacts([text, "k2"], 0) == {text: [(10, text)]}
        assert ledger.commitments.last_ordinals([text, "k2"]) == {text: 1}
        assert ledger.outcomes.of([text, "no such"]) == {text: [outcome]}
        assert ledger.outcomes.known([text, "no such"]) == {text}
        assert ledger.outcomes.known([text, "no such"], kind=text) == {text}
        assert ledger.outcomes.known([text, "no such"], kind="other") == set()
        assert dict(ledger.statistics.of_campaign(text)) == {cell: Sums(2, 2, -10, 2)}
        assert ledger.recipients.of([text, "k2"])[text].attributes == {"a": text}
        assert ledger.suppressions.of([text, "k2"]) == {text: {text}}
        assert ledger.meters.of([meter, MeterKey(text, "no such")]) == {meter: Reading(2, 2, 4)}


def test_odd_texts_come_back_as_they_went_in(store: Store) -> None:
    for text in ODD:
        comes_back_as_it_went_in(store, text)


def test_a_list_of_odd_keys_finds_each_of_them(store: Store) -> None:
    with store.writing() as ledger:
        ledger.decisions.insert([a_decision(f"{n}{text}") for n, text in enumerate(ODD)])
    wanted = [f"{n}{text}" for n, text in enumerate(ODD)]
    with store.reading() as ledger:
        assert set(ledger.decisions.by_id(wanted)) == set(wanted)
        assert ledger.decisions.by_id([]) == {}


def test_keys_are_one_parameter_whatever_stands_in_them(store: Store) -> None:
    with store.engine.connect() as connection:
        assert keys_of(connection, []) in {"[]", "{}"}
        text = keys_of(connection, ['a"b', "c\\d"])
        assert text == ('["a\\"b","c\\\\d"]' if store.is_sqlite else '{"a\\"b","c\\\\d"}')


@pytest.mark.postgres
@pytest.mark.parametrize("place", ["request_id", "attributes", "decision_id"])
def test_postgresql_refuses_nul_and_keeps_nothing_of_the_transaction(
    new_database: Callable[[str], str], place: str
) -> None:
    store = Store(new_database("postgresql"))
    store.migrate()
    odd = {"with \x00": "x"} if place == "attributes" else "with \x00 inside"
    try:
        if place == "attributes":  # JSON writes it as an escape, in a column of text: that is kept
            with store.writing() as ledger:
                ledger.decisions.insert([a_decision("d2", **{place: odd})])
            with store.reading() as ledger:
                assert ledger.decisions.by_id(["d2"])["d2"].attributes == odd
            return
        with pytest.raises(Exception, match=r"NUL|0x00"), store.writing() as ledger:
            ledger.decisions.insert([a_decision("d1"), a_decision(**{"decision_id": "d2", place: odd})])
        with store.reading() as ledger:
            assert ledger.decisions.count() == 0
    finally:
        store.close()


@pytest.mark.parametrize("n", [1, 1_001])
def test_batches_of_every_size_are_written_and_found_whole(store: Store, n: int) -> None:
    decisions = [a_decision(f"{i:05}", recipient_key=f"k{i // 2}", decided_at=i) for i in range(n)]
    with store.writing() as ledger:
        assert len(ledger.decisions.insert(decisions[::-1])) == n
        ledger.commitments.insert([a_commitment(decision) for decision in decisions])
        assert len(ledger.outcomes.insert([an_outcome(f"e{d.decision_id}", d.decision_id) for d in decisions])) == n
    with store.writing() as ledger:
        found = ledger.commitments.of(decisions)
        assert len(found) == n
        ledger.commitments.change([one._replace(settled=4, open=False, withdrawn=True) for one in found.values()])
    with store.reading() as ledger:
        assert ledger.decisions.by_id([d.decision_id for d in decisions]) == {d.decision_id: d for d in decisions}
        assert {one.settled for one in ledger.commitments.stream()} == {4}
        assert ledger.commitments.contacts([f"k{i}" for i in range(n)], -1) == {}
        assert ledger.commitments.matured(10**9, n, lock=False) == []
        assert ledger.commitments.sum_of(campaign_id=None, channel=None, starts=None, ends=None) == Reading(0, 4 * n, 0)


@pytest.mark.parametrize("place", [0, 3, 9])
def test_what_one_of_many_says_is_written_of_that_one_alone(store: Store, place: int) -> None:
    decisions = [a_decision(f"d{i}") for i in range(10)]
    decisions[place] = decisions[place]._replace(actor="ann", retry_at=5, time_zone="UTC", consent=False, deferred=True)
    commitments = [a_commitment(one, ordinal=7 if one == decisions[place] else None) for one in decisions]
    outcomes = [an_outcome(f"e{i}", f"d{i}", value=0 if i == place else None, machine=i == place) for i in range(10)]
    with store.writing() as ledger:
        ledger.decisions.insert(decisions)
        ledger.commitments.insert(commitments)
        ledger.outcomes.insert(outcomes)
    ids = [one.decision_id for one in decisions]
    with store.reading() as ledger:
        assert ledger.decisions.by_id(ids) == {one.decision_id: one for one in decisions}
        assert set(ledger.commitments.stream()) == set(commitments)
        assert ledger.outcomes.of(ids) == {one.decision_id: [one] for one in outcomes}


def test_what_is_changed_is_that_commitment_alone(store: Store) -> None:
    first, twin, other = a_decision("a"), a_decision("b"), a_decision("a2", decided_at=11)
    with store.writing() as ledger:
        ledger.commitments.insert([a_commitment(one) for one in (first, twin, other)])
    with store.writing() as ledger:
        ledger.commitments.change([a_commitment(first)._replace(settled=3, closes_at=7)])
    with store.reading() as ledger:
        assert [(one.decision_id, one.settled, one.closes_at) for one in ledger.commitments.stream()] == [
            ("a", 3, 7),
            ("b", 1, 110),
            ("a2", 1, 111),
        ]
        assert ledger.commitments.read(first._replace(decided_at=11)) is None


def test_contacts_are_those_since_an_instant_that_were_not_withdrawn_nor_of_one_campaign(store: Store) -> None:
    made = [a_decision(f"d{n}", decided_at=n, campaign_id="other" if n == 4 else "winback") for n in range(6)]
    with store.writing() as ledger:
        ledger.decisions.insert(made)  # the sixth sends nothing
        ledger.commitments.insert([a_commitment(one, withdrawn=one.decision_id == "d3") for one in made[:5]])
    with store.reading() as ledger:
        assert sorted(ledger.commitments.contacts(["k1"], 1)["k1"]) == [(2, "email"), (4, "email")]
        assert ledger.commitments.contacts(["k1"], 1, apart_from="other") == {"k1": [(2, "email")]}


def test_the_newest_decision_of_a_recipient_is_that_of_the_campaign_and_of_the_time(store: Store) -> None:
    made = [a_decision(f"d{n}", decided_at=n, campaign_id="other" if n == 4 else "winback") for n in range(5)]
    with store.writing() as ledger:
        ledger.decisions.insert(made)
    with store.reading() as ledger:
        assert ledger.decisions.latest_of("k1", "winback") == made[3]
        assert ledger.decisions.latest_of("k1", "winback", by=2) == made[2]
        assert ledger.decisions.latest_of("k1", "other") == made[4]
        assert ledger.decisions.latest_of("k2", "other") is None


# ---------------------------------------------------------------- races


def test_the_first_of_two_rows_with_one_key_stays(store: Store) -> None:
    with store.writing() as ledger:
        ledger.decisions.insert([a_decision("a", request_id="first"), a_decision("a", request_id="second")])
        ledger.outcomes.insert([an_outcome("e", value=1), an_outcome("e", value=2)])
    with store.writing(alone=True) as ledger:
        assert ledger.decisions.insert([a_decision("b"), a_decision("a", request_id="third")]) == {"b"}
        assert ledger.outcomes.insert([an_outcome("e", value=3), an_outcome("f")]) == {"f"}
    with store.reading() as ledger:
        assert ledger.decisions.by_id(["a"])["a"].request_id == "first"
        assert {one.event_id: one.value for one in ledger.outcomes.of(["d1"])["d1"]} == {"e": 1, "f": 19_900_000}


@pytest.mark.postgres
@pytest.mark.parametrize("what", ["decisions", "outcomes", "contacts"])
def test_the_second_of_two_workers_hears_that_it_was_slower_and_has_written_nothing(
    new_database: Callable[[str], str], what: str
) -> None:
    store = Store(new_database("postgresql"))
    store.migrate()

    def write(ledger: Ledger, name: str) -> None:
        ledger.suppressions.add([Suppression(name, "email", 1, "test")])
        if what == "decisions":
            ledger.decisions.insert([a_decision("a"), a_decision(name)])
        elif what == "outcomes":
            ledger.outcomes.insert([an_outcome("a"), an_outcome(name)])
        else:
            ledger.commitments.insert([a_commitment(a_decision(name), ordinal=1)])

    first = store.begin()
    write(first.ledger, "first")
    first.ledger.decisions.count()  # its answer comes after the rows: else the other might be the first to say its own
    heard: list[BaseException] = []

    def second() -> None:
        try:
            with store.writing() as ledger:
                write(ledger, "second")
        except Exception as error:
            heard.append(error)

    thread = Thread(target=second)
    thread.start()
    first.commit()
    thread.join(20)
    try:
        (error,) = heard
        assert isinstance(error, Contended)
        with store.reading() as ledger:
            assert ledger.suppressions.of(["first", "second"]) == {"first": {"email"}}
    finally:
        store.close()


# ---------------------------------------------------------------- transactions


def test_a_transaction_may_be_committed_by_another_thread(store: Store) -> None:
    for n in range(3):
        transaction = store.begin()
        with transaction.working() as ledger:
            ledger.decisions.insert([a_decision(f"d{n}")])
            ledger.statistics.pending.add([(Cell("c", "", "v", "h", "g", "m", 0), Sums(1, 0, 0, 0))])
        failures: list[BaseException] = []

        def commit(transaction: Any = transaction, failures: list[BaseException] = failures) -> None:
            try:
                transaction.commit()
            except BaseException as error:
                failures.append(error)

        thread = Thread(target=commit)
        thread.start()
        thread.join(20)
        assert not failures
        following = store.begin()  # on the same connection
        with following.working() as ledger:
            ledger.decisions.insert([a_decision(f"next{n}")])
            transaction.rollback()  # it is over: that does nothing
            assert ledger.decisions.count() == n + 2
        following.rollback()
    with store.reading() as ledger:
        assert ledger.decisions.count() == 3
        assert dict(ledger.statistics.all()).popitem()[1].n == 3


def test_a_transaction_that_is_rolled_back_leaves_nothing_and_the_next_one_begins_anew(store: Store) -> None:
    transaction = store.begin()
    transaction.ledger.decisions.insert([a_decision()])
    transaction.rollback()
    transaction.rollback()

    def fail(ledger: Ledger) -> None:
        ledger.decisions.insert([a_decision()])
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError), store.begin().working() as ledger:
        fail(ledger)
    with store.writing() as ledger:
        assert ledger.decisions.count() == 0
        assert ledger.decisions.insert([a_decision()]) == {"d1"}


def test_two_transactions_at_once_have_a_connection_each(store: Store) -> None:
    together = Barrier(4, timeout=20)
    failures: list[BaseException] = []

    def write(name: str) -> None:
        try:
            together.wait()
            for n in range(10):
                with store.writing() as ledger:
                    ledger.decisions.insert([a_decision(f"{name}{n}")])
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    with store.reading() as ledger:
        assert ledger.decisions.count() == 40


def test_a_sum_that_would_leave_64_bits_is_a_conflict_and_writes_nothing(store: Store) -> None:
    cell = Cell("c", "", "v", "h", "g", "m", 0)
    with store.writing() as ledger:
        ledger.statistics.pending.add([(cell, Sums(1, 0, LARGEST_SUM, 0))])

    def write(ledger: Ledger, more: int) -> None:
        ledger.decisions.insert([a_decision()])
        ledger.statistics.pending.add([(cell, Sums(1, 0, more, 0))])

    for more in (1, 2**63, 2**64, -(2**70)):
        with pytest.raises(Conflict), store.writing() as ledger:
            write(ledger, more)
    with store.reading() as ledger:
        assert ledger.decisions.count() == 0
        assert dict(ledger.statistics.all())[cell].total == LARGEST_SUM


@pytest.mark.postgres
def test_writers_find_a_database_that_was_started_anew(new_database: Callable[[str], str]) -> None:
    store = Store(new_database("postgresql"))
    store.migrate()
    try:
        for n in range(3):
            with store.writing() as ledger:
                ledger.decisions.insert([a_decision(f"d{n}")])
            other = sa.create_engine(store.engine.url, poolclass=sa.NullPool)
            with other.connect() as connection:  # what a restart does to every connection
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            other.dispose()
        with store.reading() as ledger:
            assert ledger.decisions.count() == 3
    finally:
        store.close()


# ---------------------------------------------------------------- a disk that fails


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.migrate()
    with store.writing() as ledger:
        ledger.decisions.insert([a_decision("before")])
    try:
        yield store
    finally:
        store.close()


def test_a_full_disk_is_unavailable_writes_nothing_and_recovers(file: Store) -> None:
    def full(connection: Any, _record: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 3}")

    many = [a_decision(f"{n}", attributes={"text": "x" * 500}) for n in range(200)]
    sa.event.listen(file.engine, "connect", full)
    file.close()

    def write(ledger: Ledger) -> None:
        ledger.outcomes.insert([an_outcome("half")])
        ledger.decisions.insert(many)

    for _ in range(2):
        with pytest.raises(Unavailable), file.writing() as ledger:
            write(ledger)
    sa.event.remove(file.engine, "connect", full)
    file.close()
    with file.writing() as ledger:
        assert ledger.decisions.count() == 1
        assert ledger.outcomes.count() == 0
        assert len(ledger.decisions.insert(many)) == 200


def test_what_proves_that_there_is_room_needs_as_much_as_a_decision_does(file: Store, tmp_path: Path) -> None:
    file.close()  # with nothing left in the log
    log = tmp_path / "ledger.db-wal"
    for at in (1, 2):
        before = log.stat().st_size if log.exists() else 0
        with file.writing() as ledger:
            ledger.leases.prove("worker", at)
        proof = log.stat().st_size
        with file.writing() as ledger:
            ledger.decisions.insert([a_decision(f"d{at}")])
        assert proof - before > log.stat().st_size - proof > 0
    with file.reading() as ledger:
        assert ledger.leases.all() == {}, "it is nobody's lease"


def test_a_file_that_may_only_be_read_is_unavailable_to_writers(file: Store) -> None:
    def read_only(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    sa.event.listen(file.engine, "connect", read_only)
    file.close()
    with pytest.raises(Unavailable), file.writing() as ledger:
        ledger.decisions.insert([a_decision("after")])
    with file.reading() as ledger:
        assert ledger.decisions.count() == 1


def test_a_file_that_is_no_longer_whole_is_unavailable(file: Store) -> None:
    file.close()  # with nothing left in the log
    path = Path(str(file.engine.url.database))
    whole = path.read_bytes()
    first_page = 4_096
    for damaged in (whole[:first_page] + b"\xff" * (len(whole) - first_page), b"\xff" * len(whole)):
        path.write_bytes(damaged)
        with pytest.raises(Unavailable), file.writing() as ledger:
            ledger.decisions.insert([a_decision("after")])
        with pytest.raises(Unavailable), file.reading() as ledger:
            ledger.decisions.count()
        file.close()


@pytest.mark.postgres
def test_rights_and_tables_that_were_taken_away_are_a_lack_of_the_ledger_which_ends_by_itself(
    new_database: Callable[[str], str],
) -> None:
    url = sa.make_url(new_database("postgresql"))
    role = f"stranger_{url.database}"
    store = Store(url.update_query_dict({"options": f"-c role={role}"}).render_as_string(hide_password=False))
    owner = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    everything = "ALL TABLES IN SCHEMA public"

    def write(decision_id: str) -> None:
        with store.writing() as ledger:
            ledger.decisions.insert([a_decision(decision_id)])

    with owner.connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        try:
            connection.exec_driver_sql(f"GRANT ALL ON {everything} TO {role}")
            write("d1")
            for taken, given in (
                (f"REVOKE ALL ON {everything} FROM {role}", f"GRANT ALL ON {everything} TO {role}"),
                ("ALTER TABLE decisions RENAME TO elsewhere", "ALTER TABLE elsewhere RENAME TO decisions"),
                ("ALTER SCHEMA public RENAME TO elsewhere", "ALTER SCHEMA elsewhere RENAME TO public"),
            ):
                connection.exec_driver_sql(taken)
                with pytest.raises(Unavailable):
                    write("d2")
                with pytest.raises(Unavailable), store.reading() as ledger:
                    ledger.decisions.count()
                connection.exec_driver_sql(given)
                with store.reading() as ledger:
                    assert ledger.decisions.count() == 1
            write("d2")
        finally:
            store.close()
            connection.exec_driver_sql(f"DROP OWNED BY {role}")
            connection.exec_driver_sql(f"DROP ROLE {role}")


@pytest.mark.postgres
def test_who_waits_for_another_worker_is_not_cut_short_by_a_timeout_of_the_role(
    new_database: Callable[[str], str],
) -> None:
    url = sa.make_url(new_database("postgresql")).update_query_dict({"options": "-c lock_timeout=50ms"})
    store = Store(url.render_as_string(hide_password=False))
    store.expect_answers_within(10.0)
    try:
        with store.writing() as waiting:  # so that its connection is there
            waiting.decisions.insert([a_decision("d0")])
        first = store.begin(alone=True)
        first.ledger.decisions.insert([a_decision("d1")])
        thread = Thread(target=lambda: (time.sleep(0.3), first.commit()))
        thread.start()
        with store.writing() as second:
            second.decisions.insert([a_decision("d2")])
            assert second.decisions.count() == 3
        thread.join(10)
    finally:
        store.close()


@pytest.mark.postgres
def test_the_folder_of_a_socket_may_stand_in_the_url_as_libpq_has_it(
    new_database: Callable[[str], str],
) -> None:
    url = sa.make_url(new_database("postgresql"))
    folder = str(url.query["host"]).replace("/", "%2F")
    store = Store(f"postgresql://{url.username}@{folder}:5432/{url.database}")
    try:
        with store.reading() as ledger:
            assert ledger.decisions.count() == 0
    finally:
        store.close()


def test_a_write_that_failed_keeps_nobody_from_writing_while_its_error_is_looked_at(
    file: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.2)
    other = Store(str(file.engine.url))
    try:
        transaction = file.begin()
        driver_of(transaction.ledger._connection).execute("PRAGMA query_only = ON")
        with pytest.raises(Unavailable) as kept, transaction.working() as ledger:
            ledger.decisions.insert([a_decision("refused")])
        with other.writing() as ledger:
            ledger.decisions.insert([a_decision("after")])
            assert ledger.decisions.count() == 2
        assert kept.value.__cause__ is not None, "the error, and with it the statement, was still held"
    finally:
        other.close()


def test_a_file_that_another_process_keeps_locked_is_unavailable_after_a_while(
    file: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    other = Store(str(file.engine.url))
    try:
        transaction = file.begin()
        transaction.ledger.decisions.insert([a_decision("mine")])
        with pytest.raises(Unavailable), other.writing():
            pass
        transaction.commit()
        with other.writing() as ledger:
            assert ledger.decisions.count() == 2
    finally:
        other.close()


def test_a_writer_in_a_hurry_waits_for_nobody_and_writes_as_ever_once_the_file_is_free(file: Store) -> None:
    other = Store(str(file.engine.url))
    try:
        with file.writing():
            pass  # opens the connection
        transaction = other.begin()
        assert file.begin_if_free() is None
        transaction.rollback()
        hurried = file.begin_if_free()
        assert hurried is not None
        with hurried.working() as ledger:
            ledger.decisions.insert([a_decision("hurried")])
        hurried.commit()
        with other.writing() as ledger:
            assert ledger.decisions.count() == 2
    finally:
        other.close()


def test_the_log_of_a_busy_writer_is_copied_meanwhile_and_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "FEW_COMMITS", 2)
    monkeypatch.setattr(checkpoints, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(connections, "LONGEST_LOG_PAGES", 200)
    store = Store(f"sqlite:///{tmp_path / 'ledger.db'}")
    store.migrate()
    try:
        for n in range(120):
            with store.writing() as ledger:
                ledger.decisions.insert([a_decision(f"{n * 7919 % 1_000}-{i}") for i in range(40)])
        assert (tmp_path / "ledger.db-wal").stat().st_size < 3 * 200 * 4_096
        assert store._checkpoints._thread is not None
    finally:
        store.close()
    assert store._checkpoints._thread is None
    with store.reading() as ledger:
        assert ledger.decisions.count() == 4_800
    store.close()


# ---------------------------------------------------------------- growth

HOT = [
    statement
    for module in (commitments, controls, decisions, meters, outcomes, recipients)
    for statement in vars(module).values()
    if isinstance(statement, Statement)
]
LARGE = ("decisions", "commitments", "outcomes", "recipients", "suppressions")


def test_no_statement_of_the_hot_path_looks_through_a_table_that_grows(file: Store) -> None:
    plans = []
    with file.engine.connect() as connection:
        for text in (
            one.sqlite
            for one in HOT
            if one.sqlite.startswith(("SELECT", "UPDATE", "WITH")) and "jsonb" not in one.sqlite
        ):
            asked = f"EXPLAIN QUERY PLAN {text}"
            found = connection.exec_driver_sql(asked, tuple(["[]"] * text.count("?"))).fetchall()
            plans += [(text, row[3]) for row in found]
    assert len({text for text, _ in plans}) > 10
    names = {f"SCAN {name}" for name in (*LARGE, "d", "c")}
    assert [plan for plan in plans if any(plan[1] == name or plan[1].startswith(f"{name} ") for name in names)] == []
    assert any("LIMIT 1" in text and "ix_decisions_recipient" in step for text, step in plans)
    assert not any("LIMIT 1" in text and "ix_decisions_newest" in step for text, step in plans)


def test_a_look_up_that_nobody_looked_at_keeps_no_old_view_of_the_ledger(store: Store) -> None:
    """As the traceback of an error does, long after its transaction was rolled back."""
    people = [f"{n:032x}" for n in range(9)]
    with store.writing() as ledger:
        ledger.suppressions.add([Suppression(key, "email", 1, "test") for key in people])
    transaction = store.begin()
    unseen = transaction.ledger.suppressions.later_of(people)
    transaction.rollback()
    other = Store(store.engine.url.render_as_string(hide_password=False))
    with other.writing() as ledger:
        ledger.suppressions.add([Suppression("f" * 32, "email", 2, "test")])
    other.close()
    with store.reading() as ledger:
        assert ledger.suppressions.count() == 10
    del unseen
