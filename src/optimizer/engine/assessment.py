"""What a decision has earned: a pure function of the objective and of that decision's outcomes, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, NamedTuple

import numpy as np

from optimizer.domain.decision import Brief, Decision
from optimizer.domain.delays import delay_bin
from optimizer.domain.instants import MINUTE, Duration, Instant, bucket
from optimizer.domain.logarithms import micro_logs
from optimizer.domain.micros import MICRO, micros, units
from optimizer.domain.outcome import BOUNCED, EXPOSED, WITHDRAWN, Outcome
from optimizer.domain.reasons import Reason
from optimizer.domain.statistics import (
    DECIDED,
    NOTHING,
    WITHHELD,
    ZERO,
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

_NONE = (0, 0)
_MADE, _HAPPENED = Sums(1, 0, 0, 0), Sums(1, 1, 0, 0)

# All that a decision's part in the statistics depends on before anything is heard of it.
_UNHEARD = attrgetter(
    "campaign_id", "segment_id", "group", "variant_id", "content_hash", "reason", "deferred", "decided_at"
)


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

    @property
    def in_amounts(self) -> bool:
        """Whether rewards are sums of money."""
        return self.value == "amount"

    @property
    def penalty_units(self) -> list[float]:
        """What each penalised kind of outcome takes off, in reward units, in order of the kinds."""
        return [units(penalty) for _, penalty in self.penalties]


class Assessment(NamedTuple):
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


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What new outcomes of one decision change.

    Attributes:
        closes_after: how long after the decision its attribution window now closes.
        sums: what it adds to the statistics, by metric.
        settles: by arm, whether what the decision uses up may have changed.
    """

    closes_after: Duration
    sums: tuple[tuple[str, Sums], ...]
    settles: tuple[bool, ...]


def assess(rule: RewardRule, decision: Decision | Brief, outcomes: Sequence[Outcome]) -> Assessment:
    """Judge one decision by its outcomes; the order of the outcomes does not matter.

    An outcome counts unless another one reverses it or a machine caused it, and if it occurred within the attribution
    window, which opens at the decision (less the clock skew we tolerate) and closes `rule.window` after the exposure.
    """
    if not outcomes:  # as of every decision at first
        exposed_at = _exposed_at(rule, decision, ())
        closes_at = (decision.decided_at if exposed_at is None else exposed_at) + rule.window
        return Assessment(exposed_at, closes_at, False, 0, 0, None, False, {}, {})  # noqa: FBT003 - in their order
    standing = outcomes
    undone = {outcome.reverses for outcome in outcomes if outcome.reverses is not None}
    if undone:
        standing = [o for o in outcomes if o.reverses is None and o.event_id not in undone]
    of_machines = machine_events(rule.machines, decision.decided_at, standing)
    of_people = [o for o in standing if o.event_id not in of_machines] if of_machines else standing
    exposed_at = _exposed_at(rule, decision, of_people)
    closes_at = (decision.decided_at if exposed_at is None else exposed_at) + rule.window
    opens_at = decision.decided_at - CLOCK_SKEW
    counted: dict[str, tuple[int, int]] = {}
    machines: dict[str, tuple[int, int]] = {}
    withdrawn = False
    rewarded_at: Instant | None = None
    for outcome in standing:
        kind, at = outcome.kind, outcome.occurred_at
        withdrawn = withdrawn or kind == WITHDRAWN
        if opens_at <= at <= closes_at:
            sums = machines if of_machines and outcome.event_id in of_machines else counted
            n, total = sums.get(kind, _NONE)
            sums[kind] = (n + 1, total + (outcome.value or 0))
            if kind == rule.kind and sums is counted and (rewarded_at is None or at < rewarded_at):
                rewarded_at = at
    earned, reward = 0, 0
    if exposed_at is not None:
        earned = _earned(rule, *counted.get(rule.kind, _NONE))
        reward = earned
        for kind, penalty in rule.penalties:
            if kind in counted:
                reward -= penalty
    if earned <= 0:
        rewarded_at = None
    return Assessment(exposed_at, closes_at, earned > 0, earned, reward, rewarded_at, withdrawn, counted, machines)


def contributions(rule: RewardRule, decision: Decision, outcomes: Sequence[Outcome]) -> Iterator[tuple[Cell, Sums]]:
    """What one decision adds to the statistics, given its outcomes so far."""
    for metric, sums in _sums(rule, assess(rule, decision, outcomes)).items():
        yield cell_of(decision, metric), sums


def contributions_unheard(
    rule_of: Callable[[Decision], RewardRule], decisions: Sequence[Decision]
) -> Iterator[tuple[Cell, Sums]]:
    """What new decisions add to the statistics before anything is heard of them: those alike are counted together.

    Each counts as made, and as a trial if it is exposed as soon as it is made; it cannot have earned anything yet.

    Args:
        rule_of: gives the rule of a decision's campaign.
        decisions: of any campaigns.
    """
    kinds = list(map(_UNHEARD, decisions))
    one_of = dict(zip(kinds, decisions, strict=True))
    for kind, n in Counter(kinds).items():
        one, counted = one_of[kind], Sums(n, 0, 0, 0)
        rule = rule_of(one)
        yield cell_of(one, DECIDED), counted
        if _exposed_at(rule, one, ()) is not None:
            yield cell_of(one, reward_metric(rule.objective_id)), counted


def differences(rule: RewardRule, before: Assessment, after: Assessment) -> Iterator[tuple[str, Sums]]:
    """What a decision that amounted to one thing and now amounts to another changes in the statistics, by metric."""
    old, new = _sums(rule, before), _sums(rule, after)
    for metric in old | new:
        was, now = old.get(metric, ZERO), new.get(metric, ZERO)
        if was != now:
            yield metric, now.plus(was.negated())


def _sums(rule: RewardRule, found: Assessment) -> dict[str, Sums]:
    """What a decision adds, by metric, given what it amounts to."""
    sums = {DECIDED: _MADE}
    if found.exposed_at is not None:
        earned = found.rewarded or found.reward != 0
        reward = Sums(1, int(found.rewarded), found.reward, squared(found.reward)) if earned else _MADE
        sums[reward_metric(rule.objective_id)] = reward
        if found.rewarded_at is not None:
            sums[delay_metric(rule.objective_id, delay_bin(found.rewarded_at - found.exposed_at))] = _HAPPENED
            if rule.in_amounts:
                (log,), (square,) = (part.tolist() for part in micro_logs(np.array([found.earned])))
                sums[amount_metric(rule.objective_id)] = Sums(1, 1, log, square)
        for kind, _ in rule.penalties:
            if kind in found.counted:
                sums[penalty_metric(rule.objective_id, kind)] = _HAPPENED
    for kind, (n, total) in found.counted.items():
        sums[outcome_metric(kind)] = Sums(n, 1, total, 0)
    for kind, (n, total) in found.machines.items():
        sums[machine_metric(kind)] = Sums(n, 1, total, 0)
    return sums


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
    if rule.in_amounts:
        return total if rule.at_most is None else min(total, rule.at_most)
    return MICRO * (min(n, 1) if rule.value == "first" else n)


def _exposed_at(rule: RewardRule, decision: Decision | Brief, of_people: Sequence[Outcome]) -> Instant | None:
    if decision.variant_id is None:
        # A holdout that is kept on nothing counts from the decision; any other decision without a variant never does.
        return decision.decided_at if decision.reason is Reason.HOLDOUT else None
    if of_people and not WITHDRAWALS.isdisjoint([outcome.kind for outcome in of_people]):
        return None
    if rule.counts_from == "decision" and not decision.deferred:
        return decision.decided_at
    kinds = EXPOSURE_KINDS[rule.counts_from]
    return min([outcome.occurred_at for outcome in of_people if outcome.kind in kinds], default=None)


def cell_of(decision: Decision | Brief, metric: str) -> Cell:
    """Where a metric of a decision is summed."""
    return Cell(
        decision.campaign_id,
        decision.segment_id or "",
        decision.variant_id or (WITHHELD if decision.reason is Reason.WITHHELD else NOTHING),
        decision.content_hash or "",
        decision.group.value,
        metric,
        bucket(decision.decided_at),
    )
