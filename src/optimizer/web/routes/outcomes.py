"""Routes for whoever saw what happened."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import ValidationError

from optimizer.domain.instants import instant
from optimizer.domain.outcome import Receipt
from optimizer.errors import InvalidRequest, RequestFinding
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.outcomes.recording import OutcomeReport, Recorded
from optimizer.web.fast.answering import AT_ONCE, answer_json, outcome_report, record
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import OutcomesOut
from optimizer.web.shapes.findings import item_findings
from optimizer.web.shapes.requests import OneOrMany, OutcomeIn

router = APIRouter(prefix="/v1", route_class=JsonRoute, responses=PROBLEMS)
_Reporter = Annotated[Caller, Depends(requires(Scope.REPORT_OUTCOMES))]


@router.post("/outcomes", response_model=OutcomesOut, tags=["outcomes"])
async def record_outcomes(reported: OneOrMany, desk: TheDesk, caller: _Reporter) -> Any:
    """What recipients did: one outcome, or up to 10,000 as `{"outcomes": [...]}`. Each gets its own status.

    `accepted`, `duplicate` (this event id is recorded already), `late` (recorded, but too late to earn a reward),
    `unknown` (no such decision) and `rejected` (not usable); the last two are kept in quarantine with the reason,
    unless the item itself is malformed: then `detail` says how, and nothing of it is kept.
    """
    if isinstance(reported, OutcomeIn):
        return answer_json(await record(desk, [outcome_report(reported, instant(reported.occurred_at))]))
    caller.owe(len(reported.outcomes) - 1)
    reports: list[OutcomeReport | Recorded] = []
    for n, item in enumerate(reported.outcomes):
        if n % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            one = OutcomeIn.model_validate(item)
            reports.append(outcome_report(one, instant(one.occurred_at)))
        except ValidationError as error:
            reports.append(_malformed(item, item_findings(error)))
    return answer_json(await record(desk, reports))


def _malformed(item: Any, findings: list[RequestFinding]) -> Recorded:
    event_id = item.get("event_id") if isinstance(item, dict) else None
    return Recorded(event_id if isinstance(event_id, str) else "", Receipt.REJECTED, str(InvalidRequest(*findings)))
