"""Alarms in rehearsals are those of the service: a world that falls silent freezes the learning until it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.unit.simulation.small_worlds import SmallWorld, people
from tests.unit.simulation.test_rehearsing import NOON, documents, rehearsed

from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.simulation.world import Events

RATES = np.array([[0.10, 0.12, 0.08, 0.0], [0.10, 0.12, 0.08, 0.0]])
DEAD_FROM, DEAD_UNTIL = NOON + 2 * DAY, NOON + 4 * DAY


@dataclass(frozen=True)
class Silent(SmallWorld):
    """Nothing that happens while the pipeline is dead is heard of before it is repaired."""

    def events(
        self,
        recipients: NDArray[np.int64],
        arms: NDArray[np.int64],
        earlier: NDArray[np.int64],
        at: Instant,
        rng: np.random.Generator,
    ) -> Events:
        found = super().events(recipients, arms, earlier, at, rng)
        dead = (found.occurred_at >= DEAD_FROM) & (found.occurred_at < DEAD_UNTIL)
        heard_at = np.where(dead, DEAD_UNTIL, found.occurred_at)
        return Events(found.decisions, found.kinds, heard_at, found.values)


def silent() -> Silent:
    return Silent({"visit": RATES}, people(4000, {"newbie": True}, {"newbie": False}), 60, delays={"visit": 2 * HOUR})


def policy(**more: Any) -> dict[str, Any]:
    return {"floor": 0.05, "refresh": "PT1H"} | more


def test_a_world_that_falls_silent_freezes_the_allocation_until_it_speaks_again() -> None:
    run = rehearsed(documents(policy=policy()), silent(), days=5)
    done = [(event.action, event.at) for event in run.events if event.action in {"alert", "freeze", "thaw"}]
    assert [action for action, _ in done] == ["alert", "freeze", "thaw"]
    frozen_at, thawed_at = done[1][1], done[2][1]
    assert DEAD_FROM + 3 * HOUR < frozen_at < DEAD_FROM + DAY
    assert DEAD_UNTIL <= thawed_at <= DEAD_UNTIL + HOUR
    while_frozen = (run.allocation.at >= frozen_at) & (run.allocation.at < thawed_at)
    kept = run.allocation.shares[while_frozen]
    assert (kept == kept[0]).all()
    assert "learning is frozen" in next(event.sentence for event in run.events if event.action == "alert")


def test_without_the_alarm_it_learns_from_the_silence() -> None:
    run = rehearsed(documents(policy=policy(alarms=[])), silent(), days=5)
    assert [event for event in run.events if event.action in {"alert", "freeze", "thaw"}] == []
    dead = (run.allocation.at >= DEAD_FROM + DAY) & (run.allocation.at < DEAD_UNTIL)
    assert np.ptp(run.allocation.shares[dead], axis=0).max() > 0.0


def test_a_world_that_always_speaks_raises_no_alarm() -> None:
    world = SmallWorld({"visit": RATES}, people(4000, {"newbie": True}, {"newbie": False}), 60)
    assert (
        rehearsed(documents(policy=policy()), world, days=3).events
        == rehearsed(documents(policy=policy(alarms=[])), world, days=3).events
    )


@dataclass(frozen=True)
class Tiring(SmallWorld):
    """From a day on nobody wants the second variant any more; rewards come at once, so no model reads their times."""

    def events(
        self,
        recipients: NDArray[np.int64],
        arms: NDArray[np.int64],
        earlier: NDArray[np.int64],
        at: Instant,
        rng: np.random.Generator,
    ) -> Events:
        found = super().events(recipients, arms, earlier, at, rng)
        kept = (arms[found.decisions] != 1) | (at < DEAD_UNTIL)
        return Events(found.decisions[kept], found.kinds[kept], found.occurred_at[kept], found.values[kept])


def test_a_change_is_seen_where_rewards_come_at_once() -> None:
    world = Tiring({"visit": RATES}, people(4000, {"newbie": True}, {"newbie": False}), 60)
    run = rehearsed(documents(policy=policy(alarms=["change"], floor=0.2)), world, days=8)
    (said,) = [event.sentence for event in run.events if event.action == "alert"]
    assert "seems to have changed since" in said
