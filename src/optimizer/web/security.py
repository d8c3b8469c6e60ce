"""Who may call what: API keys in any of three headers, and a scope for every route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
)
from starlette.concurrency import run_in_threadpool

from optimizer.services.keys import Caller, Scope
from optimizer.web.desk import Desk

_bearer = HTTPBearer(auto_error=False, description="`Authorization: Bearer opt_…`")
_header = APIKeyHeader(name="X-API-Key", auto_error=False)
_basic = HTTPBasic(auto_error=False, description="The key as user name, no password.")


def desk_of(request: Request) -> Desk:
    """The desk of the app that serves a request."""
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(desk_of)]


def requires(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """A dependency: the caller, whose key must have one of these scopes."""

    async def caller(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
        header: Annotated[str | None, Security(_header)],
        basic: Annotated[HTTPBasicCredentials | None, Security(_basic)],
    ) -> Caller:
        key = bearer.credentials if bearer else header or (basic.username if basic else None)
        if key is None:
            raise _unauthorized("no API key; allowed `Authorization: Bearer opt_…`; `optimizer key create` makes one")
        keys = desk_of(request).keys
        known = keys.known(key) or await run_in_threadpool(keys.caller, key)
        if known is None:
            raise _unauthorized("an API key this service does not know")
        if not known.scopes.intersection(scopes):
            has = ", ".join(sorted(known.scopes)) or "none"
            detail = f"API key: found scopes {has}; allowed {' or '.join(scopes)}"
            raise HTTPException(403, detail)
        return known

    return caller


def _unauthorized(found: str) -> HTTPException:
    return HTTPException(401, f"API key: found {found}", headers={"WWW-Authenticate": "Bearer"})
