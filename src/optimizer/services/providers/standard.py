"""Standard Webhooks: what any sender may post that signs as that specification says.

A secret is `whsec_` and base64 of 16 or more bytes (HMAC-SHA256), or `whpk_` and base64 of an Ed25519 public key. While
either side changes its secret there are several secrets here, or several signatures there: one pair that fits will do.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from optimizer.domain.instants import MINUTE, Duration
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.services.providers.arrivals import (
    DEFERRED,
    SENT,
    Arrival,
    Heard,
    check_age,
    decision_id_of,
    fields,
    heard_of,
    instant_of,
    json_of,
    report_of,
    text,
    wrong,
)
from optimizer.strategy.documents import Strategy
from optimizer.strategy.events import Mapped, mapped

NAME: Final = "standard"
TOLERANCE: Final[Duration] = 5 * MINUTE  # each attempt is signed anew
_SHARED, _PUBLIC = "whsec_", "whpk_"
_SHORTEST = 16  # bytes of a secret
_MOST_SIGNATURES = 20
_ALWAYS: Final = frozenset({SENT, DEFERRED})  # kinds that need no mapping, beside those that every strategy knows


def check(secret: str) -> None:
    """See `Provider`."""
    if secret.startswith(_PUBLIC):
        _public_key(secret)
    elif len(_shared_key(secret)) < _SHORTEST:
        raise ValueError(f"{_SHARED} and base64 of {_SHORTEST} or more bytes")


def verify(secrets: Sequence[str], arrival: Arrival, prefix: str = "webhook") -> None:
    """See `Provider`; `prefix` is that of the three headers, for which some senders have a word of their own."""
    message_id = arrival.headers.get(f"{prefix}-id", "")
    timestamp = arrival.headers.get(f"{prefix}-timestamp", "")
    signatures = arrival.headers.get(f"{prefix}-signature", "").split(" ")[:_MOST_SIGNATURES]
    if not message_id or not any(signatures):
        raise wrong(f"none in {prefix}-signature")
    check_age(timestamp, arrival, TOLERANCE)
    signed = f"{message_id}.{timestamp}.".encode("latin-1") + arrival.body
    if not any(_fits(secret, signed, signatures) for secret in secrets):
        raise wrong()


def hear(arrival: Arrival, strategy: Strategy) -> Heard:
    """What a verified event `{type, timestamp, data}` says: the outcome that the strategy's `events` make of its type.

    `data.decision_id` names the decision, and `data.machine: true` says that no person did it.

    Raises:
        InvalidRequest: it is no event, or its value is no number.
    """

    def report(event: Mapping[str, Any]) -> OutcomeReport | None:
        data = fields(event.get("data"))
        found = _outcome(strategy, text(event.get("type")), data)
        if found is None:
            return None
        return OutcomeReport(
            event_id=report_of(NAME, found.kind, [arrival.headers["webhook-id"]], data, arrival.at).event_id,
            kind=found.kind,
            occurred_at=instant_of(event.get("timestamp"), arrival.at),
            decision_id=decision_id_of(data),
            value=found.value_micros,
            currency=found.currency,
            machine=data.get("machine") is True,
        )

    return heard_of([json_of(arrival.body)], "type", report)


def _outcome(strategy: Strategy, name: str, data: Mapping[str, Any]) -> Mapped | None:
    """What an event is; `email.opened` is what `opened` is unless the strategy says otherwise."""
    plain = name.removeprefix("email.")
    for called in (name, plain):
        if (found := mapped(strategy, called, data, "/data")) is not None:
            return found
    return Mapped(plain) if plain in _ALWAYS else None


def _fits(secret: str, signed: bytes, signatures: Sequence[str]) -> bool:
    if secret.startswith(_PUBLIC):
        return any(_signed_by(secret, signed, one) for one in signatures if one.startswith("v1a,"))
    expected = b"v1," + b64encode(hmac.digest(_shared_key(secret), signed, sha256))
    return any(hmac.compare_digest(expected, one.encode()) for one in signatures)


def _signed_by(secret: str, signed: bytes, signature: str) -> bool:
    given = signature.partition(",")[2]
    try:
        decoded = b64decode(given, validate=True)
        _public_key(secret).verify(decoded, signed)
    except (ValueError, InvalidSignature):
        return False
    return b64encode(decoded).decode() == given


@lru_cache(maxsize=64)
def _shared_key(secret: str) -> bytes:
    written = secret.removeprefix(_SHARED)
    try:
        return b64decode(written + "=" * (-len(written) % 4), validate=True)
    except ValueError:
        raise ValueError(f"{_SHARED} and base64 of {_SHORTEST} or more bytes") from None


@lru_cache(maxsize=64)
def _public_key(secret: str) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(b64decode(secret.removeprefix(_PUBLIC), validate=True))
    except ValueError:
        raise ValueError(f"{_PUBLIC} and base64 of the 32 bytes of an Ed25519 public key") from None
