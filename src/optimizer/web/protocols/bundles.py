"""Routes for clients that decide by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Response
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
)

from optimizer.deployment import now
from optimizer.domain.instants import instant, isoformat
from optimizer.domain.reasons import Group, Reason
from optimizer.errors import InvalidRequest
from optimizer.services.decisions.bundling import etag_of, find_bundle, issue_bundle
from optimizer.services.decisions.uploading import MadeApart, Uploaded, Verdict, upload_decisions
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.web.desk import CHUNK
from optimizer.web.fast.answering import AT_ONCE
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import Out
from optimizer.web.shapes.findings import item_findings
from optimizer.web.shapes.rendering import json_answer
from optimizer.web.shapes.requests import (
    IDENTIFIER_PATTERN,
    MOST_EXCLUDED,
    MOST_ITEMS,
    AttributesIn,
    Identifier,
    TimeIn,
    known,
)

HASH_PATTERN = r"^[0-9a-f]{32}$"
TIME_HEADER = "X-Optimizer-Time"  # the service's clock, by which clients decide
LONGEST_CONDITION = 2_000

LARGEST_BUNDLE = 2**31 - 1  # as the ledger numbers them

router = APIRouter(prefix="/v1", tags=["local evaluation"], route_class=JsonRoute, responses=PROBLEMS)
CampaignId = Annotated[
    str, Path(pattern=IDENTIFIER_PATTERN, description="campaign to decide for", examples=["winback"])
]
Hash = Annotated[StrictStr, Field(pattern=HASH_PATTERN, examples=["9f3c0b5a2f7d4e1896d2c7a4b1e0f355"])]
_MAY = requires(Scope.EVALUATE_LOCALLY)


class BundleOut(Out):
    """What decides a campaign; with `local: false`, why only the service may decide."""

    format: int = Field(description="Of this answer; a client that does not know it asks the service instead.")
    campaign: str = Field(description="The campaign.")
    local: bool = Field(description="Whether a client may decide by itself.")
    reason: str | None = Field(description="Which guardrail keeps it from that, and why.")
    bundle: int | None = Field(None, description="Number of the bundle, for the upload.")
    most_age_seconds: int | None = Field(None, description="How long after the last answer it may be used.")
    secret: str | None = Field(None, description="Key of every hash, hexadecimal: to be kept as a password is.")
    asks: list[str] | None = Field(None, description="Attributes a request must say; else the service decides it.")
    suppressed: list[str] | None = Field(None, description="Keyed hashes of those who get nothing on the channel.")
    barred: list[str] | None = Field(None, description="The same of people who were erased.")
    refused: list[str] | None = Field(None, description="Keyed hashes of those who said no to the channel.")
    basis: str | None = Field(None, description="JSON with documents, approvals, controls and snapshot.")


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MadeIn(_In):
    """A decision that a client made by a bundle."""

    person: Hash = Field(description="Keyed hash of the recipient.")
    request_id: Identifier = Field(description="As it was asked.")
    decided_at: TimeIn = Field(description="When, by the service's clock.")
    decision_id: Hash = Field(description="Keyed hash of campaign, recipient and request.")
    variant: Identifier | None = Field(default=None, description="What is sent; null: nothing.")
    segment: StrictStr | None = Field(default=None, max_length=64, description="Null outside the audience.")
    group: Group = Field(description="`learning` or a holdout.")
    propensity: Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)] | None = Field(
        default=None, description="Probability with which the variant was drawn."
    )
    reason: Reason = Field(description="Why it came out so.")
    attributes: AttributesIn = Field(default_factory=dict)
    exclude: tuple[Identifier, ...] = Field(
        default=(), max_length=MOST_EXCLUDED, description="Variants that were not wanted."
    )
    defer_exposure: StrictBool = Field(default=False, description="Counts as a trial only once it is exposed.")


class UploadIn(_In):
    """Decisions of one campaign, made by one bundle."""

    campaign: Identifier = Field(description="The campaign.")
    bundle: Annotated[StrictInt, Field(ge=1, le=LARGEST_BUNDLE, description="Number of the bundle.")]
    decisions: Annotated[
        list[SkipValidation[MadeIn]], Field(min_length=1, max_length=MOST_ITEMS, description="What was decided by it.")
    ]


class UploadedOut(Out):
    """What became of one decision."""

    decision_id: str | None = Field(description="As it was sent.")
    status: Verdict = Field(description="`refused`: the service would have decided otherwise; nothing was written.")
    detail: str | None = Field(None, description="Why it was refused.")


class UploadOut(Out):
    """One status per decision, in the order sent."""

    decisions: list[UploadedOut] = Field(description="What became of each.")


@router.get(
    "/bundle/{campaign_id}",
    response_model=BundleOut,
    dependencies=[Depends(_MAY)],
    responses={304: {"description": "Nothing has changed since the answer with this ETag."}},
)
async def get_bundle(
    campaign_id: CampaignId,
    desk: TheDesk,
    if_none_match: Annotated[
        str | None, Header(max_length=LONGEST_CONDITION, description="ETag of the answer there is already.")
    ] = None,
) -> Any:
    """What decides a campaign, for clients that decide by themselves: with it they decide exactly as the service does.

    It changes with every snapshot, every version of the documents and every control, and so does its ETag. It holds
    the secret of the installation: the scope `evaluate_locally` is for systems you trust as you trust the service.
    """
    bundle = await desk.read(lambda ledger, live: find_bundle(ledger, live, campaign_id))
    if bundle.basis is not None and bundle.number is None:
        bundle = await desk.change(lambda ledger, live: issue_bundle(ledger, live, campaign_id, now()))
    text = await desk.read(lambda _ledger, live: bundle.text(live.secret))
    tag = etag_of(text)
    headers = {"ETag": tag, TIME_HEADER: isoformat(now())}
    if if_none_match is not None and tag in {one.strip().removeprefix("W/") for one in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(text, media_type="application/json", headers=headers)


@router.post("/decisions/upload", response_model=UploadOut)
async def upload(asked: UploadIn, desk: TheDesk, caller: Annotated[Caller, Depends(_MAY)]) -> Any:
    """Decisions that a client made by a bundle: up to 10,000. Each is decided again, and written if it comes out so.

    `accepted`, `duplicate` (it was written before) or `refused`, with the reason. Safe to repeat.
    """
    caller.owe(len(asked.decisions) - 1)
    found: list[MadeApart | Uploaded] = []
    for n, item in enumerate(asked.decisions):
        if n % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            found.append(_made(MadeIn.model_validate(item)))
        except ValidationError as error:
            found.append(_malformed(item, error))
    made = [one for one in found if isinstance(one, MadeApart)]
    done: list[Uploaded] = []
    for start in range(0, len(made), CHUNK):
        some = made[start : start + CHUNK]
        done += await desk.change(partial(_upload, campaign_id=asked.campaign, number=asked.bundle, made=some))
    results = iter(done)
    return json_answer({"decisions": [_json(one if isinstance(one, Uploaded) else next(results)) for one in found]})


def _upload(ledger: Ledger, live: Live, *, campaign_id: str, number: int, made: Sequence[MadeApart]) -> list[Uploaded]:
    return upload_decisions(ledger, live, campaign_id, number, made, now())


def _made(item: MadeIn) -> MadeApart:
    return MadeApart(
        person=item.person,
        request_id=item.request_id,
        decided_at=instant(item.decided_at),
        decision_id=item.decision_id,
        variant_id=item.variant,
        segment_id=item.segment,
        group=item.group,
        propensity=item.propensity,
        reason=item.reason,
        attributes=known(item.attributes),
        excluded=item.exclude,
        deferred=item.defer_exposure,
    )


def _malformed(item: Any, error: ValidationError) -> Uploaded:
    decision_id = item.get("decision_id") if isinstance(item, dict) else None
    named = decision_id if isinstance(decision_id, str) else ""
    return Uploaded(named, Verdict.REFUSED, str(InvalidRequest(*item_findings(error))))


def _json(one: Uploaded) -> dict[str, Any]:
    return {"decision_id": one.decision_id or None, "status": one.verdict, "detail": one.detail}
