"""Silence: no outcome of any kind for longer than chance allows means that reports have stopped, not that nobody buys.

How long is too long is said in outcomes that should have come, so nights and weekends without sends do not count. What
should have come follows from what usually comes and how late; every guess is made so that less is expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from optimizer.domain.delays import DELAY_STARTS
from optimizer.domain.instants import DAY, HOUR, Duration, Instant

Floats = NDArray[np.float64]

IMPOSSIBLE: Final = 1e-6  # a silence less likely than this is no chance
UNUSUAL: Final = 3.0  # nor is one that misses three times what went missing before an earlier one ended by itself
_LOWEST: Final = 0.01  # rates are taken at this quantile of what is believed about them
_MEMORY: Final = 14 * DAY  # half-life of what is remembered of earlier rates and silences
_FEWEST_DELAYS, _FEWEST_AT_RISK = 20, 5
_MATURE: Final = 0.5  # rates are judged by decisions of which so much has come, as if it was everything
_PATIENCE: Final = DAY  # with fewer, an outcome is expected after this long
_LEAST_SPREAD, _MOST_SPREAD, _DAYS_FOR_SPREAD = 0.1, 0.25, 5
_LOWEST_RATE: Final = 0.001  # nobody runs a campaign whose messages have fewer outcomes of any kind than this
_LOWEST_REPORTED: Final = 0.5  # nor one of whose messages fewer than half are reported as delivered or opened
_UNHEARD: Final = 1e-3  # no outcome ever: an alarm that freezes nothing may be wrong more often


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """What was sent in each time bucket, and what came of it so far.

    Attributes:
        buckets: starts of the buckets, ``[B]``, increasing, an hour wide.
        sent: decisions that sent something, ``[B]``.
        answered: of these, how many had an outcome of each of ``K`` kinds, ``[K, B]``.
        rewarded: how many were rewarded, ``[B]``.
        delays: of these, how many by how long after the exposure, ``[N_DELAYS, B]``; see `domain.delays`.
    """

    buckets: NDArray[np.int64]
    sent: Floats
    answered: Floats
    rewarded: Floats
    delays: Floats


@dataclass(frozen=True, slots=True)
class Missing:
    """How much a silence lacks.

    Attributes:
        expected: fewest decisions with an outcome that should have been heard of meanwhile.
        sent: decisions made meanwhile that sent something.
        probability: that none was heard of by chance.
    """

    expected: float
    sent: int
    probability: float


def missing(
    traffic: Traffic, since: Instant, now: Instant, known_at: Instant, patience: Duration = _PATIENCE
) -> Missing:
    """What should have been heard of between two instants if nothing had changed.

    Rewards come as late as rewards did, by the product-limit estimate of right-truncated delays (Lagakos, Barraj & De
    Gruttola 1988), so those due from earlier decisions count too. Outcomes of other kinds are expected of decisions
    made since only, and no sooner than rewards. The larger number holds, for a decision has one of each kind at most.
    Rates vary from day to day: with a Gamma of mean 1 and variance ``v`` the probability of none among ``m`` expected
    is ``(1 + v m)^(-1/v)``.

    Args:
        traffic: what was sent and what came of it.
        since: begin of the silence.
        now: its end so far.
        known_at: outcomes up to then have been heard of: rates and delays are judged by these.
        patience: how late an outcome may usually be, while fewer than 20 delays are known.
    """
    # As if everything was sent at the end of its hour.
    ages, before, earlier = (np.maximum(at - HOUR - traffic.buckets, 0) for at in (now, since, known_at))
    since_then = traffic.buckets >= since
    sent = int(traffic.sent[since_then].sum())
    many = traffic.delays.sum() >= _FEWEST_DELAYS
    curve = _Curve(traffic, known_at) if many else _Step(patience)
    come, had_come = curve.share(ages), curve.share(before)
    mature = (curve.share(earlier) >= _MATURE) & (traffic.buckets <= known_at)
    recent = np.where(mature, np.exp2(-earlier / _MEMORY), 0.0)
    exposure = float(recent @ traffic.sent)
    if exposure <= 0.0:
        return Missing(0.0, sent, 1.0)
    counts = traffic.answered @ recent
    likely = int(counts.argmax()) if len(counts) else 0
    expected, spread = 0.0, _LEAST_SPREAD
    if len(counts):
        expected = _lowest_rate(float(counts[likely]), exposure) * float((traffic.sent * come)[since_then].sum())
        spread = _spread(traffic, traffic.answered[likely], mature)
    if many:
        rewards = _lowest_rate(float(recent @ traffic.rewarded), exposure)
        expected = max(expected, rewards * float(traffic.sent @ (come - had_come)))
    return Missing(expected, sent, float((1.0 + spread * expected) ** (-1.0 / spread)))


def is_silence(found: Missing, usual: float) -> bool:
    """Whether reports must have stopped, given what went missing before earlier silences ended by themselves."""
    return found.probability < IMPOSSIBLE and found.expected > UNUSUAL * usual


def unheard(traffic: Traffic, now: Instant, *, reported: bool, patience: Duration = _PATIENCE) -> Missing:
    """The same of a campaign of which nothing has ever been heard, by the lowest rates that are plausible.

    Args:
        traffic: what was sent.
        now: the instant.
        reported: whether somebody has to report that a message was delivered or opened before it counts.
        patience: how late an outcome may usually be.
    """
    sent = int(traffic.sent[traffic.buckets + HOUR + patience <= now].sum())
    expected = sent * (_LOWEST_REPORTED if reported else _LOWEST_RATE)
    return Missing(expected, sent, float(np.exp(-expected)))


def is_unheard(found: Missing) -> bool:
    """Whether something should have been heard of by now."""
    return found.probability < _UNHEARD


def remembered(usual: float, elapsed: Duration) -> float:
    """What is left of the memory of a long silence after some time."""
    return float(usual * np.exp2(-max(elapsed, 0) / _MEMORY))


class _Curve:
    """Share of the rewards that have come by an age, of those that come as late as can have been seen."""

    def __init__(self, traffic: Traffic, known_at: Instant) -> None:
        seen = traffic.delays.any(axis=0)
        counts = traffic.delays[:, seen]
        # A delay can be seen of decisions at least as old.
        old_enough = DELAY_STARTS[:, np.newaxis] <= known_at - traffic.buckets[seen]
        events = (counts * old_enough).sum(axis=1)
        at_risk = (np.cumsum(counts, axis=0) * old_enough).sum(axis=1)
        kept = np.where(at_risk >= _FEWEST_AT_RISK, 1.0 - events / np.maximum(at_risk, 1.0), 1.0)
        shares = np.append(np.cumprod(kept[:0:-1])[::-1], 1.0)  # by the end of each bin
        shares[: int(counts.any(axis=1).argmax())] = 0.0
        self._shares = np.append(0.0, shares)
        self._ends = np.append(DELAY_STARTS[1:], 2 * DELAY_STARTS[-1])

    def share(self, ages: NDArray[np.int64]) -> Floats:
        """By each age, of the shape of the ages."""
        return self._shares[np.searchsorted(self._ends, ages, side="right")]


@dataclass(frozen=True, slots=True)
class _Step:
    """All of them at once after a while: what is assumed while too few have been seen."""

    patience: Duration

    def share(self, ages: NDArray[np.int64]) -> Floats:
        """By each age, of the shape of the ages."""
        return (ages >= self.patience).astype(np.float64)


def _lowest_rate(count: float, exposure: float) -> float:
    """A rate that is hardly lower, given so many in so much: the 1 % quantile of Jeffreys' Gamma(count + 1/2)."""
    return min(float(gammaincinv(count + 0.5, _LOWEST)) / exposure, 1.0)


def _spread(traffic: Traffic, answered: Floats, mature: NDArray[np.bool_]) -> float:
    """Variance of the rates between days, in squared mean rates, by moments; at least that of a third of the rate."""
    days, of_bucket = np.unique(traffic.buckets[mature] // DAY, return_inverse=True)
    sent, heard = (np.bincount(of_bucket, x[mature], len(days)) for x in (traffic.sent, answered))
    if len(days) < _DAYS_FOR_SPREAD or sent.sum() == 0 or heard.sum() == 0:
        return _LEAST_SPREAD
    expected = sent * heard.sum() / sent.sum()
    seen = float((((heard - expected) ** 2) - expected).sum() / (expected**2).sum())
    return min(max(seen, _LEAST_SPREAD), _MOST_SPREAD)
