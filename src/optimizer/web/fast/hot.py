"""The fast way of what comes in batches: a small ASGI handler in front of the FastAPI app.

It answers the good case of `POST /v1/decisions/batch` and `/v1/outcomes`, and that only; `express` does the same for
single decisions. Whatever is unusual, an unknown key, another content type, a body it cannot read, is handed to
FastAPI's route as it came, and what that says is the documented answer. Without this handler nothing is missing but
speed: FastAPI's own work for a request costs more than the decision and its share of a durable commit
(docs/decisions/0028).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from time import perf_counter
from typing import Final, TypeVar

from msgspec import MsgspecError, Raw
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from optimizer.domain.instants import instant
from optimizer.errors import OptimizerError
from optimizer.services.decisions.deciding import DecisionRequest
from optimizer.services.keys.api_keys import Caller
from optimizer.services.keys.api_keys import Scope as KeyScope
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.strategy.fields import time_zones
from optimizer.web.desk import Desk
from optimizer.web.fast import wire
from optimizer.web.fast.answering import (
    AT_ONCE,
    Answered,
    answer_many,
    decision_request,
    outcome_report,
    record,
)
from optimizer.web.headers import SECURITY_HEADERS
from optimizer.web.limits import MOST_BODY_BYTES
from optimizer.web.observing import telemetry
from optimizer.web.observing.request_ids import CURRENT, HEADER, request_id_of
from optimizer.web.problems import answer_defect, answer_error

T = TypeVar("T")
U = TypeVar("U")
_JSON: Final = (b"application/json", b"application/json; charset=utf-8")


class Unusual(Exception):
    """A request that FastAPI's route shall look at."""


Work = Callable[[Desk], Awaitable[Answered]]
"""What remains to be done of a request once it has been read and let in: once, here, and nowhere else."""


async def _decisions(caller: Caller, body: bytes) -> Work:
    batch = wire.DECISIONS.decode(body)

    def request(item: Raw) -> DecisionRequest:
        return asked(batch.campaign, wire.ITEM.decode(item), batch.request_id, deferred=batch.defer_exposure)

    requests = await _each(request, batch.recipients)
    charge(caller, len(requests))
    return lambda desk: answer_many(desk, requests)


async def _outcomes(caller: Caller, body: bytes) -> Work:
    if b'"outcomes"' in body:
        reports = await _each(lambda item: _report(wire.OUTCOME.decode(item)), wire.OUTCOMES.decode(body).outcomes)
    else:
        reports = [_report(wire.OUTCOME.decode(body))]
    charge(caller, len(reports))
    return lambda desk: record(desk, reports)


def asked(
    campaign_id: str, item: wire.DecisionItem, request_id: str | None = None, *, deferred: bool = False
) -> DecisionRequest:
    """What the house is asked for one recipient.

    Raises:
        Unusual: the time zone may be none.
    """
    if item.time_zone is not None and item.time_zone not in time_zones():
        raise Unusual
    return decision_request(campaign_id, item, request_id, deferred=deferred)


def _report(outcome: wire.OutcomeIn) -> OutcomeReport:
    if outcome.decision_id is None:
        is_clear = outcome.recipient is not None and outcome.campaign is not None
    else:
        is_clear = outcome.recipient is None and outcome.campaign is None
    if not is_clear:
        raise Unusual
    return outcome_report(outcome, instant(datetime.fromisoformat(outcome.occurred_at)))


ROUTES: Final[dict[str, tuple[Callable[[Caller, bytes], Awaitable[Work]], KeyScope]]] = {
    "/v1/decisions/batch": (_decisions, KeyScope.DECIDE),
    "/v1/outcomes": (_outcomes, KeyScope.REPORT_OUTCOMES),
}


class HotRoutes:
    """In front of an app whose state holds the desk."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = ROUTES.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        read, key_scope = found
        received: list[Message] = []
        desk: Desk = scope["app"].state.desk
        try:
            caller = caller_of(desk, fields_of(scope["headers"]), key_scope)
            work = await read(caller, await _body(receive, received))
        # ValueError: text that is no amount, no time or not UTF-8. RecursionError: an item nested too deeply.
        except (Unusual, MsgspecError, ValueError, RecursionError):
            await self._app(scope, _again(received, receive), send)
            return
        request_id = request_id_of(scope["headers"])
        CURRENT.set(request_id)
        try:
            status, headers, body = await _answer(work(desk))
        except Exception as error:  # the server logs it, as it does for every other route
            await (await answer_defect(Request(scope), error))(scope, receive, send)
            telemetry.request(scope["path"], "POST", 500, perf_counter() - began)
            raise
        headers = [*headers, *SECURITY_HEADERS, (HEADER, request_id.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        telemetry.request(scope["path"], "POST", status, perf_counter() - began)


async def _answer(work: Awaitable[Answered]) -> tuple[int, list[tuple[bytes, bytes]], bytes | memoryview]:
    """Status, headers and body."""
    try:
        answered = await work
    except OptimizerError as error:
        problem = answer_error(error)
        return problem.status_code, problem.raw_headers, problem.body
    headers = [(b"content-length", b"%d" % len(answered.body)), (b"content-type", b"application/json")]
    if answered.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % answered.retry_after_seconds))
    return 200, headers, answered.body


def fields_of(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by name.

    Raises:
        Unusual: one of them is there twice.
    """
    fields = dict(headers)
    if len(fields) != len(headers):
        raise Unusual
    return fields


def caller_of(desk: Desk, headers: Mapping[bytes, bytes], key_scope: KeyScope) -> Caller:
    """Who may call this; of the headers, those that say what the body is are looked at, too.

    Raises:
        Unusual: nobody who is known, or a body of another kind.
    """
    if headers.get(b"content-type") not in _JSON:
        raise Unusual
    if int(headers.get(b"content-length", b"0")) > MOST_BODY_BYTES:
        raise Unusual
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    caller = desk.keys.known(credentials.decode("latin-1")) if scheme == b"Bearer" else None
    if caller is None or key_scope not in caller.scopes or b"x-api-key" in headers:
        raise Unusual
    return caller


async def _body(receive: Receive, received: list[Message]) -> bytes:
    """The whole body, its messages kept in `received` for whoever has to read it again."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        received.append(message)
        if message["type"] != "http.request":  # the caller has left
            raise Unusual
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY_BYTES:
            raise Unusual
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _again(received: list[Message], receive: Receive) -> Receive:
    """Gives what was received once more, then what comes after it."""
    messages = iter(received)

    async def replayed() -> Message:
        message = next(messages, None)
        return await receive() if message is None else message

    return replayed


async def _each(function: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """The function of every item, with a pause now and then for others to be served."""
    results: list[U] = []
    for start in range(0, len(items), AT_ONCE):
        if start:
            await asyncio.sleep(0)
        results += map(function, items[start : start + AT_ONCE])
    return results


def charge(caller: Caller, n: int) -> None:
    """Count items against the rate of the caller's key; last of all, so that what is handed on is not counted twice.

    Raises:
        Unusual: it is used up.
    """
    if caller.take(1):
        raise Unusual
    if n > 1:
        caller.owe(n - 1)
