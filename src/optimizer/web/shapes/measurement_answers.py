"""The shape of a measurement: what a campaign, an objective and the strategy earn beyond control."""

from __future__ import annotations

from datetime import datetime
from math import isfinite
from typing import Any

from pydantic import Field

from optimizer.domain.instants import DAY, isoformat
from optimizer.insights.measures.comparison import Comparison, Verdict
from optimizer.insights.measures.measurement import (
    CampaignMeasurement,
    Lift,
    ObjectiveMeasurement,
    People,
    StrategyMeasurement,
    Subject,
)
from optimizer.insights.measures.money import Money, Range
from optimizer.insights.measures.operations import Operations
from optimizer.insights.measures.trend import Course, Trend
from optimizer.web.shapes.answers import Out


class ComparisonOut(Out):
    """A mean of one group less that of another. Its interval holds at every look: peeking is safe."""

    against: str = Field(description="Whom it is compared with.", examples=["the holdout"])
    unit: str = Field(description="`share of trials`, `share of recipients`, `rewards`, or a currency.")
    n: int = Field(description="Trials, or recipients, of the one group.")
    mean: float | None = Field(description="Their raw mean.")
    other_n: int = Field(description="Trials, or recipients, of the other.")
    other_mean: float | None = Field(description="Their raw mean.")
    difference: float = Field(description="Within segments and days; of recipients, within segments.")
    low: float | None = Field(description="Lower end of the 95 % interval, which holds at every look; null: too early.")
    high: float | None = Field(description="Upper end of it.")
    verdict: Verdict = Field(description="What the interval says.")
    design: float = Field(description="Times by which the variance is larger because recipients have several trials.")


class LiftOut(Out):
    """What the learning group earns beyond those it is compared with."""

    trials: int = Field(description="Trials of both groups so far.")
    matured_trials: int = Field(description="Those whose attribution window is over.")
    matured: ComparisonOut | None = Field(description="The comparison of these: the figure to go by.")
    so_far: ComparisonOut | None = Field(description="Of all trials, of which the youngest may still be rewarded.")


class SegmentMeasureOut(Out):
    """One segment."""

    segment: str = Field(description="Its id.")
    lift: LiftOut = Field(description="What it earns beyond its holdout.")


class StepOut(Out):
    """One stretch of days, or of contacts."""

    label: str = Field(description="Which.", examples=["4 to 7"])
    compared: ComparisonOut = Field(description="The effect in it.")


class TrendOut(Out):
    """How an effect changes each time the days, or contacts, double; of matured trials."""

    course: Course = Field(description="Whether it fades.")
    slope: float | None = Field(description="Change per doubling; null while it is too early.")
    low: float | None = Field(description="Lower end of its 95 % interval, which holds at every look.")
    high: float | None = Field(description="Upper end.")
    steps: list[StepOut] = Field(description="The effect, stretch by stretch.")


class VariantMeasureOut(Out):
    """One variant, learning group only, matured trials."""

    variant: str = Field(description="The variant.")
    compared: ComparisonOut | None = Field(description="With control, or all other variants; null for control itself.")
    first_sent_at: datetime | None = Field(description="Start of the hour of its first decision.")
    novelty: TrendOut | None = Field(description="Its effect by days since then, against the holdout if there is one.")


class RangeOut(Out):
    """A value with its 95 % interval, which holds at every look."""

    value: float = Field(description="The estimate.")
    low: float | None = Field(description="Lower end; null while it is too early.")
    high: float | None = Field(description="Upper end.")


class MoneyOut(Out):
    """What matured trials were worth beyond the holdout's, and the return on what they cost."""

    currency: str = Field(description="Of everything here.")
    worth_of: str = Field(description="`rewards`, or the kind of the outcomes whose amounts are counted.")
    worth: ComparisonOut = Field(description="Worth of a trial.")
    net: ComparisonOut = Field(description="Worth of a trial less its cost.")
    cost: float = Field(description="What a trial costs more than one of the holdout.")
    spent: float = Field(description="What was due for the learning group's matured trials.")
    gained: RangeOut = Field(description="Incremental worth of all of them.")
    kept: RangeOut = Field(description="The same less what they cost more.")
    roi: RangeOut | None = Field(description="`kept` per unit of what they cost more; null where they cost no more.")


class PeopleOut(Out):
    """What recipients came to: they are the unit, however often each was decided for."""

    against: str = Field(description="Whom the others are compared with.")
    recipients: int = Field(description="Of the learning group.")
    held: int = Field(description="Of the holdout.")
    decisions: float = Field(description="Per recipient of the learning group.")
    held_decisions: float = Field(description="Per recipient of the holdout.")
    known_for_days: int = Field(description="How long somebody must be known to be asked whether they came back.")
    rewarded: ComparisonOut | None = Field(description="Share rewarded at least once.")
    again: ComparisonOut | None = Field(
        description="Share with two rewarded outcomes within `known_for_days` of the first decision."
    )
    worth: ComparisonOut | None = Field(description="Money per recipient; null where nothing has an amount.")


class KpiOut(Out):
    """Share of the messages with an outcome of one kind, so far; its 95 % credible interval holds what was seen."""

    kind: str = Field(description="Of the outcome.")
    n: int = Field(description="Messages with at least one.")
    of: int = Field(description="Messages sent.")
    rate: float = Field(description="n / of.")
    low: float = Field(description="Lower end of the interval.")
    high: float = Field(description="Upper end.")
    limit: float | None = Field(description="Largest rate the strategy allows, of exposed decisions; null: none.")


class DayOut(Out):
    """One day in UTC."""

    day: str = Field(description="The day.", examples=["2026-12-01"])
    decisions: int = Field(description="Decisions of every group.")


class OperationsOut(Out):
    """How sending goes."""

    sent: int = Field(description="Messages decided, of every group.")
    rates: list[KpiOut] = Field(description="One for each kind heard of or watched.")
    per_day: list[DayOut] = Field(description="Decisions by day.")
    median_delay_seconds: float | None = Field(description="From exposure to reward, of matured trials.")
    late_delay_seconds: float | None = Field(description="Nine of ten came within this.")


class SubjectOut(Out):
    """What a measurement is about."""

    objective: str = Field(description="The objective served.")
    why: str | None = Field(description="Its reason.")
    outcome: str = Field(description="Kind of the outcome that is rewarded.")
    unit: str = Field(description="Of rewards.")
    currency: str = Field(description="Of money.")
    window_days: float = Field(description="How long after the exposure an outcome still counts.")
    time_zone: str = Field(description="The strategy's.")


class MeasurementOut(Out):
    """What a campaign earns beyond its holdout."""

    campaign: str = Field(description="The campaign.")
    as_of: datetime = Field(description="When this was found.")
    about: SubjectOut = Field(description="What is measured.")
    lift: LiftOut = Field(description="Of all segments.")
    segments: list[SegmentMeasureOut] = Field(description="One for each segment.")
    variants: list[VariantMeasureOut] = Field(description="One for each variant.")
    money: MoneyOut | None = Field(description="Null where there is none to count; `no_money` says why.")
    no_money: str = Field(description="Why there is no money; empty where there is.")
    people: PeopleOut | None = Field(description="Per recipient; null without decisions.")
    fatigue: TrendOut | None = Field(description="The effect by the recipient's contacts; null without a holdout.")
    operations: OperationsOut = Field(description="Rates of each kind of outcome, decisions by day, delays.")
    notes: list[str] = Field(description="What to mind in these figures.")


class CampaignLiftOut(Out):
    """One campaign that serves an objective."""

    campaign: str = Field(description="The campaign.")
    lift: LiftOut = Field(description="Against its holdout.")


class ObjectiveMeasureOut(Out):
    """What all campaigns that serve one objective earn together."""

    about: SubjectOut = Field(description="What is measured.")
    campaigns: list[CampaignLiftOut] = Field(description="Those in force.")
    lift: LiftOut = Field(description="Together, against the holdouts of all of them.")
    strategy_wide: LiftOut | None = Field(description="Against those held out of every campaign, if anybody is.")
    money: MoneyOut | None = Field(description="Against those held out of every campaign, else against all holdouts.")
    no_money: str = Field(description="Why there is no money; empty where there is.")
    people: PeopleOut | None = Field(description="Against those held out of every campaign; null where nobody is.")
    notes: list[str] = Field(description="What to mind in these figures.")


class StrategyMeasurementOut(Out):
    """What the strategy earns, objective by objective."""

    strategy: str = Field(description="The strategy.")
    as_of: datetime = Field(description="When this was found.")
    holdout_share: float = Field(description="Share of the recipients held out of every campaign.")
    objectives: list[ObjectiveMeasureOut] = Field(description="Those that a campaign in force serves.")


def measurement_json(found: CampaignMeasurement) -> dict[str, Any]:
    """See `MeasurementOut`."""
    return {
        "campaign": found.campaign_id,
        "as_of": isoformat(found.as_of),
        "about": _subject_json(found.subject),
        "lift": _lift_json(found.lift),
        "segments": [{"segment": one.segment_id, "lift": _lift_json(one.lift)} for one in found.segments],
        "variants": [
            {
                "variant": one.variant_id,
                "compared": comparison_json(one.compared),
                "first_sent_at": None if one.first_sent_at is None else isoformat(one.first_sent_at),
                "novelty": _trend_json(one.novelty),
            }
            for one in found.variants
        ],
        "money": _money_json(found.money),
        "no_money": found.no_money,
        "people": _people_json(found.people),
        "fatigue": _trend_json(found.fatigue),
        "operations": _operations_json(found.operations),
        "notes": list(found.notes),
    }


def strategy_measurement_json(found: StrategyMeasurement) -> dict[str, Any]:
    """See `StrategyMeasurementOut`."""
    return {
        "strategy": found.strategy_id,
        "as_of": isoformat(found.as_of),
        "holdout_share": found.holdout_share,
        "objectives": [_objective_json(one) for one in found.objectives],
    }


def comparison_json(one: Comparison | None) -> dict[str, Any] | None:
    """See `ComparisonOut`."""
    if one is None:
        return None
    return {
        "against": one.against,
        "unit": one.unit,
        "n": round(one.n),
        "mean": _known(one.mean),
        "other_n": round(one.other_n),
        "other_mean": _known(one.other_mean),
        "difference": one.found.value,
        "low": _known(one.low),
        "high": _known(one.high),
        "verdict": one.verdict,
        "design": one.design,
    }


def _objective_json(one: ObjectiveMeasurement) -> dict[str, Any]:
    return {
        "about": _subject_json(one.subject),
        "campaigns": [{"campaign": name, "lift": _lift_json(lift)} for name, lift in one.campaigns],
        "lift": _lift_json(one.lift),
        "strategy_wide": None if one.strategy_wide is None else _lift_json(one.strategy_wide),
        "money": _money_json(one.money),
        "no_money": one.no_money,
        "people": _people_json(one.people),
        "notes": list(one.notes),
    }


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _subject_json(one: Subject) -> dict[str, Any]:
    return {
        "objective": one.objective_id,
        "why": one.why,
        "outcome": one.outcome,
        "unit": one.unit,
        "currency": one.currency,
        "window_days": one.window / DAY,
        "time_zone": one.zone,
    }


def _lift_json(one: Lift) -> dict[str, Any]:
    return {
        "trials": one.trials,
        "matured_trials": one.matured_trials,
        "matured": comparison_json(one.matured),
        "so_far": comparison_json(one.so_far),
    }


def _range_json(one: Range) -> dict[str, Any]:
    return {"value": one.value, "low": _known(one.low), "high": _known(one.high)}


def _money_json(one: Money | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "currency": one.currency,
        "worth_of": one.worth_of,
        "worth": comparison_json(one.worth),
        "net": comparison_json(one.net),
        "cost": one.cost,
        "spent": one.spent,
        "gained": _range_json(one.gained),
        "kept": _range_json(one.kept),
        "roi": None if one.roi is None else _range_json(one.roi),
    }


def _people_json(one: People | None) -> dict[str, Any] | None:
    if one is None:
        return None
    plain = ("against", "recipients", "held", "decisions", "held_decisions")
    return {
        **{name: getattr(one, name) for name in plain},
        "known_for_days": one.known_for // DAY,
        **{name: comparison_json(getattr(one, name)) for name in ("rewarded", "again", "worth")},
    }


def _trend_json(one: Trend | None) -> dict[str, Any] | None:
    if one is None:
        return None
    ends = {name: _known(getattr(one, name)) for name in ("slope", "low", "high")}
    steps = [{"label": step.label, "compared": comparison_json(step.compared)} for step in one.steps]
    return {"course": one.course, **ends, "steps": steps}


def _operations_json(one: Operations) -> dict[str, Any]:
    names = ("kind", "n", "of", "rate", "low", "high", "limit")
    seconds = [None if delay is None else delay / 1e6 for delay in (one.median_delay, one.late_delay)]
    return {
        "sent": one.sent,
        "rates": [{name: getattr(kpi, name) for name in names} for kpi in one.rates],
        "per_day": [{"day": isoformat(day * DAY)[:10], "decisions": n} for day, n in one.per_day],
        "median_delay_seconds": seconds[0],
        "late_delay_seconds": seconds[1],
    }
