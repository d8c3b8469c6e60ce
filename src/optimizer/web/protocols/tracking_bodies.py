"""What SDKs of Segment and RudderStack send: JSON under any content type, often packed, refused in words they know."""

from __future__ import annotations

import json
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool

from optimizer.errors import OptimizerError
from optimizer.web.json_route import JsonRoute
from optimizer.web.limits import MOST_BODY_BYTES

PACKED: Final = b"\x1f\x8b"  # the first bytes of gzip, and of no JSON
_UNPACKED_AT_ONCE = 1 << 16  # bytes that are unpacked on the loop
_KNOWN = frozenset({"", "identity", "gzip", "x-gzip"})
_MOST_DIGITS: Final = 19  # of a whole number that 64 bits hold


class SdkRoute(JsonRoute):
    """A route whose problems also have the `code` and `message` that these SDKs look for."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, with a code and a message in its problems."""
        handler = super().get_route_handler()

        async def worded(request: Request) -> Response:
            try:
                return await handler(request)
            except (OptimizerError, HTTPException, RequestValidationError) as error:
                return await _worded(request, error)

        return worded


async def sdk_body(request: Request) -> Any:
    """The JSON of a request, unpacked if it was packed.

    Raises:
        HTTPException: 400 it is no JSON, 413 unpacked it is too large, 415 it is packed in another way.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in _KNOWN:
        raise HTTPException(415, f"content-encoding: found {encoding[:40]!r}; allowed gzip, or no such header")
    body = await request.body()
    if body.startswith(PACKED):  # whatever the header says: proxies lose it, or unpack and leave it
        body = unpacked(body) if len(body) <= _UNPACKED_AT_ONCE else await run_in_threadpool(unpacked, body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return leniently(body) if len(body) <= _UNPACKED_AT_ONCE else await run_in_threadpool(leniently, body)


def leniently(body: bytes) -> Any:
    """JSON with what SDKs send though JSON has it not: `NaN` of Python's, and half an emoji of a text that was cut.

    A whole batch would be lost for one such value, since no SDK tries again after a 400. So numbers stay what they are,
    for each item to be judged by, and half an emoji becomes a question mark.

    Raises:
        HTTPException: 400 it is no JSON all the same.
    """
    try:
        found = json.loads(body.decode(), parse_int=_whole)
        return json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"), parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400) from error


def _whole(text: str) -> float:
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def unpacked(body: bytes, most_bytes: int = MOST_BODY_BYTES) -> bytes:
    """A gzip body unpacked, as far as it may be large.

    Raises:
        HTTPException: 400 it is damaged, 413 it is larger.
    """
    gzip = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = gzip.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise HTTPException(400) from error
    if len(plain) > most_bytes:
        found = f"more than {most_bytes:,} bytes once unpacked"
        raise HTTPException(413, f"body: found {found}; allowed at most {most_bytes:,} bytes; send it in parts")
    if not gzip.eof or gzip.unused_data:  # cut off, or followed by something else
        raise HTTPException(400)
    return plain


async def _worded(request: Request, error: Exception) -> Response:
    handlers = request.app.exception_handlers
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    answer: Response = await handler(request, error)
    problem = orjson.loads(answer.body)
    problem |= {"code": problem["type"].rpartition(":")[2], "message": problem["detail"]}
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    return Response(orjson.dumps(problem), status_code=answer.status_code, headers=headers)
