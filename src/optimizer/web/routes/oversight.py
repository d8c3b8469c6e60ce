"""Routes for people who answer for campaigns: stop, pause, pin, let go on, see who did, and keep recipients out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from optimizer.deployment import now
from optimizer.domain.instants import isoformat
from optimizer.services.auditing import LONGEST_NOTE
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Live
from optimizer.services.oversight import steering
from optimizer.services.oversight.overseeing import standing, standing_json
from optimizer.services.oversight.steering import Steered
from optimizer.services.recipients.suppressing import suppress, suppression, unsuppress
from optimizer.storage.audit import Link
from optimizer.storage.controls import EVERY_CHANNEL
from optimizer.storage.store import Ledger
from optimizer.web.desk import Desk
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.routes.campaigns import CampaignId
from optimizer.web.routes.people import RecipientId
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.oversight_answers import AuditOut, ControlsOut, SteeredOut, SuppressionsOut
from optimizer.web.shapes.rendering import json_answer
from optimizer.web.shapes.requests import Identifier

LARGEST_PAGE = 200

router = APIRouter(prefix="/v1", route_class=JsonRoute, responses=PROBLEMS)
Person = Annotated[Caller, Depends(requires(Scope.MANAGE))]
_may_look = Depends(requires(Scope.ANALYSE, Scope.MANAGE))
_steering: dict[str, Any] = {"response_model": SteeredOut, "tags": ["oversight"]}


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    note: StrictStr = Field(
        description="Why; kept in the audit trail. Text without control characters.",
        examples=["legal asked us to wait"],
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_NOTE},  # `noted` says it in our words
    )


class SteeringIn(_In):
    """Why this is wished."""


class VariantSteeringIn(_In):
    """Why this is wished, and for which variant."""

    variant: Identifier | None = Field(
        default=None, description="Only this variant; by default the whole campaign.", examples=["ten-percent"]
    )


class PinIn(_In):
    """Which variant everyone gets, and why."""

    variant: Identifier = Field(description="The variant.", examples=["ten-percent"])


class AdvanceIn(_In):
    """Why the rollout may go on."""

    stage: StrictInt | None = Field(
        default=None, description="The stage you mean, counted from 1; if it is not the next one, nothing changes."
    )


class RollBackIn(_In):
    """Why the rollout shall go back."""

    stage: StrictInt | None = Field(
        default=None, description="The stage you mean, counted from 1; if it is not the one before, nothing changes."
    )


class SuppressionIn(_In):
    """On which channel, and why."""

    channel: Identifier | None = Field(default=None, description="By default every channel.", examples=["email"])


@router.post("/campaigns/{campaign_id}/pause", **_steering)
async def pause(campaign_id: CampaignId, wish: VariantSteeringIn, desk: TheDesk, person: Person) -> Any:
    """Send nothing until somebody resumes the campaign; or, with `variant`, no longer choose that one."""
    if wish.variant is not None:
        return await _steered(desk, steering.pause_variant, campaign_id, wish.variant, person=person, wish=wish)
    return await _steered(desk, steering.pause, campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/resume", **_steering)
async def resume(campaign_id: CampaignId, wish: VariantSteeringIn, desk: TheDesk, person: Person) -> Any:
    """Undo a pause or a stop, whoever or whatever it came from; or, with `variant`, that variant's pause."""
    if wish.variant is not None:
        return await _steered(desk, steering.resume_variant, campaign_id, wish.variant, person=person, wish=wish)
    return await _steered(desk, steering.resume, campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/stop", **_steering)
async def stop(campaign_id: CampaignId, wish: SteeringIn, desk: TheDesk, person: Person) -> Any:
    """Send nothing any more, from the next decision of any worker on."""
    return await _steered(desk, steering.stop, campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/pin", **_steering)
async def pin(campaign_id: CampaignId, wish: PinIn, desk: TheDesk, person: Person) -> Any:
    """Give everyone but the holdouts this one variant; nothing is learned meanwhile."""
    return await _steered(desk, steering.pin, campaign_id, wish.variant, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/unpin", **_steering)
async def unpin(campaign_id: CampaignId, wish: SteeringIn, desk: TheDesk, person: Person) -> Any:
    """Let the policy choose again."""
    return await _steered(desk, steering.unpin, campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/advance", **_steering)
async def advance(campaign_id: CampaignId, wish: AdvanceIn, desk: TheDesk, person: Person) -> Any:
    """Say yes to the rollout's next stage; it begins once nothing else keeps it."""
    return await _steered(desk, partial(steering.advance, stage=wish.stage), campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/roll-back", **_steering)
async def roll_back(campaign_id: CampaignId, wish: RollBackIn, desk: TheDesk, person: Person) -> Any:
    """Take the rollout back to the stage before, and hold it there until somebody releases it."""
    return await _steered(desk, partial(steering.roll_back, stage=wish.stage), campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/release", **_steering)
async def release(campaign_id: CampaignId, wish: SteeringIn, desk: TheDesk, person: Person) -> Any:
    """Let a rollout go on that a guardrail metric has held; this answers the alarms as well."""
    return await _steered(desk, steering.release, campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/review", **_steering)
async def review(campaign_id: CampaignId, wish: SteeringIn, desk: TheDesk, person: Person) -> Any:
    """Say that somebody has looked at what the campaign does."""
    return await _steered(desk, steering.review, campaign_id, person=person, wish=wish)


@router.post("/campaigns/{campaign_id}/acknowledge", **_steering)
async def acknowledge(campaign_id: CampaignId, wish: SteeringIn, desk: TheDesk, person: Person) -> Any:
    """Answer the alarms that guardrail metrics have raised."""
    return await _steered(desk, steering.acknowledge, campaign_id, person=person, wish=wish)


@router.get(
    "/campaigns/{campaign_id}/controls", response_model=ControlsOut, dependencies=[_may_look], tags=["oversight"]
)
async def get_controls(campaign_id: CampaignId, desk: TheDesk) -> Any:
    """What people, or guardrail metrics, have decided about the campaign, and what they are asked for."""
    found = await desk.read(lambda ledger, live: standing(ledger, live, campaign_id, now()))
    return json_answer(standing_json(found))


@router.get("/audit", response_model=AuditOut, dependencies=[_may_look], tags=["oversight"])
async def get_audit(
    desk: TheDesk,
    campaign: Annotated[
        str | None,
        Query(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="Only what was done to this campaign."),
    ] = None,
    n: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="How many entries.")] = 20,
    before: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Only entries with a smaller number: the next page.")
    ] = None,
) -> Any:
    """Who changed what, when and why, newest first."""
    links = await desk.read(lambda ledger, _live: ledger.audit.latest(n + 1, subject=campaign, before=before))
    next_before = links[n - 1].number if len(links) > n else None
    return json_answer({"entries": [audit_json(link) for link in links[:n]], "next_before": next_before})


@router.put("/suppressions/{recipient}", response_model=SuppressionsOut, tags=["recipients"])
async def put_suppression(recipient: RecipientId, wish: SuppressionIn, desk: TheDesk, person: Person) -> Any:
    """Send this recipient nothing any more, from the next decision on."""

    def change(ledger: Ledger, live: Live) -> dict[str, Any]:
        suppress(ledger, live, [recipient], wish.channel, actor=person.name, note=wish.note, now=now())
        return _suppressions_json(ledger, live, recipient)

    return json_answer(await desk.change(change))


@router.delete("/suppressions/{recipient}", response_model=SuppressionsOut, tags=["recipients"])
async def delete_suppression(recipient: RecipientId, wish: SuppressionIn, desk: TheDesk, person: Person) -> Any:
    """Take this recipient off the list: of one channel, or of all."""

    def change(ledger: Ledger, live: Live) -> dict[str, Any]:
        unsuppress(ledger, live, [recipient], wish.channel, actor=person.name, note=wish.note, now=now())
        return _suppressions_json(ledger, live, recipient)

    return json_answer(await desk.change(change))


@router.get("/suppressions/{recipient}", response_model=SuppressionsOut, dependencies=[_may_look], tags=["recipients"])
async def get_suppression(recipient: RecipientId, desk: TheDesk) -> Any:
    """Where this recipient gets nothing, since when and why; an empty list when nowhere."""
    return json_answer(await desk.read(lambda ledger, live: _suppressions_json(ledger, live, recipient)))


def audit_json(link: Link) -> dict[str, Any]:
    """See `oversight_answers.AuditEntryOut`."""
    entry = link.entry
    return {
        "number": link.number,
        "at": isoformat(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "note": entry.note,
        "before": entry.before,
        "after": entry.after,
        "previous_hash": link.previous_hash,
        "hash": link.hash,
    }


async def _steered(desk: Desk, use_case: Callable[..., Steered], *what: str, person: Caller, wish: _In) -> Response:
    """The answer of a use case, with the campaign's controls as they are after it."""

    def change(ledger: Ledger, live: Live) -> dict[str, Any]:
        at = now()
        done = use_case(ledger, live, *what, actor=person.name, note=wish.note, now=at)
        controls = standing_json(standing(ledger, live, done.campaign_id, at))
        return {"changed": done.changed, "detail": done.sentence, "controls": controls}

    return json_answer(await desk.change(change))


def _suppressions_json(ledger: Ledger, live: Live, recipient: str) -> dict[str, Any]:
    entries = [
        {
            "channel": None if entry.channel == EVERY_CHANNEL else entry.channel,
            "at": isoformat(entry.at),
            "source": entry.source,
        }
        for entry in suppression(ledger, live, recipient)
    ]
    return {"recipient": recipient, "suppressions": entries}
