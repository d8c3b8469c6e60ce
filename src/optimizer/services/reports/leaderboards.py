"""Leaderboards: a campaign's report as rows people compare, all intervals on one axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isnan
from typing import Final

from optimizer.insights.campaign_words import difference_words, removed_words
from optimizer.services.reports.reporting import (
    CampaignReport,
    Difference,
    Estimate,
    Rate,
    SegmentReport,
    VariantReport,
)

MOST_ROWS: Final = 120  # that people still look through
MOST_NAMED: Final = 5  # of a segment, where there are more


class Sort(StrEnum):
    """In which order segments stand."""

    DOCUMENTS = "documents"
    DIFFERS = "differs"  # where the choice differs most from that of the other segments
    TRIALS = "trials"
    OPEN = "open"  # where least is known about the best variant


@dataclass(frozen=True, slots=True)
class Gap:
    """A difference with its anytime-valid 95 % interval; ends None while they cannot be told."""

    against: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class VariantRow:
    """One variant in one segment.

    Attributes:
        number: of its badge.
        removed: why it is not chosen now, in words; empty if it can be.
        maturing: trials whose outcomes are not all in.
    """

    variant_id: str
    number: int
    removed: str
    trials: int
    maturing: int
    p_best: float
    allocation: float
    believed: Estimate
    at_maturity: Estimate | None
    gap: Gap | None
    elsewhere: float


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One segment.

    Attributes:
        word: how sure the choice is: ``settled``, ``leaning``, ``open`` or ``nothing to choose``.
        differs: how far its shares are from those of the other segments, 0 to 1.
        left_out: how many variants are not among `variants`.
    """

    segment_id: str
    word: str
    differs: float
    learning: Rate
    holdout: Rate
    withheld: float
    lift: Gap | None
    variants: tuple[VariantRow, ...]
    notes: tuple[str, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All segments, and the axis every interval is drawn on."""

    segments: tuple[SegmentRow, ...]
    axis_low: float
    axis_high: float
    lift: Gap | None


def leaderboard(
    report: CampaignReport, numbers: Mapping[str, int], may_be_chosen: Mapping[str, int], sort: Sort
) -> Leaderboard:
    """A campaign's report as a leaderboard.

    Args:
        report: the report.
        numbers: of the variants' badges.
        may_be_chosen: by segment, how many variants can be chosen.
        sort: the order of the segments; variants stay in that of the documents.
    """
    rows = [
        SegmentRow(
            one.segment_id,
            difference_words([variant.p_best for variant in one.variants], may_be_chosen[one.segment_id]),
            _differs(one, report),
            one.learning,
            one.holdout,
            one.withheld,
            gap_of(one.lift),
            tuple(_row(variant, numbers[variant.variant_id]) for variant in one.variants),
            one.notes,
        )
        for one in report.segments
    ]
    known = [row.believed for segment in rows for row in segment.variants if row.trials]
    low, high = _axis([one.low for one in known], [one.high for one in known])
    return Leaderboard(_sorted(rows, sort), low, high, gap_of(report.lift))


def shortened(board: Leaderboard) -> Leaderboard:
    """A board of more than `MOST_ROWS` with the `MOST_NAMED` likeliest best of each segment, and control."""
    if sum(len(segment.variants) for segment in board.segments) <= MOST_ROWS:
        return board
    return replace(board, segments=tuple(_likeliest(segment) for segment in board.segments))


def _likeliest(segment: SegmentRow) -> SegmentRow:
    ranked = sorted(segment.variants, key=lambda one: (bool(one.removed), -one.p_best))
    named = {one.variant_id for one in ranked[:MOST_NAMED]}
    kept = tuple(one for one in segment.variants if one.variant_id in named or one.number == 0)
    return replace(segment, variants=kept, left_out=len(segment.variants) - len(kept))


def gap_of(difference: Difference | None) -> Gap | None:
    """A difference as it is shown."""
    if difference is None:
        return None
    low, high = difference.found.anytime_interval()
    return Gap(difference.against, difference.found.value, None if isnan(low) else low, None if isnan(high) else high)


def _row(one: VariantReport, number: int) -> VariantRow:
    return VariantRow(
        one.variant_id,
        number,
        "" if one.removed_by is None else removed_words(one.removed_by),
        one.rate.trials,
        max(one.rate.trials - one.matured.trials, 0),
        one.p_best,
        one.allocation,
        one.believed,
        one.at_maturity,
        gap_of(one.difference),
        one.elsewhere,
    )


def _differs(one: SegmentReport, report: CampaignReport) -> float:
    """Half of what sets a segment's shares apart from those of all the others together, by their trials."""
    others = [segment for segment in report.segments if segment.segment_id != one.segment_id]
    trials = sum(segment.learning.trials for segment in others)
    if not trials:
        return 0.0
    elsewhere: dict[str, float] = {}
    for segment in others:
        for variant in segment.variants:
            share = variant.allocation * segment.learning.trials / trials
            elsewhere[variant.variant_id] = elsewhere.get(variant.variant_id, 0.0) + share
    return sum(abs(variant.allocation - elsewhere[variant.variant_id]) for variant in one.variants) / 2.0


def _sorted(rows: list[SegmentRow], sort: Sort) -> tuple[SegmentRow, ...]:
    match sort:
        case Sort.DIFFERS:
            return tuple(sorted(rows, key=lambda row: -row.differs))
        case Sort.TRIALS:
            return tuple(sorted(rows, key=lambda row: -row.learning.trials))
        case Sort.OPEN:
            return tuple(sorted(rows, key=lambda row: max((one.p_best for one in row.variants), default=0.0)))
        case Sort.DOCUMENTS:
            return tuple(rows)


def _axis(lows: list[float], highs: list[float]) -> tuple[float, float]:
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    margin = 0.05 * (high - low) or 0.01
    return low - margin if low < 0.0 or low > margin else 0.0, high + margin
