"""What a decision has earned: a pure function of the objective and of that decision's outcomes, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from optimizer.domain.decision import Decision
from optimizer.domain.delays import delay_bin
from optimizer.domain.instants import MINUTE, Duration, Instant, bucket
from optimizer.domain.logarithms import micro_logs
from optimizer.domain.micros import MICRO, micros
from optimizer.domain.outcome import BOUNCED, EXPOSED, WITHDRAWN, Outcome
from optimizer.domain.reasons import Reason
from optimizer.domain.statistics import (
    DECIDED,
    NOTHING,
    WITHHELD,
    Cell,
    Sums,
    amount_metric,
    delay_metric,
    machine_metric,
    outcome_metric,
    penalty_metric,
    reward_metric,
)
from optimizer.engine.machines import ONLY_FLAGGED, MachineRule, machine_events
from optimizer.strategy.documents import Objective
from optimizer.strategy.hygiene import Hygiene

CLOCK_SKEW: Duration = 5 * MINUTE  # how far a reporter's clock may disagree with ours

# A later step of the funnel implies the earlier ones: providers lose "delivered" events more often than clicks.
EXPOSURE_KINDS: Mapping[str, frozenset[str]] = {
    "decision": frozenset({EXPOSED, "delivered", "opened", "clicked"}),
    "delivered": frozenset({EXPOSED, "delivered", "opened", "clicked"}),
    "opened": frozenset({EXPOSED, "opened", "clicked"}),
}
WITHDRAWALS = frozenset({WITHDRAWN, BOUNCED})

# Rewards beyond this, micro-units, are squared as if they were this: nine hundred such squares sum within 64 bits.
LARGEST_SQUARED: Final = 100_000 * MICRO


@dataclass(frozen=True, slots=True)
class RewardRule:
    """The part of an objective that turns outcomes into a reward.

    Attributes:
        kind: outcome that is rewarded.
        value: ``first`` (1 for the first such outcome), ``count`` (1 for each) or ``amount`` (the sum of their values).
        penalties: what each kind of outcome takes off, once per decision, micro-units; in order of the kinds.
        window: how long after the exposure an outcome still counts, microseconds.
        counts_from: exposure that makes a decision a trial: ``decision``, ``delivered`` or ``opened``.
        at_most: most that the amount of one decision counts, micro-units; None for all of it.
        machines: how outcomes that no person caused are told from the others.
    """

    objective_id: str
    kind: str
    value: str
    window: Duration
    counts_from: str
    penalties: tuple[tuple[str, int], ...] = ()
    at_most: int | None = None
    machines: MachineRule = ONLY_FLAGGED

    @classmethod
    def of(cls, objective: Objective, hygiene: Hygiene) -> RewardRule:
        """The rule of an objective, in a strategy that tells machines from people so."""
        return cls(
            objective.id,
            objective.reward.outcome,
            objective.reward.value,
            objective.attribution_window,
            objective.counts_from,
            tuple(sorted((kind, micros(penalty)) for kind, penalty in objective.penalties.items())),
            None if objective.reward.at_most is None else objective.reward.at_most.amount,
            MachineRule.of(hygiene),
        )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a decision amounts to, given everything reported about it so far.

    Attributes:
        exposed_at: when it began to count as a trial; None while it does not, or when it was withdrawn.
        closes_at: outcomes after this instant are late.
        rewarded: whether it earned anything before penalties; false while not exposed.
        earned: reward before penalties, micro-units; zero while not exposed.
        reward: micro-units, less the penalties; zero while not exposed.
        rewarded_at: when the first rewarded outcome came; None where nothing was earned.
        withdrawn: the caller has said that it was never sent.
        counted: per outcome kind, how many of people fell within the window and the sum of their values in micro-units.
        machines: the same of machines.
    """

    exposed_at: Instant | None
    closes_at: Instant
    rewarded: bool
    earned: int
    reward: int
    rewarded_at: Instant | None
    withdrawn: bool
    counted: Mapping[str, tuple[int, int]]
    machines: Mapping[str, tuple[int, int]]


def assess(rule: RewardRule, decision: Decision, outcomes: Sequence[Outcome]) -> Assessment:
    """Judge one decision by its outcomes; the order of the outcomes does not matter.

    An outcome counts unless another one reverses it or a machine caused it, and if it occurred within the attribution
    window, which opens at the decision (less the clock skew we tolerate) and closes `rule.window` after the exposure.
    """
    reversed_ids = {outcome.reverses for outcome in outcomes if outcome.reverses is not None}
    standing = [o for o in outcomes if o.event_id not in reversed_ids and o.reverses is None]
    of_machines = machine_events(rule.machines, decision.decided_at, standing)
    of_people = [o for o in standing if o.event_id not in of_machines] if of_machines else standing
    exposed_at = _exposed_at(rule, decision, of_people)
    closes_at = (decision.decided_at if exposed_at is None else exposed_at) + rule.window
    opens_at = decision.decided_at - CLOCK_SKEW
    within = [o for o in standing if opens_at <= o.occurred_at <= closes_at]
    counted = _counted(o for o in within if o.event_id not in of_machines)
    machines = _counted(o for o in within if o.event_id in of_machines)
    withdrawn = any(outcome.kind == WITHDRAWN for outcome in standing)
    earned, reward, rewarded_at = 0, 0, None
    if exposed_at is not None:
        earned = _earned(rule, *counted.get(rule.kind, (0, 0)))
        reward = earned - sum(penalty for kind, penalty in rule.penalties if kind in counted)
    if earned > 0:
        rewarded_at = min(o.occurred_at for o in within if o.kind == rule.kind and o.event_id not in of_machines)
    return Assessment(exposed_at, closes_at, earned > 0, earned, reward, rewarded_at, withdrawn, counted, machines)


def contributions(rule: RewardRule, decision: Decision, outcomes: Sequence[Outcome]) -> Iterator[tuple[Cell, Sums]]:
    """What one decision adds to the statistics, given its outcomes so far."""
    return assessed_contributions(rule, decision, assess(rule, decision, outcomes))


def assessed_contributions(rule: RewardRule, decision: Decision, found: Assessment) -> Iterator[tuple[Cell, Sums]]:
    """What one decision adds to the statistics, given what it amounts to."""
    yield _cell(decision, DECIDED), Sums(1, 0, 0, 0)
    if found.exposed_at is not None:
        earned = Sums(1, int(found.rewarded), found.reward, squared(found.reward))
        yield _cell(decision, reward_metric(rule.objective_id)), earned
        if found.rewarded_at is not None:
            metric = delay_metric(rule.objective_id, delay_bin(found.rewarded_at - found.exposed_at))
            yield _cell(decision, metric), Sums(1, 1, 0, 0)
            if rule.value == "amount":
                (log,), (square,) = (part.tolist() for part in micro_logs(np.array([found.earned])))
                yield _cell(decision, amount_metric(rule.objective_id)), Sums(1, 1, log, square)
        for kind, _ in rule.penalties:
            if kind in found.counted:
                yield _cell(decision, penalty_metric(rule.objective_id, kind)), Sums(1, 1, 0, 0)
    for kind, (n, total) in found.counted.items():
        yield _cell(decision, outcome_metric(kind)), Sums(n, 1, total, 0)
    for kind, (n, total) in found.machines.items():
        yield _cell(decision, machine_metric(kind)), Sums(n, 1, total, 0)


def squared(reward: int) -> int:
    """The square of a reward in micro-units, millionths of a squared unit; of at most `LARGEST_SQUARED`."""
    return int(min(abs(reward), LARGEST_SQUARED) ** 2 // MICRO)


def fold(
    judged: Iterable[tuple[RewardRule, Decision, Sequence[Outcome]]],
) -> Iterator[tuple[Cell, Sums]]:
    """What the whole ledger adds up to; `statistics` must equal the sum of it."""
    for rule, decision, outcomes in judged:
        yield from contributions(rule, decision, outcomes)


def _earned(rule: RewardRule, n: int, total: int) -> int:
    """Micro-units before penalties for so many of the rewarded outcome, with this sum of values."""
    if rule.value == "amount":
        return total if rule.at_most is None else min(total, rule.at_most)
    return MICRO * (min(n, 1) if rule.value == "first" else n)


def _counted(outcomes: Iterable[Outcome]) -> dict[str, tuple[int, int]]:
    counted: dict[str, tuple[int, int]] = {}
    for outcome in outcomes:
        n, total = counted.get(outcome.kind, (0, 0))
        counted[outcome.kind] = (n + 1, total + (outcome.value or 0))
    return counted


def _exposed_at(rule: RewardRule, decision: Decision, of_people: Sequence[Outcome]) -> Instant | None:
    if decision.variant_id is None:
        # A holdout that is kept on nothing counts from the decision; any other decision without a variant never does.
        return decision.decided_at if decision.reason is Reason.HOLDOUT else None
    if any(outcome.kind in WITHDRAWALS for outcome in of_people):
        return None
    if rule.counts_from == "decision" and not decision.deferred:
        return decision.decided_at
    kinds = EXPOSURE_KINDS[rule.counts_from]
    return min((o.occurred_at for o in of_people if o.kind in kinds), default=None)


def _cell(decision: Decision, metric: str) -> Cell:
    return Cell(
        decision.campaign_id,
        decision.segment_id or "",
        decision.variant_id or (WITHHELD if decision.reason is Reason.WITHHELD else NOTHING),
        decision.content_hash or "",
        decision.group.value,
        metric,
        bucket(decision.decided_at),
    )
