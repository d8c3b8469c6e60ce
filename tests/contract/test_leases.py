"""Of all workers on one ledger, one learns each campaign at each refresh, and another takes over when it is gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from optimizer.deployment import Deployment
from optimizer.domain.instants import HOUR, MINUTE, SECOND
from optimizer.services.clock import Clock
from optimizer.services.learning import lease as lease_module
from optimizer.services.learning.lease import GRACE, begin_lease, learn_if_due, may_learn
from optimizer.services.learning.refreshing import learn_campaign
from optimizer.storage.leases import Lease
from optimizer.web.background import keeper as keeper_module
from optimizer.web.background.keeper import Keeper
from optimizer.web.desk import Desk

REFRESH = MINUTE  # of a campaign that says nothing else


@dataclass
class Worker:
    """A worker's background work, done when told, by a clock that may be wrong."""

    deployment: Deployment
    desk: Desk
    keeper: Keeper
    clock: TimeOfDay
    ahead: int = 0

    async def turn(self) -> None:
        self.clock.ahead = self.ahead
        await self.keeper._turn()
        self.clock.ahead = 0


@dataclass
class TimeOfDay:
    """What all workers of a test take for the time, and for the monotonic clock."""

    at: int
    ahead: int = 0

    def now(self) -> int:
        return self.at + self.ahead

    def monotonic(self) -> float:
        return self.at / SECOND


@dataclass
class Learned:
    """The campaign, every time one was learned."""

    calls: list[str] = field(default_factory=list)


@pytest.fixture
def clock(noon: int, monkeypatch: pytest.MonkeyPatch) -> TimeOfDay:
    time_of_day = TimeOfDay(noon)
    monkeypatch.setattr(keeper_module, "now", time_of_day.now)
    monkeypatch.setattr(keeper_module, "monotonic", time_of_day.monotonic)
    return time_of_day


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> Learned:
    found = Learned()

    def noted(ledger: Any, live: Any, campaign_id: str, now: int) -> Any:
        found.calls.append(campaign_id)
        return learn_campaign(ledger, live, campaign_id, now)

    monkeypatch.setattr(lease_module, "learn_campaign", noted)
    return found


@pytest.fixture
def employ(
    deploy: Callable[..., Deployment], database_url: str, clock: TimeOfDay, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Worker]:
    """Makes a worker; to be called, and used, within one event loop."""

    def make() -> Worker:
        deployment = deploy(database_url)
        desk = Desk(deployment)
        quiet = Clock(lambda: 0, lambda: 0)
        monkeypatch.setattr(quiet, "compare", lambda _reference: None)
        return Worker(deployment, desk, Keeper(desk, deployment, quiet), clock)

    return make


def leases_of(house: Any) -> dict[str, Lease]:
    with house.deployment.store.reading() as ledger:
        found: dict[str, Lease] = ledger.leases.all()
    return found


def test_two_workers_learn_each_campaign_once_per_refresh_and_one_takes_over_from_the_other(
    house: Any, employ: Callable[[], Worker], clock: TimeOfDay, learned: Learned
) -> None:
    async def work() -> None:
        first, second = employ(), employ()
        for _ in range(6 * 6):  # six refreshes, six rounds in each
            await first.turn()
            await second.turn()
            clock.at += 10 * SECOND
        counted = Counter(learned.calls)
        assert counted == {"winback": 5, "newsletter": 5, "members": 5}, "the first is due a refresh after the start"
        assert {lease.holder for lease in leases_of(house).values()} == {first.deployment.worker}

        # The first is gone: the second waits until the leases have run out, and goes on once per refresh.
        due = leases_of(house)["winback"].due_at
        clock.at = due + GRACE - 1
        await second.turn()
        assert Counter(learned.calls) == counted
        clock.at = due + GRACE
        for _ in range(13):
            await second.turn()
            clock.at += 10 * SECOND
        counted = Counter(learned.calls)
        assert counted == {"winback": 8, "newsletter": 8, "members": 8}
        assert {lease.holder for lease in leases_of(house).values()} == {second.deployment.worker}

        # It stops as it should: the first, started again under another name, need not wait for the leases to run out.
        await second.keeper.end()
        third = employ()
        clock.at = leases_of(house)["winback"].due_at
        await third.turn()
        assert Counter(learned.calls)["winback"] == 9
        for worker in (first, second, third):
            await worker.desk.close()

    asyncio.run(work())


@pytest.mark.parametrize("jump", [5 * HOUR, -5 * HOUR])
def test_a_worker_whose_clock_is_hours_wrong_neither_stops_learning_nor_learns_in_a_frenzy(
    house: Any, employ: Callable[[], Worker], clock: TimeOfDay, learned: Learned, jump: int
) -> None:
    async def work() -> None:
        right, wrong = employ(), employ()
        await right.turn()
        wrong.ahead = jump
        for _ in range(5 * 4):  # five refreshes, four rounds in each
            await wrong.turn()
            await right.turn()
            clock.at += REFRESH // 4
        # Each keeps its own cadence at least: two workers that disagree learn four times per refresh at most.
        assert 4 <= learned.calls.count("winback") <= 20
        learned.calls.clear()
        wrong.ahead = 0
        for _ in range(5 * 4):
            await wrong.turn()
            await right.turn()
            clock.at += REFRESH // 4
        assert 4 <= learned.calls.count("winback") <= 6, "once the clocks agree, so do the workers"
        for worker in (right, wrong):
            await worker.desk.close()

    asyncio.run(work())


def test_a_lease_from_a_clock_that_was_hours_ahead_does_not_freeze_learning(noon: int) -> None:
    mine = Lease("winback", "me", noon + 5 * HOUR, noon + 5 * HOUR + GRACE)
    assert may_learn(mine, "me", REFRESH, noon)
    assert may_learn(mine, "you", REFRESH, noon)
    fresh = Lease("winback", "me", noon + REFRESH, noon + REFRESH + GRACE)
    assert not may_learn(fresh, "me", REFRESH, noon)
    assert not may_learn(fresh, "you", REFRESH, noon)
    assert may_learn(fresh, "me", REFRESH, noon + REFRESH)
    assert not may_learn(fresh, "you", REFRESH, noon + REFRESH)
    assert may_learn(fresh, "you", REFRESH, noon + REFRESH + GRACE)
    assert may_learn(fresh, "me", REFRESH // 10, noon), "the documents ask for more haste now"


def test_what_was_learned_and_who_learns_next_are_durable_together_or_not_at_all(house: Any) -> None:
    for answer in house.learning(30):
        house.recorded(answer.decision.decision_id)
    store, live = house.deployment.store, house.deployment.live
    with store.writing() as ledger:
        begin_lease(ledger, "winback", "me", REFRESH, house.now)
    before = leases_of(house)
    house.later(REFRESH)

    def learn_and_fail() -> None:
        with store.writing() as ledger:
            assert learn_if_due(ledger, live, "winback", "me", house.now).number == 2
            raise RuntimeError("the plug was pulled")

    with pytest.raises(RuntimeError, match="pulled"):
        learn_and_fail()
    assert leases_of(house) == before
    with store.writing() as ledger:
        assert learn_if_due(ledger, live, "winback", "me", house.now).number == 2
    assert leases_of(house)["winback"] == Lease("winback", "me", house.now + REFRESH, house.now + REFRESH + GRACE)
    with store.writing() as ledger:
        assert learn_if_due(ledger, live, "winback", "me", house.now) is None
        assert learn_if_due(ledger, live, "winback", "you", house.now) is None
        assert learn_if_due(ledger, live, "no-such-campaign", "me", house.now) is None


@pytest.fixture
def postgres_house(new_database: Callable[[str], str], deploy: Any, make_house: Any) -> Any:
    built = make_house(deploy(new_database("postgresql")))
    built.apply()
    return built


@pytest.mark.postgres
def test_nobody_waits_for_a_campaign_that_another_worker_is_learning(
    new_database: Callable[[str], str], deploy: Any, make_house: Any
) -> None:
    url = new_database("postgresql")
    house, impatient = make_house(deploy(url)), deploy(url)
    house.apply()
    impatient.store.expect_answers_within(10.0)  # whoever had to wait would be told that the ledger is out of reach
    store, live = house.deployment.store, house.deployment.live
    with store.writing() as ledger:
        begin_lease(ledger, "winback", "me", REFRESH, house.now)
    house.later(HOUR)
    with store.writing() as learning:
        assert learn_if_due(learning, live, "winback", "me", house.now) is not None
        with impatient.store.writing() as other:
            assert learn_if_due(other, impatient.live, "winback", "you", house.now) is None


@pytest.mark.postgres
def test_the_clock_of_the_database_is_known(postgres_house: Any, sqlite_house: Any) -> None:
    from optimizer.deployment import now

    with postgres_house.deployment.store.reading() as ledger:
        assert abs(ledger.leases.clock() - now()) < MINUTE
    with sqlite_house.deployment.store.reading() as ledger:
        assert ledger.leases.clock() is None


def test_a_campaign_that_cannot_be_learned_is_one_warning_and_holds_up_no_other(
    house: Any, employ: Callable[[], Worker], clock: TimeOfDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[dict[str, Any]] = []
    learned: list[str] = []

    def broken(ledger: Any, live: Any, campaign_id: str, now: int) -> Any:
        if campaign_id == "members":
            raise ZeroDivisionError("on purpose")
        learned.append(campaign_id)
        return learn_campaign(ledger, live, campaign_id, now)

    monkeypatch.setattr(lease_module, "learn_campaign", broken)
    monkeypatch.setattr(
        keeper_module.log, "warning", lambda event, **rest: warnings.append({"event": event, **rest}), raising=False
    )

    async def work() -> None:
        worker = employ()
        for _ in range(40):
            await worker.turn()
            clock.at += 10 * SECOND
        await worker.desk.close()

    asyncio.run(work())
    assert Counter(learned) == {"winback": 6, "newsletter": 6}
    assert [one["campaign"] for one in warnings] == ["members"]


def test_a_defect_that_comes_back_with_every_turn_has_a_line_a_minute(
    house: Any, employ: Callable[[], Worker], clock: TimeOfDay, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, str]] = []
    began = clock.at
    monkeypatch.setattr(
        keeper_module.log, "warning", lambda event, **_: told.append((clock.at - began, event)), raising=False
    )

    async def broken() -> None:
        raise ZeroDivisionError("on purpose")

    async def work() -> None:
        worker = employ()
        monkeypatch.setattr(worker.keeper._letting_go, "turn", broken)
        for _ in range(13):
            await worker.turn()
            clock.at += 10 * SECOND
        await worker.desk.close()

    asyncio.run(work())
    assert told == [(n * 60 * SECOND, "background work failed") for n in range(3)]
