"""Pseudonyms: the names persons have in the ledger, and how all of them are changed at once.

A *person* is the keyed hash of a recipient's id under the secret of the installation. Draws, holdouts and decision ids
are hashed from it, so it never changes. The ledger stores a *recipient key*: the person itself until the recipient key
is rotated for the first time, and from then on the person encrypted. Whoever has an old key and the new database
recognises nobody; the service, which has the new key, gets every person back and can prove every past decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from optimizer.domain.instants import Instant
from optimizer.storage.audit import AuditEntry
from optimizer.storage.store import Ledger

RECIPIENT_KEY: Final = "recipient_key"  # counter: rotations; its value is the fingerprint of the key in force
KEY_BYTES: Final = 16  # AES-128
_PERSON: Final = 32  # hexadecimal digits of a block


class Pseudonyms:
    """The permutation between persons and the keys they are stored under.

    A person is encrypted as one block of AES-128 (FIPS 197). ECB, which encrypts equal blocks equally, is the right
    mode for once: a person is a single block, pseudo-random already, and has to be found again under the same key.
    There is no structure between blocks to give away, as there would be in a text. A permutation, unlike another hash,
    can be undone by whoever has the key: the next rotation and the proofs need the person back.

    Args:
        number: how many rotations there have been.
        key: of this rotation, `KEY_BYTES` long; None before the first, when persons are stored as they are.
    """

    def __init__(self, number: int = 0, key: bytes | None = None) -> None:
        self.number = number
        # Distinct random blocks: see above.
        self._cipher = None if key is None else Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305

    def keys_of(self, persons: Sequence[str]) -> list[str]:
        """The keys some persons are stored under."""
        if self._cipher is None:
            return list(persons)
        return _blocks(self._cipher.encryptor().update(bytes.fromhex("".join(persons))))

    def persons_of(self, keys: Sequence[str]) -> list[str]:
        """The persons that are stored under some keys."""
        if self._cipher is None:
            return list(keys)
        return _blocks(self._cipher.decryptor().update(bytes.fromhex("".join(keys))))

    def renaming(self, after: Pseudonyms) -> Callable[[Sequence[str]], list[str]]:
        """Gives the keys under other pseudonyms of keys under these; for one thread, and many calls."""
        undo = None if self._cipher is None else self._cipher.decryptor()
        anew = None if after._cipher is None else after._cipher.encryptor()

        def renamed(keys: Sequence[str]) -> list[str]:
            blocks = bytes.fromhex("".join(keys))
            blocks = blocks if undo is None else undo.update(blocks)
            return _blocks(blocks if anew is None else anew.update(blocks))

        return renamed

    def key_of(self, person: str) -> str:
        """The key one person is stored under."""
        return self.keys_of((person,))[0]

    def person_of(self, key: str) -> str:
        """The person that is stored under a key."""
        return self.persons_of((key,))[0]


PERSONS_AS_THEY_ARE: Final = Pseudonyms()


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Attributes:
        number: of rotations so far.
        keys: how many stored keys were renamed.
    """

    number: int
    keys: int


def fingerprint(key: bytes) -> str:
    """What may be known of a recipient key: enough to tell it from others, of no use to find it."""
    return sha256(b"optimizer recipient key fingerprint" + key).hexdigest()[:16]


def rotate(
    ledger: Ledger,
    before: Pseudonyms,
    key: bytes,
    *,
    actor: str,
    now: Instant,
    progress: Callable[[int], None] = lambda _: None,
) -> Rotation:
    """Store every person under another key, wherever one is stored.

    Args:
        ledger: a transaction that is alone: nobody may write under the old key meanwhile.
        before: the pseudonyms in force.
        key: the new one; it must be kept where it can be found again before the transaction is committed.
        actor: who does it, for the audit trail.
        now: the instant.
        progress: told how many keys are renamed, now and then.
    """
    after = Pseudonyms(before.number + 1, key)
    keys = ledger.persons.rename(before.renaming(after), progress)
    ledger.revisions.bump(RECIPIENT_KEY)
    ledger.revisions.write(RECIPIENT_KEY, fingerprint(key))
    ledger.audit.append(AuditEntry(now, actor, "rotate_recipient_key", "recipients", f"rotation {after.number}"))
    return Rotation(after.number, keys)


def _blocks(joined: bytes) -> list[str]:
    digits = joined.hex()
    return [digits[start : start + _PERSON] for start in range(0, len(digits), _PERSON)]
