"""Strict JSON: UTF-8 only, no NaN or Infinity, which Python's own parser lets through, and nested within reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

from optimizer.errors import InvalidRequest, RequestFinding

MOST_LEVELS = 32  # of objects and lists within one another; no body of ours has more than five


class _StrictRequest(Request):
    async def json(self) -> Any:
        body = orjson.loads(await self.body())
        if _is_deep(body):
            finding = RequestFinding("/", f"more than {MOST_LEVELS} levels", "fewer objects and lists in one another")
            raise HTTPException(422) from InvalidRequest(finding)
        return body


def _is_deep(body: Any) -> bool:
    """Whether a body is nested too deeply for what looks at it in turn: validation, errors, answers."""
    level: list[Any] = [body]
    for _ in range(MOST_LEVELS):
        groups = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [value for group in groups for value in group]
    return any(isinstance(one, dict | list) for one in level)


class JsonRoute(APIRoute):
    """A route whose body is parsed strictly."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, given a request that parses strictly."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict
