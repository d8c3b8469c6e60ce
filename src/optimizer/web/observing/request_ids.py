"""An id for every request: the caller's own, or a new one; it is in the answer and in every line of the log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar

from optimizer.deployment import random_id

HEADER = b"x-request-id"
CURRENT: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request that is being answered; None elsewhere."""

_ALLOWED = re.compile(rb"[A-Za-z0-9._:-]{1,64}").fullmatch


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The request's id: `X-Request-ID` when that is 1 to 64 letters, digits, dots, colons, dashes and underscores.

    Anything else is replaced by a new id rather than refused: an id that only helps to find a line of a log is no
    reason to lose a decision.

    Args:
        headers: as ASGI gives them, names in small letters.
    """
    for name, value in headers:
        if name == HEADER:
            if _ALLOWED(value):
                return value.decode("ascii")
            break
    return random_id()
