"""What a recipient did, as far as attributes follow from it: behaviour that is targeting."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from optimizer.domain.instants import Instant

UNDOING: Final = ""  # kind of what only undoes another event; no outcome can be called so
NO_PROPERTIES: Final[Mapping[str, str | float]] = MappingProxyType({})


class Happening(NamedTuple):
    """One thing one recipient did, or that happened to them.

    Attributes:
        recipient_key: what stands for the recipient in the ledger.
        kind: ``purchase``, ``opened`` … any outcome kind; `UNDOING` for what undoes another event.
        occurred_at: when, as the reporter says; of what undoes another event, when we heard of it.
        value: micro-units, of the strategy's currency when it is money; None where there is none.
        event_id: the reporter's id of the event; a second report of the same id changes nothing.
        received_at: when we heard of it.
        properties: texts and numbers by name, beside the value.
        decision_id, decided_at: of the decision it is an outcome of; None for what follows from none.
        reverses: event id of what it undoes.
        machine: the reporter says that no person did it.
    """

    recipient_key: str
    kind: str
    occurred_at: Instant
    value: int | None
    event_id: str
    received_at: Instant = 0
    properties: Mapping[str, str | float] = NO_PROPERTIES
    decision_id: str | None = None
    decided_at: Instant | None = None
    reverses: str | None = None
    machine: bool = False
