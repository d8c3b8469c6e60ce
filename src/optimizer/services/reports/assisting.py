"""Assist: what somebody offered to a customer, what came of it, and how people's choices do beside the policy's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.domain.decision import Decision
from optimizer.domain.instants import HOUR, Instant
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.domain.statistics import DECIDED, NOTHING, WITHHELD, ZERO, Sums, reward_metric
from optimizer.engine.plausibility import Values
from optimizer.errors import Conflict
from optimizer.insights.choice_words import choices_in_words
from optimizer.services.decisions.explaining import find_decision
from optimizer.services.decisions.paging import MOST_LOOKED_AT, Logged, logged
from optimizer.services.live import Live
from optimizer.services.reports.reporting import Rate, rate_of
from optimizer.storage.decision_log import Wanted
from optimizer.storage.readings import FOR_EVER
from optimizer.storage.store import Ledger
from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.variants import Variant

OFFERS = 20
MOST_HOURS = 24  # with choices of people, that are looked through for them


@dataclass(frozen=True, slots=True)
class Reportable:
    """An outcome that the strategy knows of.

    Attributes:
        kind: of the outcome.
        currency: of its value; None where it has none.
    """

    kind: str
    currency: str | None


@dataclass(frozen=True, slots=True)
class Offered:
    """What a person offered to a customer.

    Attributes:
        variant: with its words.
        kinds: what may be reported of it: what the campaign wants first.
        outcomes: what was reported, in order of time.
        closes_at: last instant at which an outcome still counts.
    """

    decision: Decision
    variant: Variant | None
    kinds: Sequence[Reportable]
    outcomes: Sequence[Outcome]
    closes_at: Instant


@dataclass(frozen=True, slots=True)
class Side:
    """How people and the policy did in one segment."""

    segment_id: str
    people: Rate
    policy: Rate


@dataclass(frozen=True, slots=True)
class Choices:
    """What people's choices came to, beside the policy's.

    Attributes:
        outcome: the one that counts.
        sides: by segment, those in which people have chosen.
        sentence: what may be said of it, and what may not.
    """

    outcome: str
    sides: Sequence[Side]
    sentence: str


def offered(ledger: Ledger, live: Live, campaign_id: str, decision_id: str) -> Offered:
    """One choice of a person.

    Raises:
        NotFound: there is no such decision.
        Conflict: no person made it for one customer of this campaign.
    """
    decision = find_decision(ledger, decision_id)
    if decision.reason is not Reason.CHOSEN_BY_HUMAN or decision.campaign_id != campaign_id:
        raise Conflict(f"decision_id: found {decision_id}; allowed a choice that a person recorded for {campaign_id}")
    tactic = live.edition(ledger, decision.strategy_version)[campaign_id]
    workspace = live.at(ledger).workspace
    outcomes = ledger.outcomes.of([decision_id]).get(decision_id, [])
    kinds = () if workspace is None else reportable(workspace.strategy, tactic.campaign)
    return Offered(
        decision,
        live.variant(ledger, decision),
        kinds,
        sorted(outcomes, key=lambda one: (one.occurred_at, one.event_id)),
        decision.decided_at + tactic.reward_rule.window,
    )


def offers(ledger: Ledger, live: Live, campaign_id: str, _now: Instant) -> Sequence[Logged]:
    """What people offered to single customers, the newest first; statistics say in which hours to look for it.

    Raises:
        NotFound: no such campaign.
    """
    live.at(ledger).tactic(campaign_id)
    cells, _ = ledger.readings.cells(campaign_id, {DECIDED: HOUR})
    hours = {cell.bucket for cell, sums in cells if cell.group == Group.CHOSEN_BY_PEOPLE and sums.n}
    found: list[Logged] = []
    for hour in sorted(hours, reverse=True)[:MOST_HOURS]:
        wanted = Wanted(group=Group.CHOSEN_BY_PEOPLE, since=hour, until=hour + HOUR)
        page = ledger.decision_log.page(campaign_id, wanted, None, OFFERS, MOST_LOOKED_AT)
        lines = logged(ledger, page.decision_ids)
        found += [line for line in lines if line.decision.actor is not None]  # the others were pinned for everyone
        if len(found) >= OFFERS:
            break
    return found[:OFFERS]


def reportable(strategy: Strategy, campaign: Campaign) -> tuple[Reportable, ...]:
    """The outcomes a strategy declares, each once; those the campaign is rewarded for, or pays for, come first."""
    serves = {objective.id: objective for objective in strategy.objectives}.get(campaign.serves)
    kinds = [] if serves is None else [serves.reward.outcome, *serves.penalties]
    kinds += [metric.outcome for metric in strategy.guardrail_metrics]
    kinds += [objective.reward.outcome for objective in strategy.objectives]
    money = Values.of(strategy).money
    return tuple(Reportable(kind, strategy.currency if kind in money else None) for kind in dict.fromkeys(kinds))


def choices(ledger: Ledger, live: Live, campaign_id: str, _now: Instant) -> Choices:
    """How people's choices did beside the policy's, by what the campaign is rewarded for.

    Raises:
        NotFound: no such campaign.
    """
    tactic = live.at(ledger).tactic(campaign_id)
    metric = reward_metric(tactic.reward_rule.objective_id)
    cells, _ = ledger.readings.cells(campaign_id, {metric: FOR_EVER})
    totals: dict[tuple[str, str], Sums] = {}
    for cell, sums in cells:
        if cell.metric == metric and cell.variant_id not in {NOTHING, WITHHELD}:
            place = cell.segment_id, str(cell.group)
            totals[place] = totals.get(place, ZERO).plus(sums)
    sides = [
        Side(segment_id, *(rate_of(totals.get((segment_id, group), ZERO)) for group in _SIDES))
        for segment_id in tactic.rules.segment_ids
    ]
    sides = [side for side in sides if side.people.trials]
    return Choices(tactic.reward_rule.kind, sides, choices_in_words([side.people.trials for side in sides]))


_SIDES = (Group.CHOSEN_BY_PEOPLE, Group.LEARNING)
