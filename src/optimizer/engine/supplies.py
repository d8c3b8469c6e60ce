"""Supplies: what decisions of one transaction may still use up, each after those before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from optimizer.domain.instants import Instant
from optimizer.domain.meters import UNUSED, MeterKey, Reading
from optimizer.engine.tactic import Keys, Tactic
from optimizer.guardrails.budget import Affordable, Span, left, periods_containing, room_again_at
from optimizer.guardrails.contacts import Contact, allowed_at


def meters_of(tactic: Tactic, now: Instant) -> Keys:
    """The meter that counts each of a tactic's limits now."""
    if not tactic.budget_limits:
        return ()
    label_of = periods_containing(now, tactic.zone)
    today = label_of[Span.DAY]  # the shortest of the periods: while it lasts, so do the others
    keys = tactic.meters.get(today)
    if keys is None:
        keys = tuple(MeterKey(limit.scope, label_of[limit.span]) for limit in tactic.budget_limits)
        tactic.meters[today] = keys
    return keys


class Room(NamedTuple):
    """What there is room for, for each of ``N`` contacts.

    Attributes:
        affordable: what the budgets admit, the same for all of them.
        spare: how many decisions, whichever they are, cannot change what the budgets admit; infinite without any.
        budget_again_at: per arm without room, when there will be; None when that is not known.
        contact_again_at: ``N`` instants from which on each may be contacted, see `guardrails.contacts.allowed_at`;
            none at all where nothing limits contacts.
    """

    affordable: Affordable
    spare: float
    budget_again_at: tuple[Instant | None, ...]
    contact_again_at: tuple[Instant, ...]

    def again_at(self, n: int) -> Instant:
        """From when on this contact is allowed."""
        return self.contact_again_at[n] if self.contact_again_at else 0

    def part(self, start: int, end: int) -> Room:
        """That of the contacts from `start` up to, and without, `end`."""
        return self._replace(contact_again_at=self.contact_again_at[start:end])


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
        return left(tactic.budget_limits, keys, self.readings).affordable(tactic.most.tolist())

    def room(self, tactic: Tactic, keys: Keys, recipient_keys: Sequence[str], now: Instant) -> Room:
        """What there is room for now."""
        rest, most = left(tactic.budget_limits, keys, self.readings), tactic.most.tolist()
        fits = rest.affordable(most)
        budget_again: tuple[Instant | None, ...] = ()
        if not fits.everything:
            budget_again = tuple(
                room_again_at(tactic.budget_limits, keys, self.readings, cost, now, tactic.zone) for cost in most
            )
        contact_again: tuple[Instant, ...] = ()
        if tactic.contact_limits:
            limits, past = tactic.contact_limits, self.contacts
            contact_again = tuple(allowed_at(limits, past[key], now) if key in past else now for key in recipient_keys)
        return Room(fits, rest.spare(max(most)), budget_again, contact_again)

    def use(self, tactic: Tactic, keys: Keys, recipient_key: str, arm: int, now: Instant) -> None:
        """A decision has been made for this arm."""
        self._take_up(keys, Reading(int(tactic.most[arm]), 0, 1))
        if tactic.contact_limits:
            self.contacts.setdefault(recipient_key, []).append(Contact(now, tactic.campaign.channel))

    def use_together(
        self, tactic: Tactic, keys: Keys, recipient_keys: Sequence[str], arms: Sequence[int], now: Instant
    ) -> None:
        """Decisions have been made for these arms, below 0 where nothing is sent."""
        if keys:
            most = tactic.most.tolist()
            costs = [most[arm] for arm in arms if arm >= 0]
            self._take_up(keys, Reading(sum(costs), 0, len(costs)))
        if tactic.contact_limits:
            contact = Contact(now, tactic.campaign.channel)
            for key, arm in zip(recipient_keys, arms, strict=True):
                if arm >= 0:
                    self.contacts.setdefault(key, []).append(contact)

    def _take_up(self, keys: Keys, more: Reading) -> None:
        readings, (money, due, sends) = self.readings, more
        for key in keys:
            reserved, settled, sent = readings.get(key, UNUSED)
            readings[key] = Reading(reserved + money, settled + due, sent + sends)
