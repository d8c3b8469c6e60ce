"""Rejection replay: what would this learning policy have earned on my history?

Where a log was randomised, its rows that agree with the policy's own draws are a fair sample of what the policy would
have met live; it learns from them, and the others are passed over. Li, Chu, Langford, Wang 2011, "Unbiased offline
evaluation of contextual-bandit-based news article recommendation algorithms", algorithm 2, with the policy refreshed in
batches, as in production. Three remarks make it fast, and leave it exact:

* **A draw agrees with the log** when it is the logged arm ``a``, which has probability ``q_a``, its allocation: nothing
  but agreement needs drawing. Where the log was an equal split, an accepted row has arm ``a`` with probability
  proportional to ``(1 / A) q_a``, which is as it should be. Where its propensities ``p_a`` were others, agreement with
  probability ``c q_a / p_a`` gives ``p_a (c q_a / p_a) = c q_a`` again. The constant ``c`` is the smallest propensity
  of the log: the largest with which these are probabilities. It is one for the whole log, as a menu accepted more often
  than another would be over-represented.
* **Between refreshes the allocation is fixed**: of ``n`` rows of one kind in a batch, a Binomial number is accepted.
* **In a random order of the log**, the numbers of each kind in a batch are multivariate hypergeometric. They are drawn
  as they are; the order itself never is.

A permutation costs what its refreshes cost, however many rows there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optimizer.simulation.learner import Counts, Floats, Learner
from optimizer.simulation.permutations import Permutations
from optimizer.simulation.replay_log import ReplayLog, curve_points
from optimizer.strategy.policy_settings import ResolvedPolicy

_REPLAYING = 41  # stream of numbers
_LANES = 20  # permutations that go together


@dataclass(frozen=True, slots=True, eq=False)
class Replayed(Permutations):
    """``P`` permutations of one log under one policy. Two sets of permutations add.

    Attributes:
        log: what was replayed.
        points: ``[C]``, rows of the log seen at each point of the curves; the last is all of them.
        accepted: ``[P, C]``, decisions that were accepted until then.
        rewards: ``[P, C]``, their sum of rewards. Accepted rows of one kind count as the mean of that kind, which
            leaves the expectation alone and takes out the chance of which of them it was.
        squares: ``[P]``, sum of the squared rewards of all accepted.
        chosen: ``[P, S, A]``, accepted decisions by segment and variant.
        allocation: ``[P, M, A]``, the allocation that was learned in the end, for each of ``log.menus``.
    """

    kept: ClassVar = ("accepted", "rewards", "squares", "chosen", "allocation")

    log: ReplayLog
    points: Counts
    accepted: Counts
    rewards: Floats
    squares: Floats
    chosen: Counts
    allocation: Floats

    @property
    def mean_rewards(self) -> Floats:
        """Mean reward of each permutation's accepted decisions, ``[P]``; nan where there is none."""
        return self.curve[:, -1]

    @property
    def standard_error_of_one(self) -> float:
        """Standard error of one permutation's mean reward, its decisions taken for independent, its path for given."""
        n = np.maximum(self.accepted[:, -1], 1)
        variances = np.maximum(self.squares / n - (self.rewards[:, -1] / n) ** 2, 0.0)
        return float(np.sqrt((variances / n).mean()))

    @property
    def curve(self) -> Floats:
        """Mean reward of the decisions accepted so far, ``[P, C]``; nan before the first."""
        nothing = np.full(self.rewards.shape, np.nan)
        return np.divide(self.rewards, self.accepted, out=nothing, where=self.accepted > 0)

    @property
    def shares(self) -> Floats:
        """Share of each variant in the accepted decisions, ``[P, A]``."""
        by_arm = self.chosen.sum(axis=1)
        return by_arm / np.maximum(by_arm.sum(axis=1, keepdims=True), 1)

    @property
    def best_fixed(self) -> tuple[str, float]:
        """The variant that earns most alone, in hindsight, and its mean reward."""
        arm = int(np.nanargmax(self.log.fixed))
        return self.log.variant_ids[arm], float(self.log.fixed[arm])

    @property
    def regret(self) -> Floats:
        """What always the best single variant would have earned more until each point, ``[P, C]``, reward units.

        Below zero where segments differ and the policy has found out.
        """
        return self.accepted * self.best_fixed[1] - self.rewards


def band(values: Floats, level: float = 0.9) -> tuple[Floats, Floats]:
    """The middle of what permutations, the first axis, came to: its lower and upper end, at each place of the others.

    Raises:
        ValueError: the level is not between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: found {level}; allowed a number between 0 and 1")
    lower, upper = np.quantile(values, [(1.0 - level) / 2, (1.0 + level) / 2], axis=0)
    return lower, upper


def replay(log: ReplayLog, policy: ResolvedPolicy, seed: int, permutations: Iterable[int]) -> Replayed:
    """Let a policy learn from a log, once for each permutation.

    Args:
        log: see :func:`optimizer.simulation.replay_log.replay_log`.
        policy: settings, as a campaign resolves them. The refresh is that of the log's batches.
        seed: of all permutations.
        permutations: numbers of those to do; each depends on seed and number alone, so they may be shared among jobs.

    Raises:
        ValueError: the policy forgets with time and the log knows none, or there is no permutation.
    """
    if policy.half_life is not None and log.opens is None:
        raise ValueError("half_life: found one, and a log without the time of its rows; allowed `never` without it")
    numbers = list(permutations)
    if not numbers:
        raise ValueError("permutations: found none; allowed one or more")
    # Sums over buckets may differ in a last bit with the number of lanes: one at a time where there are many buckets.
    n_lanes = _LANES if policy.half_life is None else 1
    parts = [
        _in_lanes(log, policy, [np.random.Generator(np.random.PCG64([seed, _REPLAYING, k])) for k in some])
        for some in (numbers[first : first + n_lanes] for first in range(0, len(numbers), n_lanes))
    ]
    return sum(parts[1:], start=parts[0])


def _in_lanes(log: ReplayLog, policy: ResolvedPolicy, rngs: Sequence[np.random.Generator]) -> Replayed:
    """A permutation for each generator, all of them batch by batch, so that they share the cost of a refresh."""
    kinds, size_of = log.kinds, (len(log.segment_ids), len(log.variant_ids))
    opens = np.zeros(len(log.sizes), np.int64) if log.opens is None else log.opens
    learner = Learner(policy, log.menus, size_of[0], penalties=log.penalties, opens=opens, n_lanes=len(rngs))
    left = np.repeat(log.counts[:1], len(rngs), axis=0)
    total = np.zeros_like(left)
    accepted = np.zeros((len(rngs), len(log.sizes)), np.int64)
    rewards, squares = np.zeros(accepted.shape), np.zeros(len(rngs))
    for batch, (size, now) in enumerate(zip(log.sizes.tolist(), opens.tolist(), strict=True)):
        chances = kinds.acceptance * learner.allocation(now)[:, kinds.menus, kinds.arms]
        taken = np.empty_like(left)
        for lane, rng in enumerate(rngs):
            dealt = rng.multivariate_hypergeometric(left[lane], size) if log.is_shuffled else log.counts[batch]
            taken[lane] = rng.binomial(dealt, chances[lane])
            left[lane] -= dealt
        learner.learn(kinds.sums(taken, *size_of), now)
        place = 0 if log.is_shuffled else batch
        total += taken
        accepted[:, batch] = taken.sum(axis=1)
        rewards[:, batch] = (taken * log.rewards[place]).sum(axis=1)
        squares += (taken * log.squares[place]).sum(axis=1)
    points = curve_points(len(log.sizes))
    return Replayed(
        log=log,
        points=log.sizes.cumsum()[points],
        accepted=accepted.cumsum(axis=1)[:, points],
        rewards=rewards.cumsum(axis=1)[:, points],
        squares=squares,
        chosen=kinds.sums(total, *size_of)[0].astype(np.int64),
        allocation=learner.allocation(int(opens[-1])),
    )
