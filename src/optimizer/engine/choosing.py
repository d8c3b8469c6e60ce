"""The decision path: segment, group, mask, allocation, draw. A micro-batch or ten thousand contacts alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import Instant
from optimizer.domain.reasons import Block, Group, Reason
from optimizer.engine.allocations import VECTORISE_FROM, Allocations
from optimizer.engine.supplies import Room
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.eligibility import BLOCKS, CODES, ELIGIBLE, Circumstances, blocked, blocks, refusals
from optimizer.guardrails.groups import GROUPS, LEARNING, Places, groups
from optimizer.guardrails.hours import next_open
from optimizer.policy.draw import draw

NO_ARM = -1
REASONS: tuple[Reason, ...] = tuple(Reason)
_OUTSIDE_ROLLOUT, _CHOSEN_BY_PEOPLE = GROUPS.index(Group.OUTSIDE_ROLLOUT), GROUPS.index(Group.CHOSEN_BY_PEOPLE)
_EXPLOIT, _EXPLORE, _WITHHELD = map(REASONS.index, (Reason.EXPLOIT, Reason.EXPLORE, Reason.WITHHELD))
_HOLDOUT, _NOT_REACHED = map(REASONS.index, (Reason.HOLDOUT, Reason.OUTSIDE_ROLLOUT))
_PINNED, _CHOSEN_BY_HUMAN = map(REASONS.index, (Reason.PINNED, Reason.CHOSEN_BY_HUMAN))
_BY_PEOPLE = (CODES[Block.NOT_PINNED], CODES[Block.NOT_CHOSEN])
_OUTSIDE_AUDIENCE, _NOTHING_ELIGIBLE = map(REASONS.index, (Reason.OUTSIDE_AUDIENCE, Reason.NOTHING_ELIGIBLE))
_NOT_FOR_WANT_OF_VARIANTS = frozenset({Reason.HOLDOUT, Reason.OUTSIDE_ROLLOUT, Reason.OUTSIDE_AUDIENCE})
_PLACE_OF = {reason.value: place for place, reason in enumerate(REASONS)}
_REASON_OF_CODE = np.array(
    [_PLACE_OF.get(rule, _NOTHING_ELIGIBLE) for rule in ("", *(block.value for block in BLOCKS))]
)


@dataclass(slots=True, eq=False)  # some are made for every campaign of a micro-batch: to freeze them takes longer
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
        wishes: ``[N]``, arm that a person has chosen for each; `NO_ARM` where the policy is to draw. None: nobody has.
    """

    recipient_keys: Sequence[str]
    attributes: Sequence[Attributes]
    excluded: Sequence[tuple[str, ...]]
    suppressed: NDArray[np.bool_]
    consents: Sequence[bool | None]
    zones: Sequence[ZoneInfo | None]
    u: NDArray[np.float64]
    places: Places
    wishes: NDArray[np.int64] | None = None

    def part(self, start: int, end: int) -> Contacts:
        """Those from `start` up to, and without, `end`."""
        here = slice(start, end)
        return Contacts(
            self.recipient_keys[here],
            self.attributes[here],
            self.excluded[here],
            self.suppressed[here],
            self.consents[here],
            self.zones[here],
            self.u[here],
            self.places.part(start, end),
            None if self.wishes is None else self.wishes[here],
        )

    def with_draws(self, u: NDArray[np.float64]) -> Contacts:
        """The only contact once for each of these draws."""
        n, places = len(u), self.places
        return Contacts(
            [*self.recipient_keys] * n,
            [*self.attributes] * n,
            [*self.excluded] * n,
            self.suppressed.repeat(n),
            [*self.consents] * n,
            [*self.zones] * n,
            u,
            Places(places.strategy.repeat(n), places.campaign.repeat(n), places.rollout.repeat(n)),
            None if self.wishes is None else self.wishes.repeat(n),
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


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where ``N`` contacts stand before anything is chosen; see `Chosen` for the columns."""

    segments: NDArray[np.int64]
    groups: NDArray[np.int64]
    codes: NDArray[np.uint8]

    @property
    def learning(self) -> NDArray[np.bool_]:
        """``[N]``, whether each is in the audience and may get what is chosen, by policy or people."""
        return (self.segments >= 0) & (self.groups == LEARNING)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What was chosen for ``N`` contacts, in columns.

    Attributes:
        segments: ``[N]``, index of each contact's segment; -1 outside the audience.
        groups: ``[N]``, places in `GROUPS`.
        arms: ``[N]``; `NO_ARM` where nothing is sent.
        propensities: ``[N]``, probability of the draw, 1 where nothing was left to chance; nan where there is none.
        reasons: ``[N]``, places in `REASONS`.
        drawn: ``[N]``, whether there was a draw; one that nothing came of was withheld.
        codes: ``[N, A]``, the first rule that removed each variant, as in `guardrails.eligibility.blocks`.
    """

    segments: NDArray[np.int64]
    groups: NDArray[np.int64]
    arms: NDArray[np.int64]
    propensities: NDArray[np.float64]
    reasons: NDArray[np.int64]
    drawn: NDArray[np.bool_]
    codes: NDArray[np.uint8]

    def part(self, start: int, end: int) -> Chosen:
        """Those from `start` up to, and without, `end`."""
        return Chosen(*(getattr(self, column)[start:end] for column in self.__slots__))

    @classmethod
    def joined(cls, parts: Sequence[Chosen]) -> Chosen:
        """One after the other; there is at least one."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, column) for part in parts]) for column in cls.__slots__))


def choose(tactic: Tactic, table: Allocations, contacts: Contacts, room: Room, now: Instant) -> list[Choice]:
    """Choose for every contact, each as if it were the only one; see `chosen`."""
    return choices(tactic, contacts, chosen(tactic, table, contacts, room, now), room, now)


def standing(tactic: Tactic, contacts: Contacts, room: Room, now: Instant) -> Standing:
    """Segment and group of every contact, and the rule that removes each variant for it, pins and wishes included."""
    segments = segments_of(tactic, contacts.attributes)
    group = groups(tactic.shares, contacts.places)
    inside = segments >= 0
    codes = _codes(tactic, contacts, room, segments, np.flatnonzero(inside), now)
    found = Standing(segments, group, codes)
    if tactic.pinned is not None:
        _keep_only(codes, np.full(len(segments), tactic.pinned), found.learning, Block.NOT_PINNED)
    if contacts.wishes is not None:
        _keep_only(codes, contacts.wishes, found.learning & (contacts.wishes != NO_ARM), Block.NOT_CHOSEN)
    return found


def chosen(tactic: Tactic, table: Allocations, contacts: Contacts, room: Room, now: Instant) -> Chosen:
    """What is chosen for every contact, each as if it were the only one.

    Holdouts, and those the rollout has not reached, get control if it is eligible, else nothing; the others what a
    person has chosen for them or pinned for all, or a draw from their allocation row. A wish that a rule stands in the
    way of gets nothing.
    """
    n = len(contacts.recipient_keys)
    found = standing(tactic, contacts, room, now)
    segments, group, codes = found.segments, found.groups, found.codes
    inside, learning = segments >= 0, found.learning
    eligible = codes == ELIGIBLE
    any_eligible = eligible.any(axis=1)

    arms, propensities = np.full(n, NO_ARM), np.full(n, np.nan)
    reasons = np.where(inside, _NOTHING_ELIGIBLE, _OUTSIDE_AUDIENCE)
    drawn = np.zeros(n, np.bool_)
    wishes = np.full(n, NO_ARM) if contacts.wishes is None else contacts.wishes
    given = wishes if tactic.pinned is None else np.where(wishes == NO_ARM, tactic.pinned, wishes)
    gets = learning & (given != NO_ARM) & eligible[np.arange(n), given]
    if gets.any():
        arms[gets], propensities[gets] = given[gets], 1.0
        reasons[gets] = np.where(wishes[gets] == NO_ARM, _PINNED, _CHOSEN_BY_HUMAN)
        group = np.where(gets, _CHOSEN_BY_PEOPLE, group)
    if tactic.pinned is None:
        drawing = np.flatnonzero(learning & any_eligible & (given == NO_ARM))
        if len(drawing):
            asked = [contacts.attributes[n] for n in drawing.tolist()]
            shares, leaders = table.rows(segments[drawing], eligible[drawing], asked)
            arm = draw(shares, contacts.u[drawing])
            if arm.min() < 0:  # shares that never change may leave nothing to those that rules have narrowed down
                possible = arm >= 0
                drawing, shares, leaders, arm = drawing[possible], shares[possible], leaders[possible], arm[possible]
            withheld = arm == len(tactic.variants)
            drawn[drawing] = True
            arms[drawing] = np.where(withheld, NO_ARM, arm)
            propensities[drawing] = shares[np.arange(len(drawing)), arm]
            reasons[drawing] = np.where(withheld, _WITHHELD, np.where(arm == leaders, _EXPLOIT, _EXPLORE))
    kept = inside & ~learning
    if kept.any():
        gets = kept & (any_eligible if tactic.control is None else eligible[:, tactic.control])
        gets &= (wishes == NO_ARM) | (wishes == (NO_ARM if tactic.control is None else tactic.control))
        reasons[gets] = np.where(group[gets] == _OUTSIDE_ROLLOUT, _NOT_REACHED, _HOLDOUT)
        if tactic.control is not None:
            arms[gets], propensities[gets] = tactic.control, 1.0
    nothing = reasons == _NOTHING_ELIGIBLE
    if nothing.any():
        reasons[nothing] = _one_rule(codes[nothing])
    return Chosen(segments, group, arms, propensities, reasons, drawn, codes)


def choices(tactic: Tactic, contacts: Contacts, found: Chosen, room: Room, now: Instant) -> list[Choice]:
    """The same contact by contact, with when to ask again: what the ledger keeps of each."""
    made = []
    segment_ids = tactic.rules.segment_ids
    narrowed = set(np.flatnonzero(found.codes.any(axis=1)).tolist())
    columns = (found.segments, found.groups, found.arms, found.propensities, found.reasons, found.drawn)
    for n, (segment, group, arm, propensity, place, drawn) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        choice = Choice(
            segment_id=None if segment < 0 else segment_ids[segment],
            group=GROUPS[group],
            arm=arm if arm != NO_ARM else None,
            propensity=propensity if arm != NO_ARM or drawn else None,
            reason=REASONS[place],
            drawn=drawn,
            blocked=blocked(found.codes[n], tactic.variant_ids) if n in narrowed else {},
        )
        if comes_later(choice):
            choice = replace(choice, retry_at=retry_instant(tactic, found.codes[n], room, n, contacts.zones[n], now))
        made.append(choice)
    return made


def comes_later(choice: Choice) -> bool:
    """Whether there is nothing to send for want of variants, so that asking again may help."""
    return choice.arm is None and not choice.drawn and choice.reason not in _NOT_FOR_WANT_OF_VARIANTS


def _keep_only(codes: NDArray[np.uint8], arms: NDArray[np.int64], rows: NDArray[np.bool_], rule: Block) -> None:
    """Remove by `rule` what is still eligible in some rows, except the arm that is kept in each."""
    others = (codes == ELIGIBLE) & rows[:, None]
    others[np.arange(len(codes)), arms] = False
    codes[others] = CODES[rule]


def segments_of(tactic: Tactic, attributes: Sequence[Attributes]) -> NDArray[np.int64]:
    """``[N]``, index of the segment of each; -1 outside the audience."""
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
        refused=np.array(refusals(tactic.limits, [contacts.consents[n] for n in inside]), dtype=bool),
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


def _one_rule(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The reasons of contacts without an eligible variant: the rule that removed everything, when it was one."""
    rules = (codes != ELIGIBLE) & ~np.isin(codes, _BY_PEOPLE)
    least, most = np.where(rules, codes, 255).min(axis=1), np.where(rules, codes, 0).max(axis=1)
    return np.where(least == most, _REASON_OF_CODE[most], _NOTHING_ELIGIBLE)


def retry_instant(
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
