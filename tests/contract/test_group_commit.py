"""Group commit: an answer leaves only after its transaction is durable, and nobody suffers for another's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa

from optimizer.errors import NotFound, Unavailable
from optimizer.services import group_commit
from optimizer.services.group_commit import GroupCommit, result_of
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger, Store

WAIT = 20


class Log:
    """A store, handlers that write to its audit trail, and a gate that keeps the writer waiting."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.gate = Event()
        self.gate.set()
        self.calls: list[list[str]] = []
        self.entered = Event()

    def write(self, ledger: Ledger, texts: Sequence[str]) -> list[str]:
        self.calls.append(list(texts))
        self.entered.set()
        assert self.gate.wait(WAIT)
        for text in texts:
            ledger.audit.append(AuditEntry(1, "a", "b", text, ""))
        return [text.upper() for text in texts]

    def fail_on_poison(self, ledger: Ledger, texts: Sequence[str]) -> list[str]:
        results = self.write(ledger, texts)
        if "poison" in texts:
            raise RuntimeError("poisoned")
        return results

    def refuse(self, _ledger: Ledger, texts: Sequence[str]) -> list[Any]:
        return [NotFound(text) for text in texts]

    def too_few(self, ledger: Ledger, texts: Sequence[str]) -> list[str]:
        return self.write(ledger, texts)[1:]

    def written(self) -> list[str]:
        with self.store.reading() as ledger:
            return sorted(link.entry.subject for link in ledger.audit.latest(100_000))


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


@pytest.fixture
def writer(log: Log) -> Iterator[GroupCommit]:
    made = GroupCommit(log.store, [log.write, log.fail_on_poison, log.refuse, log.too_few])
    try:
        yield made
    finally:
        log.gate.set()
        made.close()


@pytest.fixture
def held(log: Log, writer: GroupCommit) -> Callable[[], Future[list[Any]]]:
    """Holds the writer inside a transaction, so that what is submitted next waits and shares the one after."""

    def hold() -> Future[list[Any]]:
        log.gate.clear()
        log.entered.clear()
        first = writer.submit(log.write, ["first"])
        assert log.entered.wait(WAIT)
        return first

    return hold


def test_an_answer_leaves_only_after_its_transaction_is_committed(log: Log, writer: GroupCommit) -> None:
    order: list[str] = []
    sa.event.listen(log.store.engine, "commit", lambda _connection: order.append("commit"))
    future = writer.submit(log.write, ["a"])
    future.add_done_callback(lambda _: order.append("answer"))
    assert future.result(WAIT) == ["A"]
    assert order == ["commit", "answer"]


def test_a_commit_that_fails_answers_nobody_with_a_result(log: Log, writer: GroupCommit) -> None:
    def refuse(_connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception("disk full"))

    sa.event.listen(log.store.engine, "commit", refuse)
    with pytest.raises(Unavailable):
        writer.submit(log.write, ["a"]).result(WAIT)
    sa.event.remove(log.store.engine, "commit", refuse)
    assert log.written() == []
    assert writer.submit(log.write, ["b"]).result(WAIT) == ["B"]


def test_requests_that_wait_together_share_one_transaction(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]]
) -> None:
    commits: list[int] = []
    sa.event.listen(log.store.engine, "commit", lambda _connection: commits.append(1))
    first = held()
    futures = [writer.submit(log.write, [f"x{n}", f"y{n}"]) for n in range(50)]
    log.gate.set()
    assert first.result(WAIT) == ["FIRST"]
    assert [future.result(WAIT) for future in futures] == [[f"X{n}", f"Y{n}"] for n in range(50)]
    assert len(commits) == 2
    assert len(log.written()) == 101


def test_different_handlers_share_a_transaction_in_one_fixed_order(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]]
) -> None:
    held()
    later = writer.submit(log.fail_on_poison, ["second"])
    refused = writer.submit(log.refuse, ["third"])
    earlier = writer.submit(log.write, ["fourth"])
    log.gate.set()
    assert later.result(WAIT) == ["SECOND"]
    assert earlier.result(WAIT) == ["FOURTH"]
    with pytest.raises(NotFound, match="third"):
        result_of(refused.result(WAIT))
    assert log.calls == [["first"], ["fourth"], ["second"]]


@pytest.mark.parametrize("fault", ["raises", "answers too few"])
def test_a_handler_that_fails_fails_only_its_own_request(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]], fault: str
) -> None:
    held()
    handler = log.fail_on_poison if fault == "raises" else log.too_few
    before = writer.submit(log.write, ["before"])
    poisoned = writer.submit(handler, ["poison"])
    after = writer.submit(log.write, ["after"])
    log.gate.set()
    assert before.result(WAIT) == ["BEFORE"]
    assert after.result(WAIT) == ["AFTER"]
    with pytest.raises((RuntimeError, StopIteration)):
        poisoned.result(WAIT)
    assert log.written() == ["after", "before", "first"]


def test_a_database_that_fails_fails_the_whole_batch_and_leaves_nothing_half_written(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]]
) -> None:
    first = held()
    futures = [writer.submit(log.write, [f"x{n}"]) for n in range(5)]

    def fail(*_arguments: Any) -> None:
        raise sa.exc.OperationalError("INSERT", {}, Exception("disk full"))

    log.gate.set()
    first.result(WAIT)
    for future in futures:
        future.result(WAIT)
    held_again = held()
    futures = [writer.submit(log.write, [f"y{n}"]) for n in range(5)]
    sa.event.listen(log.store.engine, "commit", fail)
    log.gate.set()
    for future in (held_again, *futures):
        with pytest.raises(Unavailable):
            future.result(WAIT)
    sa.event.remove(log.store.engine, "commit", fail)
    assert log.written() == sorted(["first", *(f"x{n}" for n in range(5))])


def test_closing_finishes_what_was_accepted_and_refuses_the_rest(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]]
) -> None:
    from threading import Thread

    held()
    futures = [writer.submit(log.write, [f"x{n}"]) for n in range(30)]
    closing = Thread(target=writer.close, daemon=True)
    closing.start()
    log.gate.set()
    closing.join(WAIT)
    assert not closing.is_alive()
    assert [future.result(0) for future in futures] == [[f"X{n}"] for n in range(30)]
    with pytest.raises(Unavailable, match="shutting down"):
        writer.submit(log.write, ["late"])
    writer.close()  # again: nothing happens
    assert len(log.written()) == 31


def test_too_much_waiting_is_refused_at_once_and_taken_again_later(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_WAITING", 10)
    first = held()
    accepted = writer.submit(log.write, [f"x{n}" for n in range(9)])
    with pytest.raises(Unavailable) as refused:
        writer.submit(log.write, ["one too many"])
    assert refused.value.retry_after_seconds >= 1
    log.gate.set()
    assert first.result(WAIT) == ["FIRST"]
    assert len(accepted.result(WAIT)) == 9
    until = 100
    while until:  # the queue is counted down just after the answers left
        try:
            assert writer.submit(log.write, ["now"]).result(WAIT) == ["NOW"]
            break
        except Unavailable:
            until -= 1
    assert until
    assert "one too many" not in log.written()


def test_a_batch_is_bounded(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_ITEMS", 3)
    held()
    futures = [writer.submit(log.write, [f"x{n}"]) for n in range(7)]
    log.gate.set()
    for future in futures:
        future.result(WAIT)
    assert [len(call) for call in log.calls] == [1, 3, 3, 1]


def test_nothing_asked_is_nothing_answered(log: Log, writer: GroupCommit) -> None:
    assert writer.submit(log.write, []).result(WAIT) == []


def test_a_caller_who_gives_up_does_not_stop_the_writer(
    log: Log, writer: GroupCommit, held: Callable[[], Future[list[Any]]]
) -> None:
    async def give_up() -> None:
        task = asyncio.ensure_future(asyncio.wrap_future(writer.submit(log.write, ["abandoned"])))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def give_up_inside_the_transaction() -> None:
        log.gate.clear()
        log.entered.clear()
        task = asyncio.ensure_future(asyncio.wrap_future(writer.submit(log.write, ["too late"])))
        assert await asyncio.to_thread(log.entered.wait, WAIT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    held()
    asyncio.run(give_up())
    log.gate.set()
    assert writer.submit(log.write, ["next"]).result(WAIT) == ["NEXT"]
    asyncio.run(give_up_inside_the_transaction())
    log.gate.set()
    assert writer.submit(log.write, ["last"]).result(WAIT) == ["LAST"]
    assert "too late" in log.written()


@pytest.mark.postgres
def test_a_transaction_that_only_lost_a_race_is_tried_again(new_database: Callable[[str], str]) -> None:
    store = Store(new_database("postgresql"))
    store.migrate()
    tried: list[int] = []

    def unlucky(ledger: Ledger, texts: Sequence[str]) -> list[str]:
        tried.append(1)
        ledger.audit.append(AuditEntry(1, "a", "b", texts[0], ""))
        if len(tried) < 3:
            ledger.audit._connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")
        return list(texts)

    writer = GroupCommit(store, [unlucky])
    try:
        assert writer.submit(unlucky, ["a"]).result(WAIT) == ["a"]
    finally:
        writer.close()
    with store.reading() as ledger:
        assert len(ledger.audit.latest()) == 1
    store.close()
    assert len(tried) == 3
