"""Who may call what: API keys in any of three headers, a scope for every route, and a rate for every key."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable
from math import ceil
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBearer,
)
from fastapi.security.http import HTTPBase
from starlette.concurrency import run_in_threadpool

from optimizer.services.keys.api_keys import WRONG_KEYS, Caller, Scope
from optimizer.web.desk import Desk

# These put the three headers into OpenAPI; `credentials_of` reads them, for these routes and for the hot ones alike.
_BEARER = HTTPBearer(auto_error=False, description="`Authorization: Bearer opt_…`")
_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False)
# `HTTPBasic` would refuse a header that it cannot read in words of its own.
_BASIC = HTTPBase(
    scheme="basic", scheme_name="HTTPBasic", description="The key as user name, no password.", auto_error=False
)


def desk_of(request: Request) -> Desk:
    """The desk of the app that serves a request."""
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(desk_of)]


def credentials_of(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Every API key a request carries, in `Authorization: Bearer`, `X-API-Key` or the user name of Basic.

    Whoever gets more than one refuses them: a proxy in front might have looked at another one than we do.

    Args:
        headers: as ASGI gives them, names in small letters.
    """
    found = []
    for name, value in headers:
        if name == b"x-api-key":
            found.append(value.decode("latin-1"))
        elif name == b"authorization":
            scheme, _, credentials = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                found.append(credentials.strip())
            elif scheme.lower() == "basic":
                found.append(_user_name(credentials.strip()))
    return [key for key in found if key]


def requires(*scopes: Scope, rated: bool = True) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, whose key must have one of these scopes and something left of its rate.

    It counts one item; a route that takes many adds the others (`Caller.owe`) once it knows how many there are.

    Args:
        scopes: any of which opens the route.
        rated: whether a key that asks too fast is refused here; else the route takes from its rate itself.
    """

    async def caller(
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
        _header: Annotated[str | None, Security(_HEADER)],
        _basic: Annotated[HTTPAuthorizationCredentials | None, Security(_BASIC)],
    ) -> Caller:
        keys = credentials_of(request.scope["headers"])
        if not keys:
            raise _unauthorized("no API key; allowed `Authorization: Bearer opt_…`; `optimizer key create` makes one")
        if len(keys) > 1:
            raise _unauthorized(f"{len(keys)} of them in one request; allowed one, in one header")
        known = await holder_of(request, keys[0])
        if not known.scopes.intersection(scopes):
            has = ", ".join(sorted(known.scopes)) or "none"
            detail = f"API key: found scopes {has}; allowed {' or '.join(scopes)}"
            raise HTTPException(403, detail)
        if rated:
            take_one(known)
        return known

    return caller


def take_one(caller: Caller) -> None:
    """Count one item against the rate of a key.

    Raises:
        HTTPException: 429; it is used up.
    """
    wait = caller.take(1)
    if wait:
        rate = caller.bucket.rate
        found = f"more than {rate.per_second:,} items a second of key {caller.name}"
        allowed = f"{rate.per_second:,} a second, {rate.burst:,} at once after a rest"
        raise _too_many(f"rate: found {found}; allowed {allowed}", wait)


async def holder_of(request: Request, key: str) -> Caller:
    """Who holds a key; wrong ones are counted against the address they come from.

    A key that is known passes whatever its address has done: behind a proxy others share that address, and whoever
    guesses there must not be able to shut them out. What is slowed down is the reading of the ledger, not the guessing:
    that is hopeless at any speed.
    """
    ring = desk_of(request).keys
    known = ring.known(key)
    if known is None:
        address = request.client.host if request.client else ""
        wait = ring.strangers.wait(address)
        if wait:
            allowed = f"{WRONG_KEYS.per_second} a second, {WRONG_KEYS.burst} at once after a rest"
            raise _too_many(f"API key: found too many unknown ones from this address; allowed {allowed}", wait)
        known = await run_in_threadpool(ring.caller, key)
        if known is None:
            ring.strangers.count(address)
            raise _unauthorized("one this service does not know, or that has ended")
    return known


def _user_name(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode("latin-1").partition(":")[0]
    except ValueError:  # no base64, or not even ASCII
        return ""


def _unauthorized(found: str) -> HTTPException:
    return HTTPException(401, f"API key: found {found}", headers={"WWW-Authenticate": "Bearer"})


def _too_many(detail: str, wait_seconds: float) -> HTTPException:
    return HTTPException(429, detail, headers={"Retry-After": str(ceil(wait_seconds))})
