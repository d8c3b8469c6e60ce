"""What to expect."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from fastapi import APIRouter, Request, Response

from optimizer.figures.forecast import Ahead, SoFar, fan_figure, spend_fan_figure
from optimizer.figures.look import figure_json
from optimizer.insights.forecasting.fans import Fan
from optimizer.services.forecasts.forecasting import CampaignForecast, forecast
from optimizer.services.reports.summaries import summary
from optimizer.web.console.readings import reading, slow_reading
from optimizer.web.console.shell import Viewing, page
from optimizer.web.routes.campaigns import CampaignId

router = APIRouter()

SHOWN_DAYS = 60  # of the past, beside what is to come


@router.get("/campaigns/{campaign_id}/forecast")
async def forecast_page(campaign_id: CampaignId, request: Request, viewer: Viewing) -> Response:  # noqa: ARG001
    """Traffic, rewards, spend and answers to come, with intervals, and how earlier forecasts have held."""
    await reading(request, summary, campaign_id)  # what is not there is said at once
    found = await slow_reading(request, forecast, campaign_id)
    context: dict[str, Any] = {"campaign_id": campaign_id, "found": None}
    if found is not None:
        context |= {"found": found.value, "as_of": found.as_of, **_figures(found.value)}
    return await page(request, "forecast.html.j2", **context)


def _figures(found: CampaignForecast) -> dict[str, str | None]:
    """Pictures as JSON; None where there is nothing to show."""
    if found.unknown:
        return {"traffic_figure": None, "reward_figure": None, "spend_figure": None}
    past = found.history[-SHOWN_DAYS - 1 : -1]  # today's part of a day would look like a fall
    days = [day.day for day in past]
    came = SoFar(days, [day.decisions if day.known else None for day in past])
    earned = list(accumulate(day.reward for day in found.history))[-SHOWN_DAYS - 1 : -1]
    before = found.reward_so_far - sum(day.reward for day in found.history)
    rewards = SoFar(days, [before + value for value in earned])
    traffic = fan_figure(came, _ahead(found.decisions), "decisions a day", "")
    reward = fan_figure(rewards, _ahead(found.reward), "reward", found.unit)
    spend = None if found.spend is None else figure_json(_spend(found, found.spend, len(past)))
    return {
        "traffic_figure": figure_json(traffic),
        "reward_figure": figure_json(reward),
        "spend_figure": spend,
    }


def _spend(found: CampaignForecast, fan: Fan, shown: int) -> Any:
    settled = list(accumulate(day.settled for day in found.history))
    in_use = list(accumulate(day.settled + day.reserved for day in found.history))
    days = [day.day for day in found.history]
    plan = SoFar(found.days, found.plan) if found.plan else SoFar((), ())
    last = slice(-shown - 1, None)
    return spend_fan_figure(
        SoFar(days[last], settled[last]),
        SoFar(days[last], in_use[last]),
        _ahead(fan),
        plan,
        found.limit,
        found.currency,
    )


def _ahead(fan: Fan) -> Ahead:
    def ends(name: str) -> Sequence[float]:
        return [getattr(one, name) for one in fan.expected]

    return Ahead(fan.days, ends("median"), ends("low80"), ends("high80"), ends("low95"), ends("high95"))
