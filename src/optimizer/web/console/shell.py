"""The shell of every page: who looks, what they may do, what was just said, and the page around what is shown."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from optimizer.deployment import now, random_id
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.web.console import readings
from optimizer.web.console.forms import HOME, NO_FORM, came_from, form_of, own_path, path_of, refuse_strangers
from optimizer.web.console.sessions import IDLE, SAID_FOR, Cookies, Session
from optimizer.web.console.templating import UTC, rendered
from optimizer.web.security import desk_of, take_one

SCOPES: Final = frozenset({Scope.ANALYSE, Scope.MANAGE})  # either of which opens the pages
SIGN_IN: Final = f"{HOME}/sign-in"
EMPTY_STYLE: Final = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"  # of nothing
PAGE_POLICY: Final = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {EMPTY_STYLE}; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""What a browser may load for a page and run in it; no script and no style sheet that is written into the page itself.

plotly makes an empty style element and adds its rules from the script, and gives attributes to what it draws.
"""

NOTHING_KEPT: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType({})
PAGE_HEADERS: Final = {"Content-Security-Policy": PAGE_POLICY, "Referrer-Policy": "same-origin"}

NAVIGATION: Final = (
    ("Overview", HOME),
    ("Strategy", f"{HOME}/strategy"),
    ("Proposals", f"{HOME}/proposals"),
    ("Reviews", f"{HOME}/reviews"),
    ("Audit", f"{HOME}/audit"),
    ("Recipients", f"{HOME}/recipients"),
    ("Quarantine", f"{HOME}/quarantine"),
)


class SignInFirst(Exception):
    """Nobody is signed in, or their session has ended: to be answered by the way to the sign-in."""

    def __init__(self, back: str, *, ended: bool) -> None:
        self.back = back
        self.ended = ended
        super().__init__(back)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at a page.

    Attributes:
        name: of their API key; it stands in the audit trail.
        may_manage: whether they may change things.
        csrf: what every form of theirs carries in the field ``csrf``.
        path: path and query of the page; a form leads back to it with its field ``back``.
        form: fields of the form that was posted; empty for pages.
        kept: what they had written into forms whose wish was refused, by the form's URL.
        scopes: of their API key.
    """

    name: str
    may_manage: bool
    csrf: str
    path: str
    form: Mapping[str, str] = field(default_factory=lambda: NO_FORM)
    kept: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: NOTHING_KEPT)
    scopes: frozenset[Scope] = frozenset()

    @property
    def note(self) -> str:
        """Why they wish what they post; a use case says what is wrong with an empty one."""
        return self.form.get("note", "")

    def words_for(self, url: str, hidden: Mapping[str, object]) -> Mapping[str, str]:
        """What they had written into this very form, which leads to `url` and carries `hidden`; often nothing."""
        kept = self.kept.get(url, NO_FORM)
        is_it = all(kept.get(name) == str(value) for name, value in hidden.items() if name != "seen")
        return kept if is_it else NO_FORM


async def viewer(request: Request) -> Viewer:
    """A dependency: who looks; nobody else sees a page.

    Raises:
        SignInFirst: nobody is signed in.
        HTTPException: 403, the key lacks the scopes, or 429, it asks too fast.
    """
    posted = request.method not in {"GET", "HEAD"}
    session = session_of(request)
    ring = desk_of(request).keys
    caller = None if session is None else ring.holder(session.key_hash)
    if session is not None and caller is None:
        caller = await _looked_up(request, session)
    if session is None or caller is None:
        back = came_from(request, NO_FORM) if posted else path_of(request)
        raise SignInFirst(back, ended=posted or cookie_name(request) in request.cookies)
    check_scopes(caller)
    take_one(caller)
    kept = said_to(request).get("kept", {})
    may_manage = Scope.MANAGE in caller.scopes
    found = Viewer(caller.name, may_manage, session.csrf, path_of(request), NO_FORM, kept, caller.scopes)
    request.state.session, request.state.viewer = session, found
    return found


async def asker(request: Request) -> Viewer:
    """A dependency of forms that change nothing a manager must vouch for: a viewer, with a form of our own.

    Raises:
        SignInFirst: nobody is signed in; nothing was done.
        HTTPException: 403, the form is not from a page of this session.
    """
    refuse_strangers(request)
    found = await viewer(request)
    form = await form_of(request)
    if not hmac.compare_digest(form.get("csrf", "").encode(), found.csrf.encode()):
        raise HTTPException(403, "form: found one of another session; allowed one of this session: open the page again")
    back = came_from(request, form)
    request.state.viewer = found = replace(found, path=back, form=form)
    return found


async def manager(request: Request) -> Viewer:
    """A dependency of whatever changes something: an asker who may.

    Raises:
        SignInFirst: nobody is signed in; nothing was done.
        HTTPException: 403, the form is not from a page of this session, or the key lacks the scope.
    """
    found = await asker(request)
    check_manages(found)
    return found


Viewing = Annotated[Viewer, Depends(viewer)]
"""Of a page: who looks, with the scope analyse or manage; others are led to the sign-in."""
Asking = Annotated[Viewer, Depends(asker)]
"""Of a POST that asks for something, or that scopes of its own open: who asks, with the right token."""
Managing = Annotated[Viewer, Depends(manager)]
"""Of a POST: who wishes something, with the scope manage and the right token; `viewer.form` holds the fields."""


async def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page: a template, with ``viewer``, ``csrf``, ``as_of``, ``path``, ``nav`` and what was just said.

    Args:
        request: what is answered.
        template: its file in the folder of templates.
        status: of HTTP.
        context: what the template names; ``as_of`` is now unless it is given.
    """
    looks: Viewer | None = getattr(request.state, "viewer", None)
    said = said_to(request)
    shown = {
        "viewer": looks,
        "csrf": "" if looks is None else looks.csrf,
        "path": path_of(request),
        "nav": NAVIGATION,
        "said": said.get("said"),
        "refused": bool(said.get("refused")),
        "as_of": now(),
    }
    html = await rendered(template, zone_of(request), {**shown, **context})
    answer = HTMLResponse(html, status_code=status, headers=PAGE_HEADERS)
    session: Session | None = getattr(request.state, "session", None)
    if session is not None and session.is_stale(now()):
        keep_signed_in(request, answer, session)
    if said:
        answer.delete_cookie(_said_name(request), path="/", secure=is_https(request), httponly=True, samesite="lax")
    return answer


def redirect(
    request: Request, to: str, said: str, *, refused: bool = False, kept: Mapping[str, str] | None = None
) -> Response:
    """The way to another page, which says something once.

    Args:
        request: what is answered.
        to: path of a page of the console.
        said: one sentence.
        refused: whether it says why nothing was done.
        kept: what was written into the form of this URL, to be there again.
    """
    if request.method == "POST":
        readings.forget(request)
    answer = RedirectResponse(own_path(to) or HOME, status_code=303, headers=PAGE_HEADERS)
    words: dict[str, Any] = {"said": said, "refused": refused}
    cookies = cookies_of(request)
    value = cookies.sealed_words({**words, "kept": {request.url.path: dict(kept)}} if kept else words, now())
    set_cookie(request, answer, _said_name(request), value or cookies.sealed_words(words, now()), SAID_FOR)
    return answer


def to_sign_in(request: Request, wish: SignInFirst) -> Response:
    """The way to the sign-in, and from there to the page that was wished."""
    target = SIGN_IN if wish.back == HOME else f"{SIGN_IN}?next={quote(wish.back, safe='/')}"
    if wish.ended:
        done = "nothing was done; " if request.method == "POST" else ""
        return redirect(request, target, f"Your session has ended; {done}sign in again.", refused=True)
    return RedirectResponse(target, status_code=303, headers=PAGE_HEADERS)


def check_scopes(caller: Caller) -> None:
    """Let nobody in whose key is for machines.

    Raises:
        HTTPException: 403.
    """
    if not caller.scopes & SCOPES:
        has = ", ".join(sorted(caller.scopes)) or "none"
        raise HTTPException(403, f"API key: found scopes {has}; allowed analyse or manage")


def check_manages(found: Viewer) -> None:
    """Let nobody go on who may only look.

    Raises:
        HTTPException: 403.
    """
    if not found.may_manage:
        raise HTTPException(403, "API key: found scope analyse, which may look; allowed manage")


def begin_session(request: Request, answer: Response, caller: Caller) -> None:
    """Sign somebody in."""
    at = now()
    keep_signed_in(request, answer, Session(caller.key_hash, at, random_id(), at))


def keep_signed_in(request: Request, answer: Response, session: Session) -> None:
    """Give the browser a cookie of the session that is made now."""
    set_cookie(request, answer, cookie_name(request), cookies_of(request).sealed(session, now()), IDLE)


def end_session(request: Request, answer: Response) -> None:
    """Sign somebody out."""
    answer.delete_cookie(cookie_name(request), path="/", secure=is_https(request), httponly=True, samesite="lax")


def session_of(request: Request) -> Session | None:
    """The session of a request's cookie, if it is one and has not ended."""
    value = request.cookies.get(cookie_name(request))
    return None if value is None else cookies_of(request).opened(value, now())


def said_to(request: Request) -> Mapping[str, Any]:
    """What the page before has left to say."""
    value = request.cookies.get(_said_name(request))
    return {} if value is None else cookies_of(request).opened_words(value, now())


def zone_of(request: Request) -> ZoneInfo:
    """Where the strategy is at home; UTC while there is none."""
    workspace = desk_of(request).live.latest.workspace
    return UTC if workspace is None else workspace.strategy.time_zone


def is_https(request: Request) -> bool:
    """Whether the browser speaks TLS with us, or with the proxy in front that says so."""
    return request.url.scheme == "https"


def cookie_name(request: Request) -> str:
    """Of the session; over TLS one that nobody but this very host can set."""
    return "__Host-optimizer" if is_https(request) else "optimizer"


def cookies_of(request: Request) -> Cookies:
    """What seals this deployment's cookies."""
    return _cookies(desk_of(request).live.secret)


def set_cookie(request: Request, answer: Response, name: str, value: str, lasts: int) -> None:
    """A cookie no script can read, and that pages of others do not send."""
    answer.set_cookie(
        name, value, max_age=lasts // 1_000_000, path="/", secure=is_https(request), httponly=True, samesite="lax"
    )


@lru_cache(maxsize=8)
def _cookies(secret: bytes) -> Cookies:
    return Cookies(secret)


def _said_name(request: Request) -> str:
    return f"{cookie_name(request)}-said"


async def _looked_up(request: Request, session: Session) -> Caller | None:
    """Who holds a key that this worker may not have heard of yet."""
    return await run_in_threadpool(desk_of(request).keys.looked_up, session.key_hash)
