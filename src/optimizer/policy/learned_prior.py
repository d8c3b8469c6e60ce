"""A prior learned from what was tried before: how success rates are spread over the arms of many tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, digamma

Floats = NDArray[np.float64]

_LARGEST = 1e6  # of what a prior may be worth, and of how far apart its successes and failures may be


@dataclass(frozen=True, slots=True)
class LearnedPrior:
    """``Beta(successes, failures)``: how rates of success are spread over arms like those that were tried.

    Attributes:
        successes, failures: what the prior of a policy is worth, in trials.
        n_arms: arms it was learned from.
    """

    successes: float
    failures: float
    n_arms: int

    @property
    def mean(self) -> float:
        """Rate of success to be expected of an arm nobody has tried."""
        return self.successes / (self.successes + self.failures)


def learned_prior(trials: Floats, successes: Floats) -> LearnedPrior:
    """The Beta whose draws are likeliest to have been the rates of these arms: empirical Bayes.

    The mode of ``log(a / b), log(a + b)`` under a beta-binomial likelihood and the hyperprior ``(a + b)^(-5/2)`` of
    Gelman et al. (BDA3, section 5.3), found from its gradient (Minka 2000, "Estimating a Dirichlet distribution"). With
    hundreds of arms it is the maximum of the likelihood; with few it keeps the prior from being as strong as arms that
    happen to look alike would have it, for which the likelihood has no maximum. Arms that were never tried say nothing.

    Args:
        trials: of each arm, ``[N]``, whatever test or campaign it belongs to.
        successes: of each arm, ``[N]``.

    Raises:
        ValueError: the arrays do not fit, a count is impossible, or there are fewer than two arms with trials, or no
            success or no failure among them.
    """
    if trials.shape != successes.shape or trials.ndim != 1:
        raise ValueError(f"trials, successes: found shapes {trials.shape} and {successes.shape}; allowed one [N]")
    if not ((successes >= 0.0) & (successes <= trials) & np.isfinite(trials)).all():
        raise ValueError("successes: found some below 0 or above trials; allowed 0 up to trials")
    n, k = (counts[trials > 0.0].astype(np.float64) for counts in (trials, successes))
    if len(n) < 2:
        raise ValueError(f"trials: found {len(n)} arms that were tried; allowed two or more")
    if not 0.0 < k.sum() < n.sum():
        raise ValueError(f"successes: found {k.sum():g} of {n.sum():g} trials; allowed some that succeed and some not")

    def unlikeliness(x: Floats) -> tuple[float, Floats]:
        size, mean = np.exp(x[1]), 1.0 / (1.0 + np.exp(-x[0]))
        a, b = size * mean, size * (1.0 - mean)
        value = (betaln(a + k, b + n - k) - betaln(a, b)).sum() + np.log(a) + np.log(b) - 2.5 * np.log(size)
        common = (digamma(size + n) - digamma(size)).sum() + 2.5 / size
        by_a = (digamma(a + k) - digamma(a)).sum() + 1.0 / a - common
        by_b = (digamma(b + n - k) - digamma(b)).sum() + 1.0 / b - common
        slopes = np.array([(by_a - by_b) * a * (1.0 - mean), by_a * a + by_b * b])
        return -float(value) / len(n), -slopes / len(n)

    start = np.array([np.log(k.sum() / (n.sum() - k.sum())), np.log(np.median(n) + 1.0)])
    widest = np.log(_LARGEST)
    found = minimize(
        unlikeliness, start, jac=True, method="L-BFGS-B", bounds=[(-widest, widest)] * 2, options={"ftol": 1e-13}
    ).x
    size, mean = float(np.exp(found[1])), float(1.0 / (1.0 + np.exp(-found[0])))
    return LearnedPrior(size * mean, size * (1.0 - mean), len(n))
