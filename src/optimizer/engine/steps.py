"""Step by step: how a segment's shares came about, before and after each guardrail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes
from optimizer.domain.reasons import Block
from optimizer.engine.allocations import AllocationTable
from optimizer.policy.exploration import in_force

POSTERIOR: Final = "posterior"
PRICE: Final = "price"


@dataclass(frozen=True, slots=True)
class Step:
    """What one step made of the shares.

    Attributes:
        name: `POSTERIOR` (P(best) among all variants), a rule (P(best) among those it has left), `PRICE`, then each
            bound of `exploration.in_force`: `top_two`, `minimum_trials`, `floor`, `cap`, `largest_change`. What the
            last step says is what the draw was made from.
        removed: variants the rule removed.
        shares: share of each variant after this step, by variant id.
        withheld: share of sending nothing to keep scarce budget.
    """

    name: str
    removed: tuple[str, ...]
    shares: Mapping[str, float]
    withheld: float = 0.0


def steps(
    table: AllocationTable,
    segment: int,
    blocked: Mapping[str, Block],
    attributes: Attributes | None = None,
    *,
    drawn: bool,
) -> tuple[Step, ...]:
    """Every step from the posterior to the draw; where nothing was drawn, to what the last rule left.

    Args:
        table: rows of the snapshot the draw was made from, or that was in force.
        segment: index of the segment.
        blocked: the rule that removed each variant that could not be chosen.
        attributes: of the one it was for, where shares depend on them; None for a typical contact of the segment.
        drawn: whether there was a draw.
    """
    snapshot = table.snapshot
    names = snapshot.variant_ids

    def step(name: str, shares: NDArray[np.float64], removed: tuple[str, ...] = ()) -> Step:
        by_name = dict(zip(names, shares[: len(names)].tolist(), strict=True))
        return Step(name, removed, by_name, float(shares[len(names) :].sum()))

    eligible = np.ones(len(names), dtype=bool)
    p_best, p_withhold = table.best(segment, eligible, attributes, priced=False)
    found = [step(POSTERIOR, p_best)]
    for rule in Block:
        removed = tuple(name for name in names if blocked.get(name) is rule)
        if removed:
            eligible = eligible & np.array([name not in removed for name in names])
            p_best, p_withhold = table.best(segment, eligible, attributes, priced=False)
            found.append(step(rule.value, p_best, removed))
    if not drawn:
        return tuple(found)
    if snapshot.price is not None:
        p_best, p_withhold = table.best(segment, eligible, attributes, priced=True)
        found.append(step(PRICE, np.append(p_best, p_withhold or 0.0)))
    for name, bounds in in_force(table.bounds):
        found.append(step(name, table.shared(segment, eligible, p_best, p_withhold, bounds)))
    return tuple(found)
