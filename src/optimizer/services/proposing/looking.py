"""Looking: what the ledger knows about one campaign, gathered for those who propose. The database sums it by day."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.instants import DAY, Duration, Instant, bucket
from optimizer.domain.micros import MICRO
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import NOTHING, Cell, Sums, outcome_metric, reward_metric
from optimizer.engine.comparing import compared, held_out, sent
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import counts_since
from optimizer.errors import InvalidRequest
from optimizer.guardrails.contacts import contact_limits
from optimizer.insights.discovering.found import Found as Segments
from optimizer.insights.proposing.looked import ByContact, Daily, Looked, Purse, Sibling, Watched
from optimizer.services.budgets import budget_lines
from optimizer.services.live import Live, Loaded
from optimizer.services.measures.journeys import Found, found_journeys
from optimizer.services.proposing.discovering import MOST_FOR_A_PAGE, discovered
from optimizer.storage.journeys import MOST_CONTACTS, Question
from optimizer.storage.store import Ledger
from optimizer.strategy.documents import Strategy

_ON_CONTROL = HOLDOUTS | {Group.OUTSIDE_ROLLOUT}
MOST_SEARCHED: Final = 3  # segments; each takes a second or two
FEWEST_SEARCHED: Final = 2_000  # trials of a segment worth searching
HISTORY: Duration = 366 * DAY  # nobody decides about next month by what was more than a year ago

Some = Sequence[tuple[Cell, Sums]]


def looked_at(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Looked:
    """What is known about a campaign; the database reads all its decisions once, which takes seconds for a million.

    Raises:
        NotFound: no such campaign in the documents in force.
        Conflict: no documents are in force.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    ledger.statistics.flush()
    cells = _cells(ledger, tactic, now)
    rewards = [one for one in cells if one[0].metric == reward_metric(tactic.reward_rule.objective_id)]
    days = np.unique(np.array([cell.bucket for cell, _ in rewards], np.int64))
    controls = loaded.controls.get(campaign_id, UNTOUCHED)
    learning, on_control = _daily(tactic, rewards, days)
    held = tuple(sorted(HOLDOUTS))
    asked = Question((campaign_id,), tactic.reward_rule, None, (Group.LEARNING,), held, known_for=DAY, now=now)
    journeys = found_journeys(ledger, asked)
    return Looked(
        strategy=loaded.strategy,
        tactic=tactic,
        controls=controls,
        table=loaded.tables.get(campaign_id),
        now=now,
        days=days,
        learning=learning,
        on_control=on_control,
        purses=_purses(ledger, tactic, now),
        watched=_watched(tactic, controls, cells),
        by_contact=_by_contact(tactic, journeys) if _may_tire(loaded.strategy, tactic) else None,
        parts=_parts(ledger, live, tactic, learning, now),
        siblings=_siblings(ledger, loaded, tactic, now),
        design=journeys.design("reward"),
        seen=_seen(ledger, tactic),
    )


def _cells(ledger: Ledger, tactic: Tactic, now: Instant) -> list[tuple[Cell, Sums]]:
    metrics = [reward_metric(tactic.reward_rule.objective_id)]
    metrics += [outcome_metric(rule.outcome) for rule in tactic.metrics]
    return ledger.daily_sums.of_campaign(tactic.campaign_id, metrics, bucket(now - HISTORY, DAY))


def _seen(ledger: Ledger, tactic: Tactic) -> int:
    trials = ledger.daily_sums.of_campaign(tactic.campaign_id, [reward_metric(tactic.reward_rule.objective_id)])
    return sum(sums.n for _, sums in trials)


def _daily(tactic: Tactic, rewards: Some, days: NDArray[np.int64]) -> tuple[Daily, Daily]:
    """Trials of the learning group, of variants as they stand now, and of those whom chance keeps on control."""
    segments = {name: place for place, name in enumerate(tactic.rules.segment_ids)}
    arms = {arm: place for place, arm in enumerate(zip(tactic.variant_ids, tactic.content_hashes, strict=True))}
    day_of = {day: place for place, day in enumerate(days.tolist())}
    learning = np.zeros((4, len(segments), len(arms), len(days)))
    on_control = np.zeros((4, len(segments), 1, len(days)))
    for cell, sums in rewards:
        segment, day = segments.get(cell.segment_id), day_of[cell.bucket]
        row = (sums.n, sums.positives, sums.total / MICRO, sums.squares / MICRO)
        arm = arms.get((cell.variant_id, cell.content_hash))
        if segment is None:
            continue
        if cell.group == Group.LEARNING and arm is not None:
            learning[:, segment, arm, day] += row
        elif cell.group in _ON_CONTROL:
            on_control[:, segment, 0, day] += row
    return Daily(*learning), Daily(*on_control)


def _purses(ledger: Ledger, tactic: Tactic, now: Instant) -> tuple[Purse, ...]:
    lines = budget_lines(ledger, tactic, now)
    return tuple(
        Purse(line.key.scope, limit.span, line.allowance, line.reading, line.exhausted)
        for limit, line in zip(tactic.budget_limits, lines, strict=True)
    )


def _watched(tactic: Tactic, controls: Controls, cells: Some) -> tuple[Watched, ...]:
    """What counts for each guardrail metric, of whole days since people last answered for what it said."""
    reward = reward_metric(tactic.reward_rule.objective_id)
    found = []
    for rule in tactic.metrics:
        since = counts_since(rule, controls)
        reached = [(cell, sums) for cell, sums in cells if cell.variant_id != NOTHING and cell.bucket >= since]
        events = sum(sums.positives for cell, sums in reached if cell.metric == outcome_metric(rule.outcome))
        found.append(Watched(rule, events, sum(sums.n for cell, sums in reached if cell.metric == reward)))
    return tuple(found)


def _may_tire(strategy: Strategy, tactic: Tactic) -> bool:
    """Whether there is a cap that could be lower, and a group that gets nothing to compare with."""
    rules = contact_limits(strategy, tactic.campaign.channel)
    return tactic.control is None and any(rule.at_most > 1 for rule in rules)


def _by_contact(tactic: Tactic, found: Found) -> ByContact:
    places = {f"{tactic.campaign_id}/{name}": place for place, name in enumerate(tactic.rules.segment_ids)}
    sums = np.zeros((3, 2, len(places), MOST_CONTACTS))
    for one in found.journeys.contacts:
        if one.place in places and one.contact >= 1:
            at = (slice(None), int(one.held), places[one.place], int(one.contact) - 1)
            sums[at] += (one.n, one.reward, one.reward_squares)
    return ByContact(*sums)


def _parts(ledger: Ledger, live: Live, tactic: Tactic, learning: Daily, now: Instant) -> dict[str, Segments]:
    """What discovery finds in the largest segments, in as many decisions as a page may look at."""
    trials = learning.trials.sum(axis=(1, 2))
    found = {}
    for segment in np.argsort(-trials, kind="stable")[:MOST_SEARCHED].tolist():
        name = tactic.rules.segment_ids[segment]
        if trials[segment] >= FEWEST_SEARCHED and tactic.limits.may_be_chosen[segment].sum() > 1:
            with suppress(InvalidRequest):  # nothing in it can be looked at yet
                inside = discovered(ledger, live, tactic.campaign_id, now, segment_id=name, most=MOST_FOR_A_PAGE)
                found[name] = inside.found
    return found


def _siblings(ledger: Ledger, loaded: Loaded, tactic: Tactic, now: Instant) -> tuple[Sibling, ...]:
    """The other campaigns in force that serve the same objective."""
    found = []
    for other in loaded.tactics.values():
        if other.campaign_id == tactic.campaign_id or other.campaign.serves != tactic.campaign.serves:
            continue
        rewards = _cells(ledger, other, now)
        lift = compared(other.reward_rule, sent(rewards), held_out(rewards))
        found.append(Sibling(other.campaign, lift, _purses(ledger, other, now)))
    return tuple(found)
