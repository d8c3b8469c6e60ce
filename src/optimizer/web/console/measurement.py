"""What a campaign and the strategy earn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from math import isfinite
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from optimizer.domain.instants import DAY, isoformat
from optimizer.figures.look import Style, figure_json, styles_of
from optimizer.figures.measurement import Effect, effects_figure, per_day_figure
from optimizer.insights.measures.comparison import Comparison
from optimizer.insights.measures.measurement import CampaignMeasurement, StrategyMeasurement
from optimizer.insights.measures.trend import Trend
from optimizer.insights.ranking_words import SHARE
from optimizer.services.measures.measuring import measured, strategy_measured
from optimizer.services.reports.summaries import summary
from optimizer.web.console.assist import variant_numbers
from optimizer.web.console.readings import reading, slow_reading
from optimizer.web.console.shell import Viewing, page
from optimizer.web.routes.campaigns import CampaignId

router = APIRouter()


@router.get("/campaigns/{campaign_id}/measurement")
async def campaign_measurement(campaign_id: CampaignId, request: Request, viewer: Viewing) -> Response:
    """What a campaign earns beyond its holdout."""
    await reading(request, summary, campaign_id)  # there is such a campaign
    found = await slow_reading(request, measured, campaign_id)
    context: dict[str, Any] = {"campaign_id": campaign_id, "found": None}
    if found is not None:
        one: CampaignMeasurement = found.value
        context |= {"found": one, "as_of": found.as_of, "axis": _axis(_of_campaign(one)), "unit": _shown}
        numbers = (await reading(request, variant_numbers, campaign_id)).value
        styles = styles_of(list(numbers), next((name for name, number in numbers.items() if number == 0), None))
        context |= {"scaled": _scaled, "styles": styles}
        context |= {"pictures": await run_in_threadpool(partial(_pictures, one, styles))}
    return await page(request, "measurement.html.j2", viewer=viewer, **context)


@router.get("/strategy/measurement")
async def strategy_measurement(request: Request, viewer: Viewing) -> Response:
    """What the strategy earns, objective by objective."""
    found = await slow_reading(request, strategy_measured)
    context: dict[str, Any] = {"found": None}
    if found is not None:
        one: StrategyMeasurement = found.value
        axes = [
            _axis(
                comparison
                for _, lift in [*objective.campaigns, ("", objective.lift), ("", objective.strategy_wide)]
                if lift is not None
                for comparison in (lift.matured, lift.so_far)
            )
            for objective in one.objectives
        ]
        context = {"found": one, "as_of": found.as_of, "axes": axes, "unit": _shown, "scaled": _scaled}
    return await page(request, "strategy_measurement.html.j2", viewer=viewer, **context)


def _shown(unit: str) -> str:
    """The unit by which a page writes numbers: every share is written as per cent."""
    return SHARE if unit.startswith("share") else unit


def _scaled(value: float, unit: str) -> float | None:
    """A value in points where it is a share; None where it is not known."""
    return None if not isfinite(value) else 100.0 * value if _shown(unit) == SHARE else value


def _of_campaign(one: CampaignMeasurement) -> Iterable[Comparison | None]:
    for lift in (one.lift, *(segment.lift for segment in one.segments)):
        yield lift.matured
        yield lift.so_far
    for variant in one.variants:
        yield variant.compared


def _axis(comparisons: Iterable[Comparison | None]) -> tuple[float, float]:
    """The axis that bars share: everything that has an interval, and zero."""
    ends = [0.0]
    for one in comparisons:
        if one is not None and isfinite(one.low):
            ends += [one.low, one.high]
    return min(ends), max(ends)


def _pictures(one: CampaignMeasurement, styles: Mapping[str, Style]) -> dict[str, Any]:
    """Pictures as JSON: of fatigue, of each variant's novelty, of decisions a day."""
    unit = "points" if _shown(one.subject.unit) == SHARE else one.subject.unit

    def drawn(trend: Trend, x: str, colour: str | None = None) -> str:
        effects = []
        for step in trend.steps:
            compared = step.compared
            value, low, high = (
                _scaled(end, compared.unit) for end in (compared.found.value, compared.low, compared.high)
            )
            if value is not None:
                effects.append(Effect(step.label, value, low, high))
        ink = {} if colour is None else {"colour": colour}
        return figure_json(effects_figure(effects, x=x, y=f"effect ({unit})", **ink))

    novelty = {
        variant.variant_id: drawn(variant.novelty, "days since it was first sent", styles[variant.variant_id].colour)
        for variant in one.variants
        if variant.novelty is not None
    }
    days = [(isoformat(day * DAY)[:10], n) for day, n in one.operations.per_day]
    return {
        "novelty": novelty,
        "fatigue": None if one.fatigue is None else drawn(one.fatigue, "contacts of the recipient"),
        "per_day": figure_json(per_day_figure(days)),
    }
