"""Routes for people who talk to customers: what may I offer, and what did I choose?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from optimizer.deployment import now, random_id
from optimizer.services.decisions.deciding import DecisionRequest
from optimizer.services.decisions.ranking import rank
from optimizer.services.group_commit import result_of
from optimizer.services.keys.api_keys import Caller, Scope
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import DecisionOut
from optimizer.web.shapes.ranking_answers import RankingOut
from optimizer.web.shapes.rendering import decision_json, json_answer, ranking_json
from optimizer.web.shapes.requests import ChosenIn, RankIn, known

router = APIRouter(prefix="/v1/decisions", tags=["decisions"], route_class=JsonRoute, responses=PROBLEMS)


@router.post("/rank", response_model=RankingOut, dependencies=[Depends(requires(Scope.DECIDE))])
async def rank_variants(asked: RankIn, desk: TheDesk) -> Any:
    """What may be offered to this recipient, the likeliest best first, and why? Draws nothing and writes nothing."""
    request = _request(asked, asked.request_id or random_id())
    return json_answer(ranking_json(await desk.read(lambda ledger, live: rank(ledger, live, request, now()))))


@router.post("/chosen", response_model=DecisionOut)
async def record_choice(
    asked: ChosenIn, desk: TheDesk, caller: Annotated[Caller, Depends(requires(Scope.DECIDE))]
) -> Any:
    """Record what a person chose for this recipient: a decision under every guardrail, never learned from.

    Safe to repeat. A variant that a rule removes by now is a 409 that names the rule, and nothing is recorded.
    """
    request = _request(
        asked, asked.request_id, asked.variant, asked.actor or caller.name, deferred=asked.defer_exposure
    )
    return json_answer(decision_json(result_of(await desk.decide([request]))))


def _request(
    asked: RankIn | ChosenIn,
    request_id: str,
    chosen: str | None = None,
    actor: str | None = None,
    *,
    deferred: bool = False,
) -> DecisionRequest:
    return DecisionRequest(
        campaign_id=asked.campaign,
        recipient=asked.recipient,
        request_id=request_id,
        attributes=known(asked.attributes),
        excluded=asked.exclude,
        deferred=deferred,
        consent=asked.consent,
        time_zone=asked.time_zone,
        chosen=chosen,
        actor=actor,
    )
