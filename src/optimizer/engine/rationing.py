"""Rationing: contacts are chosen for one after the other, each with what those before it have left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from optimizer.domain.instants import Instant
from optimizer.engine.allocations import Allocations
from optimizer.engine.choosing import NO_ARM, Choice, Chosen, Contacts, choices, chosen
from optimizer.engine.supplies import Keys, Room, Supplies, meters_of
from optimizer.engine.tactic import Tactic

# Contacts that are looked at together. Where one of them uses up what another was counting on, that one is looked
# at again, so the result is that of one after the other; a portion bounds what is done twice.
PORTION = 256


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was chosen for some contacts when they were looked at, and what there was room for then."""

    contacts: Contacts
    room: Room
    found: Chosen


def choose_in_turn(
    tactic: Tactic, table: Allocations, contacts: Contacts, supplies: Supplies, now: Instant
) -> list[Choice]:
    """Choose for every contact, in order, and use up the supplies by what was chosen."""
    return [
        choice
        for look in _looks(tactic, table, contacts, supplies, now)
        for choice in choices(tactic, look.contacts, look.found, look.room, now)
    ]


def chosen_in_turn(tactic: Tactic, table: Allocations, contacts: Contacts, supplies: Supplies, now: Instant) -> Chosen:
    """The same in columns, for one contact or more."""
    return Chosen.joined([look.found for look in _looks(tactic, table, contacts, supplies, now)])


def _looks(tactic: Tactic, table: Allocations, contacts: Contacts, supplies: Supplies, now: Instant) -> Iterator[Look]:
    """Every contact in one look, in order."""
    keys = meters_of(tactic, now)
    for start in range(0, len(contacts.recipient_keys), PORTION):
        part = contacts.part(start, start + PORTION)
        room = supplies.room(tactic, keys, part.recipient_keys, now)
        look = Look(part, room, chosen(tactic, table, part, room, now))
        if _is_independent(tactic, keys, supplies, look):
            supplies.use_together(tactic, keys, part.recipient_keys, look.found.arms, now)
            yield look
        else:
            yield from _one_by_one(tactic, table, keys, supplies, look, now)


def _is_independent(tactic: Tactic, keys: Keys, supplies: Supplies, look: Look) -> bool:
    """Whether no contact can use up what a later one of the same look was counting on."""
    n_sends = int((look.found.arms != NO_ARM).sum())
    if n_sends == 0:
        return True
    people = look.contacts.recipient_keys
    meets_twice = bool(tactic.contact_limits) and len(set(people)) < len(people)
    return not meets_twice and n_sends < supplies.spare(tactic, keys)


def _one_by_one(
    tactic: Tactic, table: Allocations, keys: Keys, supplies: Supplies, look: Look, now: Instant
) -> Iterator[Look]:
    """One contact after the other.

    Everyone still to come is looked at again when the budgets admit less, and whoever has been contacted meanwhile when
    it is their turn.
    """
    contacts, end = look.contacts, len(look.contacts.recipient_keys)
    begins, done = 0, 0  # the contact that the look begins with, and the first that is not answered yet
    spare, used, met = supplies.spare(tactic, keys), False, set[str]()

    def answered(until: int) -> Look:
        here = (done - begins, until - begins)
        return Look(contacts.part(done, until), look.room.part(*here), look.found.part(*here))

    for n, person in enumerate(contacts.recipient_keys):
        if used and spare <= 0 and not supplies.affordable(tactic, keys).same_as(look.room.affordable):
            yield answered(n)
            rest = contacts.part(n, end)
            room = supplies.room(tactic, keys, rest.recipient_keys, now)
            look, begins, done = Look(rest, room, chosen(tactic, table, rest, room, now)), n, n
        used = False
        arm = int(look.found.arms[n - begins])
        if person in met:
            yield answered(n)
            alone, fresh = contacts.part(n, n + 1), supplies.room(tactic, keys, [person], now)
            again = Look(alone, fresh, chosen(tactic, table, alone, fresh, now))
            yield again
            arm, done = int(again.found.arms[0]), n + 1
        if arm != NO_ARM:
            supplies.use(tactic, keys, person, arm, now)
            spare, used = spare - 1, True
            if tactic.contact_limits:
                met.add(person)
    yield answered(end)
