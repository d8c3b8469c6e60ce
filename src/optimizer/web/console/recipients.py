"""Recipients: what is kept about them, keeping them out, and leaving nothing of them.

A recipient's id travels in forms alone: what is in an address ends up in logs and in the history of browsers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from optimizer.deployment import now, random_id
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.insights.decision_words import reason_words
from optimizer.services.auditing import about_nobody
from optimizer.services.live import Live
from optimizer.services.recipients.disclosing import Disclosure, disclose
from optimizer.services.recipients.erasing import Erased, erase
from optimizer.services.recipients.looking_up import EXPORT, note_look_up
from optimizer.services.recipients.suppressing import Suppressed, suppress, unsuppress
from optimizer.storage.controls import EVERY_CHANNEL
from optimizer.storage.store import Ledger
from optimizer.web.console.forms import HOME
from optimizer.web.console.shell import PAGE_HEADERS, Managing, Viewer, Viewing, page, redirect
from optimizer.web.security import TheDesk
from optimizer.web.shapes.disclosure_answers import disclosure_json

router = APIRouter()
_PATH = f"{HOME}/recipients"


@router.get("/recipients")
async def form_page(request: Request, viewer: Viewing) -> Response:
    """A form for the id of a recipient."""
    typed = next((kept["recipient"] for kept in viewer.kept.values() if kept.get("recipient")), "")
    return await _page(request, viewer, typed, None)


@router.post("/recipients")
async def look_up(request: Request, viewer: Managing, desk: TheDesk) -> Response:
    """What is kept about a recipient; that somebody looked is audited before it is shown."""
    recipient = _recipient(viewer.form)
    found = await _disclosed(desk, viewer, recipient)
    return await _page(request, viewer, recipient, found)


@router.post("/recipients/download")
async def download(viewer: Managing, desk: TheDesk) -> Response:
    """The same as a file, for whoever asked what is kept about them."""
    found = await _disclosed(desk, viewer, _recipient(viewer.form), action=EXPORT)
    content = orjson.dumps(disclosure_json(found), option=orjson.OPT_INDENT_2)
    headers = {"Content-Disposition": 'attachment; filename="recipient.json"'}
    return Response(content, media_type="application/json", headers={**PAGE_HEADERS, **headers})


@router.post("/recipients/suppress")
async def keep_out(request: Request, viewer: Managing, desk: TheDesk) -> Response:
    """Send a recipient nothing any more: on one channel, or on all."""
    recipient, channel = _recipient(viewer.form), viewer.form.get("channel") or None

    def change(ledger: Ledger, live: Live) -> Suppressed:
        return suppress(ledger, live, [recipient], channel, actor=viewer.name, note=viewer.note, now=now())

    done = await desk.change(change)
    where = _where(done)
    said = f"Nothing is sent to them {where} any more." if done.changed else f"They were kept out {where} already."
    return redirect(request, _PATH, said, kept={"recipient": recipient})


@router.post("/recipients/unsuppress")
async def let_back(request: Request, viewer: Managing, desk: TheDesk) -> Response:
    """Take a recipient off the suppression list: of one channel, or of all."""
    recipient, channel = _recipient(viewer.form), viewer.form.get("channel") or None

    def change(ledger: Ledger, live: Live) -> Suppressed:
        return unsuppress(ledger, live, [recipient], channel, actor=viewer.name, note=viewer.note, now=now())

    done = await desk.change(change)
    where = _where(done)
    said = f"They may be contacted {where} again." if done.changed else f"They were not kept out {where}."
    return redirect(request, _PATH, said, kept={"recipient": recipient})


@router.post("/recipients/erase")
async def leave_nothing(request: Request, viewer: Managing, desk: TheDesk) -> Response:
    """Leave nothing of a recipient; their id is typed once more, for this cannot be undone."""
    recipient = _recipient(viewer.form)
    if viewer.form.get("confirmation", "").strip() != recipient:
        allowed = "the same id as the one that is shown, typed once more"
        raise InvalidRequest(RequestFinding("/confirmation", "another id", allowed))
    note = about_nobody(viewer.note, [recipient])

    def change(ledger: Ledger, live: Live) -> Erased:
        return erase(
            ledger,
            live,
            [recipient],
            forget_suppressions=viewer.form.get("forget_suppression") == "yes",
            random_id=random_id,
            actor=viewer.name,
            now=now(),
            note=note,
        )

    done = await desk.change(change)
    scrubbed = await desk.scrub()
    return redirect(request, _PATH, _erased(done, scrubbed=scrubbed))


async def _disclosed(desk: TheDesk, viewer: Viewer, recipient: str, **action: str) -> Disclosure:
    await desk.change(
        lambda ledger, _live: note_look_up(ledger, recipient, actor=viewer.name, note=viewer.note, now=now(), **action)
    )
    return await desk.read(lambda ledger, live: disclose(ledger, live, recipient, now()))


async def _page(request: Request, viewer: Viewer, typed: str, found: Disclosure | None) -> Response:
    workspace = request.app.state.desk.live.latest.workspace
    context: dict[str, Any] = {"typed": typed, "found": found, "reason": reason_words, "every_channel": EVERY_CHANNEL}
    channels = []
    if workspace is not None:
        used = (campaign.channel for campaign in workspace.campaigns.values())
        channels = sorted({*workspace.strategy.channels, *used})
    return await page(request, "recipients.html.j2", viewer=viewer, channels=channels, **context)


def _recipient(form: Mapping[str, str]) -> str:
    recipient = form.get("recipient", "").strip()
    if not recipient:
        raise InvalidRequest(RequestFinding("/recipient", "nothing", "your id of a recipient"))
    return recipient


def _where(done: Suppressed) -> str:
    return "on any channel" if done.channel == EVERY_CHANNEL else f"on {done.channel}"


def _erased(done: Erased, *, scrubbed: bool) -> str:
    decisions = "1 decision is" if done.decisions == 1 else f"{done.decisions:,} decisions are"
    kept = " A tombstone keeps them from being contacted again." if done.tombstones else ""
    bytes_ = "" if scrubbed else " Old copies are left in the database's files until its next scrub."
    return f"Nothing is left of them: {decisions} about nobody now.{kept}{bytes_}"
