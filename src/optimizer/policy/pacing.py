"""Pacing: which price makes spend follow its course through the budget's period.

A budget is worth most where every unit of it earns the same reward at the margin: one *price*, in reward per unit
of currency, for everybody. It is the dual variable of the budget constraint. Dual ascent learns it without a
model, raising it while spend is ahead of its target (Agrawal & Devanur 2014; Balseiro & Gur 2019, "Learning in
repeated auctions with budgets"), but needs a step size in units of the price, and many steps when beliefs fall
from a prior of 1/2 to rates of 1/100. Here the curve the dual would climb is known: the posterior says what a
decision is expected to cost at any price. So at every refresh the price is solved for anew, such that over the
next stretch of the period

    gain * stretch * sum over segments of traffic_s * cost_s(price) = target(now + stretch) - spent.

That is the re-solving heuristic (Jasin & Kumar 2012), certainty equivalent control of what is left. Feedback comes
in three ways: what was spent moves the right side; ``traffic`` is what came lately, in each segment; and ``gain``,
spend that came true over spend foreseen, learns what the demand curve cannot know, such as variants removed by
guardrails. Nothing in it has a scale of its own: rewards and costs may be of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import exp, log
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Duration, Instant

Pacing = Literal["even", "front", "none"]

STRETCH = 0.03  # share of the period over which spend returns to its course, and traffic and gain are remembered
TRICKLE = 0.05  # share of even spend that goes on while spend is ahead, so that learning does too
_BELIEF = 0.25  # stretches of even spend that a gain of 1 is believed from the start
_GAIN_WITHIN = 20.0  # so that released reservations or an hour without spend cannot make the gain absurd
_CLOSE = 0.005  # share by which foreseen spend may miss what is wanted
_SMALLEST_SHARE = 1e-12  # of the highest price: a lower one is 0
_SAME = 1e-9  # logarithms of prices that need not be told apart
_STEPS = 50  # most that a search takes; three are usual


@dataclass(frozen=True, slots=True)
class BudgetPeriod:
    """A budget and when it is to be spent.

    Attributes:
        start: first instant of the period.
        end: first instant after it.
        limit: what may be spent in it, in units of currency.
        pacing: the course: ``even`` in time, ``front`` loaded, or ``none``.

    Raises:
        ValueError: the period is empty, or the limit is not a number of at least 0.
    """

    start: Instant
    end: Instant
    limit: float
    pacing: Pacing = "even"

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ValueError(
                f"budget period: found an end {self.end} at or before its start {self.start}; allowed after"
            )
        if not (self.limit >= 0.0 and np.isfinite(self.limit)):
            raise ValueError(f"budget limit: found {self.limit}; allowed a number of at least 0")

    @property
    def length(self) -> Duration:
        """How long the period is, in microseconds."""
        return self.end - self.start

    def target(self, at: Instant) -> float:
        """What should have been spent by an instant, in units of currency."""
        return self.limit * target_share(self.pacing, (at - self.start) / self.length)


@dataclass(frozen=True, slots=True)
class Pace:
    """A price, and what must be remembered to find the next: all of it numbers, to be kept with the snapshot.

    Attributes:
        at: when it was made.
        price: what a unit of currency must earn, in reward units.
        spent: what had been spent, reserved or settled, since the period began.
        decisions: decisions of each segment since the period began, sent or withheld, ``[S]``.
        expected: expected cost of a decision of each segment at this price, ``[S]``.
        counts: recent decisions of each segment, older ones counting less, ``[S]``.
        span: microseconds in which they came, older ones counting less.
        realised: recent spend, older spend counting less.
        foreseen: what it was expected to be.
    """

    at: Instant
    price: float
    spent: float
    decisions: tuple[float, ...]
    expected: tuple[float, ...]
    counts: tuple[float, ...]
    span: float
    realised: float
    foreseen: float


def target_share(pacing: Pacing, elapsed_share: float) -> float:
    """Share of the budget that should be spent when a share of its period is over.

    ``even``: ``t``. ``front``: ``1 - (1 - t)^2``, twice the even rate at first and none at the end. ``none``: 1 always.

    Args:
        pacing: the course.
        elapsed_share: ``t``; below 0 counts as 0 and above 1 as 1.
    """
    t = min(max(elapsed_share, 0.0), 1.0)
    match pacing:
        case "even":
            return t
        case "front":
            return t * (2.0 - t)
        case "none":
            return 1.0


def next_pace(
    previous: Pace | None,
    now: Instant,
    spent: float,
    decisions: Sequence[float] | NDArray[np.float64],
    period: BudgetPeriod,
    spend_at: Callable[[float], NDArray[np.float64]],
    highest_price: float,
) -> Pace:
    """The price from now until the next refresh, and what to remember.

    The first price is that of the previous pace, or 0: until traffic is known nothing can be foreseen. Then it is 0
    whenever all traffic can be afforded, and ``highest_price`` once the budget is gone. Without pacing it is always 0:
    then only the limit holds, which this function does not enforce; reservations do. Between refreshes nothing reacts:
    a hundred refreshes in a period, or more, keep what a burst can do small.

    Args:
        previous: the pace of the last refresh; ``None`` at the start of a period, and when segments have changed.
        now: instant of this refresh.
        spent: reserved and settled since the period began, in units of currency.
        decisions: since the period began, in each segment, sent or withheld, ``[S]``.
        period: the budget.
        spend_at: expected cost of a decision in each segment at a price, ``[S]``, not rising in the price; see
            :func:`optimizer.policy.demand.spend_per_decision`.
        highest_price: a price at which nothing that costs is sent.
    """
    seen = _remembered(previous, now, spent, np.asarray(decisions, np.float64), period)
    expected_at = cache(spend_at)
    price = _price(seen, expected_at, period, highest_price)
    return replace(seen, price=price, expected=tuple(np.asarray(expected_at(price), np.float64).tolist()))


def carried_over(last: Pace, period: BudgetPeriod) -> Pace:
    """The last pace of one period as the first ``previous`` of the next: same price and traffic, nothing spent yet."""
    return replace(last, at=period.start, spent=0.0, decisions=(0.0,) * len(last.decisions))


def _remembered(
    previous: Pace | None, now: Instant, spent: float, decisions: NDArray[np.float64], period: BudgetPeriod
) -> Pace:
    """Counts brought up to date; the price is still the old one."""
    nothing = (0.0,) * len(decisions)
    before = previous or Pace(period.start, 0.0, 0.0, nothing, nothing, nothing, 0.0, 0.0, 0.0)
    came = np.maximum(decisions - np.array(before.decisions), 0.0)
    # Before the first price nothing was foreseen: what was spent counts as foreseen, and the gain stays 1.
    foreseen = spent if previous is None else float(came @ np.array(before.expected))
    elapsed = max(now - before.at, 0)
    keep = exp(-elapsed / (STRETCH * period.length))
    return Pace(
        at=now,
        price=before.price,
        spent=spent,
        decisions=tuple(decisions.tolist()),
        expected=before.expected,
        counts=tuple((keep * np.array(before.counts) + came).tolist()),
        span=keep * before.span + elapsed,
        realised=keep * before.realised + (spent - before.spent),
        foreseen=keep * before.foreseen + foreseen,
    )


def _price(
    seen: Pace, spend_at: Callable[[float], NDArray[np.float64]], period: BudgetPeriod, highest_price: float
) -> float:
    """The price at which spend is foreseen to meet its course at the end of the stretch that begins now."""
    if period.pacing == "none":
        return 0.0
    if seen.spent >= period.limit:
        return highest_price
    if seen.span == 0.0 or not any(seen.counts):
        return seen.price
    stretch = max(min(int(STRETCH * period.length), period.end - seen.at), 1)
    even = period.limit * stretch / period.length
    wanted = max(period.target(seen.at + stretch) - seen.spent, TRICKLE * even)
    belief = _BELIEF * even
    gain = (seen.realised + belief) / (seen.foreseen + belief)
    come = min(max(gain, 1.0 / _GAIN_WITHIN), _GAIN_WITHIN) * stretch / seen.span * np.array(seen.counts)
    return _root(lambda price: float(come @ spend_at(price)) / wanted - 1.0, seen.price, highest_price)


def _root(excess: Callable[[float], float], guess: float, highest: float) -> float:
    """The price at which a falling function crosses zero; 0 if it is nowhere above, ``highest`` if nowhere below.

    From the guess by growing factors to where the sign changes, then false position in the logarithm of the price,
    where an end that stays counts half each time (the Illinois rule: Dowell & Jarratt 1971).
    """
    if highest <= 0.0 or (guess == 0.0 and excess(0.0) <= _CLOSE):
        return 0.0
    near = min(guess, highest) if guess > 0.0 else highest
    at_near = excess(near)
    if abs(at_near) <= _CLOSE:
        return near
    far, at_far, factor = near, at_near, 1.1
    while at_far * at_near > 0.0:
        if at_near > 0.0 and near >= highest:
            return highest
        if near < _SMALLEST_SHARE * highest:
            return 0.0
        far, at_far = near, at_near
        near = min(near * factor, highest) if at_near > 0.0 else near / factor
        at_near, factor = excess(near), factor * factor
    return _between(excess, (log(far), at_far), (log(near), at_near))


def _between(excess: Callable[[float], float], old: tuple[float, float], new: tuple[float, float]) -> float:
    """The price between two points ``(log price, excess)`` of opposite sign."""
    for _ in range(_STEPS):
        if abs(new[1]) <= _CLOSE or abs(new[0] - old[0]) <= _SAME:
            break
        at = new[0] - new[1] * (new[0] - old[0]) / (new[1] - old[1])
        value = excess(exp(at))
        old = new if value * new[1] <= 0.0 else (old[0], old[1] / 2)
        new = at, value
    return exp(new[0])
