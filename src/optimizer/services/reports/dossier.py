"""The dossier: what the page of one campaign shows beside its pictures, from one view of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from math import ceil
from zoneinfo import ZoneInfo

import numpy as np

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import DAY, Instant, moment
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import NOTHING, WITHHELD, Sums, reward_metric
from optimizer.engine.comparing import counts_successes
from optimizer.engine.gathering import evidence_of
from optimizer.engine.lateness import curve_of
from optimizer.engine.tactic import Tactic
from optimizer.figures.allocation import Bands, bands
from optimizer.insights.campaign_words import Answer, Gain, Lead, campaign_sentence
from optimizer.insights.day_means import DayMean, day_means
from optimizer.insights.funnels import Funnel, funnel
from optimizer.insights.guardrail_rates import GuardrailRate, guardrail_rates
from optimizer.insights.learning_time import PROB_BEST, trials_to_best
from optimizer.services.documents.agreeing import seen
from optimizer.services.live import Live
from optimizer.services.oversight.campaign_events import CampaignEvent, campaign_events
from optimizer.services.oversight.overseeing import Standing, standing
from optimizer.services.oversight.wordings import Wording, wordings
from optimizer.services.reports.campaign_sums import CampaignSums, campaign_sums, counted_since
from optimizer.services.reports.courses import HeldOut, SegmentCourse, begins, courses, held_out
from optimizer.services.reports.reporting import CampaignReport, report
from optimizer.services.reports.spend_lines import SpendLine, spend_lines
from optimizer.storage.readings import DaySums
from optimizer.storage.store import Ledger

LEARNING = "learning group"
HOLDOUT = "holdout"


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything about one campaign, as of `report.as_of`.

    Attributes:
        first_day: its first day with a decision; None before it.
        sentence: what a marketer would say of it.
        numbers: of the variants' badges, in the order of the documents; 0 for control.
        may_be_chosen: by segment, how many variants can be chosen there.
        means: mean rewards by day, of `LEARNING` and `HOLDOUT`.
        maturing_from: first day whose outcomes are not all in; None when all are.
        floor, cap: bounds of each variant's share.
        seen: what forms carry, so that nobody decides about what they have not seen.
        starts_at, ends_at: of the campaign; None where it is open.
    """

    report: CampaignReport
    standing: Standing
    currency: str
    channel: str
    journey_stage: str | None
    first_day: int | None
    sentence: str
    numbers: Mapping[str, int]
    may_be_chosen: Mapping[str, int]
    courses: tuple[SegmentCourse, ...]
    held_out: HeldOut
    means: Mapping[str, tuple[DayMean, ...]]
    maturing_from: int | None
    funnel: Funnel
    rates: tuple[GuardrailRate, ...]
    spend_lines: tuple[SpendLine, ...]
    wordings: tuple[Wording, ...]
    events: tuple[CampaignEvent, ...]
    floor: float
    cap: float
    zone: str
    seen: str
    starts_at: Instant | None
    ends_at: Instant | None

    def bands(self, course: SegmentCourse) -> Bands:
        """What the picture of a segment's course tells apart, for its table."""
        return bands(course.shares, next((name for name, number in self.numbers.items() if number == 0), None))

    @property
    def gathers(self) -> bool:
        """Whether the picture of some segment's course has an area of others."""
        return any(self.bands(course).n_others for course in self.courses)

    @property
    def pinnable(self) -> tuple[tuple[str, str], ...]:
        """Variants that may be pinned, twice each: as a form's value, and as its words."""
        return tuple((one.variant_id, one.variant_id) for one in self.wordings if one.approved and not one.retired)


def dossier(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Dossier:
    """Everything about a campaign.

    Raises:
        NotFound: no such campaign.
        Conflict: no strategy is in force.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    strategy, controls = loaded.strategy, loaded.controls.get(campaign_id, UNTOUCHED)
    sums = campaign_sums(ledger, live, tactic, now)
    found = report(ledger, live, campaign_id, now, sums.cells)
    events = campaign_events(ledger, campaign_id)
    lines = spend_lines(tactic, found.campaign.budget, now)
    words = wordings(tactic, strategy, controls, events)
    watched = [rule.outcome for rule in tactic.metrics]
    means, maturing_from = _means(tactic, sums, now)
    return Dossier(
        report=found,
        standing=standing(ledger, live, campaign_id, now),
        currency=strategy.currency,
        channel=tactic.campaign.channel,
        journey_stage=tactic.campaign.journey_stage,
        first_day=min((one.day for one in sums.days), default=None),
        sentence=_sentence(tactic, found, lines, sums, strategy.currency, now),
        numbers={one.variant_id: one.number for one in words},
        may_be_chosen=dict(
            zip(tactic.rules.segment_ids, tactic.limits.may_be_chosen.sum(axis=1).tolist(), strict=True)
        ),
        courses=courses(ledger, live, tactic, sums.days, now),
        held_out=held_out(tactic, sums.days),
        means=means,
        maturing_from=maturing_from,
        funnel=funnel(sums.cells, tactic.reward_rule, watched),
        rates=guardrail_rates(
            tactic,
            controls,
            lambda since: counted_since(ledger, tactic, watched, since) if since else sums.cells,
        ),
        spend_lines=lines,
        wordings=words,
        events=events,
        floor=tactic.policy.floor,
        cap=tactic.policy.cap,
        zone=tactic.zone.key,
        seen=seen(ledger, live, campaign_id, now),
        starts_at=tactic.limits.starts_at,
        ends_at=tactic.limits.ends_at,
    )


def _means(tactic: Tactic, sums: CampaignSums, now: Instant) -> tuple[dict[str, tuple[DayMean, ...]], int | None]:
    """Mean rewards by day, and the first day that still matures."""
    curve = curve_of(tactic, evidence_of(tactic, sums.cells), now)
    window, rule = tactic.reward_rule.window, tactic.reward_rule

    def come(day: int) -> float:
        """Share of a day's rewards that has come: the mean of its hours, however short or long its day is."""
        starts, ends = begins(day, tactic), min(begins(day + 1, tactic), now)
        if ends + window <= now or not tactic.policy.estimates_delay:
            return 1.0
        hours = np.arange(starts, max(ends, starts + 1), DAY // 24, dtype=np.int64)
        return float(curve.of_buckets(hours, now).mean())

    groups = {LEARNING: frozenset({Group.LEARNING.value}), HOLDOUT: frozenset(one.value for one in HOLDOUTS)}
    found = {
        name: day_means(_by_day(tactic, sums.days, members), come, counts_successes=counts_successes(rule))
        for name, members in groups.items()
    }
    days = sorted({one.day for of_group in found.values() for one in of_group})
    maturing = [day for day in days if begins(day + 1, tactic) + window > now]
    return {name: days for name, days in found.items() if days}, maturing[0] if maturing else None


def _by_day(tactic: Tactic, days: Iterable[DaySums], members: frozenset[str]) -> list[tuple[int, Sums]]:
    metric, found = reward_metric(tactic.reward_rule.objective_id), dict[int, Sums]()
    for one in days:
        sent = one.group != Group.LEARNING or one.variant_id not in {NOTHING, WITHHELD}
        if one.metric == metric and one.group in members and sent:
            found[one.day] = found[one.day].plus(one.sums) if one.day in found else one.sums
    return list(found.items())


def _sentence(
    tactic: Tactic,
    found: CampaignReport,
    lines: tuple[SpendLine, ...],
    sums: CampaignSums,
    currency: str,
    now: Instant,
) -> str:
    leads = []
    for segment in found.segments:
        best = max(segment.variants, key=lambda one: one.p_best, default=None)
        known = best is not None and best.p_best > 0.0
        variant_id = best.variant_id if best is not None and known else None
        leads.append(Lead(segment.segment_id, variant_id, best.p_best if best else 0.0, segment.learning.trials))
    gain = None
    if found.lift is not None:
        low, high = found.lift.found.anytime_interval()
        gain = Gain(found.lift.found.value, low, high)
    own = [line.spent(currency) for line in lines if line.own]
    tightest = max(
        own, key=lambda one: (one.plan is not None, one.used / one.limit if one.limit else 1.0), default=None
    )
    today = moment(now).astimezone(tactic.zone).date()
    answer = _answer(tactic, found, leads, sums, now)
    return campaign_sentence(leads, gain, found.unit, found.reward_outcome, tightest, answer, today)


def _answer(tactic: Tactic, found: CampaignReport, leads: list[Lead], sums: CampaignSums, now: Instant) -> Answer:
    """When the largest segment that does not know its best variant yet will: by the trials it still needs."""
    ends = None if tactic.limits.ends_at is None else _day(tactic.limits.ends_at - 1, tactic.zone)
    counts = dict(zip(tactic.rules.segment_ids, tactic.limits.may_be_chosen.sum(axis=1).tolist(), strict=True))
    learning = [lead for lead in leads if counts[lead.segment_id] > 1]
    still = [lead for lead in learning if lead.p_best < PROB_BEST and lead.trials]
    if learning and not still and all(lead.p_best >= PROB_BEST for lead in learning):
        return Answer(None, is_in=True, ends=ends)
    if not still:
        return Answer(None, is_in=False, ends=ends)
    lead = max(still, key=lambda one: one.trials)
    segment = next(one for one in found.segments if one.segment_id == lead.segment_id)
    days = {one.day for one in sums.days if one.segment_id == lead.segment_id}
    if not segment.learning.rate or not days:
        return Answer(None, is_in=False, ends=ends)
    expects = tactic.campaign.expects
    n = counts[lead.segment_id]
    lift = {} if expects is None else {"relative_lift": expects.lift}
    needed = trials_to_best(n, segment.learning.rate, **lift)
    if needed is None:
        return Answer(None, is_in=False, ends=ends)
    daily = lead.trials / max((now - begins(min(days), tactic)) / DAY, 1.0)
    left = max(needed * n - lead.trials, 0)
    ahead = ceil(left / daily * DAY) + tactic.reward_rule.window
    return Answer(_day(now + min(ahead, 3650 * DAY), tactic.zone), is_in=False, ends=ends)


def _day(at: Instant, zone: ZoneInfo) -> date:
    return moment(at).astimezone(zone).date()
