"""Postmark's webhooks: one record, and the user name and password that its URL was given.

Postmark signs nothing: whoever knows the password may say anything, so it wants TLS, and a rotation now and then.
A message carries its decision in `Metadata`.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from optimizer.domain.outcome import BOUNCED
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.providers.arrivals import (
    CLICKED,
    COMPLAINED,
    DEFERRED,
    DELIVERED,
    OPENED,
    UNSUBSCRIBED,
    Arrival,
    Heard,
    heard_of,
    identity,
    instant_of,
    json_of,
    report_of,
    text,
    wrong,
)

NAME: Final = "postmark"

_WHEN: Final[Mapping[str, str]] = {
    "Delivery": "DeliveredAt",
    "Bounce": "BouncedAt",
    "SpamComplaint": "BouncedAt",
    "Open": "ReceivedAt",
    "Click": "ReceivedAt",
    "SubscriptionChange": "ChangedAt",
}
_KINDS: Final[Mapping[str, str]] = {
    "Delivery": DELIVERED,
    "SpamComplaint": COMPLAINED,
    "Open": OPENED,
    "Click": CLICKED,
}
# A notice that came back. Whatever is not among these (an answer of a machine, a new address) says nothing of delivery.
_RETURNS: Final[Mapping[str, str]] = {
    "HardBounce": BOUNCED,
    "BadEmailAddress": BOUNCED,
    "ManuallyDeactivated": BOUNCED,
    "TemplateRenderingFailed": BOUNCED,  # it was never sent
    "SMTPApiError": BOUNCED,
    "SpamComplaint": COMPLAINED,
    "Unsubscribe": UNSUBSCRIBED,
    "Transient": DEFERRED,
    "SoftBounce": DEFERRED,
    "DnsError": DEFERRED,
    "Blocked": DEFERRED,
    "SpamNotification": DEFERRED,
    "VirusNotification": DEFERRED,
    "DMARCPolicy": DEFERRED,
    "Undeliverable": DEFERRED,
    "Unknown": DEFERRED,
}
_REASONS: Final[Mapping[str, str]] = {
    "ManualSuppression": UNSUBSCRIBED,
    "SpamComplaint": COMPLAINED,
    "HardBounce": BOUNCED,
}
_OFTEN: Final = frozenset({OPENED, CLICKED, DEFERRED})  # kinds that one message may have several of


def check(secret: str) -> None:
    """See `Provider`."""
    user, _, password = secret.partition(":")
    if not user or not password:
        raise ValueError("user name and password with a colon between them, as in the URL at Postmark")


def verify(secrets: Sequence[str], arrival: Arrival) -> None:
    """See `Provider`."""
    scheme, _, credentials = arrival.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise wrong("no user name and password")
    given = _digest(credentials.strip().encode())
    if not any(hmac.compare_digest(given, _digest(b64encode(secret.encode()))) for secret in secrets):
        raise wrong()


def hear(arrival: Arrival) -> Heard:
    """See `Provider`."""

    def report(record: Mapping[str, Any]) -> OutcomeReport | None:
        name = text(record.get("RecordType"))
        kind = _kind(name, record)
        if kind is None:
            return None
        when = record.get(_WHEN[name])
        ids = identity(record, "MessageID")
        if kind in _OFTEN:
            ids += [text(when), text(record.get("OriginalLink"))]
        return report_of(NAME, kind, [*ids, kind], record.get("Metadata"), instant_of(when, arrival.at))

    return heard_of([json_of(arrival.body)], "RecordType", report)


def _digest(credentials: bytes) -> bytes:
    return sha256(credentials).digest()  # so that a comparison takes as long for every length


def _kind(name: str, record: Mapping[str, Any]) -> str | None:
    if name == "Bounce":
        return _RETURNS.get(text(record.get("Type")))
    if name == "SubscriptionChange":  # which also tells of bounces and complaints, as the events they are
        return _REASONS.get(text(record.get("SuppressionReason"))) if record.get("SuppressSending") is True else None
    return _KINDS.get(name)
