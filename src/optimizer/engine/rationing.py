"""Rationing: contacts are chosen for one after the other, each with what those before it have left."""

from __future__ import annotations

from optimizer.domain.instants import Instant
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.choosing import Choice, Contacts, choose
from optimizer.engine.supplies import Supplies, meters_of
from optimizer.engine.tactic import Tactic

# Contacts that are looked at together. Where one of them uses up what another was counting on, that one is looked
# at again by itself, so the result is that of one after the other; a portion bounds what is done twice.
PORTION = 256


def choose_in_turn(
    tactic: Tactic, table: AllocationTable, contacts: Contacts, supplies: Supplies, now: Instant
) -> list[Choice]:
    """Choose for every contact, in order, and use up the supplies by what was chosen."""
    keys = meters_of(tactic, now)
    choices: list[Choice] = []
    for start in range(0, len(contacts.recipient_keys), PORTION):
        part = contacts.part(start, start + PORTION)
        room = supplies.room(tactic, keys, part.recipient_keys, now)
        spare = supplies.spare(tactic, keys)
        met: set[str] = set()
        for n, first in enumerate(choose(tactic, table, part, room, now)):
            choice = first
            recipient_key = part.recipient_keys[n]
            is_short = spare <= 0 and not supplies.affordable(tactic, keys).same_as(room.affordable)
            if recipient_key in met or is_short:
                fresh = supplies.room(tactic, keys, [recipient_key], now)
                choice = choose(tactic, table, part.part(n, n + 1), fresh, now)[0]
            if choice.arm is not None:
                supplies.use(tactic, keys, recipient_key, choice.arm, now)
                spare -= 1
                if tactic.contact_limits:
                    met.add(recipient_key)
            choices.append(choice)
    return choices
