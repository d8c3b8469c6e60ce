"""What the forecast answers, and how it is written as JSON."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from optimizer.domain.instants import isoformat
from optimizer.insights.forecasting.fans import Expected, Fan
from optimizer.services.forecasts.forecasting import CampaignForecast


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class ExpectedOut(_Out):
    """A number to come."""

    median: float = Field(description="As likely to be exceeded as not.")
    low80: float = Field(description="Lower end of the interval that holds it with 80 %.")
    high80: float = Field(description="Its upper end.")
    low95: float = Field(description="Lower end of the interval that holds it with 95 %.")
    high95: float = Field(description="Its upper end.")


class FanOut(_Out):
    """What is expected by the end of each day."""

    days: tuple[str, ...] = Field(description="In the strategy's time zone.", examples=[["2026-12-01"]])
    expected: tuple[ExpectedOut, ...] = Field(description="Of each day.")


class WhenOut(_Out):
    """The day on which something happens, if it does."""

    probability: float = Field(description="That it happens on one of the days that are forecast.")
    median: str | None = Field(description="The day by which it has happened with 50 %; null beyond the forecast.")
    early: str | None = Field(description="The day before which it happens with 10 % only; null likewise.")
    late: str | None = Field(description="The day by which it has happened with 90 %; null likewise.")


class PastDayOut(_Out):
    """One day of a campaign, by the day of the decision."""

    day: str = Field(description="In the strategy's time zone.", examples=["2026-11-30"])
    decisions: float = Field(description="Made on it.")
    known: float = Field(description="Share of it in which decisions could have come; 0 where it says nothing.")
    sends: int = Field(description="Messages.")
    settled: float = Field(description="Due for them so far, in units of currency.")
    reserved: float = Field(description="May yet become due.")
    reward: float = Field(description="What they have earned so far, all groups together.")


class BudgetForecastOut(_Out):
    """One limit, and when it leaves no room for what is asked."""

    scope: str = Field(description="Whose.", examples=["campaign:winback", "strategy", "channel:email"])
    period: str = Field(description="`ever`, a month or a day.", examples=["2026-12"])
    in_sends: bool = Field(description="Whether it counts messages; else money, in units of currency.")
    amount: float = Field(description="The limit.")
    used: float = Field(description="In use now.")
    ends: WhenOut = Field(description="On the days of the forecast and within the current period.")
    sentence: str = Field(description="The same in words.")


class AnswerOut(_Out):
    """When one segment's best variant is known."""

    segment_id: str = Field(description="The segment.", examples=["lapsed"])
    leader: str | None = Field(description="Most likely to be the best; null where none may be chosen.")
    p_best: float = Field(description="How likely.")
    day: WhenOut | None = Field(description="When P(best) reaches .9; null where it has, or where `sentence` says all.")
    sentence: str = Field(description="The same in words.")


class RecordOut(_Out):
    """One past forecast of a week."""

    begins: str = Field(description="First day of the week it was about.", examples=["2026-11-23"])
    expected: ExpectedOut = Field(description="What would have been forecast on the evening before.")
    came: float = Field(description="What did come.")


class ForecastOut(_Out):
    """What to expect of a campaign, with predictive intervals of 80 % and 95 %; money in units of currency."""

    campaign_id: str = Field(description="The campaign.", examples=["winback"])
    as_of: str = Field(description="RFC 3339, UTC.")
    zone: str = Field(description="Time zone whose days these are: the strategy's.")
    currency: str = Field(description="ISO 4217.", examples=["USD"])
    unit: str = Field(description="What rewards are counted in.")
    days: tuple[str, ...] = Field(description="Today and the days to come; empty where nothing can be said.")
    last: str = Field(description="Why the forecast ends where it does.")
    history: tuple[PastDayOut, ...] = Field(description="Days so far, by the day of the decision.")
    decisions: FanOut = Field(description="On each day; today's are those still to come.")
    decisions_in_all: ExpectedOut | None = Field(description="Of all these days; null where nothing can be said.")
    reward: FanOut = Field(description="Of everything decided by the end of each day, once its outcomes are in.")
    reward_so_far: float = Field(description="Reported up to now.")
    reward_maturing: ExpectedOut | None = Field(description="Still to come of what was decided so far.")
    reward_in_all: ExpectedOut | None = Field(description="All of it by the last day.")
    spend: FanOut | None = Field(description="In use by the end of each day; null where nothing costs anything.")
    plan: tuple[float, ...] = Field(description="What should be in use by then; empty where nothing is paced.")
    limit: float | None = Field(description="The most money that may ever be in use.")
    budgets: tuple[BudgetForecastOut, ...] = Field(description="The limits the campaign is under.")
    answers: tuple[AnswerOut, ...] = Field(description="By segment: when its best variant is known.")
    record: tuple[RecordOut, ...] = Field(description="What earlier weekly forecasts would have been, and what came.")
    record_words: str = Field(description="How often those held, in words.")
    assumed: tuple[str, ...] = Field(description="What is assumed, a sentence each.")
    unknown: str = Field(description="Why there is no forecast; empty when there is one.")


def forecast_json(found: CampaignForecast) -> dict[str, Any]:
    """The forecast in types that JSON has."""
    written = {one.name: getattr(found, one.name) for one in fields(found)}
    for name, value in written.items():
        if isinstance(value, tuple):
            written[name] = [each if isinstance(each, str | float) else asdict(each) for each in value]
        elif isinstance(value, Fan | Expected):
            written[name] = asdict(value)
    return {**written, "as_of": isoformat(found.as_of)}
