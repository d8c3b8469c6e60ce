"""Errors as pages, for whoever looks at pages: the console's routes answer these where others answer problems."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from optimizer.errors import OptimizerError
from optimizer.web.console.forms import HOME, NO_FORM
from optimizer.web.console.shell import SignInFirst, Viewer, page, redirect, to_sign_in, viewer
from optimizer.web.headers import TEXT_HEADERS
from optimizer.web.observing.request_ids import CURRENT, HEADER
from optimizer.web.problems import problem_of
from optimizer.web.shapes.findings import findings_of

TITLES = {
    403: "You may not do this",
    404: "There is no such page",
    405: "This address is for forms",
    409: "This is not possible now",
    413: "This is too large",
    415: "This is no form",
    422: "Something is not right",
    429: "Too fast",
    500: "Something went wrong here",
    503: "The ledger cannot be read now",
}
NEXT_STEPS = {
    403: "Sign in with a key that has the scope, or ask whoever runs the service for one.",
    404: "It may have been renamed or removed since; the overview lists every campaign in force.",
    405: "Go to the overview and take the way from there.",
    429: "Wait a moment, then load the page again.",
    500: "Nothing was written. The defect is in the service's log, under the number below.",
    503: "Decisions may still be answered. Load the page again in a moment.",
}
Handler = Callable[[Request, Any], Awaitable[Response]]


def install(app: FastAPI) -> None:
    """Make errors of the console's routes pages; all others stay what they are."""
    for kind in (OptimizerError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _for_people(app.exception_handlers[kind]))
    app.add_exception_handler(SignInFirst, _sign_in)


def _for_people(others: Any) -> Handler:
    async def handler(request: Request, error: Exception) -> Response:
        path = request.url.path
        if path == HOME or path.startswith(f"{HOME}/"):
            return await _page(request, error)
        answer: Response = await others(request, error)
        return answer

    return handler


async def _sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInFirst)  # noqa: S101 - Starlette's signature is wider
    return to_sign_in(request, error)


async def _page(request: Request, error: Exception) -> Response:
    """The page about an error; or, where somebody wished something, the page they came from with what was wrong."""
    looks: Viewer | None = getattr(request.state, "viewer", None)
    headers: dict[str, str] = {}
    if isinstance(error, OptimizerError):
        if looks is not None and looks.form is not NO_FORM:
            return redirect(request, looks.path, str(error), refused=True, kept=looks.form)
        problem = problem_of(error)
        status, sentence = problem["status"], problem["detail"]
    elif isinstance(error, HTTPException):
        status, sentence, headers = error.status_code, str(error.detail), dict(error.headers or {})
        if looks is None and status == 404:
            await _recognise(request)
        if status == 404 and sentence == "Not Found":
            sentence = f"path: found {request.url.path[:100]}; allowed the console's own pages"
    elif isinstance(error, RequestValidationError):
        status = 422
        sentence = "; ".join(f"{f.pointer}: found {f.found}; allowed {f.allowed}" for f in findings_of(error.errors()))
    else:
        status, sentence = 500, "The service has a defect; it has been logged."
        headers = {"Connection": "close", HEADER.decode(): CURRENT.get() or "", **TEXT_HEADERS}
    answer = await page(
        request,
        "problem.html.j2",
        status=status,
        title=TITLES.get(status, "Something is not right"),
        sentence=sentence,
        next_step=NEXT_STEPS.get(status, ""),
        request_id=CURRENT.get() or "",
    )
    for name, value in headers.items():
        answer.headers.setdefault(name, value)
    return answer


async def _recognise(request: Request) -> None:
    """Know who looks at a page that is not there, so that they find the way from it."""
    with suppress(SignInFirst, HTTPException):
        await viewer(request)
