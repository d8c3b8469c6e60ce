"""A posterior known by joint draws: P(best) is the share of the draws that an arm wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.belief import Belief
from optimizer.policy.posterior import Floats

N_DRAWS = 1024  # shares are multiples of 1 / 1024; a P(best) of one half is off by .016 (one standard error)


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPosterior:
    """What is believed about net rewards, as ``K`` joint draws; see `Posterior`.

    Attributes:
        belief: numbers from which the model makes the same draws again.
        mean: expected net reward, in reward units, ``[S, A]``.
        success: expected share of the trials that are rewarded, ``[S, A]``.
        draws: of the expected net reward of each arm, in reward units, ``[S, K, A]``; joint within a segment.
    """

    belief: Belief
    mean: Floats
    success: Floats
    draws: Floats

    @property
    def most(self) -> float:
        """The largest draw, in reward units; 0 where all are below."""
        return max(float(self.draws.max(initial=0.0)), 0.0)

    def interval(self, level: float = 0.95) -> tuple[Floats, Floats]:
        """Equal-tailed credible interval of the expected net reward, ``[S, A]`` each, as quantiles of the draws.

        Raises:
            ValueError: the level is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level: found {level}; allowed a number between 0 and 1")
        tail = (1.0 - level) / 2
        lower, upper = np.quantile(self.draws, [tail, 1.0 - tail], axis=1)
        return lower, upper

    def prob_best(self, segment: int, eligible: NDArray[np.bool_]) -> Floats:
        """Share of the draws in which each eligible arm is the largest, ``[A]``; of equals the first wins.

        Raises:
            ValueError: ``eligible`` does not have one truth value per arm.
        """
        return self._shares(eligible, self.draws[segment])[:-1]

    def prob_best_of(self, segments: NDArray[np.int64], eligible: NDArray[np.bool_]) -> Floats:
        """The same of many segments at once, ``[M]`` and ``[M, A]`` to ``[M, A]``."""
        rows = [self.prob_best(int(s), of_one) for s, of_one in zip(segments, eligible, strict=True)]
        return np.array(rows).reshape(len(rows), self.draws.shape[2])

    def prob_best_priced(
        self, segment: int, eligible: NDArray[np.bool_], price: float, costs: Floats
    ) -> tuple[Floats, float]:
        """Share of the draws in which an arm's net reward less its price is the largest, and in which none is above 0.

        Raises:
            ValueError: ``eligible`` or ``costs`` does not have one value per arm, or price or a cost is not a number of
                at least 0.
        """
        if costs.shape != eligible.shape or not (price >= 0.0 and np.isfinite(price) and (costs >= 0.0).all()):
            raise ValueError(f"price, costs: found {price}, {costs.tolist()}; allowed at least 0, a cost for each arm")
        shares = self._shares(eligible, self.draws[segment] - price * costs, bar=0.0)
        return shares[:-1], float(shares[-1])

    def _shares(self, eligible: NDArray[np.bool_], scores: Floats, bar: float = -np.inf) -> Floats:
        """Share of the draws each arm wins, ``[A]``, and last of those in which no eligible arm is above the bar."""
        n_draws, n_arms = scores.shape
        if eligible.shape != (n_arms,) or eligible.dtype != np.bool_:
            raise ValueError(f"eligible: found {eligible.dtype} of shape {eligible.shape}; allowed bool of ({n_arms},)")
        if not eligible.any():
            return np.zeros(n_arms + 1)
        possible = np.where(eligible, scores, -np.inf)
        winners = np.where(possible.max(axis=1) > bar, possible.argmax(axis=1), n_arms)
        return np.bincount(winners, minlength=n_arms + 1) / n_draws
