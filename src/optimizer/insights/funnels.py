"""Funnels: how many of those who were decided for were reached, opened, clicked and did what is rewarded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.domain.statistics import DECIDED, NOTHING, WITHHELD, Cell, Sums, outcome_metric, reward_metric
from optimizer.engine.assessment import RewardRule

REACHED = ("delivered", "opened", "clicked")  # kinds of outcome on the way, in the order in which they happen
_ANYHOW = frozenset({"exposed", "withdrawn", "bounced"})  # they move the exposure, which is counted as such


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way.

    Attributes:
        name: ``decided``, ``exposed``, a kind of outcome, or ``rewarded``.
        learning, holdout: decisions that came so far, of either group.
    """

    name: str
    learning: int
    holdout: int


@dataclass(frozen=True, slots=True)
class Funnel:
    """The way from decision to reward, of the learning group beside the holdout.

    Attributes:
        steps: from the first to the last.
        unwanted: beside the way: outcomes that cost something or have a limit.
    """

    steps: tuple[Step, ...]
    unwanted: tuple[Step, ...]


def funnel(cells: Iterable[tuple[Cell, Sums]], rule: RewardRule, watched: Iterable[str]) -> Funnel:
    """The funnel of a campaign.

    Args:
        cells: its statistics.
        rule: what is rewarded.
        watched: kinds of outcome that have a limit.
    """
    counts: dict[str, dict[bool, int]] = defaultdict(lambda: {False: 0, True: 0})
    reward = reward_metric(rule.objective_id)
    kinds = [outcome_metric(kind) for kind in REACHED]
    avoided = [kind for kind in dict.fromkeys([*(kind for kind, _ in rule.penalties), *watched]) if kind not in _ANYHOW]
    wanted = {*kinds, *(outcome_metric(kind) for kind in avoided)}
    for cell, sums in cells:
        is_holdout = cell.group in HOLDOUTS
        # Whoever learns and gets nothing is on no way; the holdout may be there to get nothing.
        if not is_holdout and (cell.group != Group.LEARNING or cell.variant_id in {NOTHING, WITHHELD}):
            continue
        if cell.metric == reward:
            counts["exposed"][is_holdout] += sums.n
            counts["rewarded"][is_holdout] += sums.positives
            # Of the holdout's decisions that send nothing, those that a pause or a rule caused are no trials.
            counts[DECIDED][is_holdout] += sums.n if cell.variant_id == NOTHING else 0
        elif cell.metric == DECIDED:
            counts[DECIDED][is_holdout] += sums.n if cell.variant_id != NOTHING else 0
        elif cell.metric in wanted:
            counts[cell.metric][is_holdout] += sums.positives
    steps = [_step("decided", counts[DECIDED]), _step("exposed", counts["exposed"])]
    steps += [
        _step(kind, counts[name]) for kind, name in zip(REACHED, kinds, strict=True) if any(counts[name].values())
    ]
    steps.append(_step("rewarded", counts["rewarded"]))
    return Funnel(tuple(steps), tuple(_step(kind, counts[outcome_metric(kind)]) for kind in avoided))


def _step(name: str, counts: dict[bool, int]) -> Step:
    return Step(name, counts[False], counts[True])
