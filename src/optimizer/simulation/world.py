"""Worlds: who comes by, and what they do when something is sent to them.

A closed loop only ever meets these protocols, so a synthetic world with known truth and one fitted to history are
rehearsed by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import Instant
from optimizer.engine.assessment import RewardRule

NOTHING_SENT = -1  # arm of a decision without a variant


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """``M`` recipients of a world.

    Attributes:
        attributes: declared attributes of each; recipients may share one mapping.
        types: ``[M]``, which of the world's ``Z`` types of recipients each is.
        zones: time zone of each, None where unknown.
        consents: whether each agreed to the campaign's channel; None when nobody said.
    """

    attributes: Sequence[Attributes]
    types: NDArray[np.int64]
    zones: Sequence[ZoneInfo | None]
    consents: Sequence[bool | None]

    def __len__(self) -> int:
        """``M``."""
        return len(self.types)


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """``E`` outcomes of a batch of decisions, in any order.

    Attributes:
        decisions: ``[E]``, place of the decision within its batch.
        kinds: ``[E]``, place of the outcome kind within `World.kinds`.
        occurred_at: ``[E]``, instants.
        values: ``[E]``, micro-units; 0 where the kind has no value.
    """

    decisions: NDArray[np.int64]
    kinds: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    values: NDArray[np.int64]


class World(Protocol):
    """One world with its truth settled; `A` variants in the order of the tactic it was made for."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Outcome kinds that can happen; at most one event of each kind for each decision."""

    @property
    def population(self) -> Population:
        """Everyone who can come by."""

    def arrivals(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:
        """Who comes by from `start` up to, and without, `end`: places in the population, in order of coming.

        One recipient may come more than once. Spans that adjoin give the same law as the span they make together.
        """

    def events(
        self,
        recipients: NDArray[np.int64],
        arms: NDArray[np.int64],
        earlier: NDArray[np.int64],
        at: Instant,
        rng: np.random.Generator,
    ) -> Events:
        """What comes of a batch of decisions.

        Args:
            recipients: ``[D]``, places in the population.
            arms: ``[D]``, the arm sent; `NOTHING_SENT` where nothing was.
            earlier: ``[D]``, how many messages of the campaign each has had before: for novelty and fatigue.
            at: instant of the decisions.
            rng: chance.
        """

    def expected_rewards(self, rule: RewardRule, at: Instant) -> NDArray[np.float64]:
        """Expected reward of a first contact decided at `at`, ``[Z, A + 1]``; the last column is of sending nothing.

        In rewards: 1 is one rewarded outcome, or a unit of currency where the reward is an amount. Penalties are taken
        off, and only what falls within the attribution window counts. It is the mean over all such decisions: one that
        never becomes a trial, because it is not delivered, say, earns 0. Nothing sent counts from the decision, as it
        does for a holdout.
        """


class WorldModel(Protocol):
    """Where worlds come from: a draw settles what is uncertain, such as rates that were fitted to a history."""

    def world(self, rng: np.random.Generator) -> World:
        """One world."""
