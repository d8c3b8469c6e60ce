"""Independent Beta posteriors of success rates, one per segment and arm.

A success is an exposed decision with a positive reward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Duration, Instant
from optimizer.policy.prob_best import beta_parameters, prob_best


@dataclass(frozen=True, slots=True, eq=False)
class BetaPosterior:
    """What is believed about every arm's success rate: ``theta ~ Beta(alpha, beta)``, independent.

    Attributes:
        alpha: successes plus prior, shape ``[S, A]``.
        beta: failures plus prior, shape ``[S, A]``.

    Raises:
        ValueError: the shapes are not one ``[S, A]``, or a parameter is not a usable positive number.
    """

    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]

    def __post_init__(self) -> None:
        alpha, beta = beta_parameters(self.alpha, self.beta)
        if alpha.ndim != 2:
            raise ValueError(f"alpha, beta: found shape {alpha.shape}; allowed [S, A]")
        object.__setattr__(self, "alpha", alpha)
        object.__setattr__(self, "beta", beta)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Expected success rate, ``alpha / (alpha + beta)``, shape ``[S, A]``."""
        return self.alpha / (self.alpha + self.beta)

    def interval(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Equal-tailed credible interval of the success rate.

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
        return np.asarray(lower, np.float64), np.asarray(upper, np.float64)

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
        n_arms = self.alpha.shape[1]
        if eligible.shape != (n_arms,) or eligible.dtype != np.bool_:
            raise ValueError(f"eligible: found {eligible.dtype} of shape {eligible.shape}; allowed bool of ({n_arms},)")
        best = np.zeros(n_arms)
        if eligible.any():
            best[eligible] = prob_best(self.alpha[segment, eligible], self.beta[segment, eligible])
        return best


def beta_posterior(
    evidence: Evidence,
    now: Instant,
    half_life: Duration | None,
    prior_alpha: float = 1.0,
    prior_beta: float = 1.0,
) -> BetaPosterior:
    """Conjugate update of a Beta prior by bucketed evidence, older buckets counting less.

    ``alpha = prior_alpha + sum_b w_b k_b`` and ``beta = prior_beta + sum_b w_b (n_b - k_b)``, with ``n``
    trials, ``k`` positives and ``w_b = 2^(-age_b / half_life)``: exponential forgetting as in Russo et al.
    2018, "A tutorial on Thompson sampling", section 6.3. The prior itself is not forgotten.

    Args:
        evidence: sums of shape ``[S, A, B]``.
        now: instant to which ages are measured, in microseconds.
        half_life: age at which a trial counts half, in microseconds; ``None`` forgets nothing.
        prior_alpha: successes the prior is worth.
        prior_beta: failures the prior is worth.

    Returns:
        A posterior of shape ``[S, A]``.

    Raises:
        ValueError: a half-life or prior is not positive, or a cell has not ``0 <= positives <= trials``.
    """
    if half_life is not None and half_life <= 0:
        raise ValueError(f"half_life: found {half_life} microseconds; allowed above 0, or none")
    for name, prior in (("prior_alpha", prior_alpha), ("prior_beta", prior_beta)):
        if not (prior > 0 and np.isfinite(prior)):
            raise ValueError(f"{name}: found {prior}; allowed a number above 0")
    impossible = ~((evidence.positives >= 0) & (evidence.positives <= evidence.trials))
    if impossible.any():
        place = tuple(int(i) for i in np.argwhere(impossible)[0])
        raise ValueError(
            f"evidence at [segment, arm, bucket] {list(place)}: found {evidence.positives[place]} positives "
            f"in {evidence.trials[place]} trials; allowed 0 <= positives <= trials"
        )
    weights = evidence.weights(now, half_life)
    return BetaPosterior(
        alpha=prior_alpha + evidence.positives @ weights,
        beta=prior_beta + (evidence.trials - evidence.positives) @ weights,
    )
