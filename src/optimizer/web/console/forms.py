"""Forms: what a browser posts, read within bounds, and whether it comes from a page of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import HTTPException, Request

MOST_FORM_BYTES = 64 * 1024  # a note has at most 1,000 characters; the longest thing to paste is a list of segments
MOST_FIELDS = 200
NO_FORM: Mapping[str, str] = MappingProxyType({})
FORM: Final = "application/x-www-form-urlencoded"
HOME: Final = "/console"

_OWN = re.compile(r"/console(?:[/?][!-\[\]-~]*)?").fullmatch  # no blank, no backslash, nothing beyond ASCII


def own_path(path: str | None) -> str | None:
    """A path of the console, as it is; None for anything else, so that nobody is sent to somebody else's pages."""
    return path if path is not None and _OWN(path) and ".." not in path else None


def path_of(request: Request) -> str:
    """Path and query of the page that is asked for."""
    query = request.url.query
    return own_path(f"{request.url.path}?{query}" if query else request.url.path) or HOME


def came_from(request: Request, form: Mapping[str, str]) -> str:
    """The page a form was on: as the form says, else as the browser does, else the overview."""
    referer = urlsplit(request.headers.get("referer", ""))
    there = f"{referer.path}?{referer.query}" if referer.query else referer.path
    is_ours = referer.netloc == request.url.netloc
    return own_path(form.get("back")) or own_path(there if is_ours else None) or HOME


def refuse_strangers(request: Request) -> None:
    """Let a form pass only if a page of ours may have sent it; a browser says so itself, and cannot be made to lie.

    Raises:
        HTTPException: 403; it comes from elsewhere.
    """
    site = request.headers.get("sec-fetch-site")  # what browsers say to an address with TLS, or to this machine
    origin = request.headers.get("origin")
    if site is not None:
        is_ours = site == "same-origin"
    else:  # `null` is said of what has no address: a file, a sandboxed frame
        is_ours = origin is None or urlsplit(origin).netloc == request.url.netloc != ""
    if not is_ours:
        raise HTTPException(403, f"form: found one sent by {origin or site}; allowed those of the console itself")


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form; of a name that is there twice, the last one.

    Raises:
        HTTPException: it is no form, is not UTF-8, or is larger than one of ours can be.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise HTTPException(415, f"form: found {kind[:80] or 'no content type'}; allowed {FORM}")
    size, parts = 0, []
    async for part in request.stream():
        size += len(part)
        if size > MOST_FORM_BYTES:
            raise HTTPException(413, f"form: found more than {MOST_FORM_BYTES:,} bytes; allowed at most that many")
        parts.append(part)
    try:
        text = b"".join(parts).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        detail = f"form: found bytes that are not one in UTF-8, or over {MOST_FIELDS} fields; allowed a form of ours"
        raise HTTPException(422, detail) from None
    return MappingProxyType({name: value.replace("\r\n", "\n") for name, value in pairs})
