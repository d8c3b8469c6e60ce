"""A world whose truth is settled: what every kind of world comes down to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.engine.assessment import RewardRule
from optimizer.simulation.amounts import Amount
from optimizer.simulation.arrivals import Comings
from optimizer.simulation.attribution import Timing, worth
from optimizer.simulation.dynamics import Dynamic, Scene, shifts
from optimizer.simulation.patterns import Outcomes, drawn
from optimizer.simulation.world import Events, Population

_REMEMBERED = 64  # states of the rates: a week's season needs seven


@dataclass(frozen=True, slots=True, eq=False)
class SettledWorld:
    """A `World` of ``K`` kinds, ``M`` recipients of ``Z`` types, and ``A`` arms.

    Attributes:
        kinds: outcome kinds that can happen.
        population: everyone who can come by.
        outcomes: which of the kinds a decision has.
        timing: how long after the decision.
        amounts: ``K``, what each is worth; None where it has no value.
        comings: who comes when.
        dynamics: what moves the rates.
        zones: ``Z``, whose day of the week each type of recipients goes by.
        levels: ``[M]``, level of frailty of each recipient.
        n_arms: ``A``.
    """

    kinds: tuple[str, ...]
    population: Population
    outcomes: Outcomes
    timing: Timing
    amounts: Sequence[Amount | None]
    comings: Comings
    dynamics: Sequence[Dynamic]
    zones: Sequence[ZoneInfo | None]
    levels: NDArray[np.int64]
    n_arms: int
    _worths: dict[RewardRule, NDArray[np.float64]] = field(default_factory=dict, init=False)
    _chances: dict[bytes, NDArray[np.float64]] = field(default_factory=dict, init=False)

    def arrivals(self, start: Instant, end: Instant, rng: np.random.Generator) -> NDArray[np.int64]:
        """Who comes by from `start` up to, and without, `end`, ``[D]``, in order."""
        return self.comings.between(start, end, rng)

    def events(
        self,
        recipients: NDArray[np.int64],
        arms: NDArray[np.int64],
        earlier: NDArray[np.int64],
        at: Instant,
        rng: np.random.Generator,
    ) -> Events:
        """What comes of a batch of decisions: those with any outcome, in order of the decisions."""
        counts, which = np.unique(earlier if self.dynamics else np.zeros_like(earlier), return_inverse=True)
        chances = self.chances(at, counts)
        of_each = chances[which, self.population.types[recipients], arms, self.levels[recipients]]
        happened = self.outcomes.patterns[drawn(of_each, rng)]
        after = self.timing.drawn(happened, rng)
        decisions, kinds = np.nonzero(happened)
        values = np.zeros(len(decisions), dtype=np.int64)
        for kind, amount in enumerate(self.amounts):
            if amount is not None:
                rows = kinds == kind
                values[rows] = amount.draw(arms[decisions[rows]], rng)
        return Events(decisions, kinds, at + after[decisions, kinds], values)

    def expected_rewards(self, rule: RewardRule, at: Instant) -> NDArray[np.float64]:
        """Expected reward of a first contact, ``[Z, A + 1]``.

        Exact where an outcome follows the exposure through one random delay; where several add up, to about 1e-4 of
        its rate.

        Raises:
            ValueError: the rewarded outcome never happens in this world, or has no amount where the reward is one.
        """
        if rule.kind not in self.kinds:
            raise ValueError(f"reward: found the outcome {rule.kind}; allowed in this world: {', '.join(self.kinds)}")
        if rule not in self._worths:
            values = self._values(rule)
            of_arm = [
                worth(rule, self.kinds, self.outcomes.patterns, self.timing, sent=arm < self.n_arms, value=value)
                for arm, value in enumerate(values)
            ]
            self._worths[rule] = np.stack(of_arm)
        chances = self.chances(at, np.zeros(1, dtype=np.int64))[0]
        return np.einsum("zaqp,zq,ap->za", chances, self.outcomes.shares, self._worths[rule])

    def _values(self, rule: RewardRule) -> list[float]:
        """What the rewarded outcome is worth on average after each arm, and last after nothing sent."""
        if not rule.in_amounts:
            return [1.0] * (self.n_arms + 1)
        amount = self.amounts[self.kinds.index(rule.kind)]
        if amount is None:
            raise ValueError(f"{rule.kind}: found no amount; allowed one, as the reward is the amount")
        return amount.means(self.n_arms, rule.at_most).tolist()

    def rates(self, at: Instant, earlier: int = 0) -> NDArray[np.float64]:
        """How often each kind happens, ``[K, Z, A + 1]``, delays and windows aside."""
        chances = self.chances(at, np.array([earlier]))[0]
        return np.einsum("zaqp,zq,pk->kza", chances, self.outcomes.shares, self.outcomes.patterns.astype(np.float64))

    def chances(self, at: Instant, earlier: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probability of each pattern of outcomes, ``[E, Z, A + 1, Q, P]``, after each number of earlier messages."""
        scene = Scene(self.kinds, self.zones, self.n_arms, at, earlier)
        moved = shifts(self.dynamics, scene)
        key = moved.tobytes()
        if key not in self._chances:
            if len(self._chances) >= _REMEMBERED:
                self._chances.clear()
            self._chances[key] = self.outcomes.chances(moved)
        return self._chances[key]
