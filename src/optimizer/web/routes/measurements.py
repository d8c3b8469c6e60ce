"""Routes for what campaigns earn and what to expect of them."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from optimizer.deployment import now
from optimizer.services.forecasts.forecasting import MOST_DAYS_AHEAD, forecast
from optimizer.services.keys.api_keys import Scope
from optimizer.services.measures.measuring import measured, strategy_measured
from optimizer.web.json_route import JsonRoute
from optimizer.web.problems import PROBLEMS
from optimizer.web.routes.campaigns import CampaignId
from optimizer.web.security import TheDesk, requires
from optimizer.web.shapes.forecast_answers import ForecastOut, forecast_json
from optimizer.web.shapes.measurement_answers import (
    MeasurementOut,
    StrategyMeasurementOut,
    measurement_json,
    strategy_measurement_json,
)
from optimizer.web.shapes.rendering import json_answer

router = APIRouter(prefix="/v1", tags=["campaigns"], route_class=JsonRoute, responses=PROBLEMS)
_may_analyse = Depends(requires(Scope.ANALYSE, Scope.MANAGE))
_days_ahead = Query(
    ge=1,
    le=MOST_DAYS_AHEAD,
    description="Days to look ahead, today included; by default to the campaign's end, or four weeks.",
)


@router.get("/campaigns/{campaign_id}/measurement", response_model=MeasurementOut, dependencies=[_may_analyse])
async def get_measurement(campaign_id: CampaignId, desk: TheDesk) -> Any:
    """What the campaign earns beyond its holdout. It reads all its decisions: seconds for a million of them."""
    found = await desk.read(lambda ledger, live: measured(ledger, live, campaign_id, now()))
    return json_answer(measurement_json(found))


@router.get("/measurement", response_model=StrategyMeasurementOut, dependencies=[_may_analyse])
async def get_strategy_measurement(desk: TheDesk) -> Any:
    """What the strategy earns, objective by objective. It reads all decisions: seconds for a million of them."""
    found = await desk.read(lambda ledger, live: strategy_measured(ledger, live, now()))
    return json_answer(strategy_measurement_json(found))


@router.get("/campaigns/{campaign_id}/forecast", response_model=ForecastOut, dependencies=[_may_analyse])
async def get_forecast(campaign_id: CampaignId, desk: TheDesk, days: Annotated[int | None, _days_ahead] = None) -> Any:
    """What to expect of the campaign, with predictive intervals; the same within an hour unless something came."""
    found = await desk.read(lambda ledger, live: forecast(ledger, live, campaign_id, now(), days))
    return json_answer(forecast_json(found))
