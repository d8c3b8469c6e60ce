"""One campaign in one week: what came, what was believed before and after, what it earns beyond its holdout."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np

from optimizer.domain.instants import DAY, Instant
from optimizer.domain.micros import units
from optimizer.domain.snapshot import Snapshot
from optimizer.domain.statistics import DECIDED, reward_metric
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.comparing import compared, held_out, sent
from optimizer.engine.tactic import Tactic
from optimizer.insights.forecasting.daily import Daily, Hours, as_date, daily, day_of
from optimizer.insights.forecasting.tracking import WEEK, Kept, week_ahead
from optimizer.insights.forecasting.traffic import MOST_DAYS
from optimizer.insights.ranking_words import reward_unit
from optimizer.insights.weekly.found import MESSAGES, Budget, CampaignWeek, Lift, SegmentWeek
from optimizer.insights.weekly.weeks import Week, week_before
from optimizer.services.budgets import budget_lines
from optimizer.services.forecasts.forecasting import forecast
from optimizer.services.forecasts.past_days import closed_times
from optimizer.services.learning.alikeness import alikeness
from optimizer.services.live import Live, Loaded
from optimizer.services.reports.summaries import summary
from optimizer.storage.store import Ledger

GONE = "not in the documents any more"
_PAGE = 200
_PAUSES = {"pause": True, "resume": False}


def campaign_week(ledger: Ledger, live: Live, loaded: Loaded, tactic: Tactic, week: Week, now: Instant) -> CampaignWeek:
    """What a campaign did and learned in a week.

    Args:
        ledger: the ledger.
        live: the documents in force.
        loaded: the same, as this transaction sees them.
        tactic: the campaign as the documents had it when the week ended.
        week: the week.
        now: the instant up to which the ledger is read.
    """
    until = min(week.ends, now)
    campaign_id = tactic.campaign_id
    hours = _hours(ledger, campaign_id, week.ends - MOST_DAYS * DAY, until)
    before = week_before(week, tactic.zone)
    sent = [o for o in ledger.outlays.by_hour(week.begins, campaign_id=campaign_id) if o.hour < until]
    in_force = loaded.tactics.get(campaign_id)
    return CampaignWeek(
        campaign_id=campaign_id,
        serves=tactic.campaign.serves,
        decisions=_between(hours, week.begins, until),
        decisions_before=_between(hours, before.begins, before.ends),
        sends=sum(outlay.sends for outlay in sent),
        reserved=units(sum(outlay.most for outlay in sent)),
        segments=_segments(ledger, tactic, week, until),
        lift=_lift(ledger, loaded, tactic, until),
        foretold=_foretold(ledger, tactic, hours, week, now),
        expected=_expected(ledger, tactic, hours, week, now),
        budgets=() if in_force is None else _budgets(ledger, live, loaded, in_force, week, now),
        state=GONE if in_force is None else summary(ledger, live, campaign_id, now).state.value,
    )


def _hours(ledger: Ledger, campaign_id: str, since: Instant, until: Instant) -> Hours:
    found = ledger.hourly_sums.of_campaign(campaign_id, DECIDED, since, until)
    return Hours(np.array([at for at, _ in found], np.int64), np.array([n for _, n in found], np.float64))


def _between(hours: Hours, begins: Instant, ends: Instant) -> int:
    return int(hours.counts[(hours.buckets >= begins) & (hours.buckets < ends)].sum())


def _segments(ledger: Ledger, tactic: Tactic, week: Week, until: Instant) -> tuple[SegmentWeek, ...]:
    """Leaders by the newest snapshots of both ends of the week, among the documents' variants that were not paused."""
    after = ledger.snapshots.as_of(tactic.campaign_id, until - 1)
    if after is None:
        return ()
    before = ledger.snapshots.as_of(tactic.campaign_id, week.begins - 1)
    turns = _turns(ledger, tactic.campaign_id)
    was = {} if before is None else _leaders(before, tactic, _paused(turns, week.begins))
    now_leads = _leaders(after, tactic, _paused(turns, until))
    rows = []
    for segment_id, (leader, p_best, trials) in now_leads.items():
        earlier = was.get(segment_id)
        if earlier is not None and not earlier[2]:
            earlier = None  # nothing had been tried
        name, p_before = (None, None) if earlier is None else earlier[:2]
        if trials:
            rows.append(SegmentWeek(segment_id, name, p_before, leader, p_best, trials))
    return tuple(rows)


def _turns(ledger: Ledger, campaign_id: str) -> list[tuple[Instant, str, bool]]:
    """When which variant was paused, or was no longer, as the audit trail has it, newest first."""
    of_variants = f"{campaign_id}/"
    return [
        (link.entry.at, link.entry.subject.removeprefix(of_variants), _PAUSES[link.entry.action])
        for links in ledger.audit.pages(_PAGE, subject=campaign_id)
        for link in links
        if link.entry.action in _PAUSES and link.entry.subject.startswith(of_variants)
    ]


def _paused(turns: Sequence[tuple[Instant, str, bool]], until: Instant) -> set[str]:
    """Variants that were paused at an instant."""
    found: dict[str, bool] = {}
    for at, variant_id, is_paused in turns:
        if at < until:
            found.setdefault(variant_id, is_paused)
    return {variant_id for variant_id, is_paused in found.items() if is_paused}


def _leaders(snapshot: Snapshot, tactic: Tactic, paused: set[str]) -> dict[str, tuple[str, float, float]]:
    """By segment: the variant most likely to be the best, how likely, and how many trials that rests on."""
    table = AllocationTable(snapshot)
    retired = {name for name, is_so in zip(tactic.variant_ids, tactic.limits.retired.tolist(), strict=True) if is_so}
    may = np.array([name not in retired | paused for name in snapshot.variant_ids])
    found = {}
    for segment, segment_id in enumerate(snapshot.segment_ids):
        if may.any():
            p_best = table.posterior.prob_best(segment, may)
            best = int(p_best.argmax())
            found[segment_id] = snapshot.variant_ids[best], float(p_best[best]), float(snapshot.trials[segment].sum())
    return found


def _lift(ledger: Ledger, loaded: Loaded, tactic: Tactic, until: Instant) -> Lift | None:
    """The learning group against the holdout, of whole days whose outcomes were all due by then."""
    rule = tactic.reward_rule
    cells = [
        (cell, sums)
        for cell, sums in ledger.daily_sums.of_campaign(tactic.campaign_id, [reward_metric(rule.objective_id)])
        if cell.bucket + DAY + rule.window <= until and cell.segment_id in tactic.rules.segment_ids
    ]
    sides = sent(cells), held_out(cells)
    trials = sum(sums.n for side in sides for _, sums in side)
    alike = alikeness(ledger, tactic.campaign_id, trials)
    found = alike.widened(compared(rule, *sides))
    if isnan(found.value):
        return None
    low, high = found.anytime_interval()
    unit = reward_unit(rule, loaded.currency)
    known = not (isnan(low) or isnan(high))
    return Lift(found.value, low if known else None, high if known else None, unit, trials, alike)


def _history(ledger: Ledger, tactic: Tactic, hours: Hours, until: Instant) -> Daily | None:
    """Whole days before an instant."""
    before = hours.buckets < until
    if not before.any():
        return None
    known = Hours(hours.buckets[before], hours.counts[before])
    begins = int(known.buckets[0])
    closed = closed_times(ledger, tactic.campaign_id, begins, until)
    return daily(known, begins, until, tactic.zone, closed)


def _foretold(ledger: Ledger, tactic: Tactic, hours: Hours, week: Week, now: Instant) -> Kept | None:
    """What would have been forecast for the week on the evening before it, and what came."""
    history = _history(ledger, tactic, hours, week.begins) if week.ends <= now else None
    whole = _history(ledger, tactic, hours, week.ends)
    if history is None or whole is None or not (history.known > 0.0).any() or len(history.counts) < WEEK:
        return None
    if not (whole.known[-WEEK:] == 1.0).all():
        return None  # nobody forecasts a pause
    found = week_ahead(history)
    if found is None:
        return None
    came = float(_between(hours, week.begins, week.ends))
    return Kept(as_date(day_of(week.begins, tactic.zone)), found, came)


def _expected(
    ledger: Ledger, tactic: Tactic, hours: Hours, week: Week, now: Instant
) -> tuple[float, float, float] | None:
    """Decisions of the week after."""
    history = _history(ledger, tactic, hours, week.ends) if week.ends <= now else None
    found = None if history is None else week_ahead(history)
    ends_at = tactic.limits.ends_at
    if found is None or (ends_at is not None and ends_at <= week.ends):
        return None
    return found.median, found.low95, found.high95


def _budgets(
    ledger: Ledger, live: Live, loaded: Loaded, tactic: Tactic, week: Week, now: Instant
) -> tuple[Budget, ...]:
    """Every limit as it is now, and when it ends; that is not asked of a week long past."""
    is_late = now >= week.ends + WEEK * DAY
    if not tactic.budget_limits:
        return ()
    foretold = () if is_late else forecast(ledger, live, tactic.campaign_id, now).budgets
    ends_of = {(one.scope, one.period, one.in_sends): one.sentence.partition(": ")[2] for one in foretold}
    found = []
    for line in budget_lines(ledger, tactic, now):
        what = f"{line.key.scope.replace(':', ' ')}, {line.key.period}"
        for in_sends, amount, used in (
            (False, line.allowance.money, units(line.reading.money)),
            (True, line.allowance.sends, float(line.reading.sends)),
        ):
            if amount is not None:
                most, unit = (float(amount), MESSAGES) if in_sends else (units(amount), loaded.currency)
                ends = "used up now" if line.exhausted else ends_of.get((*line.key, in_sends), "")
                found.append(Budget(what, used, most, unit, ends))
    return tuple(found)
