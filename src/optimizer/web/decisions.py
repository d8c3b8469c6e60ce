"""Routes for ad and e-mail systems: which variant for this recipient?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import ValidationError

from optimizer.deployment import now, random_id
from optimizer.domain.instants import instant
from optimizer.domain.outcome import EXPOSED
from optimizer.errors import InvalidRequest, OptimizerError
from optimizer.services.deciding import Answer, DecisionRequest, answer
from optimizer.services.explaining import Explanation, explain, find_decision
from optimizer.services.group_commit import result_of
from optimizer.services.keys import Scope
from optimizer.services.live import Live
from optimizer.services.recording import OutcomeReport
from optimizer.storage.store import Ledger
from optimizer.web.answers import DecisionDetail, DecisionOut, DecisionsOut, StatusOut
from optimizer.web.explanation_answers import ExplanationOut
from optimizer.web.findings import item_findings
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS, problem_of
from optimizer.web.rendering import decision_json, detail_json, explanation_json, json_answer
from optimizer.web.requests import DecisionIn, DecisionItem, DecisionsIn, ExposureIn, known
from optimizer.web.security import TheDesk, requires

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=JsonRoute, responses=PROBLEMS)
DecisionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="decision_id of an answer")]


@router.post("", response_model=DecisionOut, dependencies=[Depends(requires(Scope.DECIDE))])
async def decide_one(asked: DecisionIn, desk: TheDesk) -> Any:
    """Which variant for this recipient? Durable before it is answered, and safe to repeat."""
    answers = await desk.decide([_request(asked.campaign, asked)])
    return json_answer(decision_json(result_of(answers)))


@router.post("/batch", response_model=DecisionsOut, dependencies=[Depends(requires(Scope.DECIDE))])
async def decide_many(asked: DecisionsIn, desk: TheDesk) -> Any:
    """Which variant for each of up to 10,000 recipients? One answer each, in order; resumable with the same ids."""
    requests: list[DecisionRequest | OptimizerError] = []
    for item in asked.recipients:
        try:
            one = DecisionItem.model_validate(item)
        except ValidationError as error:
            requests.append(InvalidRequest(*item_findings(error)))
        else:
            requests.append(_request(asked.campaign, one, request_id=asked.request_id, deferred=asked.defer_exposure))
    usable = [request for request in requests if isinstance(request, DecisionRequest)]
    answers = iter(await desk.decide(usable))
    decisions = []
    for item, request in zip(asked.recipients, requests, strict=True):
        result = next(answers) if isinstance(request, DecisionRequest) else request
        if isinstance(result, Answer):
            decisions.append(decision_json(result))
        else:
            recipient = item.get("recipient") if isinstance(item, dict) else None
            # Whatever else stands in its place could be nested more deeply than an answer can be.
            named = recipient if isinstance(recipient, str) else None
            decisions.append({"recipient": named, "error": problem_of(result)})
    return json_answer({"decisions": decisions})


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


def _request(
    campaign_id: str, item: DecisionItem, *, request_id: str | None = None, deferred: bool = False
) -> DecisionRequest:
    return DecisionRequest(
        campaign_id=campaign_id,
        recipient=item.recipient,
        request_id=item.request_id or request_id or random_id(),
        attributes=known(item.attributes),
        excluded=item.exclude,
        deferred=item.defer_exposure or deferred,
        consent=item.consent,
        time_zone=item.time_zone,
    )
