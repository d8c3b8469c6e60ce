"""Mailgun's webhooks: one event, and a signature that stands in the body beside it.

The signature is of a timestamp and a token alone, so it says nothing of the event. That is why a token, once taken with
one body, is refused with any other. A message carries its decision in a variable, `v:decision_id`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from optimizer.domain.instants import HOUR, Duration
from optimizer.domain.outcome import BOUNCED
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.providers.arrivals import (
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    OPENED,
    SENT,
    UNSUBSCRIBED,
    Arrival,
    Heard,
    check_age,
    fields,
    heard_of,
    identity,
    instant_of,
    json_of,
    report_of,
    text,
    wrong,
)

NAME: Final = "mailgun"
# It repeats what was not taken over seven and a half hours, and nowhere says that it signs anew.
OLDEST: Final[Duration] = 9 * HOUR
_LONGEST_TOKEN = 200

_KINDS: Final[Mapping[str, str]] = {
    "accepted": SENT,
    "rejected": BOUNCED,
    "delivered": DELIVERED,
    "failed": BOUNCED,
    "opened": OPENED,
    "clicked": CLICKED,
    "unsubscribed": UNSUBSCRIBED,
    "complained": COMPLAINED,
}


def check(secret: str) -> None:
    """See `Provider`."""
    if not secret.isascii() or len(secret) < 16:
        raise ValueError("the HTTP webhook signing key Mailgun shows")


def verify(secrets: Sequence[str], arrival: Arrival) -> str:
    """See `Provider`. An event of a subaccount carries a signature with the key of the account above it, too."""
    try:
        signature = fields(fields(orjson.loads(arrival.body)).get("signature"))
    except orjson.JSONDecodeError:
        raise wrong("a body that is not JSON") from None
    timestamp, token = text(signature.get("timestamp")), text(signature.get("token"))
    given = [text(signature.get(name)) for name in ("signature", "parent-signature")]
    if not token or len(token) > _LONGEST_TOKEN or not any(given):
        raise wrong("none in the body")
    check_age(timestamp, arrival, OLDEST)
    signed = f"{timestamp}{token}".encode()
    expected = [hmac.new(secret.encode(), signed, sha256).hexdigest().encode() for secret in secrets]
    if not any(hmac.compare_digest(one, other.encode()) for one in expected for other in given):
        raise wrong()
    return token


def hear(arrival: Arrival) -> Heard:
    """See `Provider`."""

    def report(event: Mapping[str, Any]) -> OutcomeReport | None:
        name = text(event.get("event"))
        if name not in _KINDS:
            return None
        kind = DEFERRED if name == "failed" and event.get("severity") == "temporary" else _KINDS[name]
        return report_of(
            NAME,
            kind,
            identity(event, "id", "timestamp"),  # the id alone is unique for a day only
            event.get("user-variables"),
            instant_of(event.get("timestamp"), arrival.at),
            machine=bool(text(fields(event.get("client-info")).get("bot"))),
        )

    return heard_of([fields(json_of(arrival.body)).get("event-data")], "event", report)
