"""The draw is a hash: a secret and the request decide which variant is served, and prove it later.

Every function is keyed BLAKE2b (Aumasson et al. 2013; RFC 7693), a pseudo-random function of its inputs.
``person`` separates the purposes, and every part is preceded by its length, so no two inputs make one
message.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DECISION, _RECIPIENT, _UNIT = b"optimizer.decide", b"optimizer.person", b"optimizer.unit"
_ERASED = b"optimizer.erased"
_SHORT = 256
_FEW = 64  # bytes
_LENGTHS = [length.to_bytes(4, "big") for length in range(_SHORT)]


class Framed(list[bytes]):
    """Parts of messages, each with its length before it: for those that several hashes are made of."""

    @classmethod
    def of(cls, parts: Sequence[str]) -> Framed:
        """These parts; one that repeats throughout is made once."""
        if len(parts) > 1 and parts[0] == parts[-1] and len(set(parts)) == 1:
            return cls(cls.of(parts[:1]) * len(parts))
        encoded = [part.encode() for part in parts]
        return cls([_LENGTHS[len(one)] + one if len(one) < _SHORT else _long(one) for one in encoded])


Part = Sequence[str] | Framed


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
    ids, chances = decision_hashes(secret, [campaign_id], [recipient_key], [request_id])
    return ids[0], float(chances[0])


def decision_hashes(
    secret: bytes, campaign_ids: Part, recipient_keys: Part, request_ids: Part
) -> tuple[list[str], NDArray[np.float64]]:
    """The same of ``N`` requests: ``N`` identities, and their chances, ``[N]``."""
    digests = _digests(secret, _DECISION, 24, (campaign_ids, recipient_keys, request_ids))
    return [digest[:16].hex() for digest in digests], _units(b"".join([digest[16:] for digest in digests]))


def recipient_key(secret: bytes, recipient: str) -> str:
    """What stands for a recipient at rest: 32 hexadecimal characters, not reversible without the secret.

    Raises:
        ValueError: the secret is too short or too long.
    """
    return recipient_keys(secret, [recipient])[0]


def recipient_keys(secret: bytes, recipients: Sequence[str]) -> list[str]:
    """The same of many."""
    return [digest.hex() for digest in _digests(secret, _RECIPIENT, 16, (recipients,))]


def tombstones(secret: bytes, persons: Sequence[str]) -> list[str]:
    """What stands for erased recipients who must not be contacted again: nothing else is named by these hashes.

    Args:
        secret: key of the installation, 16 to 64 bytes.
        persons: keyed hashes of the recipients, see :func:`recipient_key`.

    Raises:
        ValueError: the secret is too short or too long.
    """
    return [digest.hex() for digest in _digests(secret, _ERASED, 16, (persons,))]


def unit_hash(secret: bytes, purpose: str, *parts: str) -> float:
    """Chance of a unit for one purpose (a holdout, a rollout share): uniform on multiples of 2^-53 in [0, 1).

    Different purposes are independent of one another and of every draw.

    Raises:
        ValueError: the secret is too short or too long.
    """
    return float(_units(_digests(secret, _UNIT, 8, [[part] for part in (purpose, *parts)])[0])[0])


def unit_hashes(secret: bytes, purpose: str, *parts: Part) -> NDArray[np.float64]:
    """The same of ``N`` units for one purpose, each part a column of ``N``: ``[N]``."""
    return _units(b"".join(_digests(secret, _UNIT, 8, ([purpose] * len(parts[0]), *parts))))


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


def drawn_between(allocation: NDArray[np.float64]) -> tuple[list[int], list[float]]:
    """The arms that :func:`draw` can give, and where in [0, 1) one ends and the next begins.

    ``arms[bisect_right(edges, u)]`` is the arm that it gives for ``u``: for drawing one by one from the same row.

    Args:
        allocation: probabilities ``[A]``, at least one of them above zero.
    """
    arms = np.flatnonzero(allocation > 0.0).tolist()
    return arms, np.cumsum(allocation)[arms[:-1]].tolist()


def _digests(secret: bytes, person: bytes, size: int, parts: Sequence[Part]) -> list[bytes]:
    """Hashes of ``N`` messages, each part a column of ``N``.

    The key, and whatever all messages begin with, is taken in once and copied for each of them.
    """
    if not 16 <= len(secret) <= 64:
        raise ValueError(f"secret: found {len(secret)} bytes; allowed 16 to 64")
    keyed = blake2b(digest_size=size, key=secret, person=person)
    columns = [part if isinstance(part, Framed) else Framed.of(part) for part in parts]
    n = len(columns[0])
    if any(len(column) != n for column in columns):
        raise ValueError(f"parts: found columns of {[len(column) for column in columns]}; allowed one length")
    while n and len(columns) > 1 and columns[0].count(columns[0][0]) == n:
        keyed.update(columns.pop(0)[0])
    messages = columns[0] if len(columns) == 1 else map(b"".join, zip(*columns, strict=True))
    copied, found = keyed.copy, []
    for message in messages:
        state = copied()
        state.update(message)
        found.append(state.digest())
    return found


def _long(one: bytes) -> bytes:
    return len(one).to_bytes(4, "big") + one


def _units(eights: bytes) -> NDArray[np.float64]:
    """The top 53 bits of every eight bytes as a fraction of 2^53: each value is an exact float below one."""
    if len(eights) <= _FEW:  # numbers are faster than arrays of so few, and the same
        starts = range(0, len(eights), 8)
        return np.array([(int.from_bytes(eights[start : start + 8]) >> 11) * 2.0**-53 for start in starts])
    return (np.frombuffer(eights, ">u8") >> 11).astype(np.float64) * 2.0**-53
