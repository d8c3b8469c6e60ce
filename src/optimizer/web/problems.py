"""One error shape: RFC 9457 problem details, for every error of every route."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from optimizer.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    OptimizerError,
    Overloaded,
    RequestFinding,
    Unavailable,
)
from optimizer.web.headers import TEXT_HEADERS
from optimizer.web.observing.request_ids import CURRENT, HEADER
from optimizer.web.shapes.answers import Problem
from optimizer.web.shapes.findings import findings_of

MEDIA_TYPE = "application/problem+json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
log = structlog.get_logger("optimizer")

_KINDS: tuple[tuple[type[OptimizerError], int, str], ...] = (
    (InvalidRequest, 422, "invalid-request"),
    (NotFound, 404, "not-found"),
    (Conflict, 409, "conflict"),
    (Overloaded, 429, "overloaded"),
    (Unavailable, 503, "unavailable"),
)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
    }
    for status, text in {
        400: "The body is not JSON in UTF-8.",
        401: "No API key, or one this service does not know.",
        403: "The API key lacks the scope.",
        404: "What was named does not exist.",
        409: "What was named is in a state that forbids this.",
        413: "The body is too large.",
        422: "The request is not allowed; `errors` lists every mistake.",
        429: "More than the key's rate allows, or more than this worker can take now; `Retry-After` says when to ask.",
        500: "A defect of the service; nothing was written.",
        503: "The service cannot answer now; the same request may succeed later.",
    }.items()
}


def problem(status: int, kind: str, detail: str, findings: Sequence[RequestFinding] = ()) -> dict[str, Any]:
    """The JSON of a problem."""
    body: dict[str, Any] = {
        "type": f"urn:optimizer:problem:{kind}",
        "title": _title(status),
        "status": status,
        "detail": detail,
    }
    if findings:
        body["errors"] = [{"pointer": f.pointer, "found": f.found, "allowed": f.allowed} for f in findings]
    return body


def problem_of(error: OptimizerError) -> dict[str, Any]:
    """The JSON of one of our errors."""
    for error_class, status, kind in _KINDS:
        if isinstance(error, error_class):
            findings = error.findings if isinstance(error, InvalidRequest) else ()
            return problem(status, kind, str(error), findings)
    return problem(500, "defect", "The service has a defect; nothing was written.")


def answer_problem(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """The HTTP answer that carries a problem, with the id of the request, by which its lines in the log are found."""
    if (request_id := CURRENT.get()) is not None:
        body = {**body, "instance": f"urn:optimizer:request:{request_id}"}
    return Response(orjson.dumps(body), status_code=body["status"], media_type=MEDIA_TYPE, headers=headers or {})


def answer_error(error: OptimizerError) -> Response:
    """The HTTP answer to one of our errors."""
    if not isinstance(error, Unavailable):
        return answer_problem(problem_of(error))
    if error.__cause__ is not None:
        log.warning("unavailable", error=str(error), cause=str(error.__cause__).partition("\n")[0])
    return answer_problem(problem_of(error), {"Retry-After": str(error.retry_after_seconds)})


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    app.add_exception_handler(OptimizerError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, answer_defect)


async def _ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OptimizerError)  # noqa: S101 - Starlette's signature is wider
    return answer_error(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    details = error.errors()
    if any(detail["type"] == "json_invalid" for detail in details):
        reason = details[0].get("ctx", {}).get("error", "not JSON")
        return answer_problem(problem(400, "not-json", f"body: found text that is not JSON: {reason}"))
    findings = findings_of(details)
    return answer_problem(problem(422, "invalid-request", str(InvalidRequest(*findings)), findings))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 405:
        return _wrong_method(request)
    if isinstance(error.__cause__, OptimizerError):  # said where FastAPI lets nothing else through
        return answer_error(error.__cause__)
    if error.status_code == 400:  # FastAPI says no more than this about a body it cannot decode
        return answer_problem(problem(400, "not-json", "body: found bytes that are not JSON in UTF-8"))
    if error.status_code == 404 and error.detail == _title(404):  # the framework's own words
        return answer_problem(problem(404, "not-found", "path: found no such route; allowed those of /openapi.json"))
    kind = _title(error.status_code).lower().replace(" ", "-")
    return answer_problem(problem(error.status_code, kind, str(error.detail)), dict(error.headers or {}))


def _wrong_method(request: Request) -> Response:
    """Names every method of the path: the framework names those of one of its routes alone."""
    scope, routes = request.scope, request.app.router.routes
    allowed = [
        method
        for method in METHODS
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    detail = f"method: found {scope['method'][:20]}; allowed {' or '.join(allowed)}"
    return answer_problem(problem(405, "method-not-allowed", detail), {"Allow": ", ".join(allowed)})


def defect(headers: dict[str, str] | None = None) -> Response:
    """The HTTP answer to what nobody thought of."""
    return answer_problem(problem(500, "defect", "The service has a defect; it has been logged."), headers)


async def answer_defect(_request: Request, _error: Exception) -> Response:
    """The same, of what the app raised."""
    # Starlette raises the error again after this answer, and the server logs it, without local variables.
    # It also closes the connection then, so that the caller had better not use it again.
    # It is outside the middleware that adds headers.
    request_id = {HEADER.decode(): CURRENT.get() or ""}
    return defect({"Connection": "close", **request_id, **TEXT_HEADERS})


_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}  # which older versions of Python call otherwise


def _title(status: int) -> str:
    if status in _TITLES:
        return _TITLES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
