"""What pages show is worked out once for all who look, and never shown once it is known to be old."""

from __future__ import annotations

import asyncio
from threading import Event
from typing import Any

import pytest

from optimizer.errors import NotFound
from optimizer.web.console import readings
from optimizer.web.console.readings import Readings
from optimizer.web.desk import Desk

CALLS: list[Any] = []
GO = Event()


def counted(_ledger: Any, _live: Any, what: str, now: int) -> tuple[str, int]:
    CALLS.append(what)
    return what, now


def waiting(_ledger: Any, _live: Any, _now: int) -> str:
    GO.wait(30)
    return "done"


def broken(_ledger: Any, _live: Any, _now: int) -> str:
    raise NotFound("nothing")


@pytest.fixture
def desk(sqlite_house: Any) -> Any:
    CALLS.clear()
    GO.clear()
    return sqlite_house


def running(house: Any, work: Any) -> Any:
    async def run() -> Any:
        desk = Desk(house.deployment)
        try:
            return await work(Readings(desk), desk)
        finally:
            GO.set()
            await desk.close()

    return asyncio.run(run())


def test_all_who_look_at_the_same_at_once_share_one_reading(desk: Any) -> None:
    async def work(found: Readings, _desk: Desk) -> Any:
        return await asyncio.gather(*(found.quick(counted, "a") for _ in range(20)), found.quick(counted, "b"))

    *same, other = running(desk, work)
    assert sorted(CALLS) == ["a", "b"]
    assert len({id(reading) for reading in same}) == 1
    assert same[0].value == ("a", same[0].as_of)
    assert other.value[0] == "b"


def test_a_reading_is_kept_until_it_is_old_or_something_changes(
    desk: Any, files: Any, edited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(found: Readings, _desk: Desk) -> None:
        await found.quick(counted, "a")
        await found.quick(counted, "a")
        assert CALLS == ["a"]
        desk.apply(edited(files, "campaigns/members.yaml", ("subject: One", "subject: Another")))
        await found.quick(counted, "a")
        assert CALLS == ["a", "a"], "the documents have changed"
        found.forget()
        await found.quick(counted, "a")
        assert CALLS == ["a"] * 3, "somebody here has changed something"
        monkeypatch.setattr(readings, "monotonic", lambda: 1e12)
        await found.quick(counted, "a")
        assert CALLS == ["a"] * 4, "it is old"

    running(desk, work)


def test_a_slow_reading_keeps_nobody_waiting_and_an_old_one_is_shown_meanwhile(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "PATIENCE_SECONDS", 0.01)

    async def work(found: Readings, _desk: Desk) -> None:
        assert await found.slow(waiting) is None
        assert await found.slow(waiting) is None
        GO.set()
        while (first := await found.slow(waiting)) is None:
            await asyncio.sleep(0.001)
        assert first.value == "done"
        GO.clear()
        monkeypatch.setattr(readings, "monotonic", lambda: 1e12)
        shown = await found.slow(waiting)
        assert shown is first, "a new one is being worked out behind it"

    running(desk, work)


def test_what_fails_is_raised_to_whoever_looks_and_tried_again_for_the_next(desk: Any) -> None:
    async def work(found: Readings, _desk: Desk) -> None:
        for _ in range(2):
            with pytest.raises(NotFound):
                await found.quick(broken)
            with pytest.raises(NotFound):
                await found.slow(broken)

    running(desk, work)


def test_readings_are_bounded(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "MOST_READINGS", 3)

    async def work(found: Readings, _desk: Desk) -> None:
        for n in range(10):
            await found.quick(counted, str(n))
        assert len(found._entries) <= 3
        await found.quick(counted, "9")
        assert len(CALLS) == 10, "the newest are kept"

    running(desk, work)
