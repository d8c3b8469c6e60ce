"""Effective evidence: trials whose reward may still come are only partly failures.

With ``theta`` the rate of a segment and arm, ``n_b`` trials and ``k_b`` rewards of bucket ``b``, and ``F_b`` the share
of its rewards that has come (`delay`), a trial has shown a reward with probability ``theta F_b`` (Chapelle 2014,
"Modeling delayed feedback in display advertising"; Vernade, Cappe & Perchet 2017), so the likelihood is

    theta^k  product over b of (1 - theta F_b)^(n_b - k_b).

Its score is ``k / theta - sum_b (n_b - k_b) F_b / (1 - theta F_b)``. That of ``k`` successes and ``f`` failures,
``k / theta - f / (1 - theta)``, is the same where

    f = sum_b (n_b - k_b) w_b,    w_b = F_b (1 - theta) / (1 - theta F_b).

So counting each trial without reward so far as ``w_b`` failures gives every model of counts the same maximum;
``theta`` is plugged in, and is found in a few rounds.

Two things make such counts say too much. Their information on ``logit theta`` is ``theta (1 - theta) sum_b n_b F_b`` as
expected, that of the likelihood ``theta (1 - theta)^2 sum_b n_b F_b / (1 - theta F_b)``, less where rates are large.
And ``F`` is estimated itself: by the delta method that adds ``sum_j v_j O_j^2 / (1 - theta)^2`` to the variance, where
``v_j`` is the variance of the curve's step ``j``, and ``O_j`` the part of what is known, ``n_b F_b / (1 - theta F_b)``,
that is younger than the step. So all counts of an arm are multiplied by the ratio of the two variances, at most 1. Most
of that doubt is shared by all arms; independent models cannot know this, which costs them some exploration.

Intervals of 90 % cover 85 to 94 % of the rates of old and of recent arms once the campaign is older than one and a half
medians of the delay; before, most of the curve is guessed, and they may cover less (60 % of rates of .02 on day 2 where
the median is 3 days in a window of 60) or more than they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import HOUR, Instant
from optimizer.policy.delay import DelayCurve

Floats = NDArray[np.float64]

_ROUNDS = 4
_BORROWED = 10.0  # trials at the pooled rate that are added to those of an arm to find its plug-in rate
_ALIKE = 0.03  # buckets whose logarithms of F differ by less are read together for it
_HIGHEST = 0.999  # plug-in rate


@dataclass(frozen=True, slots=True, eq=False)
class Maturity:
    """What is known for good, and what all trials so far are expected to have come to in the end; ``[S, A]`` each.

    Attributes:
        trials: trials whose window is over.
        positives: of these, the rewarded ones.
        rewards: their rewards, in reward units.
        expected_positives: of all trials, those that are rewarded already, and those that are expected to be.
        expected_rewards: the same in reward units; a reward still to come is taken to be like those of its arm so far,
            or where it had none like those of all arms, and penalties to have come already.
    """

    trials: Floats
    positives: Floats
    rewards: Floats
    expected_positives: Floats
    expected_rewards: Floats


def effective_evidence(evidence: Evidence, curve: DelayCurve, now: Instant) -> Evidence:
    """The evidence with trials that are too young counted in part, for any model of rewards.

    The same evidence where everything comes at once. Else ``positives <= trials``, and neither is more than it was.
    Sums of rewards shrink as the counts do. Penalised outcomes are counted as if they came at once: their rates stay
    what they were in every bucket.

    Args:
        evidence: sums of shape ``[S, A, B]``, by the hour of the decision.
        curve: how late rewards come.
        now: ages are measured to it.
    """
    if curve.at_once or not evidence.trials.any():
        return evidence
    shares = curve.of_buckets(evidence.buckets, now)
    theta, worth = _rates(evidence, curve, shares, now)
    part = shares * (1.0 - theta[..., None]) / (1.0 - theta[..., None] * shares)
    scale = worth[..., None]
    trials = scale * (evidence.positives + (evidence.trials - evidence.positives) * part)
    kept = np.divide(trials, evidence.trials, out=np.ones_like(trials), where=evidence.trials > 0.0)
    return replace(
        evidence,
        trials=trials,
        positives=np.minimum(scale * evidence.positives, trials),
        rewards=scale * evidence.rewards,
        squares=scale * evidence.squares,
        penalty_counts=np.minimum(evidence.penalty_counts * kept, trials),
        logs=scale * evidence.logs,
        log_squares=scale * evidence.log_squares,
    )


def expected_at_maturity(
    evidence: Evidence, curve: DelayCurve, now: Instant, penalties: Sequence[float] = ()
) -> Maturity:
    """What the evidence says for good, and what it is expected to say when the window of every trial is over.

    A trial without reward so far will be rewarded with probability ``theta (1 - F) / (1 - theta F)``.

    Args:
        evidence: sums of shape ``[S, A, B]``, by the hour of the decision; as they are, not made effective.
        curve: how late rewards come.
        now: ages are measured to it.
        penalties: what each penalised kind costs, in reward units, in the order of ``evidence.penalty_counts``.

    Raises:
        ValueError: penalties are not one for each kind.
    """
    if len(penalties) != len(evidence.penalty_counts):
        kinds = len(evidence.penalty_counts)
        raise ValueError(f"penalties: found {len(penalties)}; allowed one for each of {kinds} kinds")
    over = evidence.buckets + HOUR + curve.window <= now
    trials, positives, rewards = (
        sums[..., over].sum(axis=-1) for sums in (evidence.trials, evidence.positives, evidence.rewards)
    )
    so_far, earned = evidence.positives.sum(axis=-1), evidence.rewards.sum(axis=-1)
    shares = curve.of_buckets(evidence.buckets, now)
    theta = _rates(evidence, curve, shares, now)[0][..., None]
    pending = evidence.trials - evidence.positives
    coming = (pending * (theta * (1.0 - shares) / (1.0 - theta * shares))).sum(axis=-1)
    gross = earned + np.tensordot(np.asarray(penalties, np.float64), evidence.penalty_counts.sum(axis=-1), axes=1)
    usual = gross.sum() / so_far.sum() if so_far.any() else 1.0
    each = np.divide(gross, so_far, out=np.full_like(gross, usual), where=so_far > 0.0)
    return Maturity(trials, positives, rewards, so_far + coming, earned + coming * each)


def _rates(evidence: Evidence, curve: DelayCurve, shares: Floats, now: Instant) -> tuple[Floats, Floats]:
    """Rate of each segment and arm for plugging in, and what part of its counts they are worth, ``[S, A]`` each."""
    if not len(shares):
        return np.full(evidence.trials.shape[:2], 0.5), np.ones(evidence.trials.shape[:2])
    level = np.floor(np.log(np.maximum(shares, 1e-9)) / _ALIKE)
    first = np.flatnonzero(np.append(True, level[1:] != level[:-1]))
    sizes = np.diff(np.append(first, len(shares)))
    share = np.add.reduceat(shares, first) / sizes
    trials = np.add.reduceat(evidence.trials, first, axis=-1)
    successes = evidence.positives.sum(axis=-1)
    pending = trials - np.add.reduceat(evidence.positives, first, axis=-1)

    def solved(successes: Floats, pending: Floats, more: Floats, failing: float) -> Floats:
        theta = np.clip(more / (more + failing), 0.0, _HIGHEST)
        for _ in range(_ROUNDS):
            failures = (pending * (share * (1.0 - theta[..., None]) / (1.0 - theta[..., None] * share))).sum(axis=-1)
            theta = np.minimum((successes + more) / (successes + failures + more + failing), _HIGHEST)
        return theta

    pooled = float(solved(successes.sum(), pending.sum(axis=(0, 1)), np.array(1.0), 1.0))
    theta = solved(successes, pending, np.full(successes.shape, pooled * _BORROWED), (1.0 - pooled) * _BORROWED)
    last = np.append(first[1:], len(shares)) - 1
    ages = now - (evidence.buckets[first] + evidence.buckets[last] + HOUR) // 2
    return theta, _worth(theta, trials, share, _younger(curve, ages), curve.doubts)


def _worth(theta: Floats, trials: Floats, share: Floats, younger: Floats, doubts: Floats) -> Floats:
    """Ratio of the variance that the counts claim to the variance of the rate, ``[S, A]``, at most 1."""
    counted = trials @ share
    known = trials * (share / (1.0 - theta[..., None] * share))
    total = known.sum(axis=-1)
    some = total > 0.0
    part = (known / np.where(some, total, 1.0)[..., None]) @ younger
    of_curve = (part**2 @ doubts) / (1.0 - theta) ** 2
    claimed = theta * (1.0 - theta) * counted
    variance = np.where(some, 1.0 / np.where(some, theta * (1.0 - theta) ** 2 * total, 1.0), 0.0) + of_curve
    return np.where(some, np.minimum(1.0 / np.where(some, claimed * variance, 1.0), 1.0), 1.0)


def _younger(curve: DelayCurve, ages: NDArray[np.int64]) -> Floats:
    """How much of each step of the curve still lies before trials of some ages, ``[C]`` to ``[C, J]``."""
    low, high = curve.edges[:-1], curve.edges[1:]
    return 1.0 - np.clip((ages[:, None] - low) / (high - low), 0.0, 1.0)
