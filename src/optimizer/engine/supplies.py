"""Supplies: what decisions of one transaction may still use up, each after those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np
from numpy.typing import NDArray

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

    def part(self, start: int, end: int) -> Room:
        """That of the contacts from `start` up to, and without, `end`."""
        return replace(self, contact_again_at=self.contact_again_at[start:end])


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
        self._take_up(keys, Reading(int(tactic.most[arm]), 0, 1))
        if tactic.contact_limits:
            self.contacts.setdefault(recipient_key, []).append(Contact(now, tactic.campaign.channel))

    def use_together(
        self, tactic: Tactic, keys: Keys, recipient_keys: Sequence[str], arms: NDArray[np.int64], now: Instant
    ) -> None:
        """Decisions have been made for these arms, below 0 where nothing is sent."""
        sent = np.flatnonzero(arms >= 0)
        self._take_up(keys, Reading(int(tactic.most[arms[sent]].sum()), 0, len(sent)))
        if tactic.contact_limits:
            contact = Contact(now, tactic.campaign.channel)
            for n in sent.tolist():
                self.contacts.setdefault(recipient_keys[n], []).append(contact)

    def _take_up(self, keys: Keys, more: Reading) -> None:
        for key in set(keys):
            self.readings[key] = self.readings.get(key, UNUSED).plus(more)
