"""What a decision has earned: a pure function of the objective and of that decision's outcomes, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optimizer.domain.decision import Decision
from optimizer.domain.instants import MINUTE, Duration, Instant, bucket
from optimizer.domain.micros import MICRO, micros
from optimizer.domain.outcome import BOUNCED, EXPOSED, WITHDRAWN, Outcome
from optimizer.domain.reasons import Reason
from optimizer.domain.statistics import (
    DECIDED,
    NOTHING,
    WITHHELD,
    Cell,
    Sums,
    outcome_metric,
    penalty_metric,
    reward_metric,
)
from optimizer.strategy.documents import Objective

CLOCK_SKEW: Duration = 5 * MINUTE  # how far a reporter's clock may disagree with ours

# A later step of the funnel implies the earlier ones: providers lose "delivered" events more often than clicks.
EXPOSURE_KINDS: Mapping[str, frozenset[str]] = {
    "decision": frozenset({EXPOSED, "delivered", "opened", "clicked"}),
    "delivered": frozenset({EXPOSED, "delivered", "opened", "clicked"}),
    "opened": frozenset({EXPOSED, "opened", "clicked"}),
}
WITHDRAWALS = frozenset({WITHDRAWN, BOUNCED})


@dataclass(frozen=True, slots=True)
class RewardRule:
    """The part of an objective that turns outcomes into a reward.

    Attributes:
        kind: outcome that is rewarded.
        value: ``first`` (1 for the first such outcome) or ``count`` (1 for each).
        penalties: what each kind of outcome takes off, once per decision, micro-units; in order of the kinds.
        window: how long after the exposure an outcome still counts, microseconds.
        counts_from: exposure that makes a decision a trial: ``decision``, ``delivered`` or ``opened``.
    """

    objective_id: str
    kind: str
    value: str
    window: Duration
    counts_from: str
    penalties: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, objective: Objective) -> RewardRule:
        """The rule of an objective."""
        return cls(
            objective.id,
            objective.reward.outcome,
            objective.reward.value,
            objective.attribution_window,
            objective.counts_from,
            tuple(sorted((kind, micros(penalty)) for kind, penalty in objective.penalties.items())),
        )


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a decision amounts to, given everything reported about it so far.

    Attributes:
        exposed_at: when it began to count as a trial; None while it does not, or when it was withdrawn.
        closes_at: outcomes after this instant are late.
        rewarded: whether the rewarded outcome came; false while not exposed.
        reward: micro-units, less the penalties; zero while not exposed.
        withdrawn: the caller has said that it was never sent.
        counted: per outcome kind, how many fell within the window and the sum of their values in micro-units.
    """

    exposed_at: Instant | None
    closes_at: Instant
    rewarded: bool
    reward: int
    withdrawn: bool
    counted: Mapping[str, tuple[int, int]]


def assess(rule: RewardRule, decision: Decision, outcomes: Sequence[Outcome]) -> Assessment:
    """Judge one decision by its outcomes; the order of the outcomes does not matter.

    An outcome counts unless another one reverses it, and if it occurred within the attribution window, which opens
    at the decision (less the clock skew we tolerate) and closes `rule.window` after the exposure.
    """
    reversed_ids = {outcome.reverses for outcome in outcomes if outcome.reverses is not None}
    standing = [o for o in outcomes if o.event_id not in reversed_ids and o.reverses is None]
    exposed_at = _exposed_at(rule, decision, standing)
    closes_at = (decision.decided_at if exposed_at is None else exposed_at) + rule.window
    opens_at = decision.decided_at - CLOCK_SKEW
    counted: dict[str, tuple[int, int]] = {}
    for outcome in standing:
        if opens_at <= outcome.occurred_at <= closes_at:
            n, total = counted.get(outcome.kind, (0, 0))
            counted[outcome.kind] = (n + 1, total + (outcome.value or 0))
    withdrawn = any(outcome.kind == WITHDRAWN for outcome in standing)
    if exposed_at is None:
        return Assessment(None, closes_at, rewarded=False, reward=0, withdrawn=withdrawn, counted=counted)
    n_rewarded = counted.get(rule.kind, (0, 0))[0]
    reward = MICRO * (min(n_rewarded, 1) if rule.value == "first" else n_rewarded)
    reward -= sum(penalty for kind, penalty in rule.penalties if kind in counted)
    return Assessment(exposed_at, closes_at, n_rewarded > 0, reward, withdrawn, counted)


def contributions(rule: RewardRule, decision: Decision, outcomes: Sequence[Outcome]) -> Iterator[tuple[Cell, Sums]]:
    """What one decision adds to the statistics, given its outcomes so far."""
    return assessed_contributions(rule, decision, assess(rule, decision, outcomes))


def assessed_contributions(rule: RewardRule, decision: Decision, found: Assessment) -> Iterator[tuple[Cell, Sums]]:
    """What one decision adds to the statistics, given what it amounts to."""
    yield _cell(decision, DECIDED), Sums(1, 0, 0, 0)
    if found.exposed_at is not None:
        earned = Sums(1, int(found.rewarded), found.reward, found.reward**2 // MICRO)
        yield _cell(decision, reward_metric(rule.objective_id)), earned
        for kind, _ in rule.penalties:
            if kind in found.counted:
                yield _cell(decision, penalty_metric(rule.objective_id, kind)), Sums(1, 1, 0, 0)
    for kind, (n, total) in found.counted.items():
        yield _cell(decision, outcome_metric(kind)), Sums(n, 1, total, 0)


def fold(
    judged: Iterable[tuple[RewardRule, Decision, Sequence[Outcome]]],
) -> Iterator[tuple[Cell, Sums]]:
    """What the whole ledger adds up to; `statistics` must equal the sum of it."""
    for rule, decision, outcomes in judged:
        yield from contributions(rule, decision, outcomes)


def _exposed_at(rule: RewardRule, decision: Decision, standing: Sequence[Outcome]) -> Instant | None:
    if decision.variant_id is None:
        # A holdout that is kept on nothing counts from the decision; any other decision without a variant never does.
        return decision.decided_at if decision.reason is Reason.HOLDOUT else None
    if any(outcome.kind in WITHDRAWALS for outcome in standing):
        return None
    if rule.counts_from == "decision" and not decision.deferred:
        return decision.decided_at
    kinds = EXPOSURE_KINDS[rule.counts_from]
    return min((o.occurred_at for o in standing if o.kind in kinds), default=None)


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
