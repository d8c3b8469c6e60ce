"""Explain: for one decision, every step from segment to draw, and the proof that it comes out the same again."""

from __future__ import annotations

from dataclasses import dataclass

from optimizer.domain.commitment import Commitment
from optimizer.domain.decision import Decision
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Block
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.assessment import Assessment, assess
from optimizer.engine.steps import Step, steps
from optimizer.errors import NotFound
from optimizer.services.decisions.proving import chances, comes_out_the_same, table_of
from optimizer.services.live import Live
from optimizer.storage.store import Ledger


@dataclass(frozen=True, slots=True)
class VariantExplained:
    """One variant of one decision.

    Attributes:
        removed_by: the rule that removed it; None if it could be chosen.
        mean: posterior mean of its net reward in the decision's segment.
        low, high: 95 % of that posterior lies between them.
        trials: exposed decisions of the campaign that this rests on.
        elsewhere: trials made elsewhere that it rests on too, as many as they count for; see `warm_start`.
        p_best: posterior probability that it is the best of the eligible ones.
        allocation: probability with which it was drawn: `p_best` within the bounds people asked for.
    """

    variant_id: str
    removed_by: Block | None
    mean: float
    low: float
    high: float
    trials: float
    elsewhere: float
    p_best: float
    allocation: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one decision came out as it did.

    Attributes:
        price: what a unit of the budget had to earn; None where no budget was paced.
        withheld: probability with which nothing was sent, to keep budget for others.
        steps: the shares before and after each guardrail, from the posterior to the draw; without a draw, to what the
            last rule left. Empty outside the audience.
        commitment: what the decision used up; None when it sent nothing.
        u: where the draw fell in [0, 1): the hash of campaign, recipient and request; None when the recipient is
            erased.
        config_hash: of the snapshot; None when nothing was drawn.
        same: recomputing the decision from snapshot and request gives the same segment, group, variant and propensity;
            None when nobody can any more, because the recipient is erased.
        outcomes: what was reported since.
        assessment: what the decision amounts to so far.
    """

    decision: Decision
    u: float | None
    config_hash: str | None
    floor: float | None
    cap: float | None
    price: float | None
    withheld: float
    variants: tuple[VariantExplained, ...]
    steps: tuple[Step, ...]
    same: bool | None
    commitment: Commitment | None
    outcomes: tuple[Outcome, ...]
    assessment: Assessment


def find_decision(ledger: Ledger, decision_id: str) -> Decision:
    """The decision with this id.

    Raises:
        NotFound: there is none.
    """
    decision = ledger.decisions.by_id([decision_id]).get(decision_id)
    if decision is None:
        raise NotFound(f"decision_id: found {decision_id!r}; allowed a decision this service made")
    return decision


def explain(ledger: Ledger, live: Live, decision_id: str) -> Explanation:
    """Explain one decision.

    Raises:
        NotFound: there is no such decision.
    """
    decision = find_decision(ledger, decision_id)
    table = table_of(ledger, decision.snapshot_id)
    snapshot = None if table is None else table.snapshot
    shares = _steps(decision, table or _in_force(ledger, decision), drawn=table is not None)
    person = live.at(ledger).pseudonyms.person_of(decision.recipient_key)
    chance = chances(live.secret, decision.campaign_id, person, decision.request_id)
    outcomes = ledger.outcomes.of([decision_id]).get(decision_id, [])
    return Explanation(
        decision=decision,
        u=None if decision.is_anonymous else chance.u,
        config_hash=None if snapshot is None else snapshot.config_hash,
        floor=None if snapshot is None else snapshot.floor,
        cap=None if snapshot is None else snapshot.cap,
        price=None if snapshot is None else snapshot.price,
        withheld=shares[-1].withheld if shares else 0.0,
        variants=() if table is None else _variants(decision, table),
        steps=shares,
        commitment=ledger.commitments.read(decision),
        same=None if decision.is_anonymous else comes_out_the_same(ledger, live, decision, person, table),
        outcomes=tuple(sorted(outcomes, key=lambda o: (o.occurred_at, o.event_id))),
        assessment=assess(live.reward_rule(ledger, decision), decision, outcomes),
    )


def _in_force(ledger: Ledger, decision: Decision) -> AllocationTable | None:
    """Rows of the snapshot that was in force when a decision was made without a draw."""
    snapshot = ledger.snapshots.as_of(decision.campaign_id, decision.decided_at)
    return None if snapshot is None else AllocationTable(snapshot)


def _steps(decision: Decision, table: AllocationTable | None, *, drawn: bool) -> tuple[Step, ...]:
    if table is None or decision.segment_id not in table.snapshot.segment_ids:
        return ()
    segment = table.snapshot.segment_ids.index(decision.segment_id)
    return steps(table, segment, decision.blocked, decision.attributes, drawn=drawn)


def _variants(decision: Decision, table: AllocationTable) -> tuple[VariantExplained, ...]:
    snapshot = table.snapshot
    segment = snapshot.segment_ids.index(decision.segment_id or "")
    row = table.row(segment, table.eligible_for(decision), decision.attributes)
    mean, low, high = table.expected(segment, decision.attributes)
    return tuple(
        VariantExplained(
            variant_id=variant_id,
            removed_by=decision.blocked.get(variant_id),
            mean=float(mean[arm]),
            low=float(low[arm]),
            high=float(high[arm]),
            trials=float(snapshot.trials[segment, arm]),
            elsewhere=float(snapshot.elsewhere[segment, arm]) if snapshot.elsewhere.size else 0.0,
            p_best=float(row.p_best[arm]),
            allocation=float(row.allocation[arm]),
        )
        for arm, variant_id in enumerate(snapshot.variant_ids)
    )
