"""A ranking: what could be chosen for one recipient, the likeliest best first. Nothing is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block, Group
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.choosing import Contacts, retry_instant, standing
from optimizer.engine.supplies import Room
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.eligibility import ELIGIBLE, blocked
from optimizer.guardrails.groups import GROUPS

LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class RankedVariant:
    """One variant that may be chosen for the recipient.

    Attributes:
        p_best: posterior probability that it is the best of those that may be chosen; at the budget's price, if any.
        mean: expected net reward of a trial in the recipient's segment, in reward units.
        low, high: `LEVEL` of the posterior of that lies between them.
        trials: of the segment that this rests on.
        allocation: probability with which the policy would draw it.
    """

    variant_id: str
    p_best: float
    mean: float
    low: float
    high: float
    trials: float
    allocation: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """What may be chosen for one recipient.

    Attributes:
        segment_id: None outside the audience: nothing may be chosen.
        group: where the recipient stands. Holdouts, and those the rollout has not reached, are offered control alone.
        variants: the likeliest best first; none where rules have removed all of them.
        removed: rule that removed each of the others.
        kept_from: what no rule has removed but the recipient's group does not get.
        withheld: probability with which the policy would send nothing, to keep scarce budget for others.
        retry_at: when asking again may give a variant; None while there is one, or when that is not known.
    """

    segment_id: str | None
    group: Group
    variants: tuple[RankedVariant, ...]
    removed: Mapping[str, Block]
    kept_from: tuple[str, ...]
    withheld: float
    retry_at: Instant | None

    @property
    def kept_on_control(self) -> bool:
        """Whether the recipient gets control, whatever anybody prefers."""
        return self.group is not Group.LEARNING


def ranking(tactic: Tactic, table: AllocationTable, contacts: Contacts, room: Room, now: Instant) -> Ranking:
    """Rank what may be chosen for the only one of `contacts`, under every guardrail."""
    found = standing(tactic, contacts, room, now)
    segment, group = int(found.segments[0]), GROUPS[found.groups[0]]
    if segment < 0:
        return Ranking(None, group, (), {}, (), 0.0, None)
    codes = found.codes[0]
    eligible = codes == ELIGIBLE
    offered = eligible.copy()
    if not found.learning[0]:
        offered[:] = False
        if tactic.control is not None:
            offered[tactic.control] = eligible[tactic.control]
    drawn = bool(found.learning[0]) and tactic.pinned is None
    row = table.row(segment, offered, contacts.attributes[0])
    low, high = table.posterior.interval(LEVEL)
    mean, trials = table.posterior.mean[segment], table.snapshot.trials[segment]
    arms = sorted(np.flatnonzero(offered).tolist(), key=lambda arm: (-row.p_best[arm], -mean[arm], arm))
    ranked = tuple(
        RankedVariant(
            variant_id=tactic.variant_ids[arm],
            p_best=float(row.p_best[arm]),
            mean=float(mean[arm]),
            low=float(low[segment, arm]),
            high=float(high[segment, arm]),
            trials=float(trials[arm]),
            allocation=float(row.allocation[arm]) if drawn else 1.0,
        )
        for arm in arms
    )
    return Ranking(
        segment_id=tactic.rules.segment_ids[segment],
        group=group,
        variants=ranked,
        removed=blocked(codes, tactic.variant_ids),
        kept_from=tuple(tactic.variant_ids[arm] for arm in np.flatnonzero(eligible & ~offered)),
        withheld=row.withheld if drawn and ranked else 0.0,
        retry_at=None if eligible.any() else retry_instant(tactic, codes, room, 0, contacts.zones[0], now),
    )
