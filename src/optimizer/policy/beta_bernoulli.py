"""Independent Beta posteriors of success rates, one per segment and arm.

A success is an exposed decision with a positive reward. Where an objective has penalties, the Beta is that of the net
reward, stretched to lie between 0 and 1 (:mod:`optimizer.policy.penalties`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from optimizer.domain.belief import Belief
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Duration, Instant
from optimizer.policy.penalties import net_parameters, penalty_total
from optimizer.policy.prob_best import beta_parameters, prob_best
from optimizer.policy.scores import prob_best_scored

MODEL: Final = "beta_bernoulli"


@dataclass(frozen=True, slots=True, eq=False)
class BetaPosterior:
    """What is believed about every arm's net reward: ``(1 + L) theta - L``, ``theta ~ Beta(alpha, beta)`` independent.

    Without penalties ``L`` is 0, and the net reward is ``theta``, the success rate.

    Attributes:
        alpha: successes plus prior, shape ``[S, A]``.
        beta: failures plus prior, shape ``[S, A]``.
        penalty: ``L``, the sum of the objective's penalties, in reward units.

    Raises:
        ValueError: the shapes are not one ``[S, A]``, a parameter is not a usable positive number, or the penalty
            is not a number of at least 0.
    """

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    penalty: float = 0.0

    def __post_init__(self) -> None:
        alpha, beta = beta_parameters(self.alpha, self.beta)
        if alpha.ndim != 2:
            raise ValueError(f"alpha, beta: found shape {alpha.shape}; allowed [S, A]")
        if not (self.penalty >= 0.0 and np.isfinite(self.penalty)):
            raise ValueError(f"penalty: found {self.penalty}; allowed a number of at least 0")
        object.__setattr__(self, "alpha", alpha)
        object.__setattr__(self, "beta", beta)

    @property
    def belief(self) -> Belief:
        """Both parameters and the penalty."""
        return Belief(MODEL, {"alpha": self.alpha, "beta": self.beta, "penalty": np.array(self.penalty)})

    @property
    def success(self) -> NDArray[np.float64]:
        """Expected share of the trials that are rewarded, ``[S, A]``; with penalties that of the stretched reward."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def most(self) -> float:
        """No net reward exceeds 1."""
        return 1.0

    @property
    def mean(self) -> NDArray[np.float64]:
        """Expected net reward, ``(1 + L) alpha / (alpha + beta) - L``, in reward units, shape ``[S, A]``."""
        return self._net(self.success)

    def interval(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Equal-tailed credible interval of the net reward.

        Args:
            level: posterior probability inside, between 0 and 1.

        Returns:
            Lower and upper bound, each of shape ``[S, A]``.

        Raises:
            ValueError: the level is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise ValueError(f"level: found {level}; allowed a number between 0 and 1")
        tail = (1.0 - level) / 2
        lower, upper = (betaincinv(self.alpha, self.beta, q) for q in (tail, 1.0 - tail))
        return self._net(np.asarray(lower, np.float64)), self._net(np.asarray(upper, np.float64))

    def prob_best(self, segment: int, eligible: NDArray[np.bool_]) -> NDArray[np.float64]:
        """P(arm is best among the eligible ones), in one segment.

        Recomputed, not truncated: the wins of an arm that leaves go to whoever came second in them, while
        truncating and rescaling would share them out in proportion to the wins the others have already.

        Args:
            segment: index on the first axis.
            eligible: which arms may be chosen, shape ``[A]``.

        Returns:
            Probabilities, shape ``[A]``: 0 for arms that are not eligible, summing to 1 over the others; all
            0 when none is eligible.

        Raises:
            ValueError: ``eligible`` does not have one truth value per arm.
        """
        self._check_mask(eligible)
        best = np.zeros(len(eligible))
        if eligible.any():
            best[eligible] = prob_best(self.alpha[segment, eligible], self.beta[segment, eligible])
        return best

    def prob_best_of(self, segments: NDArray[np.int64], eligible: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The same of many segments at once.

        Args:
            segments: ``[M]``, indices on the first axis.
            eligible: ``[M, A]``.

        Returns:
            Probabilities, ``[M, A]``.
        """
        if eligible.all():
            return prob_best(self.alpha[segments], self.beta[segments])
        return np.array([self.prob_best(int(s), of_one) for s, of_one in zip(segments, eligible, strict=True)])

    def prob_best_priced(
        self, segment: int, eligible: NDArray[np.bool_], price: float, costs: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], float]:
        """P(arm has the largest net reward less the price of its cost), and P(none is above 0: *withhold*).

        Args:
            segment: index on the first axis.
            eligible: which arms may be chosen, shape ``[A]``.
            price: what a unit of currency must earn, in reward units, at least 0.
            costs: what one decision for each arm costs, in units of currency, shape ``[A]``.

        Returns:
            Probabilities, shape ``[A]``, 0 for arms that are not eligible, and that of withhold; together they sum
            to 1, or are all 0 when no arm is eligible. Withhold has 0 at price 0 without penalties.

        Raises:
            ValueError: ``eligible`` or ``costs`` does not have one value per arm, or price or a cost is not a number of
                at least 0.
        """
        self._check_mask(eligible)
        if costs.shape != eligible.shape or not (price >= 0.0 and np.isfinite(price) and (costs >= 0.0).all()):
            raise ValueError(f"price, costs: found {price}, {costs.tolist()}; allowed at least 0, a cost for each arm")
        best = np.zeros(len(eligible))
        if not eligible.any():
            return best, 0.0
        best[eligible], withheld = prob_best_scored(
            self.alpha[segment, eligible],
            self.beta[segment, eligible],
            1.0 + self.penalty,
            self.penalty + price * costs[eligible],
            withhold=True,
        )
        return best, withheld

    def _net(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return theta if self.penalty == 0.0 else (1.0 + self.penalty) * theta - self.penalty

    def _check_mask(self, eligible: NDArray[np.bool_]) -> None:
        n_arms = self.alpha.shape[1]
        if eligible.shape != (n_arms,) or eligible.dtype != np.bool_:
            raise ValueError(f"eligible: found {eligible.dtype} of shape {eligible.shape}; allowed bool of ({n_arms},)")


def beta_of(belief: Belief) -> BetaPosterior:
    """The posterior a belief was made of."""
    arrays = belief.arrays
    return BetaPosterior(arrays["alpha"], arrays["beta"], float(arrays["penalty"]))


def beta_posterior(
    evidence: Evidence,
    now: Instant,
    half_life: Duration | None,
    prior_alpha: float | NDArray[np.float64] = 1.0,
    prior_beta: float | NDArray[np.float64] = 1.0,
    penalties: Sequence[float] = (),
) -> BetaPosterior:
    """Conjugate update of a Beta prior by bucketed evidence, older buckets counting less.

    ``alpha = prior_alpha + sum_b w_b k_b`` and ``beta = prior_beta + sum_b w_b (n_b - k_b)``, with ``n``
    trials, ``k`` positives and ``w_b = 2^(-age_b / half_life)``: exponential forgetting as in Russo et al.
    2018, "A tutorial on Thompson sampling", section 6.3. The prior itself is not forgotten.

    Args:
        evidence: sums of shape ``[S, A, B]``.
        now: instant to which ages are measured, in microseconds.
        half_life: age at which a trial counts half, in microseconds; ``None`` forgets nothing.
        prior_alpha: successes the prior is worth, one number or ``[S, 1]``.
        prior_beta: failures the prior is worth, likewise.
        penalties: what each penalised kind of outcome costs, in reward units, in the order of
            ``evidence.penalty_counts``; their rates have the prior ``PENALTY_PRIOR`` and are forgotten alike.

    Returns:
        A posterior of shape ``[S, A]``: of success rates, or with penalties of net rewards.

    Raises:
        ValueError: a half-life or prior is not positive, a cell has not ``0 <= positives <= trials``, nor each of its
            penalty counts, or penalties are negative or not one for each kind.
    """
    if half_life is not None and half_life <= 0:
        raise ValueError(f"half_life: found {half_life} microseconds; allowed above 0, or none")
    for name, prior in (("prior_alpha", prior_alpha), ("prior_beta", prior_beta)):
        if not (np.all(np.greater(prior, 0)) and np.all(np.isfinite(prior))):
            raise ValueError(f"{name}: found {prior}; allowed a number above 0")
    _check_counts(evidence)
    if len(penalties) != len(evidence.penalty_counts):
        raise ValueError(
            f"penalties: found {len(penalties)}; allowed one for each of {len(evidence.penalty_counts)} kinds"
        )
    weights = evidence.weights(now, half_life)
    alpha, beta = net_parameters(
        prior_alpha + evidence.positives @ weights,
        prior_beta + (evidence.trials - evidence.positives) @ weights,
        evidence.penalty_counts @ weights,
        evidence.trials @ weights,
        penalties,
    )
    return BetaPosterior(alpha, beta, penalty_total(penalties))


def _check_counts(evidence: Evidence) -> None:
    counts = np.concatenate([evidence.positives[None], evidence.penalty_counts])
    impossible = ~((counts >= 0) & (counts <= evidence.trials))
    if impossible.any():
        kind, *place = (int(i) for i in np.argwhere(impossible)[0])
        name = "positives" if kind == 0 else f"outcomes of penalised kind {kind - 1}"
        raise ValueError(
            f"evidence at [segment, arm, bucket] {place}: found {counts[kind][tuple(place)]} {name} "
            f"in {evidence.trials[tuple(place)]} trials; allowed 0 <= {name} <= trials"
        )
