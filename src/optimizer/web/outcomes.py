"""Routes for whoever saw what happened: outcomes and profiles."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import ValidationError

from optimizer.domain.instants import instant
from optimizer.domain.micros import micros
from optimizer.domain.outcome import Receipt
from optimizer.errors import InvalidRequest, OptimizerError, RequestFinding
from optimizer.services.group_commit import result_of
from optimizer.services.keys import Scope
from optimizer.services.profiles import stored_profile
from optimizer.services.recording import OutcomeReport, Recorded
from optimizer.storage.recipients import Profile
from optimizer.web.answers import OutcomesOut, ProfileOut
from optimizer.web.findings import item_findings
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.rendering import json_answer
from optimizer.web.requests import OneOrMany, OutcomeIn, ProfileIn, known
from optimizer.web.security import TheDesk, requires

router = APIRouter(prefix="/v1", route_class=JsonRoute, responses=PROBLEMS)
RecipientId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:@+=~|-]{1,128}$", description="your id of the person")]
_may_report = Depends(requires(Scope.REPORT_OUTCOMES))


@router.post("/outcomes", response_model=OutcomesOut, dependencies=[_may_report], tags=["outcomes"])
async def record_outcomes(reported: OneOrMany, desk: TheDesk) -> Any:
    """What recipients did: one outcome, or up to 10,000 as `{"outcomes": [...]}`. Each gets its own status.

    `accepted`, `duplicate` (this event id is recorded already), `late` (recorded, but too late to earn a reward),
    `unknown` (no such decision) and `rejected` (not usable); the last two are kept in quarantine with the reason,
    unless the item itself is malformed: then `detail` says how, and nothing of it is kept.
    """
    if isinstance(reported, OutcomeIn):
        statuses = await desk.record([_report(reported)])
        return json_answer({"outcomes": [status_json(statuses[0])]})
    reports: list[OutcomeReport | Recorded] = []
    for item in reported.outcomes:
        try:
            reports.append(_report(OutcomeIn.model_validate(item)))
        except ValidationError as error:
            reports.append(_malformed(item, item_findings(error)))
    statuses_of_usable = iter(await desk.record([r for r in reports if isinstance(r, OutcomeReport)]))
    return json_answer(
        {"outcomes": [status_json(next(statuses_of_usable) if isinstance(r, OutcomeReport) else r) for r in reports]}
    )


@router.put(
    "/recipients/{recipient}",
    response_model=ProfileOut,
    dependencies=[Depends(requires(Scope.REPORT_OUTCOMES, Scope.MANAGE))],
    tags=["recipients"],
)
async def put_recipient(recipient: RecipientId, stored: ProfileIn, desk: TheDesk) -> Any:
    """Store what is known of a recipient, in declared attributes; replaces what was stored before."""
    profile = Profile(known(stored.attributes), stored.consent, stored.time_zone)
    await desk.put_profile(recipient, profile)
    return json_answer(_profile_json(recipient, profile))


@router.get(
    "/recipients/{recipient}",
    response_model=ProfileOut,
    dependencies=[Depends(requires(Scope.MANAGE, Scope.ANALYSE))],
    tags=["recipients"],
)
async def get_recipient(recipient: RecipientId, desk: TheDesk) -> Any:
    """What is stored of a recipient."""
    found = await desk.read(lambda ledger, live: stored_profile(ledger, live, recipient))
    return json_answer(_profile_json(recipient, found))


def _profile_json(recipient: str, profile: Profile) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "attributes": dict(profile.attributes),
        "consent": dict(profile.consent),
        "time_zone": profile.time_zone,
    }


def _report(outcome: OutcomeIn) -> OutcomeReport:
    return OutcomeReport(
        event_id=outcome.event_id,
        kind=outcome.kind,
        occurred_at=instant(outcome.occurred_at),
        decision_id=outcome.decision_id,
        recipient=outcome.recipient,
        campaign_id=outcome.campaign,
        value=None if outcome.value is None else micros(outcome.value),
        currency=outcome.currency,
        reverses=outcome.reverses,
        machine=outcome.machine,
    )


def _malformed(item: Any, findings: list[RequestFinding]) -> Recorded:
    event_id = item.get("event_id") if isinstance(item, dict) else None
    return Recorded(event_id if isinstance(event_id, str) else "", Receipt.REJECTED, str(InvalidRequest(*findings)))


def status_json(recorded: Recorded | OptimizerError) -> dict[str, Any]:
    """See `answers.StatusOut`."""
    one = recorded if isinstance(recorded, Recorded) else result_of([recorded])
    return {"event_id": one.event_id or None, "status": one.status, "detail": one.detail}
