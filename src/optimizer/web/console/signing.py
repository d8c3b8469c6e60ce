"""Signing in with an API key, and out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response

from optimizer.web.console import readings
from optimizer.web.console.forms import HOME, form_of, own_path, refuse_strangers
from optimizer.web.console.shell import (
    SIGN_IN,
    begin_session,
    check_scopes,
    end_session,
    page,
    redirect,
)
from optimizer.web.security import holder_of

LONGEST_KEY = 200  # of what is looked at; ours have about fifty characters

router = APIRouter()


@router.get("/sign-in")
async def sign_in_page(request: Request, following: Annotated[str, Query(alias="next")] = HOME) -> Response:
    """A form for a key."""
    return await _form(request, own_path(following) or HOME)


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Begin a session, if the key may look at pages."""
    refuse_strangers(request)
    form = await form_of(request)
    following = own_path(form.get("next")) or HOME
    key = form.get("key", "").strip()
    if not key:
        return await _form(request, following, 422, "API key: found nothing; allowed `opt_…`, as it was shown once")
    try:
        caller = await holder_of(request, key[:LONGEST_KEY])
        check_scopes(caller)
    except HTTPException as error:
        answer = await _form(request, following, error.status_code, str(error.detail))
        for name, value in (error.headers or {}).items():
            if name != "WWW-Authenticate":  # a browser would ask for a password
                answer.headers[name] = value
        return answer
    answer = redirect(request, following, f"Signed in as {caller.name}.")
    begin_session(request, answer, caller)
    readings.expect(request)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session in this browser."""
    refuse_strangers(request)
    answer = redirect(request, SIGN_IN, "Signed out.")
    end_session(request, answer)
    return answer


async def _form(request: Request, following: str, status: int = 200, wrong: str = "") -> Response:
    return await page(request, "sign_in.html.j2", status=status, following=following, wrong=wrong)
