"""What people decide about a campaign, from its page: each is one form with a note, one transaction, one audit entry.

A form carries what its page showed (`seen`, of `services.agreeing`). If the campaign has changed since, nothing is done
and the page says who changed what; to pause or stop a campaign is possible all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from fastapi import APIRouter, Request, Response

from optimizer.deployment import now
from optimizer.domain.instants import Instant
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.services.auditing import noted
from optimizer.services.documents.agreeing import check_seen
from optimizer.services.documents.applying import approve
from optimizer.services.live import Live
from optimizer.services.oversight import steering
from optimizer.storage.store import Ledger
from optimizer.web.console.shell import Managing, Viewer, redirect
from optimizer.web.desk import Desk
from optimizer.web.routes.campaigns import CampaignId
from optimizer.web.security import TheDesk

router = APIRouter(prefix="/campaigns/{campaign_id}")
Wish = Callable[[Ledger, Live, Instant], str]
_BRAKES: Final = (steering.pause, steering.stop)  # whoever sends nothing any more does no harm, whatever changed
_WHOLE: Final[dict[str, Callable[..., steering.Steered]]] = {
    "stop": steering.stop,
    "unpin": steering.unpin,
    "release": steering.release,
    "roll-back": steering.roll_back,
    "review": steering.review,
    "acknowledge": steering.acknowledge,
}


@router.post("/pause")
async def pause(campaign_id: CampaignId, request: Request, desk: TheDesk, viewer: Managing) -> Response:
    """Send nothing until somebody resumes; with the field `variant`, no longer choose that one."""
    if variant := viewer.form.get("variant"):
        return await _steered(request, desk, viewer, partial(steering.pause_variant, variant_id=variant), campaign_id)
    return await _steered(request, desk, viewer, steering.pause, campaign_id)


@router.post("/resume")
async def resume(campaign_id: CampaignId, request: Request, desk: TheDesk, viewer: Managing) -> Response:
    """Undo a pause or a stop; with the field `variant`, that variant's pause."""
    if variant := viewer.form.get("variant"):
        return await _steered(request, desk, viewer, partial(steering.resume_variant, variant_id=variant), campaign_id)
    return await _steered(request, desk, viewer, steering.resume, campaign_id)


@router.post("/pin")
async def pin(campaign_id: CampaignId, request: Request, desk: TheDesk, viewer: Managing) -> Response:
    """Give everyone but the holdouts the variant in the field `variant`."""
    chosen = partial(steering.pin, variant_id=_required(viewer, "variant", "the id of a variant"))
    return await _steered(request, desk, viewer, chosen, campaign_id)


@router.post("/advance")
async def advance(campaign_id: CampaignId, request: Request, desk: TheDesk, viewer: Managing) -> Response:
    """Say yes to the rollout's next stage: the one in the field `stage`, counted from 1, if there is one."""
    said = viewer.form.get("stage", "")
    if said and not (said.isascii() and said.isdecimal() and len(said) <= 6):
        raise InvalidRequest(RequestFinding("/stage", repr(said[:20]), "a whole number"))
    following = partial(steering.advance, stage=int(said) if said else None)
    return await _steered(request, desk, viewer, following, campaign_id)


@router.post("/approve")
async def approve_message(campaign_id: CampaignId, request: Request, desk: TheDesk, viewer: Managing) -> Response:
    """Approve the message in the field `message`, in every targeting it has, as its words stand."""
    message = _required(viewer, "message", "the id of a message")

    def wish(ledger: Ledger, live: Live, at: Instant) -> str:
        note = noted(viewer.note)
        approved = approve(ledger, live, campaign_id, message, actor=viewer.name, note=note, now=at)
        return f"{', '.join(approved)} of {campaign_id} may be sent"

    return await _done(request, desk, viewer, campaign_id, wish, seen=viewer.form.get("seen", ""))


@router.post("/learn")
async def learn(campaign_id: CampaignId, request: Request, desk: TheDesk, viewer: Managing) -> Response:
    """Learn now rather than at the next refresh: nothing that anybody has decided changes, so it needs no note."""
    await desk.learn(campaign_id)
    return redirect(request, viewer.path, f"{campaign_id} has learned from everything that has come in.")


def _wishes(use_case: Callable[..., steering.Steered]) -> Callable[..., Awaitable[Response]]:
    async def steer(campaign_id: CampaignId, request: Request, desk: TheDesk, viewer: Managing) -> Response:
        return await _steered(request, desk, viewer, use_case, campaign_id)

    return steer


for _name, _use_case in _WHOLE.items():
    router.add_api_route(f"/{_name}", _wishes(_use_case), methods=["POST"])


def _required(viewer: Viewer, name: str, allowed: str) -> str:
    value = viewer.form.get(name, "")
    if not value:
        raise InvalidRequest(RequestFinding(f"/{name}", "nothing", allowed))
    return value


async def _steered(
    request: Request, desk: Desk, viewer: Viewer, use_case: Callable[..., steering.Steered], campaign_id: str
) -> Response:
    def wish(ledger: Ledger, live: Live, at: Instant) -> str:
        return use_case(ledger, live, campaign_id, actor=viewer.name, note=viewer.note, now=at).sentence

    is_brake = use_case in _BRAKES
    return await _done(request, desk, viewer, campaign_id, wish, seen="" if is_brake else viewer.form.get("seen", ""))


async def _done(request: Request, desk: Desk, viewer: Viewer, campaign_id: str, wish: Wish, *, seen: str) -> Response:
    """Carry a wish out, if the campaign stands as the viewer saw it; then their page again, with what is so now."""

    def change(ledger: Ledger, live: Live) -> str:
        check_seen(ledger, live, campaign_id, seen)
        return wish(ledger, live, now())

    sentence = await desk.change(change)
    return redirect(request, viewer.path, f"{sentence}.")
