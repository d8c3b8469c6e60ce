"""Contact policy: how often a recipient may hear from us, whatever the campaign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from optimizer.domain.instants import Duration, Instant
from optimizer.strategy.documents import Strategy


class Contact(NamedTuple):
    """One message a recipient was sent."""

    at: Instant
    channel: str


@dataclass(frozen=True, slots=True)
class ContactLimit:
    """At most so many contacts in any period this long: the window rolls.

    Attributes:
        at_most: contacts.
        per: length of the window, microseconds.
        channels: which count together; None for all.
    """

    at_most: int
    per: Duration
    channels: frozenset[str] | None


def contact_limits(strategy: Strategy, channel: str) -> tuple[ContactLimit, ...]:
    """The rules a contact on a channel is under."""
    return tuple(
        ContactLimit(rule.at_most, rule.per, None if rule.channels is None else frozenset(rule.channels))
        for rule in strategy.contact_policy
        if rule.channels is None or channel in rule.channels
    )


def allowed_at(limits: Sequence[ContactLimit], contacts: Sequence[Contact], now: Instant) -> Instant:
    """When the next contact is allowed: `now`, or as soon as enough of the past ones lie far enough back.

    A contact at ``t`` counts in the window ``(now - per, now]``, so it no longer counts at ``t + per``. Contacts that
    another clock dated a little ahead of ours count as well.

    Args:
        limits: the rules the contact is under.
        contacts: past contacts of the recipient, in any order.
        now: instant of the decision.
    """
    allowed = now
    for limit in limits:
        counted = sorted(
            (contact.at for contact in contacts if limit.channels is None or contact.channel in limit.channels),
            reverse=True,
        )
        if len(counted) >= limit.at_most:
            allowed = max(allowed, counted[limit.at_most - 1] + limit.per)
    return allowed


def longest_window(limits: Sequence[ContactLimit]) -> Duration:
    """How far back contacts matter, microseconds; 0 without rules."""
    return max((limit.per for limit in limits), default=0)
