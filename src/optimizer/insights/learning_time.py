"""How long a campaign needs until it can tell its best variant from another one."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

RELATIVE_LIFT = 0.2
POWER = 0.8
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class LearningTime:
    """What a useful answer takes; None wherever that cannot be said.

    Attributes:
        trials_per_arm: trials each variant needs.
        days: until every variant has had that many, before the last outcomes have come in.
        unknown: why not, in words: ``traffic is not known``; empty when both numbers are there.
    """

    trials_per_arm: int | None
    days: float | None
    unknown: str = ""


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


def learning_time(
    n_arms: int,
    base_rate: float | None,
    decisions_per_day: float | None,
    *,
    learning_share: float,
    relative_lift: float = RELATIVE_LIFT,
    power: float = POWER,
    alpha: float = ALPHA,
) -> LearningTime:
    """Days until the best variant of one segment can be told from another.

    Traffic is taken to be spread evenly, ``decisions_per_day * learning_share / n_arms`` for each variant, and every
    decision to be a trial. Thompson sampling soon spreads it in favour of what works: that shortens the wait for the
    variants that matter and draws out the comparison with those that do not, so this is an order of magnitude.

    Args:
        n_arms: variants the segment can get.
        base_rate: successes per trial, 0 to 1; None when not known.
        decisions_per_day: of the segment; None when not known.
        learning_share: share of them that is not held out.
        relative_lift: by how much better the best variant is: 0.2 is 20 %.
        power: probability of seeing such a lift.
        alpha: probability of seeing one where there is none.
    """
    if n_arms < 2:
        return LearningTime(None, None, "there is nothing to compare with fewer than two variants")
    if base_rate is None:
        missing = " and the traffic are" if decisions_per_day is None else " is"
        return LearningTime(None, None, f"the success rate{missing} not known")
    trials = trials_per_arm(base_rate, relative_lift, power, alpha)
    if trials is None:
        return LearningTime(None, None, f"no test tells a success rate of {base_rate:.3g} from one so much better")
    if decisions_per_day is None:
        return LearningTime(trials, None, "the traffic is not known")
    daily = decisions_per_day * learning_share / n_arms
    if daily <= 0.0:
        return LearningTime(trials, None, "no decision is expected here")
    return LearningTime(trials, trials / daily)
