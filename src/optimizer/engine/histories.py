"""Histories alike: what an outcome changes is worked out for one decision, and holds for all with the same history.

Most decisions of a campaign differ in nothing that counts but their instant: outcomes of the same kinds and values came
within the window, of people, and the first reward after as long. The first such decision is assessed before and after
the new outcomes, and the others change as much. A key is all that this depends on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from optimizer.domain.decision import Brief
from optimizer.domain.delays import delay_bin
from optimizer.domain.instants import Instant, bucket
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Reason
from optimizer.domain.statistics import Cell, Sums
from optimizer.engine.assessment import CLOCK_SKEW, WITHDRAWALS, Change, RewardRule, assess, cell_of, differences
from optimizer.engine.judging import NEVER
from optimizer.engine.spending import may_settle
from optimizer.engine.tactic import Tactic

_PLACE = attrgetter("campaign_id", "segment_id", "group", "variant_id", "content_hash", "reason")
_NO_PART: tuple[object, ...] = (None,)


class Changes:
    """What the new outcomes of one transaction change."""

    def __init__(self) -> None:
        self._numbers: dict[Change, int] = {}
        self._sums: dict[tuple[tuple[str, Sums], ...], int] = {}
        self._alike: dict[tuple[Any, ...], list[Brief]] = defaultdict(list)

    def add(self, tactic: Tactic, decision: Brief, old: Sequence[Outcome], new: Sequence[Outcome]) -> Change:
        """Count what these outcomes of a decision change.

        Args:
            tactic: the decision's campaign as it was when it was made.
            decision: the decision.
            old: every outcome of it until now.
            new: those that come to them.
        """
        history = _history(tactic, decision, old, new)
        change = None if history is None else tactic.changes.get(history)
        if change is None:
            change = _change(tactic, decision, old, new)
            if history is not None:
                tactic.changes[history] = change
        number = self._numbers.get(change)
        if number is None:  # many change the statistics alike, and are counted together
            number = self._numbers[change] = self._sums.setdefault(change.sums, len(self._sums))
        self._alike[number, bucket(decision.decided_at), _PLACE(decision)].append(decision)
        return change

    def sums(self) -> Iterator[tuple[Cell, Sums]]:
        """All of it, to be added to the statistics."""
        numbered = list(self._sums)
        for place, alike in self._alike.items():
            for metric, sums in numbered[place[0]]:
                yield cell_of(alike[0], metric), sums.times(len(alike))


def _change(tactic: Tactic, decision: Brief, old: Sequence[Outcome], new: Sequence[Outcome]) -> Change:
    rule = tactic.reward_rule
    before, after = assess(rule, decision, old), assess(rule, decision, [*old, *new])
    return Change(
        after.closes_at - decision.decided_at,
        tuple(differences(rule, before, after)),
        tuple(may_settle(costs, before, after) for costs in tactic.costs),
    )


def _history(
    tactic: Tactic, decision: Brief, old: Sequence[Outcome], new: Sequence[Outcome]
) -> tuple[object, ...] | None:
    """All that the change depends on; None where that is more than kinds, values and the delay of the first reward."""
    rule = tactic.reward_rule
    if decision.deferred or rule.counts_from != "decision" or rule.machines.kinds:
        return None
    is_nothing = decision.variant_id is None and decision.reason is not Reason.HOLDOUT
    before = _part(rule, decision.decided_at, old) if old else _NO_PART
    after = _part(rule, decision.decided_at, new)
    return None if before is None or after is None else (is_nothing, before, after)


def _part(rule: RewardRule, decided_at: Instant, outcomes: Sequence[Outcome]) -> tuple[object, ...] | None:
    """What counts of some outcomes: kinds and values of those within the window, and the delay of the first reward."""
    opens_at, closes_at = decided_at - CLOCK_SKEW, decided_at + rule.window
    counted: list[tuple[str, int]] = []
    first = NEVER
    for _, _, kind, value, _, at, _, reverses, machine in outcomes:
        if machine or reverses is not None or kind in WITHDRAWALS:
            return None
        if opens_at <= at <= closes_at:
            counted.append((kind, value or 0))
            if at < first and kind == rule.kind:
                first = at
    if len(counted) > 1:
        counted.sort()
    return (*counted, None if first == NEVER else delay_bin(first - decided_at))
