"""The weekly review."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from optimizer.deployment import now
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.insights.weekly.mail import mail_html
from optimizer.insights.weekly.markdown import markdown
from optimizer.insights.weekly.weeks import week_after, week_before, week_named, week_of
from optimizer.services.live import Live
from optimizer.services.reports.weekly import (
    Shown,
    Signed,
    SignedText,
    shown_review,
    sign_weekly_review,
    signatures_of,
    text_of,
)
from optimizer.storage.store import Ledger
from optimizer.web.console.readings import Reading, reading, slow_reading
from optimizer.web.console.shell import Managing, Viewer, Viewing, page, redirect, zone_of
from optimizer.web.security import TheDesk

router = APIRouter(prefix="/reviews/weekly")
URL = "/console/reviews/weekly"
PICKED = 12  # weeks to choose from
TheWeek = Annotated[str | None, Query(max_length=10, description="Such as 2026-W47.")]
_KINDS = {"md": ("text/markdown; charset=utf-8", markdown), "html": ("text/html; charset=utf-8", mail_html)}


@router.get("")
async def weekly_page(request: Request, viewer: Viewing, week: TheWeek = None) -> Response:
    """One week of all campaigns, in the words that can be mailed, and a form to sign them."""
    zone = zone_of(request)
    this = week_of(now(), zone)
    wanted = week_before(this, zone) if not week else week_named(week, zone)
    found = await _found(request, wanted.label)
    shown, latest = None if found is None else found.value, [this]
    while len(latest) < PICKED:
        latest.append(week_before(latest[-1], zone))
    following = week_after(wanted, zone)
    signatures = (await reading(request, signatures_of, wanted.label)).value
    context = {} if found is None else {"as_of": found.as_of}
    return await page(
        request,
        "weekly.html.j2",
        viewer=viewer,
        week=wanted,
        weeks=[one.label for one in latest],
        earlier=week_before(wanted, zone).label,
        later=following.label if following.begins <= now() else None,
        shown=shown,
        signatures=signatures,
        text=None if shown is None else text_of(shown),
        as_markdown="" if shown is None else markdown(shown.document),
        url=URL,
        **context,
    )


@router.get("/file.{kind}")
async def weekly_file(request: Request, kind: str, viewer: Viewing, week: TheWeek = None) -> Response:  # noqa: ARG001
    """The review of a page as a file: Markdown, whose SHA-256 is what gets signed, or the HTML that can be mailed."""
    zone = zone_of(request)
    wanted = week_before(week_of(now(), zone), zone) if not week else week_named(week, zone)
    if kind not in _KINDS:
        raise InvalidRequest(RequestFinding("/kind", repr(kind[:20]), "md or html"))
    found = await _found(request, wanted.label)
    if found is None:
        return redirect(request, f"{URL}?week={quote(wanted.label)}", "The review is being worked out; look again.")
    media, made = _KINDS[kind]
    headers = {
        "Content-Disposition": f'attachment; filename="weekly-review-{wanted.label}.{kind}"',
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    }
    return Response(made(found.value.document).encode(), media_type=media, headers=headers)


@router.post("/sign")
async def sign(request: Request, desk: TheDesk, viewer: Managing) -> Response:
    """Close the review that was shown: every campaign in it counts as reviewed."""
    week = viewer.form.get("week", "")
    signed = _signed_text(viewer)

    def change(ledger: Ledger, live: Live) -> Signed:
        return sign_weekly_review(ledger, live, week, signed, actor=viewer.name, note=viewer.note, now=now())

    done = await desk.change(change)
    return redirect(request, f"{URL}?week={quote(done.week)}", f"{done.sentence[:1].upper()}{done.sentence[1:]}.")


async def _found(request: Request, week: str) -> Reading[Shown] | None:
    return await slow_reading(request, shown_review, week)


def _signed_text(viewer: Viewer) -> SignedText:
    as_of = viewer.form.get("as_of", "")
    if not (as_of.isascii() and as_of.isdecimal() and len(as_of) <= 18):
        raise InvalidRequest(RequestFinding("/as_of", repr(as_of[:20]), "the instant of the review that was shown"))
    settled, digest, seal = (viewer.form.get(name, "") for name in ("settled", "digest", "seal"))
    return SignedText(int(as_of), settled, digest, seal)
