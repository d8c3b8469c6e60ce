"""Contacts alike: what is found out about one contact is kept, and holds for every other of its kind.

Within a campaign most contacts differ in nothing but where their draw falls: the same rules remove the same variants
for them, and what is left is shared out alike. So the first of a kind is looked at as `choosing` does, once for each
variant it may be given, and the others take over what came of it. A key is all that a choice depends on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.engine.allocations import VECTORISE_FROM, AllocationTable
from optimizer.engine.choosing import (
    NO_ARM,
    Choice,
    Contacts,
    choices,
    choose,
    chosen,
    comes_later,
    retry_instant,
    segments_of,
)
from optimizer.engine.memory import Memory
from optimizer.engine.supplies import Room
from optimizer.engine.tactic import Tactic
from optimizer.guardrails.eligibility import ELIGIBLE, refusals
from optimizer.guardrails.groups import Places, Shares, group_of, groups
from optimizer.guardrails.hours import local_minutes
from optimizer.policy.draw import drawn_between

ALMOST_ONE = 1 - 2.0**-53  # the largest hash
NO_CAP = False


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """What contacts of one kind get.

    Attributes:
        choices: what it may be, in the order in which it fills [0, 1); one where nothing is left to chance.
        arms: the arm of each; `NO_ARM` where nothing is sent.
        edges: where one ends and the next begins.
        codes: ``[A]``, the rule that removed each variant.
        waits: whether asking again may help, so that each contact has to be told when.
    """

    choices: Sequence[Choice]
    arms: Sequence[int]
    edges: Sequence[float]
    codes: NDArray[np.uint8]
    waits: bool


@dataclass(frozen=True, slots=True, eq=False)
class Kinds:
    """The kinds met so far, while nothing has changed that holds for all contacts.

    Attributes:
        tactic: the campaign.
        moment: what the clock and the budgets say, see `_known`.
        known: by what a contact's own choice depends on.
    """

    tactic: Tactic
    moment: tuple[object, ...]
    known: Memory[tuple[object, ...], Kind]


class Taken(NamedTuple):
    """What ``N`` contacts get.

    Attributes:
        choices: ``N`` of them; contacts alike share one.
        arms: the arm of each, `NO_ARM` where nothing is sent.
    """

    choices: list[Choice]
    arms: list[int]

    def part(self, start: int, end: int) -> Taken:
        """Those from `start` up to, and without, `end`."""
        return Taken(self.choices[start:end], self.arms[start:end])


def taken(tactic: Tactic, table: AllocationTable, contacts: Contacts, room: Room, now: Instant) -> Taken:
    """What `choosing.choose` chooses for each contact, where shares depend on nothing but segment and rules."""
    known = _known(tactic, table, room, now)
    made, arms = [], []
    for n, (own, u) in enumerate(zip(_owns(tactic, contacts, room, now), contacts.u.tolist(), strict=True)):
        kind = known.get(own)
        if kind is None:
            kind = known[own] = _kind(tactic, table, contacts.part(n, n + 1), room.part(n, n + 1), now)
        place = bisect_right(kind.edges, u)
        choice = kind.choices[place]
        if kind.waits:
            choice = replace(choice, retry_at=retry_instant(tactic, kind.codes, room, n, contacts.zones[n], now))
        made.append(choice)
        arms.append(kind.arms[place])
    return Taken(made, arms)


def _owns(tactic: Tactic, contacts: Contacts, room: Room, now: Instant) -> Iterator[tuple[object, ...]]:
    """What the choice for each contact depends on, beside what holds for all of them: a column for each of it.

    Columns in which all are alike, as most are, are not made.
    """
    hours, names, attributes = tactic.limits.hours, tactic.variant_ids, contacts.attributes
    checks = [check for check in tactic.personal if check is not None]
    minutes: Iterable[int] = repeat(0)
    if hours.any_depends_on_time_of_day:
        minutes = local_minutes(now, contacts.zones, hours.assumed).tolist()
    unwanted: Iterable[tuple[bool, ...]] = repeat(())
    if any(contacts.excluded):
        unwanted = [tuple([name in some for name in names]) if some else () for some in contacts.excluded]
    return zip(
        segments_of(tactic, attributes).tolist(),
        _groups(tactic.shares, contacts.places),
        contacts.suppressed.tolist(),
        refusals(tactic.limits, contacts.consents),
        minutes,
        [at > now for at in room.contact_again_at] if room.contact_again_at else repeat(NO_CAP),
        repeat(NO_ARM) if contacts.wishes is None else contacts.wishes.tolist(),
        unwanted,
        [tuple([check.broken(row) is not None for check in checks]) for row in attributes] if checks else repeat(()),
        strict=False,
    )


def _groups(shares: Shares, places: Places) -> list[int]:
    if len(places.strategy) >= VECTORISE_FROM:
        return groups(shares, places).tolist()
    rows = zip(places.strategy.tolist(), places.campaign.tolist(), places.rollout.tolist(), strict=True)
    return [group_of(shares, strategy, campaign, rollout) for strategy, campaign, rollout in rows]


def _known(tactic: Tactic, table: AllocationTable, room: Room, now: Instant) -> Memory[tuple[object, ...], Kind]:
    moment = (*tactic.limits.phase(now), room.affordable)
    kinds = table.kinds
    if not isinstance(kinds, Kinds) or kinds.tactic is not tactic or kinds.moment != moment:
        kinds = table.kinds = Kinds(tactic, moment, Memory())
    return kinds.known


def _kind(tactic: Tactic, table: AllocationTable, one: Contacts, room: Room, now: Instant) -> Kind:
    """What contacts like this one get: each choice as it comes out for one whose draw falls there."""
    found = chosen(tactic, table, one, room, now)
    codes, edges, made = found.codes[0], [], choices(tactic, one, found, room, now)
    if found.drawn[0]:
        row = table.row(int(found.segments[0]), codes == ELIGIBLE)
        edges = drawn_between(row.drawn_from)[1]
        u = np.minimum([0.0, *edges], ALMOST_ONE)
        everyone = room._replace(contact_again_at=room.contact_again_at * len(u))
        made = choose(tactic, table, one.with_draws(u), everyone, now)
    arms = [NO_ARM if choice.arm is None else choice.arm for choice in made]
    return Kind(made, arms, edges, codes, comes_later(made[0]))
