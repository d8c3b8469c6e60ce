"""Group commit: an answer leaves only after its transaction is durable, and nobody suffers for another's fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from threading import Event, Thread, current_thread
from time import sleep
from typing import Any

import pytest
import sqlalchemy as sa

from optimizer.errors import Draining, NotFound, Overloaded, Unavailable
from optimizer.services import group_commit
from optimizer.services.group_commit import AT_ONCE, GroupCommit, Unwatched, result_of
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger, Store

WAIT = 20
LOOP = "event-loop"


class Log:
    """A store, handlers that write to its audit trail, and a gate before every transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.gate = Event()
        self.gate.set()
        self.entered = Event()
        self.calls: list[list[str]] = []
        self.threads: list[str] = []
        self.meanwhile: Callable[[Sequence[str]], None] = lambda _texts: None
        self._begin, store.begin = store.begin, self.begin  # type: ignore[method-assign]
        at_once = store.begin_if_free
        store.begin_if_free = lambda: at_once() if self.gate.is_set() else None  # type: ignore[method-assign]

    def begin(self, *, alone: bool = False) -> Any:
        self.entered.set()
        assert self.gate.wait(WAIT)
        return self._begin(alone=alone)

    def write(self, ledger: Ledger, texts: Sequence[str]) -> list[str]:
        self.calls.append(list(texts))
        self.threads.append(current_thread().name)
        self.meanwhile(texts)
        for text in texts:
            ledger.audit.append(AuditEntry(1, "a", "b", text, ""))
        return [text.upper() for text in texts]

    def slow(self, ledger: Ledger, texts: Sequence[str]) -> list[str]:
        return self.write(ledger, texts)

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


class Looped:
    """A group commit on an event loop of its own, asked from the test's thread."""

    def __init__(self, store: Store, handlers: Sequence[Any], slow: Sequence[Any] = ()) -> None:
        self.loop = asyncio.new_event_loop()
        self.inner = GroupCommit(store, handlers, slow)
        self._thread = Thread(target=self.loop.run_forever, name=LOOP, daemon=True)
        self._thread.start()

    def submit(self, handler: Any, items: Sequence[Any]) -> Future[list[Any]]:
        """Ask; by the time this returns it waits to be written, unless the loop itself asks."""
        taken = Event()

        async def answered() -> list[Any]:
            taken.set()  # nothing else runs on the loop before the next await
            return await self.inner.submit(handler, items)

        future = asyncio.run_coroutine_threadsafe(answered(), self.loop)
        assert current_thread() is self._thread or taken.wait(WAIT)
        return future

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.inner.close(), self.loop).result(WAIT)

    def end(self) -> None:
        self.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(WAIT)
        self.loop.close()


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store)


@pytest.fixture
def writer(log: Log, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looped]:
    """One transaction after the other. On SQLite its statements run on the loop, on PostgreSQL in a thread."""
    monkeypatch.setattr(group_commit, "AT_ONCE", 1)
    made = Looped(log.store, [log.write, log.fail_on_poison, log.refuse, log.too_few, log.slow], [log.slow])
    try:
        yield made
    finally:
        log.gate.set()
        made.end()


@pytest.fixture
def held(log: Log, writer: Looped) -> Callable[[], Future[list[Any]]]:
    """Holds the writer before a transaction, so that what is submitted next waits and shares the one after."""

    def hold() -> Future[list[Any]]:
        log.gate.clear()
        log.entered.clear()
        first = writer.submit(log.write, ["first"])
        assert log.entered.wait(WAIT)
        return first

    return hold


def test_an_answer_leaves_only_after_its_transaction_is_committed(log: Log, writer: Looped) -> None:
    order: list[str] = []
    sa.event.listen(log.store.engine, "commit", lambda _connection: order.append("commit"))
    future = writer.submit(log.write, ["a"])
    future.add_done_callback(lambda _: order.append("answer"))
    assert future.result(WAIT) == ["A"]
    assert order == ["commit", "answer"]


def test_a_commit_that_fails_answers_nobody_with_a_result(log: Log, writer: Looped) -> None:
    def refuse(_connection: sa.Connection) -> None:
        raise sa.exc.OperationalError("COMMIT", {}, Exception("disk full"))

    sa.event.listen(log.store.engine, "commit", refuse)
    with pytest.raises(Unavailable):
        writer.submit(log.write, ["a"]).result(WAIT)
    sa.event.remove(log.store.engine, "commit", refuse)
    assert log.written() == []
    assert writer.submit(log.write, ["b"]).result(WAIT) == ["B"]


def test_requests_that_wait_together_share_one_transaction(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]
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
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]
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
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]], fault: str
) -> None:
    held()
    handler = log.fail_on_poison if fault == "raises" else log.too_few
    before = writer.submit(log.write, ["before"])
    poisoned = writer.submit(handler, ["poison"])
    after = writer.submit(log.write, ["after"])
    log.gate.set()
    assert before.result(WAIT) == ["BEFORE"]
    assert after.result(WAIT) == ["AFTER"]
    with pytest.raises(RuntimeError):
        poisoned.result(WAIT)
    assert log.written() == ["after", "before", "first"]


def test_a_database_that_fails_fails_the_whole_batch_and_leaves_nothing_half_written(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]
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
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]
) -> None:
    held()
    futures = [writer.submit(log.write, [f"x{n}"]) for n in range(30)]
    closing = Thread(target=writer.close, daemon=True)
    closing.start()
    log.gate.set()
    closing.join(WAIT)
    assert not closing.is_alive()
    assert [future.result(0) for future in futures] == [[f"X{n}"] for n in range(30)]
    with pytest.raises(Draining, match="shutting down"):
        writer.submit(log.write, ["late"]).result(WAIT)
    writer.close()  # again: nothing happens
    assert len(log.written()) == 31


def test_too_much_waiting_is_refused_at_once_and_taken_again_later(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_WAITING", 10)
    first = held()
    accepted = writer.submit(log.write, [f"x{n}" for n in range(9)])
    with pytest.raises(Overloaded) as refused:
        writer.submit(log.write, ["one too many", "and another"]).result(WAIT)
    assert refused.value.retry_after_seconds >= 1
    log.gate.set()
    assert first.result(WAIT) == ["FIRST"]
    assert len(accepted.result(WAIT)) == 9
    assert writer.submit(log.write, ["now"] * 10).result(WAIT) == ["NOW"] * 10
    assert "one too many" not in log.written()


def test_a_batch_is_bounded(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_ITEMS", 3)
    held()
    futures = [writer.submit(log.write, [f"x{n}"]) for n in range(7)]
    log.gate.set()
    for future in futures:
        future.result(WAIT)
    assert [len(call) for call in log.calls] == [1, 3, 3, 1]


@pytest.fixture
def totals(log: Log, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts have been written by the end of each transaction; large work is whatever has two or more."""
    monkeypatch.setattr(group_commit, "MOST_ON_THE_LOOP", 1)
    found: list[int] = []
    sa.event.listen(log.store.engine, "commit", lambda _connection: found.append(sum(map(len, log.calls))))
    return found


Pairs = Callable[[Any, int], list[list[str]]]


@pytest.fixture
def pairs(log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]) -> Pairs:
    """What so many pairs of texts come to that a handler is asked to write while the writer is held."""

    def written(handler: Any, n_pairs: int) -> list[list[str]]:
        held()
        futures = [writer.submit(handler, [f"x{n}", f"y{n}"]) for n in range(n_pairs)]
        log.gate.set()
        return [future.result(WAIT) for future in futures]

    return written


def test_large_work_shares_a_transaction_while_nothing_small_waits(log: Log, pairs: Pairs, totals: list[int]) -> None:
    assert pairs(log.write, 5) == [[f"X{n}", f"Y{n}"] for n in range(5)]
    assert totals in ([11], [1, 11])  # PostgreSQL's first transaction goes on, SQLite's ends on the loop
    assert len(log.written()) == 11


def test_nothing_small_waits_for_more_than_one_large(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]], totals: list[int]
) -> None:
    small: list[Future[list[Any]]] = []

    def submit_small(texts: Sequence[str]) -> None:
        if "x0" in texts:
            before = writer.inner.waiting
            small.append(writer.submit(log.slow, ["small"]))
            while writer.inner.waiting == before:
                sleep(0.001)

    log.meanwhile = submit_small
    held()
    large = [writer.submit(log.write, [f"x{n}", f"y{n}"]) for n in range(4)]
    log.gate.set()
    for future in large:
        future.result(WAIT)
    assert small[0].result(WAIT) == ["SMALL"]
    assert totals[-3:] == [3, 6, 10]  # the first and a large one; another large one and the small; the rest


def test_a_transaction_of_large_work_is_bounded(
    log: Log, pairs: Pairs, totals: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_ITEMS", 4)
    pairs(log.fail_on_poison, 5)
    assert totals == [1, 5, 9, 11]


def test_a_transaction_of_large_work_grows_for_a_bounded_time(
    log: Log, pairs: Pairs, totals: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_SECONDS", 0.0)
    pairs(log.write, 3)
    assert totals == [1, 3, 5, 7]


def test_large_work_that_fails_does_not_fail_what_shared_its_transaction(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]], totals: list[int]
) -> None:
    held()
    before, poisoned, after = (
        writer.submit(log.fail_on_poison, texts) for texts in (["a", "b"], ["poison", "c"], ["d", "e"])
    )
    log.gate.set()
    assert (before.result(WAIT), after.result(WAIT)) == (["A", "B"], ["D", "E"])
    with pytest.raises(RuntimeError):
        poisoned.result(WAIT)
    assert log.written() == ["a", "b", "d", "e", "first"]
    assert log.calls[1:4] == [["a", "b"], ["poison", "c"], ["a", "b"]]  # together, then each alone


def test_nothing_asked_is_nothing_answered(log: Log, writer: Looped) -> None:
    assert writer.submit(log.write, []).result(WAIT) == []


def test_a_caller_who_gives_up_before_the_transaction_is_not_served(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]
) -> None:
    held()
    assert writer.submit(log.write, ["abandoned"]).cancel()
    log.gate.set()
    assert writer.submit(log.write, ["next"]).result(WAIT) == ["NEXT"]
    assert log.written() == ["first", "next"]


def test_a_caller_who_gives_up_inside_the_transaction_does_not_stop_it(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]
) -> None:
    assert held().cancel()
    log.gate.set()
    assert writer.submit(log.write, ["next"]).result(WAIT) == ["NEXT"]
    assert log.written() == ["first", "next"]


def test_only_small_transactions_of_quick_handlers_run_on_the_loop_and_only_on_sqlite(
    log: Log, writer: Looped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_ON_THE_LOOP", 3)
    writer.submit(log.write, ["a", "b", "c"]).result(WAIT)
    writer.submit(log.write, ["d", "e", "f", "g"]).result(WAIT)
    writer.submit(log.slow, ["h"]).result(WAIT)
    assert [name == LOOP for name in log.threads] == [log.store.is_sqlite, False, False]


def test_a_large_transaction_is_answered_like_a_small_one(log: Log, writer: Looped) -> None:
    texts = [f"x{n}" for n in range(group_commit.MOST_ON_THE_LOOP + 1)]
    assert writer.submit(log.write, texts).result(WAIT) == [text.upper() for text in texts]
    assert log.written() == sorted(texts)
    with pytest.raises(RuntimeError):
        writer.submit(log.fail_on_poison, [*texts, "poison"]).result(WAIT)
    assert log.written() == sorted(texts)


def test_what_is_durable_is_told_of_once_for_all_of_a_transaction(log: Log) -> None:
    heard: list[Any] = []
    order: list[str] = []
    sa.event.listen(log.store.engine, "commit", lambda _connection: order.append("commit"))

    async def ask() -> None:
        inner = GroupCommit(log.store, [log.write, log.too_few], heard={log.write: lambda r: heard.append((r, *order))})
        ones = [inner.submit(log.write, [f"x{n}"]) for n in range(3)]
        with pytest.raises(RuntimeError):
            await inner.submit(log.too_few, ["y"])
        assert [await one for one in ones] == [["X0"], ["X1"], ["X2"]]
        await inner.submit(log.write, ["z"])
        await inner.close()

    asyncio.run(ask())
    assert heard[-1] == (["Z"], *order)
    assert sorted(text for texts, *_ in heard for text in texts) == ["X0", "X1", "X2", "Z"]


def test_what_one_transaction_may_hold_is_shared_by_those_that_may_be_under_way(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MOST_ON_THE_LOOP", 1)
    monkeypatch.setattr(group_commit, "MOST_ITEMS", 8)
    sizes: list[int] = []

    class Sizes(Unwatched):
        def batch(self, items: int, work_seconds: float, commit_seconds: float) -> None:  # noqa: ARG002
            sizes.append(items)

    async def ask() -> None:
        inner = GroupCommit(log.store, [log.write], watcher=Sizes())
        await asyncio.gather(*(inner.submit(log.write, [f"x{n}", f"y{n}"]) for n in range(12)))
        await inner.close()

    asyncio.run(ask())
    assert sum(sizes) == 24
    assert max(sizes) == (8 if log.store.is_sqlite else 8 / AT_ONCE)


def test_the_loop_serves_others_while_a_transaction_waits_for_the_database(
    log: Log, writer: Looped, held: Callable[[], Future[list[Any]]]
) -> None:
    async def answered() -> str:
        return "served"

    first = held()
    assert asyncio.run_coroutine_threadsafe(answered(), writer.loop).result(WAIT) == "served"
    assert not first.done()
    log.gate.set()
    assert first.result(WAIT) == ["FIRST"]


@pytest.fixture
def side_by_side(new_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Log, Looped]]:
    """On PostgreSQL, with as many transactions under way as in production; large work has two texts or more."""
    monkeypatch.setattr(group_commit, "MOST_ON_THE_LOOP", 1)
    store = Store(new_database("postgresql"))
    store.migrate()
    log = Log(store)
    made = Looped(store, [log.write, log.fail_on_poison])
    try:
        yield log, made
    finally:
        log.gate.set()
        made.end()
        store.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(WAIT * 1_000):
        if condition():
            return
        sleep(0.001)
    raise AssertionError("it never came")


@pytest.mark.postgres
def test_on_postgresql_nothing_small_waits_for_a_large_transaction(side_by_side: tuple[Log, Looped]) -> None:
    log, writer = side_by_side
    others_are_done = Event()
    log.meanwhile = lambda texts: "large" in texts and others_are_done.wait(WAIT)
    large = writer.submit(log.write, ["large", "too"])
    until(lambda: bool(log.calls))
    assert writer.submit(log.write, ["a"]).result(WAIT) == ["A"]
    assert writer.submit(log.write, ["b"]).result(WAIT) == ["B"]
    with pytest.raises(RuntimeError, match="poisoned"):
        writer.submit(log.fail_on_poison, ["poison"]).result(WAIT)
    assert not large.done()
    others_are_done.set()
    assert large.result(WAIT) == ["LARGE", "TOO"]
    assert log.written() == ["a", "b", "large", "too"]


@pytest.mark.postgres
def test_of_two_transactions_under_way_one_is_large_and_closing_waits_for_all(
    side_by_side: tuple[Log, Looped],
) -> None:
    log, writer = side_by_side
    held = Event()
    log.meanwhile = lambda _texts: held.wait(WAIT)
    futures = [writer.submit(log.write, ["a"])]
    until(lambda: len(log.calls) == 1)
    futures.append(writer.submit(log.write, ["b"]))  # small, as is what is under way: it waits
    sleep(0.1)
    assert log.calls == [["a"]]
    futures.append(writer.submit(log.write, ["c", "c2"]))
    until(lambda: len(log.calls) == 2)
    futures += [writer.submit(log.write, ["d", "d2"]), writer.submit(log.write, ["e"])]
    closing = Thread(target=writer.close, daemon=True)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    assert log.calls == [["a"], ["b", "c", "c2"]]
    held.set()
    closing.join(WAIT)
    assert [future.result(0) for future in futures] == [["A"], ["B"], ["C", "C2"], ["D", "D2"], ["E"]]
    assert log.written() == ["a", "b", "c", "c2", "d", "d2", "e"]


@pytest.mark.postgres
def test_large_work_of_many_is_done_once_whichever_transaction_takes_it(side_by_side: tuple[Log, Looped]) -> None:
    log, writer = side_by_side
    futures = [writer.submit(log.write, [f"x{n}", f"y{n}"]) for n in range(200)]
    assert [future.result(WAIT) for future in futures] == [[f"X{n}", f"Y{n}"] for n in range(200)]
    assert log.written() == sorted(f"{name}{n}" for n in range(200) for name in "xy")
    assert writer.inner.waiting == 0


@pytest.mark.postgres
def test_a_transaction_that_only_lost_a_race_is_tried_again(new_database: Callable[[str], str]) -> None:
    store = Store(new_database("postgresql"))
    store.migrate()
    tried: list[int] = []

    def unlucky(ledger: Ledger, texts: Sequence[str]) -> list[str]:
        tried.append(1)
        ledger.audit.append(AuditEntry(1, "a", "b", texts[0], ""))
        if len(tried) < 3:
            ledger._connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")
        return list(texts)

    writer = Looped(store, [unlucky])
    try:
        assert writer.submit(unlucky, ["a"]).result(WAIT) == ["a"]
    finally:
        writer.end()
    with store.reading() as ledger:
        assert len(ledger.audit.latest()) == 1
    store.close()
    assert len(tried) == 3
