"""What a change of a campaign's documents means for what it serves and has learned, beyond the words themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from optimizer.strategy.documents import Campaign, Strategy
from optimizer.strategy.fields import EVERYONE_ELSE
from optimizer.strategy.variants import variant_id, variants
from optimizer.strategy.versions.differences import Difference, differences, listed
from optimizer.strategy.versions.retirement import retirements

_JUDGES_DECISIONS = frozenset({"reward", "penalties", "attribution_window", "counts_from"})  # keys of an objective
_TELLS_MACHINES = frozenset({"fastest", "honeypot", "machine_kinds"})  # keys of hygiene


def lasting_effects(
    before: tuple[Strategy, Campaign], after: tuple[Strategy, Campaign], changed_objectives: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """What becomes of a campaign's arms and evidence.

    Args:
        before: the strategy and the campaign as they are.
        after: the same as they shall be.
        changed_objectives: by objective id, its keys that change.

    Yields:
        What is affected (``arms``, ``evidence`` or ``segments``) and a sentence about it.
    """
    (_, old), (strategy, new) = before, after
    yield from _arms(old, new, must_be_approved=strategy.approval.required)
    yield from _retirements(old, new)
    yield from _evidence(old, new, changed_objectives)
    yield from _segments(old, new)


def new_arms(before: Campaign, after: Campaign, difference: Difference) -> int:
    """How many variants that stay become new arms by one difference alone; other edits of theirs do not count."""
    trail = difference.trail
    if trail[0] == "channel":
        edited = before.model_copy(update={"channel": after.channel})
    elif trail[0] in {"messages", "targetings"} and len(trail) > 2:
        section, name, key = trail[:3]
        item, wanted = (next(i for i in getattr(campaign, section) if i.id == name) for campaign in (before, after))
        before = before.model_copy(update={section: (item,)})  # the other variants stay as they are
        copy = item.model_copy(update={key: getattr(wanted, key)})
        edited = before.model_copy(update={section: (copy,)})
    else:
        return 0
    kept = {
        variant_id(message.id, targeting.id if targeting else None)
        for message in after.messages
        for targeting in after.targetings or (None,)
    }
    new = _hashes(edited)
    return sum(new[name] != content_hash for name, content_hash in _hashes(before).items() if name in kept)


def segment_ids(campaign: Campaign) -> tuple[str, ...]:
    """The segments a campaign learns for, everyone else last."""
    rest = (EVERYONE_ELSE,) if campaign.everyone_else == "include" else ()
    return (*(segment.id for segment in campaign.segments or ()), *rest)


def judges_decisions(trail: Sequence[str]) -> bool:
    """Whether a difference of the strategy changes how an objective, or each of them, judges decisions."""
    if trail[0] == "hygiene":
        return len(trail) > 1 and trail[1] in _TELLS_MACHINES
    return trail[0] == "objectives" and len(trail) > 2 and trail[2] in _JUDGES_DECISIONS


def _hashes(campaign: Campaign) -> dict[str, str]:
    return {variant.variant_id: variant.content_hash for variant in variants(campaign)}


def _arms(old: Campaign, new: Campaign, *, must_be_approved: bool) -> Iterator[tuple[str, str]]:
    before, after = _hashes(old), _hashes(new)
    fresh = [name for name, content_hash in after.items() if before.get(name) != content_hash]
    gone = [name for name in before if name not in after]
    if fresh:
        arms = f"1 new arm starts learning anew: {fresh[0]}"
        if len(fresh) > 1:
            arms = f"{len(fresh)} new arms start learning anew: {listed(fresh)}"
        yield "arms", arms + ("; not served before these words are approved" if must_be_approved else "")
    if gone:
        leave = "1 arm leaves" if len(gone) == 1 else f"{len(gone)} arms leave"
        yield "arms", f"{leave}: {listed(gone)}; what happened stays in the ledger"


def _retirements(old: Campaign, new: Campaign) -> Iterator[tuple[str, str]]:
    retire, back = retirements(old, new)
    if retire:
        verb = "1 arm retires" if len(retire) == 1 else f"{len(retire)} arms retire"
        yield "arms", f"{verb}: {listed(retire)}; not sent any more, and what was learned stays"
    if back:
        verb = "1 arm comes back" if len(back) == 1 else f"{len(back)} arms come back"
        yield "arms", f"{verb}: {listed(back)}; with what was learned before"


def _evidence(
    old: Campaign, new: Campaign, changed_objectives: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    if old.serves != new.serves:
        yield "evidence", f"evidence is read anew: what was earned for {old.serves} says nothing about {new.serves}"
    elif keys := changed_objectives.get(new.serves):
        yield (
            "evidence",
            f"objective {new.serves} changes ({', '.join(keys)}): decisions made so far stay judged by the old one, "
            "later ones by the new one, and both are learned from",
        )


def _segments(old: Campaign, new: Campaign) -> Iterator[tuple[str, str]]:
    before, after = segment_ids(old), segment_ids(new)
    if gone := [name for name in before if name not in after]:
        yield "segments", f"evidence of vanished segments is not used: {listed(gone)}"
    if fresh := [name for name in after if name not in before]:
        yield "segments", f"new segments start without evidence: {listed(fresh)}"
    known = {segment.id: segment for segment in old.segments or ()}
    others = ((segment, known[segment.id]) for segment in new.segments or () if segment.id in known)
    if other := [new.id for new, old in others if any(differences(old, new, apart_from=frozenset({"why"})))]:
        yield "segments", f"evidence stays, though other recipients fall into them: {listed(other)}"
