"""Supplies: what decisions of one transaction may still use up, each after those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from optimizer.domain.instants import Instant
from optimizer.domain.meters import UNUSED, MeterKey, Reading
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.budget import Affordable, affordable, room_again_at
from optimizer.guardrails.contacts import Contact, allowed_at

Keys = tuple[MeterKey, ...]


def meters_of(tactic: Tactic, now: Instant) -> Keys:
    """The meter that counts each of a tactic's limits now."""
    return tuple(limit.key(now, tactic.zone) for limit in tactic.budget_limits)


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """What there is room for, for each of ``N`` contacts.

    Attributes:
        affordable: what the budgets admit, the same for all of them.
        budget_again_at: per arm without room, when there will be; None when that is not known.
        contact_again_at: ``N`` instants from which on each may be contacted, see `guardrails.contacts.allowed_at`;
            none at all where nothing limits contacts.
    """

    affordable: Affordable
    budget_again_at: tuple[Instant | None, ...]
    contact_again_at: tuple[Instant, ...]

    def again_at(self, n: int) -> Instant:
        """From when on this contact is allowed."""
        return self.contact_again_at[n] if self.contact_again_at else 0


@dataclass(slots=True)
class Supplies:
    """Budgets and contacts, shared by all campaigns of a transaction and used up as decisions are made.

    Attributes:
        readings: what is in use on each meter.
        contacts: past contacts of each recipient, as far back as any rule asks.
        ordinals: the number of each recipient's last counted contact, as it was before `contacts` were looked up.
    """

    readings: dict[MeterKey, Reading] = field(default_factory=dict)
    contacts: dict[str, list[Contact]] = field(default_factory=dict)
    ordinals: dict[str, int] = field(default_factory=dict)

    def affordable(self, tactic: Tactic, keys: Keys) -> Affordable:
        """What the budgets admit now."""
        return affordable(tactic.budget_limits, keys, self.readings, tactic.most)

    def spare(self, tactic: Tactic, keys: Keys) -> float:
        """How many more decisions, whichever they are, cannot change what the budgets admit; infinite without any."""
        dearest, spare = int(tactic.most.max()), inf
        for limit, key in zip(tactic.budget_limits, keys, strict=True):
            used = self.readings.get(key, UNUSED)
            if limit.allowance.sends is not None:
                spare = min(spare, limit.allowance.sends - used.sends - 1)
            if limit.allowance.money is not None and dearest > 0:
                spare = min(spare, (limit.allowance.money - used.money) // dearest - 1)
        return spare

    def room(self, tactic: Tactic, keys: Keys, recipient_keys: Sequence[str], now: Instant) -> Room:
        """What there is room for now."""
        fits = self.affordable(tactic, keys)
        budget_again: tuple[Instant | None, ...] = ()
        if not fits.everything:
            budget_again = tuple(
                room_again_at(tactic.budget_limits, keys, self.readings, int(cost), now, tactic.zone)
                for cost in tactic.most
            )
        contact_again: tuple[Instant, ...] = ()
        if tactic.contact_limits:
            limits, past = tactic.contact_limits, self.contacts
            contact_again = tuple(allowed_at(limits, past[key], now) if key in past else now for key in recipient_keys)
        return Room(fits, budget_again, contact_again)

    def use(self, tactic: Tactic, keys: Keys, recipient_key: str, arm: int, now: Instant) -> None:
        """A decision has been made for this arm."""
        more = Reading(int(tactic.most[arm]), 0, 1)
        for key in set(keys):
            self.readings[key] = self.readings.get(key, UNUSED).plus(more)
        if tactic.contact_limits:
            self.contacts.setdefault(recipient_key, []).append(Contact(now, tactic.campaign.channel))
