"""What a recipient did after a decision, and what became of each report of it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from optimizer.domain.instants import Instant

EXPOSED = "exposed"  # the caller says the variant reached the recipient
WITHDRAWN = "withdrawn"  # the caller says it never will
BOUNCED = "bounced"  # the provider says it never will

# Outcomes that put the recipient on the suppression list; True: for every channel, not only the decision's own.
SUPPRESSING: Mapping[str, bool] = {"unsubscribed": False, "complained": True}


class Outcome(NamedTuple):
    """One thing that happened to one decision.

    Attributes:
        event_id: the reporter's id of the event; a second report of the same id changes nothing.
        kind: ``clicked``, ``purchase`` … any identifier; ``exposed``, ``withdrawn`` and ``bounced`` move the exposure.
        value: micro-units (of `currency` when it is money); None when the kind alone says it all.
        occurred_at: when it happened, as the reporter says.
        received_at: when we heard of it.
        reverses: event id of an outcome that this one undoes (a refund, a mistaken report); in any order.
        machine: the reporter says that no person did it: a mail scanner, a privacy proxy, a robot.
    """

    event_id: str
    decision_id: str
    kind: str
    value: int | None
    currency: str | None
    occurred_at: Instant
    received_at: Instant
    reverses: str | None = None
    machine: bool = False


class Receipt(StrEnum):
    """What became of a reported outcome."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"  # already recorded under this event id; nothing changed
    LATE = "late"  # recorded, but after the attribution window: it earns no reward
    UNKNOWN = "unknown"  # no such decision; kept in quarantine
    REJECTED = "rejected"  # not usable; kept in quarantine with the reason
