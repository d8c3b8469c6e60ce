"""Routes for people and their tools: what runs, how traffic is shared, what was learned."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from optimizer.deployment import now
from optimizer.domain.instants import isoformat
from optimizer.services.keys.api_keys import Scope
from optimizer.services.reports.reporting import report
from optimizer.services.reports.summaries import current_allocation, summarise, summary
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.answers import AllocationOut, CampaignOut, CampaignsOut, LearnedOut
from optimizer.web.shapes.rendering import json_answer, summary_json
from optimizer.web.shapes.report_answers import ReportOut, report_json

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"], route_class=JsonRoute, responses=PROBLEMS)
CampaignId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$", description="id of a campaign")]
_may_analyse = Depends(requires(Scope.ANALYSE, Scope.MANAGE))


@router.get("", response_model=CampaignsOut, dependencies=[_may_analyse])
async def list_campaigns(desk: TheDesk) -> Any:
    """Every campaign in force."""
    summaries = await desk.read(lambda ledger, live: summarise(ledger, live, now()))
    return json_answer({"campaigns": [summary_json(summary) for summary in summaries]})


@router.get("/{campaign_id}", response_model=CampaignOut, dependencies=[_may_analyse])
async def get_campaign(campaign_id: CampaignId, desk: TheDesk) -> Any:
    """One campaign."""
    found = await desk.read(lambda ledger, live: summary(ledger, live, campaign_id, now()))
    return json_answer(summary_json(found))


@router.get("/{campaign_id}/allocation", response_model=AllocationOut, dependencies=[_may_analyse])
async def get_allocation(campaign_id: CampaignId, desk: TheDesk) -> Any:
    """How each segment's traffic is shared under the newest snapshot."""
    snapshot_id, rows = await desk.read(lambda ledger, live: current_allocation(ledger, live, campaign_id))
    segments = [
        {"segment": row.segment_id, "p_best": row.p_best, "allocation": row.allocation, "withheld": row.withheld}
        for row in rows
    ]
    return json_answer({"campaign": campaign_id, "snapshot": snapshot_id, "segments": segments})


@router.get("/{campaign_id}/report", response_model=ReportOut, dependencies=[_may_analyse])
async def get_report(campaign_id: CampaignId, desk: TheDesk) -> Any:
    """What the campaign did and learned so far, per segment and variant."""
    return json_answer(report_json(await desk.read(lambda ledger, live: report(ledger, live, campaign_id, now()))))


@router.post("/{campaign_id}/learn", response_model=LearnedOut, dependencies=[Depends(requires(Scope.MANAGE))])
async def learn_now(campaign_id: CampaignId, desk: TheDesk) -> Any:
    """Learn from everything recorded so far, without waiting for the refresh; a fit waits for its `refit`."""
    snapshot = await desk.learn(campaign_id)
    return json_answer(
        {
            "campaign": campaign_id,
            "snapshot": snapshot.snapshot_id,
            "created_at": isoformat(snapshot.created_at),
        }
    )
