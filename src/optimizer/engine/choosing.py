"""The decision path: segment, group, mask, allocation, draw. A micro-batch or ten thousand contacts alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes, Decision
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.eligibility import ELIGIBLE, blocked, blocks
from optimizer.guardrails.groups import GROUPS, LEARNING, groups
from optimizer.policy.draw import draw

# Below this many contacts, walking the compiled rules is faster than building columns.
VECTORISE_FROM = 32


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """``N`` recipients to decide for.

    Attributes:
        attributes: declared attributes of each.
        excluded: variants each caller does not want.
        u: ``[N]`` in [0, 1), the hash each draw is made with.
        strategy_hash, campaign_hash: ``[N]`` in [0, 1), hashes that place each in a holdout or not.
    """

    attributes: Sequence[Attributes]
    excluded: Sequence[tuple[str, ...]]
    u: NDArray[np.float64]
    strategy_hash: NDArray[np.float64]
    campaign_hash: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for one contact, and why; see `Decision` for the fields."""

    segment_id: str | None
    group: Group
    arm: int | None
    propensity: float | None
    reason: Reason
    drawn: bool
    blocked: Mapping[str, Block]
    retry_at: Instant | None


def choose(tactic: Tactic, table: AllocationTable, contacts: Contacts, now: Instant) -> list[Choice]:
    """Choose for every contact.

    Holdouts get control if it is eligible, else nothing; the others a draw from their allocation row.
    """
    segments = _segments(tactic, contacts.attributes)
    group = groups(tactic.shares, contacts.strategy_hash, contacts.campaign_hash)
    inside = segments >= 0
    codes = np.zeros((len(segments), len(tactic.variants)), dtype=np.uint8)
    excluded = _excluded(tactic, contacts.excluded)
    codes[inside] = blocks(tactic.limits, segments[inside], excluded[inside], now)
    eligible = codes == ELIGIBLE
    drawing = np.flatnonzero(inside & (group == LEARNING) & eligible.any(axis=1)).tolist()
    rows = {n: table.row(int(segments[n]), eligible[n]) for n in drawing}
    shares = np.array([rows[n].allocation for n in drawing]).reshape(-1, len(tactic.variants))
    arms: dict[int, int] = dict(zip(drawing, draw(shares, contacts.u[drawing]).tolist(), strict=True))

    choices = []
    for n in range(len(segments)):
        if not inside[n]:
            choices.append(_outside(GROUPS[group[n]]))
            continue
        removed = blocked(codes[n], tactic.variant_ids) if codes[n].any() else {}
        segment_id = tactic.rules.segment_ids[segments[n]]
        retry_at = None
        arm: int | None = None
        propensity: float | None = None
        if n in arms:
            arm = arms[n]
            propensity = float(rows[n].allocation[arm])
            reason = Reason.EXPLOIT if arm == rows[n].leader else Reason.EXPLORE
        elif eligible[n].any() and tactic.control is None:
            reason = Reason.HOLDOUT
        elif tactic.control is not None and eligible[n, tactic.control]:
            arm, propensity, reason = tactic.control, 1.0, Reason.HOLDOUT
        else:
            reason, retry_at = _nothing(tactic, removed)
        choices.append(Choice(segment_id, GROUPS[group[n]], arm, propensity, reason, n in arms, removed, retry_at))
    return choices


def recompute(
    tactic: Tactic,
    table: AllocationTable | None,
    decision: Decision,
    u: float,
    strategy_hash: float,
    campaign_hash: float,
) -> tuple[str | None, Group, str | None, float | None]:
    """Segment, group, variant and propensity of a past decision, from its request and its snapshot.

    What the rules of that moment had removed is taken from the decision: approvals and the clock have moved on since.

    Args:
        tactic: the campaign as the documents of the decision had it.
        table: rows of the snapshot the decision was drawn from; None when nothing was drawn.
        decision: the decision as the ledger has it.
        u: hash of its request in [0, 1), as in `Contacts`; likewise the others.
        strategy_hash: hash of its recipient.
        campaign_hash: hash of its campaign and recipient.
    """
    segment = tactic.rules.of(decision.attributes)
    group = GROUPS[groups(tactic.shares, np.array([strategy_hash]), np.array([campaign_hash]))[0]]
    if segment < 0:
        return None, group, None, None
    segment_id = tactic.rules.segment_ids[segment]
    if table is not None:
        row = table.row(segment, table.eligible_for(decision))
        arm = int(draw(row.allocation, np.float64(u)))
        return segment_id, group, table.snapshot.variant_ids[arm], float(row.allocation[arm])
    control = None if tactic.control is None else tactic.variant_ids[tactic.control]
    if GROUPS.index(group) == LEARNING or control is None or control in decision.blocked:
        return segment_id, group, None, None
    return segment_id, group, control, 1.0


def _outside(group: Group) -> Choice:
    return Choice(
        segment_id=None,
        group=group,
        arm=None,
        propensity=None,
        reason=Reason.OUTSIDE_AUDIENCE,
        drawn=False,
        blocked={},
        retry_at=None,
    )


def _segments(tactic: Tactic, attributes: Sequence[Attributes]) -> NDArray[np.int64]:
    if len(attributes) < VECTORISE_FROM:
        return np.array([tactic.rules.of(row) for row in attributes], dtype=np.int64)
    return tactic.rules.of_many(tactic.rules.columns_of(attributes), len(attributes))


def _excluded(tactic: Tactic, excluded: Sequence[tuple[str, ...]]) -> NDArray[np.bool_]:
    unwanted = np.zeros((len(excluded), len(tactic.variants)), dtype=bool)
    for n, names in enumerate(excluded):
        if names:
            unwanted[n] = [variant_id in names for variant_id in tactic.variant_ids]
    return unwanted


def _nothing(tactic: Tactic, removed: Mapping[str, Block]) -> tuple[Reason, Instant | None]:
    rules = set(removed.values())
    if rules == {Block.NOT_STARTED}:
        return Reason.NOT_STARTED, tactic.limits.starts_at
    if rules == {Block.ENDED}:
        return Reason.ENDED, None
    return Reason.NOTHING_ELIGIBLE, None
