"""Change: whether a variant does better or worse than it did, compared with the others on the same days.

A good weekend is good for all variants alike, so only a variant's part of the successes of each day and segment counts:
given how many successes the day had, how many were the variant's is binomial, with the chance its trials and its rate
relative to the others' give it. A change of that relative rate shows in the later days as too many or too few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, Instant

Floats = NDArray[np.float64]

FALSE_ALARMS: Final = 0.01  # chance of a false alarm of a campaign, ever
_DAYS: Final = 180  # no more are looked back on
_FEWEST: Final = 10.0  # variance, in successes, that the days before and after a change must have
_ROUNDS = 200
_SETTLED = 1e-9


@dataclass(frozen=True, slots=True)
class Change:
    """A variant whose rate relative to the others' has changed.

    Attributes:
        arm: index of the variant.
        since: begin of the first day that fits what it does now.
        before, after: share of its trials rewarded before and since.
        others_before, others_after: that of the others, at the variant's own mixture of segments and days.
        ratio: its relative rate since, as a multiple of that before.
        score: standardised score of the change.
    """

    arm: int
    since: Instant
    before: float
    after: float
    others_before: float
    others_after: float
    ratio: float
    score: float


def changes(evidence: Evidence, now: Instant, since: Instant = 0) -> list[Change]:
    """The variants that have changed, the clearest first.

    Rates are fitted as (segment, day) times (segment, arm), by alternating maximisation of the Poisson likelihood. For
    every day ``t`` a change may have come on, the score of an arm is its surplus of successes from then on over the
    square root of ``V_before V_after / V``. The largest square is compared with the boundary of Maillard 2019
    ("Sequential change-point detection: Laplace concentration of scan statistics and non-asymptotic delay bounds"),
    which holds for all days and all times together: ``z^2 > 2 (1 + 1/D) log(2 A D sqrt(D + 2) / delta)``
    for ``D`` days and ``A`` arms. Scores are normal only in the limit, so days must hold a few successes.

    Args:
        evidence: trials and positives; not made effective for delay, which variants share on any day.
        now: the day that holds it is not over, and left out.
        since: days that began before it are left out as well.
    """
    days, trials, positives = _by_day(evidence, now, since)
    n_arms, n_days = trials.shape[1], len(days)
    if n_arms < 2 or n_days < 2:
        return []
    expected = _expected(trials, positives)
    in_all = expected.sum(axis=1, keepdims=True)
    share = np.divide(expected, in_all, out=np.zeros_like(expected), where=in_all > 0)
    surplus = _from_day_on((positives - expected).sum(axis=0))
    variance = _from_day_on((in_all * share * (1.0 - share)).sum(axis=0))
    after = variance[:, 1:]
    before = variance[:, :1] - after
    whole = np.maximum(variance[:, :1], 1e-300)
    enough = np.minimum(before, after) >= _FEWEST
    scores = np.where(enough, surplus[:, 1:] / np.sqrt(np.where(enough, before * after / whole, 1.0)), 0.0)
    bound = 2.0 * (1.0 + 1.0 / n_days) * np.log(2.0 * n_arms * n_days * np.sqrt(n_days + 2.0) / FALSE_ALARMS)
    found = []
    for arm in np.flatnonzero((scores**2).max(axis=1) > bound).tolist():
        place = int(np.abs(scores[arm]).argmax()) + 1
        found.append(_change(trials, positives, arm, place, float(scores[arm, place - 1]), int(days[place])))
    return sorted(found, key=lambda change: -abs(change.score))


def _by_day(evidence: Evidence, now: Instant, since: Instant) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Days with trials, and trials and positives of each, ``[S, A, D]``."""
    of_bucket = evidence.buckets // DAY
    first = max(-(-since // DAY), now // DAY - _DAYS)
    some = (of_bucket >= first) & (of_bucket < now // DAY)
    days, starts = np.unique(of_bucket[some], return_index=True)
    if not len(days):
        nothing = np.zeros((*evidence.trials.shape[:2], 0))
        return days, nothing, nothing
    trials, positives = (
        np.add.reduceat(sums[..., some], starts, axis=2) for sums in (evidence.trials, evidence.positives)
    )
    return days * DAY, trials, positives


def _expected(trials: Floats, positives: Floats) -> Floats:
    """Positives to be expected if no variant changed, ``[S, A, D]``: their sums by (segment, arm) and by day fit."""
    by_arm = positives.sum(axis=2, keepdims=True)
    by_day = positives.sum(axis=1, keepdims=True)
    rates = np.divide(by_arm, trials.sum(axis=2, keepdims=True), out=np.zeros_like(by_arm), where=by_arm > 0)
    for _ in range(_ROUNDS):
        in_day = (trials * rates).sum(axis=1, keepdims=True)
        season = np.divide(by_day, in_day, out=np.zeros_like(by_day), where=in_day > 0)
        in_all = (trials * season).sum(axis=2, keepdims=True)
        better = np.divide(by_arm, in_all, out=np.zeros_like(by_arm), where=in_all > 0)
        settled = np.abs(better - rates).max(initial=0.0) <= _SETTLED
        rates = better
        if settled:
            break
    in_day = (trials * rates).sum(axis=1, keepdims=True)
    season = np.divide(by_day, in_day, out=np.zeros_like(by_day), where=in_day > 0)
    return np.asarray(trials * rates * season)


def _from_day_on(by_day: Floats) -> Floats:
    return np.asarray(by_day[..., ::-1].cumsum(axis=-1)[..., ::-1])


def _change(trials: Floats, positives: Floats, arm: int, place: int, score: float, since: Instant) -> Change:
    """What to say of a change that was found: rates before and after, and the ratio by Mantel and Haenszel's sums."""
    rates, others, relative = [], [], []
    for part in (slice(None, place), slice(place, None)):
        n, k = trials[:, arm, part], positives[:, arm, part]
        n_others, k_others = trials[..., part].sum(axis=1) - n, positives[..., part].sum(axis=1) - k
        both = np.maximum(n + n_others, 1.0)
        theirs = (k_others * n / both).sum()
        relative.append(float((k * n_others / both).sum() / max(theirs, 1e-9)))
        rates.append(float(k.sum() / max(n.sum(), 1.0)))
        others.append(float(theirs / max((n_others * n / both).sum(), 1e-9)))
    ratio = relative[1] / max(relative[0], 1e-9)
    return Change(arm, since, rates[0], rates[1], others[0], others[1], ratio, score)
