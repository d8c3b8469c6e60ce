"""Names that a metric or a span may carry: patterns of routes and methods that exist, never what a caller made up."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from optimizer.web.observing.tallies import OTHER

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HOT_PATHS: Final = frozenset({"/v1/decisions", "/v1/decisions/batch", "/v1/outcomes"})  # answered in front of the app


def route_of(scope: Scope) -> str:
    """The pattern of the route that answered; "other" where none did."""
    if "route" in scope:
        return str(getattr(scope["route"], "path", OTHER)).replace(":path}", "}")  # as in `openapi.json`
    return scope["path"] if scope["path"] in _HOT_PATHS else OTHER


def method_of(scope: Scope) -> str:
    """The method of a request; "other" for one that no route has."""
    return scope["method"] if scope["method"] in _METHODS else OTHER
