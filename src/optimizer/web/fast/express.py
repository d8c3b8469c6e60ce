"""The express way of `POST /v1/decisions`: from the parser of HTTP to the writer and back, with nothing in between.

A durable decision that shares its transaction with others costs less than a server, a framework and a task do for any
request. So the connection itself answers the good case of this one route: a request that is whole, from a key that is
known, with a body `wire` can read. Whatever is unusual is handed to the app as it came, before anything was counted or
asked, and what FastAPI's route says is the documented answer (docs/decisions/0028).
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import perf_counter
from typing import Any, Final

from msgspec import MsgspecError
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from optimizer.errors import OptimizerError
from optimizer.services.decisions.deciding import DecisionRequest
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.web.desk import Desk
from optimizer.web.fast import wire
from optimizer.web.fast.answering import Answered, answered_one
from optimizer.web.fast.heads import BoundedHeads
from optimizer.web.fast.hot import Unusual, asked, caller_of, charge, fields_of
from optimizer.web.headers import SECURITY_HEADERS
from optimizer.web.limits import MOST_BODY_BYTES
from optimizer.web.observing import telemetry
from optimizer.web.observing.request_ids import CURRENT, HEADER, request_id_of
from optimizer.web.problems import answer_error, defect

PATH: Final = "/v1/decisions"
DESK: Final = "express desk"  # in the app's state, as its lifespan gives it; absent where every request is to be traced
_TARGET = PATH.encode()
_SECURITY = b"".join(b"%b: %b\r\n" % header for header in SECURITY_HEADERS)
Headers = list[tuple[bytes, bytes]]
_JSON = b"content-type: application/json\r\n"


class _NobodyWaits:
    """In place of an event."""

    def set(self) -> None:
        """Nobody is told."""


class _Exchange:
    """A request on the express way and its answer, with what uvicorn asks of what it calls a cycle."""

    __slots__ = (
        *("began", "caller", "disconnected", "headers", "keep_alive"),
        *("more_body", "parts", "request_id", "response_complete", "size"),
    )
    response_started = False
    message_event = _NobodyWaits()

    def __init__(self, caller: Caller, headers: Headers, request_id: str, *, keep_alive: bool) -> None:
        self.caller = caller
        self.headers = headers
        self.request_id = request_id
        self.keep_alive = keep_alive
        self.parts: list[bytes] = []
        self.size = 0
        self.began = perf_counter()
        self.more_body = True
        self.response_complete = self.disconnected = False


class Express(BoundedHeads):
    """A connection that answers by itself what it can, and leaves everything else to the app."""

    _exchange: _Exchange | None = None  # while its body is read

    def on_message_begin(self) -> None:
        """A head begins; uvicorn's `scope` is made of it only if the app is to see it."""
        self._in_head, self._head_bytes = True, 0
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """It ends: which way the request takes is clear as far as it can be without the body."""
        self._in_head = False
        exchange = self._begun() if self.url == _TARGET else None
        if exchange is None:
            self._head_for_the_app()
        else:
            self._exchange = self.cycle = exchange  # type: ignore[assignment]

    def _begun(self) -> _Exchange | None:
        """What begins with this head; None when it is unusual."""
        cycle, parser = self.cycle, self.parser
        if (
            (cycle is not None and not cycle.response_complete)  # it comes before an earlier one is answered
            or parser.get_method() != b"POST"
            or parser.get_http_version() != "1.1"
            or self.expect_100_continue
            or parser.should_upgrade()
            or DESK not in self.app_state
        ):
            return None
        try:
            fields = fields_of(self.headers)
            caller = caller_of(self.app_state[DESK], fields, Scope.DECIDE)
        except (Unusual, ValueError):
            return None
        request_id = request_id_of(fields.items() if HEADER in fields else ())
        return _Exchange(caller, self.headers, request_id, keep_alive=parser.should_keep_alive())

    def on_body(self, body: bytes) -> None:
        """Some of the body, or all of it."""
        exchange = self._exchange
        if exchange is None:
            super().on_body(body)
            return
        self._in_head = False
        exchange.parts.append(body)
        exchange.size += len(body)
        if exchange.size > MOST_BODY_BYTES:
            self._hand_over(exchange)

    def on_message_complete(self) -> None:
        """The request is whole."""
        exchange = self._exchange
        if exchange is None:
            super().on_message_complete()
            return
        exchange.more_body = False
        try:
            found = wire.DECISION.decode(b"".join(exchange.parts))
            request = asked(found.campaign, found)
            charge(exchange.caller, 1)
        except (Unusual, MsgspecError, ValueError, RecursionError):
            self._hand_over(exchange)
            super().on_message_complete()
            return
        self._exchange = None
        CURRENT.set(exchange.request_id)  # for the lines of the log, and for problems
        desk: Desk = self.app_state[DESK]
        try:
            desk.ask(request).add_done_callback(partial(self._answer, exchange, request))
        except OptimizerError as error:  # too much is waiting, or the service is about to stop
            self._write_response(exchange, answer_error(error))

    def _hand_over(self, exchange: _Exchange) -> None:
        """Let the app have what has come of a request so far; the rest will go to it, too."""
        self._exchange = self.cycle = None  # type: ignore[assignment]
        self.headers = exchange.headers
        self._head_for_the_app()
        for part in exchange.parts:
            super().on_body(part)

    def _head_for_the_app(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that is in the scope
        super().on_headers_complete()

    def _answer(self, exchange: _Exchange, request: DecisionRequest, done: asyncio.Future[list[Any]]) -> None:
        """Send the answer to a decision that is durable, or why there is none."""
        try:
            self._write(exchange, 200, *_head_and_body(answered_one(request, done.result)))
        except OptimizerError as error:
            self._write_response(exchange, answer_error(error))
        except Exception as error:
            exchange.keep_alive = False
            self.logger.exception("a request failed", exc_info=error)
            self._write_response(exchange, defect())

    def _write_response(self, exchange: _Exchange, response: Response) -> None:
        head = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
        self._write(exchange, response.status_code, head, response.body)

    def _write(self, exchange: _Exchange, status: int, head: bytes, body: bytes | memoryview) -> None:
        exchange.response_complete = True
        if not self.transport.is_closing():  # uvicorn tells only the newest of several requests that the caller left
            parts: list[bytes | memoryview] = [STATUS_LINE[status]]
            for name, value in self.server_state.default_headers:
                parts += (name, b": ", value, b"\r\n")
            parts += (head, _SECURITY, HEADER, b": ", exchange.request_id.encode(), b"\r\n")
            if not exchange.keep_alive:
                parts.append(b"connection: close\r\n")
            parts += (b"\r\n", body)
            self.transport.write(b"".join(parts))
            if not exchange.keep_alive:
                self.transport.close()
            self.on_response_complete()
        telemetry.request(PATH, "POST", status, perf_counter() - exchange.began)


def _head_and_body(answered: Answered) -> tuple[bytes, bytes]:
    head = b"content-length: %d\r\n%b" % (len(answered.body), _JSON)
    if answered.retry_after_seconds is not None:
        head += b"retry-after: %d\r\n" % answered.retry_after_seconds
    return head, answered.body
