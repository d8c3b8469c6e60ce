"""The shape of a report: what a campaign did and learned."""

from __future__ import annotations

from datetime import datetime
from math import isnan
from typing import Any

from pydantic import Field

from optimizer.domain.instants import isoformat
from optimizer.domain.reasons import Block
from optimizer.services.reports.reporting import (
    CampaignReport,
    Difference,
    Estimate,
    Rate,
    SegmentReport,
    VariantReport,
)
from optimizer.web.shapes.answers import CampaignOut, Out
from optimizer.web.shapes.rendering import summary_json


class RateOut(Out):
    """Successes among trials: the raw rate, with a 95 % credible interval, which holds what was seen."""

    trials: int = Field(description="Exposed decisions.")
    positives: int = Field(description="Those of them with a reward.")
    rate: float | None = Field(description="Share of positives; null without trials.")
    low: float = Field(description="Lower end of the interval.")
    high: float = Field(description="Upper end of the interval.")
    mean_reward: float | None = Field(description="Raw mean reward of a trial, in the report's `unit`.")


class EstimateOut(Out):
    """A value with its 95 % credible interval."""

    value: float = Field(description="The estimate.")
    low: float = Field(description="Lower end of the interval.")
    high: float = Field(description="Upper end of the interval.")


class DifferenceOut(Out):
    """Mean reward of one side less that of another.

    Raw means mix what was sent with when it was sent; `difference` compares within segments and days alone, each day
    weighted by how much it can say (Mantel-Haenszel).
    """

    against: str = Field(description="Whom it is compared with.", examples=["hello", "the others", "the holdout"])
    raw: float = Field(description="Of the raw means; not to be trusted where shares and seasons change.")
    difference: float = Field(description="The difference, compared within segments and days.")
    low: float | None = Field(
        description="95 % confidence interval of `difference`, which holds however often it is looked at; null while "
        "fewer than ten rewarded trials of a side have been seen; thirty where rewards are no successes."
    )
    high: float | None = Field(description="Its upper end.")
    standard_error: float | None = Field(description="Of `difference`; see the report's `design`.")
    left_out: float = Field(description="Share of the trials on days on which one side had none: they say nothing.")
    misleads: bool = Field(description="Whether `raw` and `difference` point in opposite directions.")


class VariantReportOut(Out):
    """One variant in one segment, learning group only."""

    variant: str = Field(description="The variant.")
    removed_by: Block | None = Field(description="The rule that keeps it from being chosen now; null if it can be.")
    decisions: int = Field(description="How often it was decided.")
    rate: RateOut = Field(description="Of all its trials.")
    believed: EstimateOut = Field(
        description="Mean reward of a trial as the campaign's own policy believes it; where the objective counts each "
        "outcome (`value: count`), one reward of a trial at most."
    )
    matured: RateOut = Field(description="Of the trials whose outcomes are all in.")
    at_maturity: EstimateOut | None = Field(
        description="Rate, or mean reward of amounts, that all trials are expected to have come to once every outcome "
        "is in, in the report's `maturity_unit`; null without trials."
    )
    difference: DifferenceOut | None = Field(
        description="Compared with control, or with all other variants where control is nothing or has no trials."
    )
    elsewhere: float = Field(
        description="Trials made elsewhere that `believed` rests on too, as many as they count for; see warm_start."
    )
    p_best: float = Field(description="Posterior probability to be the best.")
    allocation: float = Field(description="Probability to be drawn.")


class SegmentReportOut(Out):
    """One segment."""

    segment: str = Field(description="The segment.")
    variants: list[VariantReportOut] = Field(description="One for each variant.")
    withheld: float = Field(description="Share that sends nothing, to keep scarce budget for others.")
    learning: RateOut = Field(description="The learning group.")
    holdout: RateOut = Field(description="The holdout of the campaign.")
    chosen_by_people: RateOut = Field(description="What people pinned or chose; never learned from.")
    lift: DifferenceOut | None = Field(description="The learning group compared with the holdout.")
    notes: list[str] = Field(description="Differences that raw means would show the wrong way round.")


class ReportOut(Out):
    """What a campaign did and learned."""

    campaign: CampaignOut = Field(description="What it is and how it stands.")
    as_of: datetime = Field(description="When this was found.")
    objective: str = Field(description="The objective it serves.")
    objective_why: str | None = Field(description="Why there is such an objective, in the strategy's words.")
    reward_outcome: str = Field(description="The outcome that counts as the reward.")
    model: str = Field(description="Model of the campaign's policy.")
    unit: str = Field(description="Of rewards and differences: `share of trials`, `rewards`, or a currency.")
    maturity_unit: str = Field(description="Of `at_maturity`: `share of trials`, or the currency of amounts.")
    segments: list[SegmentReportOut] = Field(description="One for each segment.")
    lift: DifferenceOut | None = Field(description="The learning group of all segments compared with the holdout.")
    outcomes: dict[str, int] = Field(description="How many outcomes of each kind fell within their window.")
    design: float | None = Field(
        description="Times by which the variance of every difference is larger because recipients have several trials, "
        "which are alike; it is in `low`, `high` and `standard_error`. Null: nobody has looked yet, trials are taken "
        "as independent, and intervals are too narrow where recipients come back; the measurement's are not."
    )
    design_as_of: datetime | None = Field(description="When the recipients were looked at for `design`.")


def report_json(report: CampaignReport) -> dict[str, Any]:
    """See `ReportOut`."""
    return {
        "campaign": summary_json(report.campaign),
        "as_of": isoformat(report.as_of),
        "objective": report.objective,
        "objective_why": report.objective_why,
        "reward_outcome": report.reward_outcome,
        "model": report.model,
        "unit": report.unit,
        "maturity_unit": report.maturity_unit,
        "segments": [_segment_json(segment) for segment in report.segments],
        "lift": _difference_json(report.lift),
        "outcomes": report.outcomes,
        "design": report.alike.design,
        "design_as_of": None if report.alike.as_of is None else isoformat(report.alike.as_of),
    }


def _segment_json(segment: SegmentReport) -> dict[str, Any]:
    return {
        "segment": segment.segment_id,
        "variants": [_variant_json(variant) for variant in segment.variants],
        "withheld": segment.withheld,
        "learning": _rate_json(segment.learning),
        "holdout": _rate_json(segment.holdout),
        "chosen_by_people": _rate_json(segment.chosen_by_people),
        "lift": _difference_json(segment.lift),
        "notes": segment.notes,
    }


def _variant_json(variant: VariantReport) -> dict[str, Any]:
    return {
        "variant": variant.variant_id,
        "removed_by": variant.removed_by,
        "decisions": variant.decisions,
        "rate": _rate_json(variant.rate),
        "believed": _estimate_json(variant.believed),
        "matured": _rate_json(variant.matured),
        "at_maturity": None if variant.at_maturity is None else _estimate_json(variant.at_maturity),
        "difference": _difference_json(variant.difference),
        "elsewhere": variant.elsewhere,
        "p_best": variant.p_best,
        "allocation": variant.allocation,
    }


def _rate_json(rate: Rate) -> dict[str, Any]:
    return {
        "trials": rate.trials,
        "positives": rate.positives,
        "rate": rate.rate,
        "low": rate.low,
        "high": rate.high,
        "mean_reward": rate.mean_reward,
    }


def _estimate_json(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def _difference_json(difference: Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    found = difference.found
    low, high = found.anytime_interval()
    return {
        "against": difference.against,
        "raw": found.raw,
        "difference": found.value,
        "low": _known(low),
        "high": _known(high),
        "standard_error": _known(found.standard_error),
        "left_out": found.left_out,
        "misleads": found.misleads,
    }
