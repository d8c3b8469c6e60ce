"""Routes for ad and e-mail systems: which variant for this recipient?"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import ValidationError

from optimizer.deployment import now
from optimizer.domain.instants import instant
from optimizer.domain.outcome import EXPOSED
from optimizer.errors import InvalidRequest
from optimizer.services.decisions.deciding import Answer, DecisionRequest, answer
from optimizer.services.decisions.explaining import Explanation, explain, find_decision
from optimizer.services.group_commit import result_of
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.services.live import Live
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.storage.store import Ledger
from optimizer.web.fast.answering import AT_ONCE, Refused, answer_json, answer_many, answer_one, decision_request
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import DecisionDetail, DecisionOut, DecisionsOut, StatusOut
from optimizer.web.shapes.explanation_answers import ExplanationOut
from optimizer.web.shapes.findings import item_findings
from optimizer.web.shapes.rendering import detail_json, explanation_json, json_answer
from optimizer.web.shapes.requests import IDENTIFIER_PATTERN, DecisionIn, DecisionItem, DecisionsIn, ExposureIn

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=JsonRoute, responses=PROBLEMS)
DecisionId = Annotated[str, Path(pattern=IDENTIFIER_PATTERN, description="decision_id of an answer")]


@router.post("", response_model=DecisionOut, dependencies=[Depends(requires(Scope.DECIDE))])
async def decide_one(asked: DecisionIn, desk: TheDesk) -> Any:
    """Which variant for this recipient? Durable before it is answered, and safe to repeat."""
    return answer_json(await answer_one(desk, decision_request(asked.campaign, asked)))


@router.post("/batch", response_model=DecisionsOut)
async def decide_many(
    asked: DecisionsIn, desk: TheDesk, caller: Annotated[Caller, Depends(requires(Scope.DECIDE))]
) -> Any:
    """Which variant for each of up to 10,000 recipients? One answer each, in order; resumable with the same ids."""
    caller.owe(len(asked.recipients) - 1)
    found: list[DecisionRequest | Refused] = []
    for n, item in enumerate(asked.recipients):
        if n % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)
        try:
            one = DecisionItem.model_validate(item)
        except ValidationError as error:
            recipient = item.get("recipient") if isinstance(item, dict) else None
            # Whatever else stands in its place could be nested more deeply than an answer can be.
            named = recipient if isinstance(recipient, str) else None
            found.append(Refused(named, InvalidRequest(*item_findings(error))))
        else:
            found.append(decision_request(asked.campaign, one, asked.request_id, deferred=asked.defer_exposure))
    return answer_json(await answer_many(desk, found))


@router.post(
    "/{decision_id}/expose",
    response_model=StatusOut,
    dependencies=[Depends(requires(Scope.DECIDE, Scope.REPORT_OUTCOMES))],
)
async def expose(decision_id: DecisionId, desk: TheDesk, exposure: ExposureIn | None = None) -> Any:
    """Say that the variant reached the recipient: from now on the decision counts as a trial. Safe to repeat."""
    occurred_at = now() if exposure is None or exposure.occurred_at is None else instant(exposure.occurred_at)
    await desk.read(lambda ledger, _live: find_decision(ledger, decision_id))
    report = OutcomeReport(f"expose:{decision_id}", EXPOSED, occurred_at, decision_id=decision_id)
    recorded = result_of(await desk.record([report]))
    return json_answer({"event_id": recorded.event_id, "status": recorded.status, "detail": recorded.detail})


@router.get(
    "/{decision_id}",
    response_model=DecisionDetail,
    dependencies=[Depends(requires(Scope.DECIDE, Scope.ANALYSE))],
)
async def get_decision(decision_id: DecisionId, desk: TheDesk) -> Any:
    """A decision and what came of it so far."""
    return json_answer(detail_json(*await desk.read(lambda ledger, live: _explained(ledger, live, decision_id))))


@router.get("/{decision_id}/explain", response_model=ExplanationOut, dependencies=[Depends(requires(Scope.ANALYSE))])
async def explain_decision(decision_id: DecisionId, desk: TheDesk) -> Any:
    """Why this variant: rules, posterior, allocation and draw, and the proof that it comes out the same again."""
    return json_answer(explanation_json(*await desk.read(lambda ledger, live: _explained(ledger, live, decision_id))))


def _explained(ledger: Ledger, live: Live, decision_id: str) -> tuple[Answer, Explanation]:
    explanation = explain(ledger, live, decision_id)
    return answer(ledger, live, explanation.decision), explanation
