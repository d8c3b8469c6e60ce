"""Seals: a caller's id of a recipient that the ledger may hold, and only the deployment's secret opens."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY, _NONCE = b"optimizer.seal", b"optimizer.nonce"  # purposes of keyed hashes, as in `policy.draw`
_NONCE_BYTES: Final = 12


class Seals:
    """Seals and opens, with AES-256-GCM under a key that is derived from the secret for this alone.

    A seal is bound to its campaign: in another it does not open. The nonce is a keyed hash of all that goes in, so
    that it repeats only where the very same is sealed again, which then looks the same. Whether an id is that of the
    recipient it stands beside, whoever opens it can tell: the recipient's key is made of it.

    Args:
        secret: key of the installation, 16 to 64 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(blake2b(key=secret, person=_KEY, digest_size=32).digest())

    def seal(self, recipient: str, campaign_id: str) -> bytes:
        """The caller's id, for one campaign."""
        text, campaign = recipient.encode(), campaign_id.encode()
        told = len(campaign).to_bytes(4, "big") + campaign + text
        nonce = blake2b(told, key=self._secret, person=_NONCE, digest_size=_NONCE_BYTES).digest()
        return nonce + self._cipher.encrypt(nonce, text, campaign)

    def open(self, sealed: bytes, campaign_id: str) -> str:
        """The caller's id.

        Raises:
            ValueError: it was sealed with another secret, for another campaign, or it is damaged.
        """
        try:
            nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return self._cipher.decrypt(nonce, text, campaign_id.encode()).decode()
        except (InvalidTag, ValueError):
            raise ValueError("seal: found one that does not open; allowed one of this deployment") from None
