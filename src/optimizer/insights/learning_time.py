"""How many trials it takes to tell variants apart, and how small a lift a number of trials can show."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor, sqrt
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

RELATIVE_LIFT = 0.2
POWER = 0.8
ALPHA = 0.05
PROB_BEST = 0.9
ASSURANCE = 0.8

_N_LOGS = 4_000  # imagined logs an assurance is read from: its standard error is .6 %
_LARGEST_LIFT = 20.0
# `_gap_found` of 2, 3, … arms at `PROB_BEST` and `ASSURANCE`, as many as a campaign may have: that of forty takes more
# than a second, and whoever asks how many variants there should be asks for each number.
_GAPS = (
    2.960334359587666, 3.5669304112856866, 3.8418209180546317, 4.1190308268301585, 4.263233138873582,
    4.341889735467525, 4.449488934427715, 4.565300708439349, 4.5934086817957, 4.67554370115298,
    4.720494010571167, 4.762508270519187, 4.823680637784296, 4.837942230772979, 4.901140052292749,
    4.927229051970056, 4.997945594932137, 5.0180042213703775, 5.090807740015635, 5.079133910753333,
    5.125387305788105, 5.150179635471808, 5.158771456581914, 5.1885150281049786, 5.195987189555098,
    5.223657467698377, 5.274034205319467, 5.235301809175282, 5.326839873530051, 5.313320903377037,
    5.315718368471913, 5.291031936089572, 5.365728848072569, 5.369055496535062, 5.3353031761687655,
    5.393200925434413, 5.437422076511941, 5.399803794030234, 5.465962148739904, 5.4690218561968305,
    5.442760553333355, 5.500255248357397, 5.461913733310087, 5.499254230030559, 5.517219147572265,
    5.513484828505401, 5.542759647014173, 5.545386810310316, 5.541239341865535,
)  # fmt: skip


def trials_per_arm(
    base_rate: float, relative_lift: float = RELATIVE_LIFT, power: float = POWER, alpha: float = ALPHA
) -> int | None:
    """Trials in each of two arms with which a two-sided test tells their success rates apart.

    The normal approximation for two proportions (Fleiss, Levin & Paik 2003, chapter 4, without the correction
    for continuity), with ``p1 = base_rate``, ``p2 = base_rate (1 + relative_lift)`` and ``p`` their mean::

        n = (z[1 - alpha / 2] sqrt(2 p (1 - p)) + z[power] sqrt(p1 (1 - p1) + p2 (1 - p2)))^2 / (p2 - p1)^2

    At the default power and alpha it is close to ``16 p (1 - p) / (p2 - p1)^2`` (Lehr 1992).

    Returns:
        The number, rounded up; None when a rate would not be between 0 and 1, or both would be the same.
    """
    better = base_rate * (1.0 + relative_lift)
    if not (0.0 < base_rate < 1.0 and 0.0 < better < 1.0 and better != base_rate):
        return None
    z_alpha, z_power = NormalDist().inv_cdf(1.0 - alpha / 2.0), NormalDist().inv_cdf(power)
    mean = (base_rate + better) / 2.0
    apart = z_alpha * sqrt(2.0 * mean * (1.0 - mean))
    spread = z_power * sqrt(base_rate * (1.0 - base_rate) + better * (1.0 - better))
    return ceil(((apart + spread) / (better - base_rate)) ** 2)


def detectable_lift(base_rate: float, trials: float, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """The smallest relative lift that so many trials in each of two arms show: `trials_per_arm`, turned around.

    Returns:
        The lift, 0.2 for 20 %; None when even the largest possible one takes more trials.
    """
    if not (0.0 < base_rate < 1.0 and trials > 0.0):
        return None
    largest = min((1.0 - 1e-9) / base_rate - 1.0, _LARGEST_LIFT)

    def missing(lift: float) -> float:
        needed = trials_per_arm(base_rate, lift, power, alpha)
        return (needed or 0) - floor(trials) - 0.5  # between two numbers: many lifts need the same one

    if missing(largest) > 0.0:
        return None
    return float(brentq(missing, 1e-6, largest, xtol=1e-6)) if missing(1e-6) > 0.0 else 1e-6


def trials_to_best(
    n_arms: int,
    base_rate: float,
    relative_lift: float = RELATIVE_LIFT,
    prob_best: float = PROB_BEST,
    assurance: float = ASSURANCE,
) -> int | None:
    """Trials of each arm after which P(the best arm is best) has reached `prob_best`, in most cases.

    One arm is better than all the others, which are alike. With equal trials, posteriors are close to normal with
    standard deviation ``sqrt(p (1 - p) / n)``, so what decides is the gap in those units: ``n = p (1 - p) (gap / (p2 -
    p1))^2``, with the gap at which `assurance` of all logs give the best arm `prob_best`. Who looks again and
    again sees it sooner: in simulations four of five campaigns had reached it after .7 to .9 of these trials, whether
    they were spread equally or by Thompson sampling.

    Returns:
        The number, rounded up; None when a rate would not be between 0 and 1, or there is nothing to compare.
    """
    better = base_rate * (1.0 + relative_lift)
    if n_arms < 2 or not (0.0 < base_rate < better < 1.0):
        return None
    mean = (base_rate + better) / 2.0
    gap = _standardised_gap(n_arms, prob_best, assurance)
    return ceil(mean * (1.0 - mean) * (gap / (better - base_rate)) ** 2)


def _standardised_gap(n_arms: int, prob_best: float, assurance: float) -> float:
    """How far the best arm must be ahead, in standard deviations of one arm's posterior."""
    if (prob_best, assurance) == (PROB_BEST, ASSURANCE) and n_arms < len(_GAPS) + 2:
        return _GAPS[n_arms - 2]
    return _gap_found(n_arms, prob_best, assurance)


@lru_cache(maxsize=256)
def _gap_found(n_arms: int, prob_best: float, assurance: float) -> float:
    """The same, searched for."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    # The same imagined logs at every gap: the share of them that is convinced then rises with the gap.
    noise = np.random.Generator(np.random.PCG64([n_arms, _N_LOGS])).standard_normal((_N_LOGS, n_arms))

    def convinced(gap: float) -> float:
        ahead = gap + noise[:, :1] - noise[:, 1:]  # [logs, others]
        best = ndtr(ahead[:, None, :] + nodes[:, None]).prod(axis=-1) @ weights
        return float(np.quantile(best, 1.0 - assurance)) - prob_best

    return float(brentq(convinced, 0.0, 20.0, xtol=1e-3))
