"""Who may report by webhook: secrets by provider, wrong signatures by address, and tokens that were used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from math import ceil

from fastapi import HTTPException, Request

from optimizer.errors import NotFound
from optimizer.services.keys.api_keys import WRONG_KEYS
from optimizer.services.keys.rates import Strangers
from optimizer.services.providers.arrivals import Unsigned, wrong

MOST_TOKENS = 100_000
SIGNED = "Signature"  # what a 401 asks for, where it is not a password


class UsedTokens:
    """Tokens whose signature covers no body: each may be used by the first body it came with.

    A worker remembers the latest; whatever comes again beside that is still counted once, by the event's own id.
    """

    def __init__(self, most: int = MOST_TOKENS) -> None:
        self._most = most
        self._bodies: OrderedDict[str, bytes] = OrderedDict()

    @contextmanager
    def use(self, token: str | None, body: bytes) -> Iterator[None]:
        """Take a token for this body; if the block fails, whoever comes next may have it.

        Raises:
            Unsigned: another body has it.
        """
        if token is None:
            yield
            return
        digest = blake2b(body, digest_size=16).digest()
        taken = self._bodies.get(token)
        if taken not in {None, digest}:
            raise wrong("one whose token came with another body before")
        self._bodies[token] = digest
        if len(self._bodies) > self._most:
            self._bodies.popitem(last=False)
        try:
            yield
        except BaseException:
            if taken is None:
                self._bodies.pop(token, None)
            raise


class Senders:
    """What a worker knows of those who send webhooks.

    Args:
        secrets: by provider, as OPTIMIZER_WEBHOOKS gives them.
        strangers: addresses that were wrong before, with keys or with signatures.
    """

    def __init__(self, secrets: Mapping[str, Sequence[str]], strangers: Strangers) -> None:
        self._secrets = secrets
        self._strangers = strangers
        self.tokens = UsedTokens()

    def secrets(self, provider: str) -> Sequence[str]:
        """What a provider may prove itself with.

        Raises:
            NotFound: there is nothing; whatever it sends is refused.
        """
        found = self._secrets.get(provider, ())
        if not found:
            allowed = f"it once OPTIMIZER_WEBHOOKS holds a secret of {provider}"
            raise NotFound(f"webhook: found none for {provider}; allowed {allowed}")
        return found

    @contextmanager
    def judging(self, request: Request, challenge: str = SIGNED) -> Iterator[None]:
        """Whatever turns out unsigned in the block is a 401, and counts against the address it comes from.

        Who signs rightly passes, whatever others of its address have done: behind a proxy it is the address of many.

        Raises:
            HTTPException: 401, or 429 for an address that has been wrong too often.
        """
        try:
            yield
        except Unsigned as error:
            self.admit(request)
            self._strangers.count(_address(request))
            raise HTTPException(401, str(error), headers={"WWW-Authenticate": challenge}) from None

    def admit(self, request: Request) -> None:
        """Let an address do what costs us something though it has proved nothing yet.

        Raises:
            HTTPException: 429, it has been wrong too often.
        """
        wait = self._strangers.wait(_address(request))
        if wait:
            allowed = f"{WRONG_KEYS.per_second} a second, {WRONG_KEYS.burst} at once after a rest"
            detail = f"signature: found too many wrong ones from this address; allowed {allowed}"
            raise HTTPException(429, detail, headers={"Retry-After": str(ceil(wait))})


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
