"""Recompute: a past decision comes out the same again, from its request, its documents and its snapshot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optimizer.domain.decision import Decision
from optimizer.domain.reasons import Group, Reason
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.groups import GROUPS, LEARNING, Places, groups
from optimizer.policy.draw import draw


def recompute(
    tactic: Tactic, table: AllocationTable | None, decision: Decision, u: float, places: Places
) -> tuple[str | None, Group, str | None, float | None]:
    """Segment, group, variant and propensity of a past decision, from its request and its snapshot.

    What the rules of that moment had removed is taken from the decision: approvals and the clock have moved on since.

    Args:
        tactic: the campaign as the documents of the decision had it.
        table: rows of the snapshot the decision was drawn from; None when nothing was drawn.
        decision: the decision as the ledger has it.
        u: hash of its request in [0, 1), as in `Contacts`.
        places: hashes of its recipient, of one place each.
    """
    segment = tactic.rules.of(decision.attributes)
    group = int(groups(replace(tactic.shares, rollout=decision.rollout_share), places)[0])
    if segment < 0:
        return None, GROUPS[group], None, None
    segment_id = tactic.rules.segment_ids[segment]
    if table is not None:
        row = table.row(segment, table.eligible_for(decision), decision.attributes)
        arm = int(draw(row.drawn_from, np.float64(u)))
        withheld = arm == len(table.snapshot.variant_ids)
        return segment_id, GROUPS[group], None if withheld else table.snapshot.variant_ids[arm], row.drawn_from[arm]
    eligible = np.array([variant_id not in decision.blocked for variant_id in tactic.variant_ids])
    if group == LEARNING and decision.reason in {Reason.PINNED, Reason.CHOSEN_BY_HUMAN}:
        # Whatever else could have been chosen was removed because of that choice.
        by_people = tactic.variant_ids[int(eligible.argmax())] if eligible.any() else None
        return segment_id, Group.CHOSEN_BY_PEOPLE, by_people, None if by_people is None else 1.0
    if group == LEARNING or tactic.control is None or not eligible[tactic.control]:
        return segment_id, GROUPS[group], None, None
    return segment_id, GROUPS[group], tactic.variant_ids[tactic.control], 1.0
