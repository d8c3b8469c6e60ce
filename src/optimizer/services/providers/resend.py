"""Resend's webhooks: one event, signed as Standard Webhooks under header names of its own.

A message carries its decision as a tag; tags come back as an object, and as a list of pairs from older accounts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from optimizer.domain.outcome import BOUNCED
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.providers import standard
from optimizer.services.providers.arrivals import (
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    OPENED,
    SENT,
    Arrival,
    Heard,
    fields,
    heard_of,
    instant_of,
    json_of,
    report_of,
    text,
)

NAME: Final = "resend"
PREFIX: Final = "svix"

_KINDS: Final[Mapping[str, str]] = {
    "email.sent": SENT,
    "email.delivered": DELIVERED,
    "email.delivery_delayed": DEFERRED,
    "email.bounced": BOUNCED,
    "email.failed": BOUNCED,  # it was never sent
    "email.suppressed": BOUNCED,
    "email.opened": OPENED,
    "email.clicked": CLICKED,
    "email.complained": COMPLAINED,
}
_SOFT: Final = frozenset({"Transient", "Temporary", "Undetermined"})

check = standard.check


def verify(secrets: Sequence[str], arrival: Arrival) -> None:
    """See `Provider`."""
    standard.verify(secrets, arrival, PREFIX)


def hear(arrival: Arrival) -> Heard:
    """See `Provider`."""

    def report(event: Mapping[str, Any]) -> OutcomeReport | None:
        name, data = text(event.get("type")), fields(event.get("data"))
        if name not in _KINDS:
            return None
        soft = name == "email.bounced" and text(fields(data.get("bounce")).get("type")) in _SOFT
        return report_of(
            NAME,
            DEFERRED if soft else _KINDS[name],
            [arrival.headers[f"{PREFIX}-id"]],  # the same however often it is repeated
            data.get("tags"),
            instant_of(event.get("created_at"), arrival.at),
        )

    return heard_of([json_of(arrival.body)], "type", report)
