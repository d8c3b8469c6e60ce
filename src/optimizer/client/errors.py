"""What a call can raise.

* ClientError
  + Refused            the service understood the call and said no: the same call would be refused again
    + WrongKey         it does not know the API key, or the key has ended
    + MissingScope     the key may not do this
    + InvalidCall      something in the call is not allowed; `findings` lists every mistake
    + NotFound         what was named does not exist
    + Conflict         what was named is in a state that forbids this
  + Unavailable        nobody could say: the service is away, slow or overloaded; the same call may succeed later
    + TimedOut         it did not answer in the time the call had
    + Unintelligible   something answered that is not the service, such as a proxy's page
  + QueueFull          more waits to be delivered than may wait
  + SpoolError         the folder for what waits cannot be used

`decide`, `decide_many` and `exposure` raise none of the `Unavailable` ones unless the client is `strict`.
"""

from __future__ import annotations

from typing import NamedTuple

from optimizer.errors import OptimizerError


class Finding(NamedTuple):
    """One mistake in a call: the place, what was found, what is allowed."""

    pointer: str
    found: str
    allowed: str


class ClientError(OptimizerError):
    """Root of all that the client raises on purpose."""


class Refused(ClientError):
    """The service understood the call and said no."""


class WrongKey(Refused):
    """The service does not know the API key, or it has ended."""


class MissingScope(Refused):
    """The API key may not do this."""


class InvalidCall(Refused):
    """Something in the call is not allowed; nothing was changed."""

    def __init__(self, message: str, findings: tuple[Finding, ...] = ()) -> None:
        self.findings = findings
        super().__init__(message)


class NotFound(Refused):
    """What was named does not exist."""


class Conflict(Refused):
    """What was named is in a state that forbids this."""


class Unavailable(ClientError):
    """Nobody could say; the same call may succeed later.

    Attributes:
        retry_after_seconds: when the service wants to be asked again; None when it did not say.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class TimedOut(Unavailable):
    """The service did not answer in the time the call had."""


class Unintelligible(Unavailable):
    """Something answered that is not the service."""


class QueueFull(ClientError):
    """More waits to be delivered than may wait."""


class SpoolError(ClientError):
    """The folder for what waits cannot be used."""
