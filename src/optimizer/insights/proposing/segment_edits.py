"""Changes of a campaign's segments as edits of its document: parts taken out of one, two put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from optimizer.domain.proposals import Edit
from optimizer.insights.proposing.looked import Looked
from optimizer.strategy.audience import Condition, Segment
from optimizer.strategy.fields import EVERYONE_ELSE
from optimizer.strategy.rules import Interval, Test, accepted

LONGEST_ID = 48


def may_change(looked: Looked, *segment_ids: str) -> bool:
    """Whether segments can be changed without changing whom a targeting is for."""
    named = {name for one in looked.campaign.targetings or () for name in one.only_segments or ()}
    return not named.intersection(segment_ids)


def described(looked: Looked, segment_id: str) -> str:
    """What distinguishes a segment's recipients, in words."""
    segment = _declared(looked).get(segment_id)
    if segment is None:
        return "no segment's conditions hold for them"
    said = [f"{name} {_words(condition)}" for name, condition in segment.when.items()]
    return " and ".join(said)


def taken_out(looked: Looked, segment_id: str, parts: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[Edit, ...]:
    """Parts of a segment, each with a name and rules, as segments of their own before what is left of it."""
    declared = _declared(looked)
    parent = declared.get(segment_id)
    taken, edits = {*declared, EVERYONE_ELSE}, []
    for name, rules in parts:
        id_ = _free(name, taken)
        taken.add(id_)
        when: dict[str, dict[str, Any]] = {}
        if parent is not None:
            when = {key: dict(condition.stated()) for key, condition in parent.when.items()}
        for key, rule in rules.items():
            new = dict(rule) if isinstance(rule, Mapping) else {"is": rule}
            kept = when.get(key, {})
            when[key] = new if new.keys() & {"is", "in"} else {**kept, **new}  # a list within another one is the list
        value = {"id": id_, "why": f"answers otherwise than the rest of {segment_id}", "when": when}
        if parent is None:
            edits.append(Edit(looked.tactic.campaign_id, ("segments",), "append", value))
        else:
            edits.append(Edit(looked.tactic.campaign_id, ("segments", segment_id), "insert_before", value))
    return tuple(edits)


def put_together(looked: Looked, *, stays: str, leaves: str) -> tuple[Edit, ...] | None:
    """The edits that make one segment a part of another one, which keeps its name and with it what it has learned.

    Returns:
        None where rules cannot say it, or somebody would come into a third segment.
    """
    if leaves == EVERYONE_ELSE or not may_change(looked, stays, leaves):
        return None
    order = [segment.id for segment in looked.campaign.segments or ()]
    left = order.index(leaves)
    if stays == EVERYONE_ELSE:
        falls_through = all(_apart(looked, leaves, name) for name in order[left + 1 :])
        return _without(looked, leaves) if falls_through else None
    at = order.index(stays)
    # Whoever is between the two is asked after what goes up, and before what goes down.
    if not all(_apart(looked, leaves, name) for name in order[min(at, left) + 1 : max(at, left)]):
        return None
    union = _union(looked, stays, leaves)
    if union is None:
        return None
    name, condition = union
    cid = looked.tactic.campaign_id
    return (Edit(cid, ("segments", stays, "when", name), "set", condition), *_without(looked, leaves))


def _without(looked: Looked, segment_id: str) -> tuple[Edit, ...]:
    cid, segments, expects = looked.tactic.campaign_id, looked.campaign.segments or (), looked.campaign.expects
    gone = Edit(cid, ("segments",) if len(segments) == 1 else ("segments", segment_id), "remove")
    if expects is None or segment_id not in expects.segments:
        return (gone,)
    return (gone, Edit(cid, ("expects", "segments", segment_id), "remove"))


def _declared(looked: Looked) -> dict[str, Segment]:
    return {segment.id: segment for segment in looked.campaign.segments or ()}


def _tests(looked: Looked, segment_id: str) -> dict[str, Test]:
    attributes = looked.strategy.attributes
    when = _declared(looked)[segment_id].when
    return {name: accepted(attributes[name], condition) for name, condition in when.items()}


def _apart(looked: Looked, one: str, other: str) -> bool:
    """Whether nobody is in both."""
    mine, theirs = _tests(looked, one), _tests(looked, other)
    return any(_disjoint(mine[name], theirs[name]) for name in mine.keys() & theirs.keys())


def _disjoint(one: Test, other: Test) -> bool:
    if isinstance(one, Interval) and isinstance(other, Interval):
        return one.high < other.low or other.high < one.low
    return isinstance(one, frozenset) and isinstance(other, frozenset) and not one & other


def _union(looked: Looked, one: str, other: str) -> tuple[str, Any] | None:
    """The attribute in which two segments differ, and the condition that both meet; None where there is no such."""
    mine, theirs = _tests(looked, one), _tests(looked, other)
    differing = [name for name in mine if mine[name] != theirs.get(name)]
    if mine.keys() != theirs.keys() or len(differing) != 1:
        return None
    name = differing[0]
    a, b = mine[name], theirs[name]
    if isinstance(a, frozenset) and isinstance(b, frozenset):
        values = sorted(a | b, key=str)
        return (name, {"in": values}) if all(isinstance(value, str) for value in values) else None
    if isinstance(a, Interval) and isinstance(b, Interval) and _touch(a, b):
        stated = _stated(Interval(min(a.low, b.low), max(a.high, b.high)))
        return (name, stated) if stated else None
    return None


def _touch(one: Interval, other: Interval) -> bool:
    """Whether no number lies between two intervals."""
    lower, upper = sorted((one, other), key=lambda each: each.low)
    (high, above), (low, below) = lower.high, upper.low
    return lower.high >= upper.low or (high == low and above == -1 and below == 0) or (high == low and below == 1)


def _stated(interval: Interval) -> dict[str, float]:
    (low, above), (high, below) = interval.low, interval.high
    found: dict[str, float] = {}
    if low > -inf:
        found["above" if above else "at_least"] = low
    if high < inf:
        found["below" if below else "at_most"] = high
    return found


def _free(name: str, taken: set[str]) -> str:
    """The name, or the name with the first number that makes it new."""
    short = name[: LONGEST_ID - 3]
    return next(each for each in (short, *(f"{short}-{n}" for n in range(2, 100))) if each not in taken)


def _words(condition: Condition) -> str:
    names = {"is": "is", "in": "is one of", "not_in": "is known and none of", "equals": "is"}
    said = []
    for key, value in condition.stated().items():
        shown = ", ".join(value) if isinstance(value, list | tuple) else f"{value:g}" if _is_number(value) else value
        said.append(f"{names.get(key, key.replace('_', ' '))} {shown}")
    return " and ".join(said)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
