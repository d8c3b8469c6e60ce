"""Illustrating: the pictures of a campaign, drawn once for all who look, from the dossier and what takes longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from optimizer.domain.instants import Instant, moment
from optimizer.engine.tactic import Tactic
from optimizer.figures.allocation import Course, Strip, allocation_figure
from optimizer.figures.heat import heat_figure
from optimizer.figures.look import COLOURS, NEUTRAL, colour_of, figure_json, styles_of
from optimizer.figures.marks import Mark
from optimizer.figures.means import Days, means_figure
from optimizer.figures.metrics import Rate, metrics_figure
from optimizer.figures.ridges import Ridge, density_of, ridges_figure
from optimizer.figures.spend import Spend, spend_figure
from optimizer.insights.day_means import DayMean
from optimizer.insights.guardrail_rates import GuardrailRate
from optimizer.insights.ranking_words import SHARE
from optimizer.policy.posterior import Posterior
from optimizer.services.live import Live
from optimizer.services.reports.courses import SegmentCourse, begins
from optimizer.services.reports.dossier import HOLDOUT, LEARNING, Dossier, dossier
from optimizer.services.reports.spend_lines import MESSAGES, SpendCourse, spend_course
from optimizer.storage.readings import day_of
from optimizer.storage.store import Ledger

MOST_PANELS: Final = 6  # segments that get a panel each; more of them get a heat map
_LEVELS: Final = (0.998, 0.99, 0.95, 0.9, 0.8, 0.6, 0.4, 0.2)  # of the intervals a ridge is made of


@dataclass(frozen=True, slots=True)
class Illustrated:
    """The pictures of a campaign, as JSON for plotly.

    Attributes:
        spend_course: what the last of them shows.
        pictures: ``allocation``, ``heat``, ``ridges``, ``means``, ``metrics`` and ``spend``, as far as there is
            something to show in them.
        left_out: segments that have no panel of their own.
    """

    spend_course: SpendCourse
    pictures: Mapping[str, str]
    left_out: tuple[str, ...]


def illustrated(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Illustrated:
    """The pictures of a campaign.

    Raises:
        NotFound: no such campaign.
        Conflict: no strategy is in force.
    """
    found = dossier(ledger, live, campaign_id, now)
    loaded = live.at(ledger)
    tactic, posterior = loaded.tactic(campaign_id), loaded.tables[campaign_id].posterior
    by_trials = sorted(found.report.segments, key=lambda segment: -segment.learning.trials)
    shown = {segment.segment_id for segment in by_trials[:MOST_PANELS]}
    pictures: dict[str, str] = {}
    if any(len(course.at) > 1 for course in found.courses):
        pictures["allocation"] = _allocation(tactic, found, shown)
    if len(found.courses) > MOST_PANELS:
        pictures["heat"] = _heat(tactic, found.courses)
    if any(segment.learning.trials for segment in found.report.segments):
        pictures["ridges"] = _ridges(tactic, found, posterior, shown)
    if found.means:
        pictures["means"] = _means(found)
    if any(rate.exposures for rate in found.rates):
        pictures["metrics"] = _metrics(found.rates)
    began = None if found.first_day is None else begins(found.first_day, tactic)
    course = spend_course(ledger, tactic, found.report.campaign.budget, began, now)
    if len(course.at) > 1 and (course.limit is not None or course.in_use[-1] > 0.0):
        pictures["spend"] = _spend(found, course)
    left_out = tuple(one.segment_id for one in found.courses if one.segment_id not in shown)
    return Illustrated(course, pictures, left_out)


def _control(tactic: Tactic) -> str | None:
    return None if tactic.control is None else tactic.variant_ids[tactic.control]


def _local(at: Instant, zone: ZoneInfo) -> datetime:
    """A moment as a clock in the zone shows it: plotly knows no zones."""
    return moment(at).astimezone(zone).replace(tzinfo=None)


def _allocation(tactic: Tactic, found: Dossier, shown: set[str]) -> str:
    zone = tactic.zone
    drawn = {
        one.segment_id: Course([_local(at, zone) for at in one.at], one.shares, one.withheld, one.exploring)
        for one in found.courses
        if one.segment_id in shown and len(one.at) > 1
    }
    first = min((course.at[0] for course in drawn.values()), default=None)
    marks = [Mark(_local(one.at, zone), one.kind, one.who, f"{one.what}: {one.why}") for one in found.events]
    figure = allocation_figure(
        drawn,
        styles_of(tactic.variant_ids, _control(tactic)),
        floor=found.floor,
        cap=found.cap,
        holdout=Strip([_local(at, zone) for at in found.held_out.at], found.held_out.share),
        marks=[mark for mark in marks if first is None or mark.at >= first],
    )
    return figure_json(figure)


def _heat(tactic: Tactic, courses: Sequence[SegmentCourse]) -> str:
    shares = np.array([[course.shares[name][-1] for name in tactic.variant_ids] for course in courses])
    return figure_json(heat_figure([course.segment_id for course in courses], tactic.variant_ids, shares))


def _ridges(tactic: Tactic, found: Dossier, posterior: Posterior, shown: set[str]) -> str:
    ends = [posterior.interval(level) for level in _LEVELS]
    lows, highs = np.array([low for low, _ in ends]), np.array([high for _, high in ends])
    quantiles = np.concatenate([lows, highs[::-1]])  # [Q, S, A], rising along Q
    levels = [(1.0 - level) / 2.0 for level in _LEVELS]
    levels += [1.0 - level for level in reversed(levels)]
    ridges: dict[str, dict[str, Ridge]] = {}
    for segment, of_segment in enumerate(found.report.segments):
        if of_segment.segment_id in shown:
            ridges[of_segment.segment_id] = {
                one.variant_id: Ridge(*density_of(levels, quantiles[:, segment, arm]), one.p_best)
                for arm, one in enumerate(of_segment.variants)
                if tactic.limits.may_be_chosen[segment, arm]
            }
    unit = None if found.report.unit == SHARE else found.report.unit
    colours = colour_of(tactic.variant_ids, _control(tactic))
    return figure_json(ridges_figure({name: some for name, some in ridges.items() if some}, unit, colours))


def _means(found: Dossier) -> str:
    groups = {name: _days(days) for name, days in found.means.items()}
    from_day = None if found.maturing_from is None else day_of(found.maturing_from)
    figure = means_figure(
        groups,
        {LEARNING: COLOURS[0], HOLDOUT: NEUTRAL},
        found.report.unit,
        is_share=found.report.unit == SHARE,
        maturing_from=from_day,
    )
    return figure_json(figure)


def _days(days: Sequence[DayMean]) -> Days:
    return Days(
        [day_of(one.day) for one in days],
        [one.mean for one in days],
        [one.low for one in days],
        [one.high for one in days],
        [one.expected for one in days],
        [one.trials for one in days],
    )


def _metrics(rates: Sequence[GuardrailRate]) -> str:
    rows = [
        Rate(
            one.outcome if one.variant_id is None else f"{one.outcome}, {one.variant_id}",
            one.rate,
            one.low,
            one.high,
            one.at_most,
            one.breached,
        )
        for one in rates
    ]
    return figure_json(metrics_figure(rows))


def _spend(found: Dossier, course: SpendCourse) -> str:
    zone = ZoneInfo(found.zone)
    spend = Spend(
        [_local(at, zone) for at in course.at],
        course.settled,
        course.in_use,
        [_local(at, zone) for at in course.plan_at],
        course.plan,
        course.limit,
    )
    return figure_json(spend_figure(spend, MESSAGES if course.in_messages else found.currency))
