"""Rationing: contacts are chosen for one after the other, each with what those before it have left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from optimizer.domain.instants import Instant
from optimizer.engine.alike import Taken, taken
from optimizer.engine.allocations import Allocations, AllocationTable
from optimizer.engine.choosing import NO_ARM, Choice, Chosen, Contacts, choices, chosen
from optimizer.engine.supplies import Room, Supplies, meters_of
from optimizer.engine.tactic import Keys, Tactic

# Contacts that are looked at together. Where one of them uses up what another was counting on, that one is looked
# at again, so the result is that of one after the other; a portion bounds what is done twice.
PORTION = 256


class Found(Protocol):
    """What was chosen for some contacts, in whatever form."""

    def part(self, start: int, end: int) -> Self:
        """Those from `start` up to, and without, `end`."""


F = TypeVar("F", bound=Found)
Chooser = Callable[[Contacts, Room], tuple[F, list[int]]]
"""Chooses for some contacts; gives what was chosen, and the arm of each, `NO_ARM` where nothing is sent."""


@dataclass(slots=True, eq=False)  # one for every campaign of a micro-batch, as `Contacts`
class Look(Generic[F]):
    """What was chosen for some contacts when they were looked at, and what there was room for then."""

    contacts: Contacts
    room: Room
    found: F
    arms: list[int]


def choose_in_turn(
    tactic: Tactic, table: Allocations, contacts: Contacts, supplies: Supplies, now: Instant
) -> list[Choice]:
    """Choose for every contact, in order, and use up the supplies by what was chosen."""
    if isinstance(table, AllocationTable) and not table.is_personal:
        alike = _looks(tactic, _of_kinds(tactic, table, now), contacts, supplies, now)
        return [choice for look in alike for choice in look.found.choices]
    return [
        choice
        for look in _looks(tactic, _in_columns(tactic, table, now), contacts, supplies, now)
        for choice in choices(tactic, look.contacts, look.found, look.room, now)
    ]


def chosen_in_turn(tactic: Tactic, table: Allocations, contacts: Contacts, supplies: Supplies, now: Instant) -> Chosen:
    """The same in columns, for one contact or more."""
    looks = _looks(tactic, _in_columns(tactic, table, now), contacts, supplies, now)
    return Chosen.joined([look.found for look in looks])


def _of_kinds(tactic: Tactic, table: AllocationTable, now: Instant) -> Chooser[Taken]:
    def choose(contacts: Contacts, room: Room) -> tuple[Taken, list[int]]:
        found = taken(tactic, table, contacts, room, now)
        return found, found.arms

    return choose


def _in_columns(tactic: Tactic, table: Allocations, now: Instant) -> Chooser[Chosen]:
    def choose(contacts: Contacts, room: Room) -> tuple[Chosen, list[int]]:
        found = chosen(tactic, table, contacts, room, now)
        return found, found.arms.tolist()

    return choose


def _looks(
    tactic: Tactic, choose: Chooser[F], contacts: Contacts, supplies: Supplies, now: Instant
) -> Iterator[Look[F]]:
    """Every contact in one look, in order."""
    keys, n = meters_of(tactic, now), len(contacts.recipient_keys)
    for start in range(0, n, PORTION):
        part = contacts if n <= PORTION else contacts.part(start, start + PORTION)
        room = supplies.room(tactic, keys, part.recipient_keys, now)
        look = Look(part, room, *choose(part, room))
        if _is_independent(tactic, look):
            supplies.use_together(tactic, keys, part.recipient_keys, look.arms, now)
            yield look
        else:
            yield from _one_by_one(tactic, choose, keys, supplies, look, now)


def _is_independent(tactic: Tactic, look: Look[F]) -> bool:
    """Whether no contact can use up what a later one of the same look was counting on."""
    n_sends = len(look.arms) - look.arms.count(NO_ARM)
    if n_sends == 0:
        return True
    people = look.contacts.recipient_keys
    meets_twice = bool(tactic.contact_limits) and len(set(people)) < len(people)
    return not meets_twice and n_sends < look.room.spare


def _one_by_one(
    tactic: Tactic, choose: Chooser[F], keys: Keys, supplies: Supplies, look: Look[F], now: Instant
) -> Iterator[Look[F]]:
    """One contact after the other.

    Everyone still to come is looked at again when the budgets admit less, and whoever has been contacted meanwhile when
    it is their turn.
    """
    contacts, end = look.contacts, len(look.contacts.recipient_keys)
    begins, done = 0, 0  # the contact that the look begins with, and the first that is not answered yet
    spare, used, met = look.room.spare, False, set[str]()

    def answered(until: int) -> Look[F]:
        here = (done - begins, until - begins)
        return Look(contacts.part(done, until), look.room.part(*here), look.found.part(*here), look.arms[slice(*here)])

    for n, person in enumerate(contacts.recipient_keys):
        if used and spare <= 0 and not supplies.affordable(tactic, keys).same_as(look.room.affordable):
            yield answered(n)
            rest = contacts.part(n, end)
            room = supplies.room(tactic, keys, rest.recipient_keys, now)
            look, begins, done = Look(rest, room, *choose(rest, room)), n, n
        used = False
        arm = look.arms[n - begins]
        if person in met:
            yield answered(n)
            alone, fresh = contacts.part(n, n + 1), supplies.room(tactic, keys, [person], now)
            again = Look(alone, fresh, *choose(alone, fresh))
            yield again
            arm, done = again.arms[0], n + 1
        if arm != NO_ARM:
            supplies.use(tactic, keys, person, arm, now)
            spare, used = spare - 1, True
            if tactic.contact_limits:
                met.add(person)
    yield answered(end)
