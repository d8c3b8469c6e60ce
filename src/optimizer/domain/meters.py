"""Meters: how much of a limited budget is in use, in one scope and period."""

from __future__ import annotations

from typing import Final, NamedTuple

STRATEGY: Final = "strategy"
EVER: Final = "ever"


def campaign_scope(campaign_id: str) -> str:
    """Scope of one campaign's own budget."""
    return f"campaign:{campaign_id}"


def channel_scope(channel: str) -> str:
    """Scope of a channel's sends."""
    return f"channel:{channel}"


class MeterKey(NamedTuple):
    """Which budget, and which of its periods: `EVER`, a month ``2026-12`` or a day ``2026-12-01``."""

    scope: str
    period: str


class Reading(NamedTuple):
    """What is in use.

    Attributes:
        reserved: money that may yet become due, micro-units.
        settled: money that is due, micro-units.
        sends: messages.
    """

    reserved: int = 0
    settled: int = 0
    sends: int = 0

    @property
    def money(self) -> int:
        """Money in use, due or reserved, micro-units."""
        return self.reserved + self.settled

    def plus(self, other: Reading) -> Reading:
        """Element by element."""
        return Reading(self.reserved + other.reserved, self.settled + other.settled, self.sends + other.sends)

    def negated(self) -> Reading:
        """What takes this back."""
        return Reading(-self.reserved, -self.settled, -self.sends)


UNUSED = Reading()


class Allowance(NamedTuple):
    """The most that may be in use on a meter; None where there is no limit.

    Attributes:
        money: micro-units.
        sends: messages.
    """

    money: int | None = None
    sends: int | None = None

    def admits(self, reading: Reading) -> bool:
        """Whether what is in use stays within."""
        used = ((reading.money, self.money), (reading.sends, self.sends))
        return all(limit is None or amount <= limit for amount, limit in used)

    def both(self, other: Allowance) -> Allowance:
        """The stricter of two."""
        return Allowance(_least(self.money, other.money), _least(self.sends, other.sends))


def _least(one: int | None, other: int | None) -> int | None:
    given = [limit for limit in (one, other) if limit is not None]
    return min(given, default=None)
