"""Rates: what successes among trials say of the chance of one."""

from __future__ import annotations

from scipy.special import betaincinv


def rate_interval(positives: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Credible interval of a chance under a uniform prior, equal-tailed; it always holds what was seen.

    Equal tails leave out a rate of 0 or of 1 itself, which would say of what was just seen that it is not likely: there
    the interval reaches that end (as Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion", do).

    Args:
        positives: successes.
        trials: of so many.
        level: posterior probability inside, at least.

    Returns:
        Both ends, 0 to 1.
    """
    tail = (1.0 - level) / 2.0
    a, b = 1.0 + positives, 1.0 + trials - positives
    low = 0.0 if trials > 0.0 and positives <= 0.0 else float(betaincinv(a, b, tail))
    high = 1.0 if trials > 0.0 and positives >= trials else float(betaincinv(a, b, 1.0 - tail))
    return low, high
