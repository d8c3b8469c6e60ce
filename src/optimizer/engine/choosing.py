"""The decision path: segment, group, mask, allocation, draw. A micro-batch or ten thousand contacts alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes, Decision
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.engine.allocations import AllocationTable
from optimizer.engine.supplies import Room
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.eligibility import CODES, ELIGIBLE, Circumstances, blocked, blocks
from optimizer.guardrails.groups import GROUPS, LEARNING, Places, groups
from optimizer.guardrails.hours import next_open
from optimizer.policy.draw import draw

# Below this many contacts, walking the compiled rules is faster than building columns.
VECTORISE_FROM = 32
_OUTSIDE_ROLLOUT = GROUPS.index(Group.OUTSIDE_ROLLOUT)
_REASONS = {reason.value: reason for reason in Reason}


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """``N`` recipients to decide for.

    Attributes:
        recipient_keys: who they are.
        attributes: declared attributes of each.
        excluded: variants each caller does not want.
        suppressed: ``[N]``, whether each is on the suppression list for the campaign's channel.
        consents: whether each has agreed to the channel; None when nobody said.
        zones: time zone of each, None where unknown.
        u: ``[N]`` in [0, 1), the hash each draw is made with.
        places: hashes that place each in a holdout, or in the rollout, or not.
    """

    recipient_keys: Sequence[str]
    attributes: Sequence[Attributes]
    excluded: Sequence[tuple[str, ...]]
    suppressed: NDArray[np.bool_]
    consents: Sequence[bool | None]
    zones: Sequence[ZoneInfo | None]
    u: NDArray[np.float64]
    places: Places

    def part(self, start: int, end: int) -> Contacts:
        """Those from `start` up to, and without, `end`."""
        here = slice(start, end)
        places = Places(self.places.strategy[here], self.places.campaign[here], self.places.rollout[here])
        return Contacts(
            self.recipient_keys[here],
            self.attributes[here],
            self.excluded[here],
            self.suppressed[here],
            self.consents[here],
            self.zones[here],
            self.u[here],
            places,
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for one contact, and why; see `Decision` for the fields."""

    segment_id: str | None
    group: Group
    arm: int | None
    propensity: float | None
    reason: Reason
    drawn: bool = False
    blocked: Mapping[str, Block] = field(default_factory=dict)
    retry_at: Instant | None = None


def choose(tactic: Tactic, table: AllocationTable, contacts: Contacts, room: Room, now: Instant) -> list[Choice]:
    """Choose for every contact, each as if it were the only one.

    Holdouts, and those the rollout has not reached, get control if it is eligible, else nothing; the others what a
    person has pinned, or a draw from their allocation row.
    """
    segments = _segments(tactic, contacts.attributes)
    group = groups(tactic.shares, contacts.places)
    inside = segments >= 0
    codes = _codes(tactic, contacts, room, segments, np.flatnonzero(inside), now)
    if tactic.pinned is not None:
        codes[_others_than_pinned(codes, tactic.pinned) & (inside & (group == LEARNING))[:, None]] = CODES[
            Block.NOT_PINNED
        ]
    eligible = codes == ELIGIBLE
    learns = inside & (group == LEARNING) & eligible.any(axis=1)
    drawing = np.flatnonzero(learns).tolist() if tactic.pinned is None else []
    rows = {n: table.row(int(segments[n]), eligible[n]) for n in drawing}
    arms: dict[int, int] = {}
    if drawing:
        shares = np.array([rows[n].drawn_from for n in drawing])
        arms = dict(zip(drawing, draw(shares, contacts.u[drawing]).tolist(), strict=True))

    choices = []
    for n in range(len(segments)):
        if not inside[n]:
            choices.append(_outside(GROUPS[group[n]]))
            continue
        removed = blocked(codes[n], tactic.variant_ids) if codes[n].any() else {}
        segment_id = tactic.rules.segment_ids[segments[n]]
        if n in arms:
            arm, row = arms[n], rows[n]
            withheld = arm == len(tactic.variants)
            reason = Reason.WITHHELD if withheld else Reason.EXPLOIT if arm == row.leader else Reason.EXPLORE
            propensity = float(row.drawn_from[arm])
            chosen = None if withheld else arm
            choices.append(Choice(segment_id, Group.LEARNING, chosen, propensity, reason, drawn=True, blocked=removed))
            continue
        arm_given, reason = _given(tactic, int(group[n]), eligible[n])
        retry_at = None
        if reason is Reason.NOTHING_ELIGIBLE:
            reason = _one_rule(removed)
            retry_at = _retry_at(tactic, codes[n], room, n, contacts.zones[n], now)
        whose = Group.CHOSEN_BY_PEOPLE if reason is Reason.PINNED else GROUPS[group[n]]
        certain = None if arm_given is None else 1.0
        choices.append(Choice(segment_id, whose, arm_given, certain, reason, blocked=removed, retry_at=retry_at))
    return choices


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
        row = table.row(segment, table.eligible_for(decision))
        arm = int(draw(row.drawn_from, np.float64(u)))
        withheld = arm == len(table.snapshot.variant_ids)
        return segment_id, GROUPS[group], None if withheld else table.snapshot.variant_ids[arm], row.drawn_from[arm]
    eligible = np.array([variant_id not in decision.blocked for variant_id in tactic.variant_ids])
    if group == LEARNING and decision.reason is Reason.PINNED:
        pinned = tactic.variant_ids[int(eligible.argmax())] if eligible.any() else None
        return segment_id, Group.CHOSEN_BY_PEOPLE, pinned, None if pinned is None else 1.0
    given = None if group == LEARNING else _given(tactic, group, eligible)[0]
    if given is None:
        return segment_id, GROUPS[group], None, None
    return segment_id, GROUPS[group], tactic.variant_ids[given], 1.0


def _given(tactic: Tactic, group: int, eligible: NDArray[np.bool_]) -> tuple[int | None, Reason]:
    """What a contact gets for which nothing is drawn, and why."""
    if group == LEARNING:
        pinned = tactic.pinned if tactic.pinned is not None and eligible[tactic.pinned] else None
        return pinned, Reason.NOTHING_ELIGIBLE if pinned is None else Reason.PINNED
    reason = Reason.OUTSIDE_ROLLOUT if group == _OUTSIDE_ROLLOUT else Reason.HOLDOUT
    if tactic.control is None:
        return None, reason if eligible.any() else Reason.NOTHING_ELIGIBLE
    return (tactic.control, reason) if eligible[tactic.control] else (None, Reason.NOTHING_ELIGIBLE)


def _others_than_pinned(codes: NDArray[np.uint8], pinned: int) -> NDArray[np.bool_]:
    others = codes == ELIGIBLE
    others[:, pinned] = False
    return others


def _outside(group: Group) -> Choice:
    return Choice(segment_id=None, group=group, arm=None, propensity=None, reason=Reason.OUTSIDE_AUDIENCE)


def _segments(tactic: Tactic, attributes: Sequence[Attributes]) -> NDArray[np.int64]:
    if len(attributes) < VECTORISE_FROM:
        return np.array([tactic.rules.of(row) for row in attributes], dtype=np.int64)
    return tactic.rules.of_many(tactic.rules.columns_of(attributes), len(attributes))


def _codes(
    tactic: Tactic, contacts: Contacts, room: Room, segments: NDArray[np.int64], inside: NDArray[np.intp], now: Instant
) -> NDArray[np.uint8]:
    """Code of the first rule that removes each variant for each contact, ``[N, A]``; zeros outside the audience."""
    codes = np.zeros((len(segments), len(tactic.variants)), dtype=np.uint8)
    here = Circumstances(
        segments=segments[inside],
        excluded=_excluded(tactic, [contacts.excluded[n] for n in inside]),
        suppressed=contacts.suppressed[inside],
        consents=np.array([contacts.consents[n] is True for n in inside], dtype=bool),
        zones=[contacts.zones[n] for n in inside],
        capped=np.array([room.again_at(n) > now for n in inside], dtype=bool),
        breaks_brand=_breaks_brand(tactic, [contacts.attributes[n] for n in inside]),
        affordable=room.affordable,
    )
    codes[inside] = blocks(tactic.limits, here, now)
    return codes


def _excluded(tactic: Tactic, excluded: Sequence[tuple[str, ...]]) -> NDArray[np.bool_]:
    unwanted = np.zeros((len(excluded), len(tactic.variants)), dtype=bool)
    for n, names in enumerate(excluded):
        if names:
            unwanted[n] = [variant_id in names for variant_id in tactic.variant_ids]
    return unwanted


def _breaks_brand(tactic: Tactic, attributes: Sequence[Attributes]) -> NDArray[np.bool_]:
    broken = np.zeros((len(attributes), len(tactic.variants)), dtype=bool)
    for arm, check in enumerate(tactic.personal):
        if check is not None:
            broken[:, arm] = [check.broken(row) is not None for row in attributes]
    return broken


def _one_rule(removed: Mapping[str, Block]) -> Reason:
    """The rule that removed everything, when one did and it has a reason of its own."""
    rules = set(removed.values()) - {Block.NOT_PINNED}
    return _REASONS.get(rules.pop().value, Reason.NOTHING_ELIGIBLE) if len(rules) == 1 else Reason.NOTHING_ELIGIBLE


def _retry_at(
    tactic: Tactic, codes: NDArray[np.uint8], room: Room, n: int, zone: ZoneInfo | None, now: Instant
) -> Instant | None:
    """When the rule that removed a variant will no longer do so, for the first variant of which that is known."""
    found: list[Instant | None] = []
    for arm, code in enumerate(codes.tolist()):
        if code == CODES[Block.NOT_STARTED]:
            found.append(tactic.limits.starts_at)
        elif code == CODES[Block.CONTACT_POLICY]:
            # An instant before: the contact is allowed from then on, and the hours may or may not be open.
            found.append(next_open(tactic.limits.hours, arm, room.again_at(n) - 1, zone))
        elif code in {CODES[Block.QUIET_HOURS], CODES[Block.OUTSIDE_SEND_WINDOW]}:
            found.append(next_open(tactic.limits.hours, arm, now, zone))
        elif code in {CODES[Block.SENDS_EXHAUSTED], CODES[Block.BUDGET_EXHAUSTED]}:
            found.append(room.budget_again_at[arm])
    return min((instant for instant in found if instant is not None), default=None)
