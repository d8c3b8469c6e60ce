"""The audit trail is a chain: whatever somebody changes in the database behind its back is found."""

from __future__ import annotations

from dataclasses import asdict
from threading import Barrier, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from optimizer.services.auditing import AuditVerification, verification, verify_audit
from optimizer.storage.audit import AuditEntry, AuditTrail
from optimizer.storage.store import Store

N = 6
CHANGES = (
    "number = 99",
    "number = -3",
    "at = at + 1",
    "actor = 'mallory'",
    "action = 'resume'",
    "subject = 'newsletter'",
    "note = 'because'",
    "before = ''",
    "after = 'running'",
    "previous_hash = ''",
    "hash = ''",
    "hash = upper(hash)",
    "hash = (SELECT a.hash FROM audit a WHERE a.number = 5)",
)
UNCHAINED = "INSERT INTO audit (number, at, actor, action, subject, note, before, after, previous_hash, hash) VALUES "


def entry(number: int, **changes: Any) -> AuditEntry:
    said = asdict(AuditEntry(number, f"actor {number}", "pause", "winback", f"note {number} 🦊", "running", "paused"))
    return AuditEntry(**said | changes)


def verified(store: Store, kept: str | None = None) -> AuditVerification:
    with store.reading() as ledger:
        return verify_audit(ledger, kept=kept)


def tamper(store: Store, *statements: str) -> None:
    """Change the table as somebody with a database client could."""
    with store.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.fixture
def trail(store: Store) -> Store:
    """A store with a trail of six entries."""
    for number in range(1, N + 1):
        with store.writing() as ledger:
            ledger.audit.append(entry(number))
    return store


def test_a_trail_nobody_touched_is_intact(trail: Store) -> None:
    found = verified(trail)
    assert found.intact
    assert (found.entries, found.chained) == (N, N)
    assert len(found.head) == 64


def test_a_store_without_entries_is_intact(store: Store) -> None:
    assert verified(store).intact


@pytest.mark.parametrize("number", [1, 3, N])
def test_changing_any_column_of_any_entry_is_found(trail: Store, number: int) -> None:
    for change in CHANGES:
        if change == "previous_hash = ''" and number == 1:
            continue  # that is what stands there
        with trail.engine.connect() as connection, connection.begin() as transaction:
            connection.execute(sa.text(f"UPDATE audit SET {change} WHERE number = {number}"))
            found = verification(AuditTrail(connection).stream())
            transaction.rollback()
        assert not found.intact, change
        assert found.first_broken is not None
        assert f"audit entry {found.first_broken}: found" in found.sentence
    assert verified(trail).intact


def test_taking_an_entry_out_is_found_at_the_gap(trail: Store) -> None:
    for number in range(1, N):
        with trail.engine.connect() as connection, connection.begin() as transaction:
            connection.execute(sa.text(f"DELETE FROM audit WHERE number = {number}"))
            found = verification(AuditTrail(connection).stream())
            transaction.rollback()
        assert found.first_broken == number + 1


def test_closing_the_gap_after_taking_an_entry_out_is_found_too(trail: Store) -> None:
    tamper(trail, "DELETE FROM audit WHERE number = 3")
    for number in range(4, N + 1):
        tamper(trail, f"UPDATE audit SET number = {number - 1} WHERE number = {number}")
    assert verified(trail).first_broken == 3


def test_swapping_two_entries_is_found(trail: Store) -> None:
    tamper(
        trail,
        "UPDATE audit SET number = 77 WHERE number = 2",
        "UPDATE audit SET number = 2 WHERE number = 3",
        "UPDATE audit SET number = 3 WHERE number = 77",
    )
    assert verified(trail).first_broken == 2


def test_putting_a_forged_entry_at_the_end_is_found(trail: Store) -> None:
    head = verified(trail).head
    tamper(trail, UNCHAINED + f"({N + 1}, 1, 'm', 'pause', 'winback', 'n', '', '', '{head}', '{'0' * 64}')")
    assert verified(trail).first_broken == N + 1


def test_cutting_the_end_off_is_found_by_whoever_kept_the_head(trail: Store) -> None:
    head = verified(trail).head
    tamper(trail, f"DELETE FROM audit WHERE number >= {N - 1}")
    assert verified(trail).intact
    cut = verified(trail, kept=head)
    assert not cut.intact
    assert head in cut.sentence


def test_entries_from_before_the_chain_are_told_apart_and_the_chain_goes_on_from_them(store: Store) -> None:
    tamper(
        store,
        UNCHAINED + "(1, 1, 'ann', 'apply', 'version 1', '', '', '', '', '')",
        UNCHAINED + "(2, 2, 'ann', 'apply', 'version 2', '', '', '', '', '')",
    )
    with store.writing() as ledger:
        ledger.audit.append(entry(3))
    found = verified(store)
    assert found.intact
    assert (found.entries, found.chained) == (3, 1)
    assert "2 of them are older than the chain" in found.sentence
    tamper(store, "DELETE FROM audit WHERE number = 2")
    assert verified(store).first_broken == 3


def test_entries_that_are_written_at_once_follow_one_another(store: Store, database_url: str) -> None:
    stores = [store, Store(database_url)]
    barrier, failures = Barrier(4, timeout=20), []

    def write(mine: Store, name: str) -> None:
        try:
            barrier.wait()
            for number in range(10):
                with mine.writing() as ledger:
                    ledger.audit.append(entry(number, actor=name))
        except BaseException as error:  # shown below
            failures.append(error)

    threads = [Thread(target=write, args=(stores[n % 2], f"worker {n}")) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stores[1].close()
    assert not failures
    found = verified(store)
    assert (found.intact, found.entries) == (True, 40)
    with store.reading() as ledger:
        written = [(link.entry.actor, link.entry.at) for link in ledger.audit.stream()]
    assert sorted(written) == sorted((f"worker {n}", number) for n in range(4) for number in range(10))


def test_an_entry_of_a_transaction_that_failed_leaves_no_gap(trail: Store) -> None:
    def write_and_fail() -> None:
        with trail.writing() as ledger:
            ledger.audit.append(entry(7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with trail.writing() as ledger:
        ledger.audit.append(entry(7))
    assert verified(trail).entries == N + 1
    assert verified(trail).intact


def test_the_latest_entries_of_one_campaign_come_page_by_page(trail: Store) -> None:
    with trail.writing() as ledger:
        for subject in ("winback/hello", "winback-2", "newsletter", "win_ack"):
            ledger.audit.append(entry(9, subject=subject))
    with trail.reading() as ledger:
        first = ledger.audit.latest(3, subject="winback")
        rest = ledger.audit.latest(9, subject="winback", before=first[-1].number)
        assert [link.number for link in first] == [7, 6, 5]
        assert [link.number for link in rest] == [4, 3, 2, 1]
