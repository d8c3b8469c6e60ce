"""Mergeable sums of the ledger: what learning, charts and reports all read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from optimizer.domain.instants import Instant

DECIDED = "decided"  # metric: decisions made
NOTHING = "nothing"  # variant id of a decision that sends nothing
WITHHELD = "withheld"  # variant id of a decision that keeps scarce budget for others


def reward_metric(objective_id: str) -> str:
    """Name of the metric that sums the rewards of one objective."""
    return f"reward:{objective_id}"


def penalty_metric(objective_id: str, kind: str) -> str:
    """Name of the metric that counts the trials on which one penalised outcome happened."""
    return f"penalty:{objective_id}:{kind}"


def amount_metric(objective_id: str) -> str:
    """Name of the metric that sums the logarithms of the amounts one objective was rewarded with."""
    return f"amount:{objective_id}"


def delay_metric(objective_id: str, delay_bin: int) -> str:
    """Name of the metric that counts the rewarded trials whose reward came after so long; see `domain.delays`."""
    return f"delay:{objective_id}:{delay_bin}"


def outcome_metric(kind: str) -> str:
    """Name of the metric that sums the outcomes of one kind that people caused."""
    return f"outcome:{kind}"


def machine_metric(kind: str) -> str:
    """Name of the metric that sums the outcomes of one kind that machines caused."""
    return f"machine:{kind}"


class Cell(NamedTuple):
    """Where a sum belongs. Cells sort, so that every worker updates them in one order."""

    campaign_id: str
    segment_id: str  # empty: outside the audience
    variant_id: str
    content_hash: str
    group: str
    metric: str
    bucket: Instant  # of the decision, not of the outcome


class Sums(NamedTuple):
    """What is summed in a cell: integers, hence exact in any order.

    Attributes:
        n: decisions (metric ``decided``), trials (``reward:…``), penalised or rewarded trials, or outcomes.
        positives: trials that earned something, or decisions with at least one such outcome.
        total: sum of rewards or values, micro-units; of logarithms, millionths (``amount:…``).
        squares: sum of squared rewards or logarithms, millionths; zero for other metrics.
    """

    n: int
    positives: int
    total: int
    squares: int

    def plus(self, other: Sums) -> Sums:
        """Element by element."""
        return Sums(
            self.n + other.n,
            self.positives + other.positives,
            self.total + other.total,
            self.squares + other.squares,
        )

    def times(self, n: int) -> Sums:
        """As often as `n` times."""
        return Sums(self.n * n, self.positives * n, self.total * n, self.squares * n)

    def negated(self) -> Sums:
        """What takes these sums back."""
        return Sums(-self.n, -self.positives, -self.total, -self.squares)


ZERO = Sums(0, 0, 0, 0)


class Tally(dict[Cell, Sums]):
    """Sums by cell; absent means zero."""

    def add(self, entries: Iterable[tuple[Cell, Sums]]) -> None:
        """Add every entry to its cell."""
        for cell, sums in entries:
            known = self.get(cell)
            self[cell] = sums if known is None else known.plus(sums)

    def subtract(self, entries: Iterable[tuple[Cell, Sums]]) -> None:
        """Take every entry out of its cell."""
        self.add((cell, sums.negated()) for cell, sums in entries)

    def changes(self) -> list[tuple[Cell, Sums]]:
        """The cells that are not zero, in their order."""
        return sorted((cell, sums) for cell, sums in self.items() if sums != ZERO)
