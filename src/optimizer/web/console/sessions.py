"""Sessions: what a browser holds while somebody is signed in. No table: any worker opens what any other has sealed.

A cookie is a Fernet token (AES-128-CBC, HMAC-SHA256) under a key that is derived from the deployment's secret for this
alone. It holds the hash of the API key, never the key. That hash is in no answer and no bundle: whoever has the secret,
as systems that decide for themselves do, still cannot make a session of somebody else's (docs/decisions/0046).
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import orjson
from cryptography.fernet import Fernet, InvalidToken

from optimizer.domain.instants import HOUR, MINUTE, SECOND, Instant

LONGEST = 12 * HOUR  # of a session, whatever happens in it
IDLE = 2 * HOUR  # without a page
SEALED_ANEW = 5 * MINUTE  # how old a cookie may be before a page renews it
SAID_FOR = 2 * MINUTE  # how long what was said waits for the next page
MOST_COOKIE_BYTES = 3_800  # browsers keep 4,096, name and attributes included

_KEY: Final = b"console.cookies"  # purpose of a keyed hash, as in `policy.draw`; at most 16 bytes


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in.

    Attributes:
        key_hash: of the API key it was begun with; while that key lives, the session does.
        begun_at: when.
        csrf: what every form of the session carries.
        sealed_at: when the cookie was made; renewed while pages are looked at.
    """

    key_hash: str
    begun_at: Instant
    csrf: str
    sealed_at: Instant

    def is_stale(self, now: Instant) -> bool:
        """Whether the cookie should be renewed."""
        return now - self.sealed_at >= SEALED_ANEW


class Cookies:
    """Seals and opens the values of cookies.

    Args:
        secret: key of the installation, 16 to 64 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._fernet = Fernet(urlsafe_b64encode(blake2b(key=secret, person=_KEY, digest_size=32).digest()))

    def sealed(self, session: Session, now: Instant) -> str:
        """The value of a session's cookie, as of now."""
        return self._seal({"session": [session.key_hash, session.begun_at, session.csrf]}, now)

    def opened(self, value: str, now: Instant) -> Session | None:
        """The session of a cookie; None when it is none, is too old, or nobody has looked for too long."""
        found = self._open(value, now, IDLE)
        match found:
            case {"session": [str(key_hash), int(begun_at), str(csrf)], "at": int(sealed_at)} if key_hash.isascii():
                return Session(key_hash, begun_at, csrf, sealed_at) if now - begun_at < LONGEST else None
        return None

    def sealed_words(self, words: Mapping[str, Any], now: Instant) -> str:
        """The value of a cookie with what the next page shall say; empty where that is too much for one."""
        value = self._seal({"words": words}, now)
        return value if len(value) <= MOST_COOKIE_BYTES else ""

    def opened_words(self, value: str, now: Instant) -> Mapping[str, Any]:
        """What the next page shall say; nothing when the cookie is none or too old."""
        match self._open(value, now, SAID_FOR):
            case {"words": dict(words)}:
                return words
        return {}

    def _seal(self, content: Mapping[str, Any], now: Instant) -> str:
        return self._fernet.encrypt_at_time(orjson.dumps({**content, "at": now}), now // SECOND).decode()

    def _open(self, value: str, now: Instant, within: int) -> Any:
        try:
            return orjson.loads(self._fernet.decrypt_at_time(value.encode(), within // SECOND, now // SECOND))
        except (InvalidToken, UnicodeEncodeError, ValueError):
            return None
