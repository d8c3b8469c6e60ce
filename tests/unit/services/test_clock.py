"""The time of day goes on steadily, whatever is done to the clocks it is read from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from optimizer.domain.instants import HOUR, MINUTE, SECOND
from optimizer.services.clock import BELIEVED_AFTER, Clock

BEGAN = 1_790_000_000 * SECOND


@dataclass
class Machine:
    """A machine whose clock can be set, and a database with one of its own."""

    steady: int = 7 * HOUR
    wall: int = BEGAN
    database: int = BEGAN

    def pass_by(self, duration: int) -> None:
        self.steady += duration
        self.wall += duration
        self.database += duration


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock(machine: Machine) -> Clock:
    return Clock(lambda: machine.wall, lambda: machine.steady)


@pytest.mark.parametrize("jump", [5 * HOUR, -5 * HOUR])
def test_a_machine_whose_clock_is_set_by_hours_keeps_the_time_and_says_so(
    machine: Machine, clock: Clock, jump: int
) -> None:
    clock.compare(machine.database)
    before = clock.now()
    machine.wall += jump
    machine.pass_by(SECOND)
    for _ in range(20):
        clock.compare(machine.database)
        assert clock.now() == before + SECOND
        assert clock.trouble is not None
        machine.wall += MINUTE  # whatever else is done to it
    assert clock.trouble.startswith("this machine's clock: found ")
    machine.wall = machine.database
    clock.compare(machine.database)
    assert clock.trouble is None


@pytest.mark.parametrize("ahead", [3 * HOUR, -3 * HOUR])
def test_a_worker_that_starts_with_a_wrong_clock_takes_the_time_of_the_database_at_once(ahead: int) -> None:
    machine = Machine(wall=BEGAN + ahead)
    clock = Clock(lambda: machine.wall, lambda: machine.steady)
    clock.compare(machine.database)
    assert clock.now() == BEGAN


def test_small_differences_are_followed_without_ever_going_back(machine: Machine, clock: Clock) -> None:
    clock.compare(machine.database)
    seen = [clock.now()]
    for drift in (30 * SECOND, -50 * SECOND, 40 * SECOND, -59 * SECOND):
        machine.database += drift
        machine.wall += drift
        machine.pass_by(SECOND)
        clock.compare(machine.database)
        assert clock.trouble is None
        seen.append(clock.now())
    assert seen == sorted(seen)
    machine.pass_by(2 * MINUTE)
    assert clock.now() == machine.database


@pytest.mark.parametrize("shared", [True, False], ids=["database", "sqlite"])
@pytest.mark.parametrize("jump", [4 * HOUR, -4 * HOUR])
def test_a_clock_that_stands_alone_is_believed_only_when_it_has_insisted(
    machine: Machine, clock: Clock, jump: int, shared: bool
) -> None:
    def look() -> None:
        clock.compare(machine.database if shared else None)

    look()
    if shared:
        machine.database += jump
    else:
        machine.wall += jump
    right = machine.database if shared else machine.wall
    look()
    assert clock.now() == right - jump
    machine.pass_by(BELIEVED_AFTER - SECOND)
    look()
    assert clock.trouble is not None
    assert clock.now() == right - jump + BELIEVED_AFTER - SECOND
    machine.pass_by(SECOND)
    look()
    assert clock.now() == right + BELIEVED_AFTER
    look()
    # The database's hosts agree among themselves by then; ours still differs and is not used.
    assert (clock.trouble is None) == (not shared)


def test_a_clock_that_was_wrong_for_a_moment_is_not_followed_later(machine: Machine, clock: Clock) -> None:
    clock.compare(machine.database)
    for _ in range(5):
        machine.database += 2 * HOUR
        clock.compare(machine.database)
        assert clock.trouble is not None
        machine.pass_by(BELIEVED_AFTER // 2)
        machine.database -= 2 * HOUR
        clock.compare(machine.database)
        assert clock.trouble is None
        assert clock.now() == machine.database


def test_a_machine_that_was_asleep_takes_the_time_that_two_clocks_agree_on_at_once(
    machine: Machine, clock: Clock
) -> None:
    clock.compare(machine.database)
    machine.wall += 6 * HOUR
    machine.database += 6 * HOUR  # the steady clock stood still
    clock.compare(machine.database)
    assert clock.now() == machine.database
    assert clock.trouble is None
