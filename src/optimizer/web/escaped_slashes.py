"""A slash that is escaped belongs to an id, and not to the path around it (RFC 3986, section 2.2)."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_ESCAPED = "%2F"
PREFIXES = (b"/v1/recipients/", b"/v1/suppressions/")  # what else has an id in its path has none with a slash


class EscapedSlashes:
    """Leaves them as they came where a recipient's id is part of the path; `slashed` reads the id.

    Servers unescape the whole path before it is matched to a route: base64, as many have it for ids, would end at its
    first slash, and nobody could ask for what is kept about the person, or have it erased.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path") or b""
        if b"%" in raw and raw[len(scope.get("root_path", "")) :].startswith(PREFIXES):
            text = raw.decode("latin-1").replace("%2f", _ESCAPED).replace(_ESCAPED, "%25" + _ESCAPED[1:])
            scope["path"] = unquote(text)
        await self._app(scope, receive, send)


def slashed(part: str) -> str:
    """A part of such a path as it was meant."""
    return part.replace(_ESCAPED, "/")
