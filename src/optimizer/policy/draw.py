"""The draw is a hash: a secret and the request decide which variant is served, and prove it later.

Every function is keyed BLAKE2b (Aumasson et al. 2013; RFC 7693), a pseudo-random function of its inputs.
``person`` separates the purposes, and every part is preceded by its length, so no two inputs make one
message.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DECISION, _RECIPIENT, _UNIT = b"optimizer.decide", b"optimizer.person", b"optimizer.unit"


def decision_hash(secret: bytes, campaign_id: str, recipient_key: str, request_id: str) -> tuple[str, float]:
    """Identity and chance of one decision; the same request always has the same.

    Args:
        secret: key of the installation, 16 to 64 bytes.
        campaign_id: campaign asked about.
        recipient_key: keyed hash of the recipient, see :func:`recipient_key`.
        request_id: the caller's idempotency key.

    Returns:
        ``decision_id`` (32 hexadecimal characters) and ``u``, uniform on the multiples of 2^-53 in [0, 1).

    Raises:
        ValueError: the secret is too short or too long.
    """
    digest = _digest(secret, _DECISION, 24, (campaign_id, recipient_key, request_id))
    return digest[:16].hex(), _unit(digest[16:])


def recipient_key(secret: bytes, recipient: str) -> str:
    """What stands for a recipient at rest: 32 hexadecimal characters, not reversible without the secret.

    Raises:
        ValueError: the secret is too short or too long.
    """
    return _digest(secret, _RECIPIENT, 16, (recipient,)).hex()


def unit_hash(secret: bytes, purpose: str, *parts: str) -> float:
    """Chance of a unit for one purpose (a holdout, a rollout share): uniform on multiples of 2^-53 in [0, 1).

    Different purposes are independent of one another and of every draw.

    Raises:
        ValueError: the secret is too short or too long.
    """
    return _unit(_digest(secret, _UNIT, 8, (purpose, *parts)))


def draw(allocation: NDArray[np.float64], u: ArrayLike) -> NDArray[np.intp]:
    """Arm drawn from each allocation by inverse transform: the first whose cumulative sum exceeds ``u``.

    An arm of probability zero is never drawn, at ``u = 0`` as little as just below 1.

    Args:
        allocation: probabilities ``[..., A]``; rows sum to one, or are zero where nothing may be chosen.
        u: numbers in [0, 1), of a shape that broadcasts with the leading axes of ``allocation``.

    Returns:
        Arm indices of the broadcast shape; -1 for a row of zeros.

    Raises:
        ValueError: a ``u`` is outside [0, 1), or a probability is negative or not a number.
    """
    chance = np.asarray(u, np.float64)
    if not ((chance >= 0.0) & (chance < 1.0)).all():
        raise ValueError("u: found a value outside [0, 1); allowed 0 <= u < 1")
    positive = allocation > 0.0
    if not (positive | (allocation == 0.0)).all():
        raise ValueError("allocation: found a negative value or nan; allowed probabilities")
    exceeds = np.cumsum(allocation, axis=-1) > chance[..., None]
    # Rows off the lattice may sum to a little less than u; then the last arm that can be drawn is.
    last = np.where(positive.any(axis=-1), allocation.shape[-1] - 1 - np.argmax(positive[..., ::-1], axis=-1), -1)
    return np.where(exceeds[..., -1], np.argmax(exceeds, axis=-1), last)


def _digest(secret: bytes, person: bytes, size: int, parts: tuple[str, ...]) -> bytes:
    if not 16 <= len(secret) <= 64:
        raise ValueError(f"secret: found {len(secret)} bytes; allowed 16 to 64")
    encoded = [part.encode() for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return blake2b(message, digest_size=size, key=secret, person=person).digest()


def _unit(eight_bytes: bytes) -> float:
    """The top 53 bits of eight bytes as a fraction of 2^53: every value is an exact float below one."""
    return (int.from_bytes(eight_bytes, "big") >> 11) * 2.0**-53
