"""Measuring: what campaigns and the strategy earn beyond control, from sums that the ledger keeps and works out.

Lifts are taken from the statistics, within segments and days; the journeys of recipients, which the database sums, say
how alike the trials of one recipient are, what they were worth, and what recipients came to in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from optimizer.domain.instants import DAY, HOUR, Duration, Instant
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import Cell, Sums, outcome_metric
from optimizer.engine.assessment import RewardRule
from optimizer.engine.comparing import held_out, sent
from optimizer.engine.tactic import Tactic
from optimizer.insights.measures.measurement import (
    CampaignMeasurement,
    Lift,
    ObjectiveMeasurement,
    SegmentMeasure,
    StrategyMeasurement,
    Subject,
)
from optimizer.insights.measures.money import Money
from optimizer.insights.measures.notes import lift_notes, people_notes
from optimizer.insights.ranking_words import reward_unit
from optimizer.services.live import Live
from optimizer.services.measures.journeys import Found, by_contact, found_journeys, money_of, people_of
from optimizer.services.measures.operations import operations
from optimizer.services.measures.variants import comparison_of, sums_of, variant_measures
from optimizer.storage.journeys import Question
from optimizer.storage.store import Ledger
from optimizer.strategy.documents import Objective, Strategy

KNOWN_FOR: Final[Duration] = 30 * DAY  # how long a recipient has to be known to be asked whether they came back
THE_HOLDOUT: Final = "the holdout"
THE_STRATEGYS: Final = "the strategy-wide holdout"

Some = Sequence[tuple[Cell, Sums]]


def measured(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> CampaignMeasurement:
    """What a campaign earns beyond its holdout; reads all its decisions, which takes seconds for a million of them.

    Raises:
        NotFound: no such campaign.
        Conflict: nothing is in force.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    strategy = loaded.strategy
    cells = list(ledger.statistics.of_campaign(campaign_id))
    subject = _subject(strategy, tactic.campaign.serves, tactic.reward_rule)
    heard = _heard([tactic], now)
    found = found_journeys(ledger, _question([tactic], cells, tuple(sorted(HOLDOUTS)), heard))
    here = [(cell, sums) for cell, sums in cells if cell.segment_id in tactic.rules.segment_ids]
    design = found.design("reward")
    lift = _lift(tactic.reward_rule, sent(here), held_out(here), heard, subject.unit, THE_HOLDOUT, design)
    segments = []
    for segment_id in tactic.rules.segment_ids:
        inside = [(cell, sums) for cell, sums in here if cell.segment_id == segment_id]
        sides = (sent(inside), held_out(inside))
        segments.append(
            SegmentMeasure(segment_id, _lift(tactic.reward_rule, *sides, heard, subject.unit, THE_HOLDOUT, design))
        )
    worth = money_of(found, tactic.reward_rule, currency=subject.currency, against=THE_HOLDOUT, until=heard)
    people = people_of(found, THE_HOLDOUT, currency=subject.currency)
    matured = [(cell, sums) for cell, sums in here if _is_matured(cell, tactic.reward_rule, heard)]
    return CampaignMeasurement(
        campaign_id=campaign_id,
        why=tactic.campaign.why,
        as_of=now,
        subject=subject,
        lift=lift,
        segments=tuple(segments),
        variants=variant_measures(tactic, here, matured, unit=subject.unit, design=design, held_out=THE_HOLDOUT),
        money=worth,
        no_money=_why_no_money(worth, found, subject),
        people=people,
        fatigue=by_contact(found, tactic.reward_rule, unit=subject.unit, against=THE_HOLDOUT),
        operations=operations(strategy, tactic, cells, heard),
        notes=(*_silence(tactic), *lift_notes(lift, THE_HOLDOUT), *people_notes(people)),
    )


def strategy_measured(ledger: Ledger, live: Live, now: Instant) -> StrategyMeasurement:
    """What all campaigns earn together, objective by objective; reads all their decisions.

    Raises:
        Conflict: nothing is in force.
    """
    loaded = live.at(ledger)
    strategy = loaded.strategy
    objectives = []
    for objective in strategy.objectives:
        tactics = [tactic for tactic in loaded.tactics.values() if tactic.campaign.serves == objective.id]
        if tactics:
            objectives.append(_objective(ledger, strategy, objective, tactics, now))
    return StrategyMeasurement(strategy.strategy, now, strategy.holdout.share, tuple(objectives))


def _objective(
    ledger: Ledger, strategy: Strategy, objective: Objective, tactics: Sequence[Tactic], now: Instant
) -> ObjectiveMeasurement:
    rule = tactics[0].reward_rule
    subject = _subject(strategy, objective.id, rule)
    cells = [one for tactic in tactics for one in ledger.statistics.of_campaign(tactic.campaign_id)]
    placed = {(t.campaign_id, segment_id) for t in tactics for segment_id in t.rules.segment_ids}
    here = [(cell, sums) for cell, sums in cells if (cell.campaign_id, cell.segment_id) in placed]
    heard = _heard(tactics, now)
    everyone = strategy.holdout.share > 0.0
    held = (Group.STRATEGY_HOLDOUT,) if everyone else tuple(sorted(HOLDOUTS))
    against = THE_STRATEGYS if everyone else THE_HOLDOUT
    found = found_journeys(ledger, _question(tactics, cells, held, heard))
    design = found.design("reward")
    lift = _lift(rule, sent(here), held_out(here), heard, subject.unit, "the holdouts", design)
    wide = None
    if everyone:
        wide = _lift(rule, sent(here), held_out(here, held), heard, subject.unit, THE_STRATEGYS, design)
    of_each = []
    for tactic in tactics:
        mine = [(cell, sums) for cell, sums in here if cell.campaign_id == tactic.campaign_id]
        sides = (sent(mine), held_out(mine))
        of_each.append((tactic.campaign_id, _lift(rule, *sides, heard, subject.unit, THE_HOLDOUT, design)))
    worth = money_of(found, rule, currency=subject.currency, against=against, until=heard)
    people = people_of(found, against, currency=subject.currency) if everyone else None
    notes = [*lift_notes(lift, "the holdouts"), *people_notes(people)]
    if not everyone:
        notes.append(
            "Nobody is held out of every campaign, so what several campaigns do to the same recipients is counted in "
            "each of them; `holdout: {share: 0.05}` in strategy.yaml keeps such recipients, and figures per recipient."
        )
    return ObjectiveMeasurement(
        subject, tuple(of_each), lift, wide, worth, _why_no_money(worth, found, subject), people, tuple(notes)
    )


def _subject(strategy: Strategy, objective_id: str, rule: RewardRule) -> Subject:
    objective = next(one for one in strategy.objectives if one.id == objective_id)
    return Subject(
        objective.id,
        objective.why,
        rule.kind,
        reward_unit(rule, strategy.currency),
        strategy.currency,
        rule.window,
        str(strategy.time_zone),
    )


def _heard(tactics: Sequence[Tactic], now: Instant) -> Instant:
    """Until when outcomes have come in: now, or the beginning of a silence."""
    return min([now, *(tactic.silent_since for tactic in tactics if tactic.silent_since is not None)])


def _question(tactics: Sequence[Tactic], cells: Some, held: tuple[Group, ...], heard: Instant) -> Question:
    rule = tactics[0].reward_rule
    ids = tuple(tactic.campaign_id for tactic in tactics)
    return Question(ids, rule, _valued(rule, cells), (Group.LEARNING,), held, KNOWN_FOR, heard)


def _valued(rule: RewardRule, cells: Some) -> str | None:
    """The kind of outcome whose amounts say what a trial is worth: the rewarded one, else the one with the most."""
    if rule.in_amounts:
        return None
    totals: dict[str, int] = {}
    for cell, sums in cells:
        kind = cell.metric.removeprefix(outcome_metric(""))
        if kind != cell.metric:
            totals[kind] = totals.get(kind, 0) + sums.total
    if totals.get(rule.kind, 0) > 0:
        return rule.kind
    return max((kind for kind, total in totals.items() if total > 0), key=lambda kind: totals[kind], default=None)


def _why_no_money(worth: Money | None, found: Found, subject: Subject) -> str:
    if worth is not None:
        return ""
    if not found.worth_of:
        return (
            f"The objective counts {subject.outcome} outcomes, and no outcome has come with an amount "
            f"in {subject.currency}: nothing can be said in money."
        )
    return "Nothing has matured in both groups yet, so nothing can be said in money."


def _lift(rule: RewardRule, one: Some, other: Some, heard: Instant, unit: str, against: str, design: float) -> Lift:
    matured = [[(c, sums) for c, sums in side if _is_matured(c, rule, heard)] for side in (one, other)]
    trials = [sum(sums_of(rule, side)[0] for side in sides) for sides in ((one, other), matured)]
    comparisons = [
        comparison_of(rule, *sides, unit=unit, against=against, design=design) for sides in (matured, (one, other))
    ]
    return Lift(round(trials[0]), round(trials[1]), *comparisons)


def _is_matured(cell: Cell, rule: RewardRule, heard: Instant) -> bool:
    """Whether the windows of a cell's trials are over; those exposed later than decided mature a little later."""
    return cell.bucket + HOUR + rule.window <= heard


def _silence(tactic: Tactic) -> tuple[str, ...]:
    if tactic.silent_since is None:
        return ()
    return ("No outcome of any kind has come in for a while, though many should have: nothing matures meanwhile.",)
