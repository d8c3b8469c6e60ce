"""SendGrid's Event Webhook: a list of events, signed with ECDSA over the timestamp and the body.

The key is the one the page "Signed Event Webhook Requests" shows: a P-256 public key, DER in base64. A message carries
its decision in `custom_args`, which stand flat among the fields of each of its events.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

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
    heard_of,
    identity,
    instant_of,
    json_of,
    report_of,
    text,
    wrong,
)

NAME: Final = "sendgrid"
SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"
# It repeats what was not taken for 24 hours, and nowhere says that it signs anew. An event counts once all the same.
OLDEST: Final[Duration] = 25 * HOUR

_KINDS: Final[Mapping[str, str]] = {
    "processed": SENT,
    "deferred": DEFERRED,
    "delivered": DELIVERED,
    "bounce": BOUNCED,
    "dropped": BOUNCED,  # nothing will ever arrive
    "open": OPENED,
    "click": CLICKED,
    "spamreport": COMPLAINED,
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
}


def check(secret: str) -> None:
    """See `Provider`."""
    _key(secret)


def verify(secrets: Sequence[str], arrival: Arrival) -> None:
    """See `Provider`."""
    given, timestamp = arrival.headers.get(SIGNATURE, ""), arrival.headers.get(TIMESTAMP, "")
    if not given:
        raise wrong(f"none in {SIGNATURE}")
    check_age(timestamp, arrival, OLDEST)
    try:
        signature = b64decode(given, validate=True)
    except ValueError:  # no base64, or not even ASCII
        raise wrong() from None
    if b64encode(signature).decode() != given:  # the same bytes may be written in several ways
        raise wrong()
    for secret in secrets:
        try:
            _key(secret).verify(signature, timestamp.encode() + arrival.body, ec.ECDSA(SHA256()))
        except InvalidSignature:
            continue
        return
    raise wrong()


def hear(arrival: Arrival) -> Heard:
    """See `Provider`."""

    def report(event: Mapping[str, Any]) -> OutcomeReport | None:
        name = text(event.get("event"))
        if name not in _KINDS:
            return None
        # A block is of this attempt or this content; the address is as good as before.
        kind = DEFERRED if name == "bounce" and event.get("type") == "blocked" else _KINDS[name]
        return report_of(
            NAME,
            kind,
            identity(event, "sg_event_id"),
            event,
            instant_of(event.get("timestamp"), arrival.at),
            machine=text(event.get("sg_machine_open")).lower() == "true" or event.get("sg_machine_open") is True,
        )

    said = json_of(arrival.body)
    return heard_of(said if isinstance(said, list) else [said], "event", report)


@lru_cache(maxsize=64)
def _key(secret: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(b64decode(secret, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("the verification key SendGrid shows: a P-256 public key in base64")
