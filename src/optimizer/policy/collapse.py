"""Collapse: one variant gets nearly everything, and what makes it look best would not convince if looked at closely.

That an allocation has collapsed is said by its entropy; that it is too early, by taking away what it rests on. A leader
is doubted if it leads because of one hour that is unlike its others, because of one giant amount, because it was
believed to be best beforehand, or because outcomes of the others are still to come. Whoever leads because of what many
recipients did on many days is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, HOUR, Duration, Instant
from optimizer.policy.prob_best import prob_best

Floats = NDArray[np.float64]
Counts = tuple[Floats, Floats]  # positives and trials, [A] each

COLLAPSED: Final = 0.95  # P(best) of a leader from which on nothing is left for the others but the floor
DOUBTFUL: Final = 0.8  # P(best) of one that does not convince any more
_SPREAD: Final = 0.1  # variance of the rates between hours, in squared mean rates
_NO_CHANCE: Final = 1e-6  # an hour less likely is no chance, however many hours are looked at
_BURST: Final = 8.0  # fewest positives of such an hour
_COMPARED: Final = 5.0  # positives the leader should have had besides, at the rate of that hour
_LOGS: Final = 20.0  # amounts that must be known before one of them is called a giant
_RARE_AMOUNT: Final = 1e-3  # chance that the largest of all the leader's amounts is as large
_CONTRADICTED: Final = 3.0  # standard errors by which another variant does better
_TRIED: Final = 1.0  # expected positives below which a variant has hardly been tried
_BEGUN: Final = 20.0  # trials below which nothing has happened yet


class Cause(StrEnum):
    """What a leader owes its lead to."""

    BURST = "burst"
    GIANT = "giant"
    EXPECTED = "expected"
    CONTRADICTED = "contradicted"
    UNTRIED = "untried"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Collapse:
    """An allocation that has collapsed too early.

    Attributes:
        segment, leader: indices.
        p_best: probability that the leader is best, as the policy believes.
        entropy: of these probabilities, as a part of that of an equal split.
        cause: what the lead rests on.
        share: of the leader's positives or rewards, those in the hour, or the amount, it rests on; else 0.
        since: begin of that hour or day; else None.
        lasted: how long it lasted; else 0.
        without: P(best) of the leader without what it rests on.
    """

    segment: int
    leader: int
    p_best: float
    entropy: float
    cause: Cause
    without: float
    share: float = 0.0
    since: Instant | None = None
    lasted: Duration = 0


def collapses(evidence: Evidence, p_best: Floats, eligible: NDArray[np.bool_], effective: Evidence) -> list[Collapse]:
    """The segments whose allocation has collapsed too early, in their order; one cause of each.

    Whatever the policy's model, counts are looked at as Beta posteriors whose prior is worth one success at the
    segment's own rate: it takes every variant for an average one until it was tried.

    Args:
        evidence: sums of shape ``[S, A, B]``, as they are.
        p_best: P(best) among the eligible, as the policy believes, ``[S, A]``.
        eligible: variants that can be chosen at all, ``[S, A]``.
        effective: the evidence with trials that are too young counted in part; the same where all count at once.
    """
    found = []
    whole = _counts(effective, slice(None))
    for segment in np.flatnonzero((p_best >= COLLAPSED).any(axis=1) & (eligible.sum(axis=1) > 1)).tolist():
        leader = int(p_best[segment].argmax())
        case = _Case(evidence, effective, segment, leader, np.flatnonzero(eligible[segment]), whole)
        for of_cause in _CAUSES:
            doubted = of_cause(case)
            if doubted is not None:
                shares = p_best[segment]
                found.append(Collapse(segment, leader, float(shares[leader]), entropy(shares), *doubted))
                break
    return found


def entropy(shares: Floats) -> float:
    """Entropy of shares, as a part of that of an equal split among those above 0: 1 even, 0 all for one."""
    some = shares[shares > 0.0]
    if len(some) < 2:
        return 0.0
    return float(-(some * np.log(some)).sum() / np.log(len(some)))


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """One segment; ``A`` are its eligible arms, ``place`` that of the leader among them."""

    evidence: Evidence
    effective: Evidence
    segment: int
    leader: int
    arms: NDArray[np.int64]
    whole: Counts

    @property
    def place(self) -> int:
        return int(np.flatnonzero(self.arms == self.leader)[0])

    def counts(self, evidence: Evidence) -> Counts:
        """Positives and trials of the eligible arms."""
        positives, trials = _counts(evidence, slice(self.segment, self.segment + 1))
        return positives[self.arms], trials[self.arms]

    def by_hour(self, name: str) -> Floats:
        """One of the sums of the effective evidence, ``[A, B]``."""
        sums: Floats = getattr(self.effective, name)[self.segment]
        return sums[self.arms]


class _Doubt(NamedTuple):
    """Last fields of a `Collapse`."""

    cause: Cause
    without: float
    share: float = 0.0
    since: Instant | None = None
    lasted: Duration = 0


def _burst(case: _Case) -> _Doubt | None:
    """One hour, or day, in which the leader did what it never does, and the others did not."""
    positives, trials = case.by_hour("positives"), case.by_hour("trials")
    for width in (HOUR, DAY):
        starts, first = np.unique(case.effective.buckets // width, return_index=True)
        if len(first) < 2:
            continue
        k, n = np.add.reduceat(positives, first, axis=1), np.add.reduceat(trials, first, axis=1)
        chance = _chance_of_hours(k, n, case.place)
        hour = int(chance.argmin())
        if chance[hour] >= _NO_CHANCE:
            continue
        kept = np.arange(len(first)) != hour
        without = _p_best((k[:, kept].sum(axis=1), n[:, kept].sum(axis=1)), case.place)
        if without < DOUBTFUL:
            share = float(k[case.place, hour] / k[case.place].sum())
            return _Doubt(Cause.BURST, without, share, int(starts[hour]) * width, width)
    return None


def _chance_of_hours(k: Floats, n: Floats, leader: int) -> Floats:
    """Chance of so many positives of the leader in each hour, by its other hours and the others' season, ``[H]``.

    Gamma-Poisson, as rates vary between hours. 1 where too little else is known of the leader.
    """
    mine, tried = k[leader], n[leader]
    k_others, n_others = k.sum(axis=0) - mine, n.sum(axis=0) - tried
    usual = (k_others.sum() + 1.0) / max(n_others.sum(), 1.0)
    k_rest, n_rest = mine.sum() - mine, tried.sum() - tried
    expected = np.zeros_like(mine)
    for season in (np.ones_like(mine), (k_others + 1.0) / (n_others * usual + 1.0)):  # the more forgiving holds
        in_season = tried * season
        rate = (k_rest + 1.0) / (in_season.sum() - in_season + 1.0 / usual)
        expected = np.maximum(expected, np.minimum(in_season * rate, tried))
    rate_then = np.divide(mine, tried, out=np.zeros_like(mine), where=tried > 0)
    told = (mine >= _BURST) & (n_rest * rate_then >= _COMPARED)
    odds = _SPREAD * expected
    return np.where(told, betainc(np.maximum(mine, 1.0), 1.0 / _SPREAD, odds / (1.0 + odds)), 1.0)


def _giant(case: _Case) -> _Doubt | None:
    """One amount that makes up much of the leader's, and that log-normal amounts like the others would hardly reach."""
    if not case.evidence.logs.any():
        return None
    squares, rewards, trials = case.by_hour("squares"), case.by_hour("rewards"), case.by_hour("trials")
    positives, logs = case.by_hour("positives"), case.by_hour("logs")
    log_squares, place = case.by_hour("log_squares"), case.place
    hour = int(squares[place].argmax())
    amount = float(np.sqrt(squares[place, hour]))  # the largest of the hour is hardly less
    known = np.ones(positives.shape, np.bool_)
    known[place, hour] = False
    n = float(positives[known].sum())
    total = float(rewards[place].sum())
    if n < _LOGS or amount <= 0.0 or total <= 0.0:
        return None
    mean = float(logs[known].sum()) / n
    deviation = np.sqrt(max(float(log_squares[known].sum()) / n - mean**2, 0.01))
    chance = float(positives[place].sum() * ndtr((mean - np.log(amount)) / deviation))
    if chance >= _RARE_AMOUNT:
        return None
    rates = rewards.sum(axis=1) / np.maximum(trials.sum(axis=1), 1.0)
    others = float(np.delete(rates, place).max())
    left = (total - min(amount, total)) / max(float(trials[place].sum()), 1.0)
    if left > others:
        return None
    return _Doubt(Cause.GIANT, 0.0, min(amount / total, 1.0))


def _pending(case: _Case) -> _Doubt | None:
    """The others look bad because they are young: by what should have come so far, the leader does not lead."""
    if case.effective is case.evidence:
        return None
    raw, fair = (_p_best(case.counts(evidence), case.place) for evidence in (case.evidence, case.effective))
    return _Doubt(Cause.PENDING, fair) if raw >= COLLAPSED and fair < DOUBTFUL else None


def _contradicted(case: _Case) -> _Doubt | None:
    """What was seen says that another variant is better, and the policy believes something else.

    By the test of Mantel & Haenszel (1959) on days: whoever got its traffic on bad days is not taken for bad.
    """
    if case.evidence.logs.any() or case.evidence.penalty_counts.any():  # then the best does not succeed most often
        return None
    _, first = np.unique(case.effective.buckets // DAY, return_index=True)
    if not len(first):
        return None
    k, n = (np.add.reduceat(case.by_hour(name), first, axis=1) for name in ("positives", "trials"))
    both, won = n + n[case.place], k + k[case.place]
    part = np.divide(n, both, out=np.zeros_like(n), where=both > 0.0)
    surplus = (k - won * part).sum(axis=1)
    lost = np.divide(both - won, np.maximum(both - 1.0, 1.0))
    variance = (won * lost * part * (1.0 - part)).sum(axis=1)
    scores = np.where(k.sum(axis=1) >= _COMPARED, surplus / np.sqrt(np.maximum(variance, 1e-9)), 0.0)
    scores[case.place] = 0.0
    highest = float(scores.max())
    return _Doubt(Cause.CONTRADICTED, float(ndtr(-highest))) if highest > _CONTRADICTED else None


def _untried(case: _Case) -> _Doubt | None:
    """The others have hardly been tried, here or elsewhere in the campaign."""
    _, trials = case.counts(case.effective)
    everywhere = case.whole[0][case.arms], case.whole[1][case.arms]
    others = np.delete(np.arange(len(case.arms)), case.place)
    if trials.sum() < _BEGUN:
        return None
    rate = (everywhere[0].sum() + 0.5) / (everywhere[1].sum() + 1.0)
    if (everywhere[1][others] * rate >= _TRIED).any():
        return None
    without = _p_best(everywhere, case.place)
    return _Doubt(Cause.EXPECTED if without < DOUBTFUL else Cause.UNTRIED, without)


_CAUSES: tuple[Callable[[_Case], _Doubt | None], ...] = (_burst, _giant, _pending, _contradicted, _untried)


def _counts(evidence: Evidence, segments: slice) -> Counts:
    return evidence.positives[segments].sum(axis=(0, 2)), evidence.trials[segments].sum(axis=(0, 2))


def _beta(positives: Floats, trials: Floats) -> Counts:
    """Beta posteriors of which each has the same prior: one success, at the rate of all arms together."""
    rate = (positives.sum() + 0.5) / (trials.sum() + 1.0)
    return 1.0 + positives, (1.0 - rate) / rate + np.maximum(trials - positives, 0.0)


def _p_best(counts: Counts, leader: int) -> float:
    return float(prob_best(*_beta(*counts))[leader])
