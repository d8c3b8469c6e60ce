"""What an order is worth: log-normal amounts whose spread and levels are pooled, and which one giant cannot turn.

The logarithm of an amount in segment ``s`` under arm ``a`` is normal, of spread ``v_a`` around

    level_s + arm_a + own_sa,    arm_a ~ N(0, v / ARM_ORDERS),    own_sa ~ N(0, v / OWN_ORDERS):

levels are those of the segment, arms differ from each other by little, and by less again from segment to segment. So
a segment of few orders borrows what all segments have seen of the arm, and an arm of few orders what is seen of all.
Each ``v_a`` leans on the pooled spread with the strength of ``SPREAD_ORDERS`` orders: the expectation of an amount goes
with ``exp(v_a / 2)``, which a few orders alone would leave anywhere (normal distribution with both parameters
unknown, conjugate prior: Gelman et al. 2013, "Bayesian Data Analysis", 3.3 and 5.4).

An order far from what its arm usually earns says little about what the arm earns next. Such orders count less, after
Huber (1964) with weights that fall again beyond the bend (Beaton & Tukey 1974; Hampel 1974): ``min(1, (BEND / z)^4)``
for an order ``z`` spreads away. Cells hold sums, not orders; a cell of one order is that order, and of a cell of more
the largest order follows from the sum of amounts and that of their squares, if it stands out at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.policy.posterior import Floats

ARM_ORDERS: Final = 40.0  # orders that the prior of an arm's level is worth
OWN_ORDERS: Final = 60.0  # orders that the prior of its difference in one segment is worth
SEGMENT_ORDERS: Final = 10.0  # orders that the prior of a segment's level is worth
SPREAD_ORDERS: Final = 200.0  # orders that the pooled spread is worth to an arm's own

_BEND = 2.25  # spreads from the middle up to which an order counts in full
_LEAST_SPREAD = 1.0  # in logarithms, of what is a giant: within exp(2.25) = 9 times the usual every order counts
_FIRST_SPREAD, _FIRST_ORDERS = 1.0, 10.0  # the pooled variance of logarithms before any order, and its worth in orders
_OF_CELLS = 0.1  # variance of honest differences between the cells of an arm, in units of the spread's
_DOUBTED = 2.0  # so many orders of a cell at most are doubted because of its mean: hours may honestly differ
_MOST_ROUNDS, _SETTLED = 30, 1e-3  # until no middle moves by more than that part of a spread
_MOST = 1e100  # no amount is larger; keeps squares finite


@dataclass(frozen=True, slots=True, eq=False)
class Orders:
    """Sums over the orders of ``C`` cells of one segment, arm and time each, none of them empty.

    Attributes:
        segment, arm: of each cell, ``[C]``.
        weight: what each order counts by its age, ``[C]``.
        count: orders, ``[C]``.
        logs, log_squares: sums of the logarithm of the amount and of its square, ``[C]``.
        total, squares: sums of the amounts and of their squares, ``[C]``.
    """

    segment: NDArray[np.int64]
    arm: NDArray[np.int64]
    weight: Floats
    count: Floats
    logs: Floats
    log_squares: Floats
    total: Floats
    squares: Floats


@dataclass(frozen=True, slots=True, eq=False)
class OrderValues:
    """What is believed about the logarithm of the expected amount: a normal distribution, by its parts.

    Attributes:
        location: its mean, ``[S, A]``.
        of_segment: standard deviation of what all arms of a segment share, ``[S]``.
        of_arm: of what is drawn once for an arm and used in a segment as far as that leans on the others, ``[S, A]``.
        of_spread: of half the variance of the arm's amounts, in all segments alike, ``[A]``.
        of_own: of what concerns one arm in one segment, ``[S, A]``.
    """

    location: Floats
    of_segment: Floats
    of_arm: Floats
    of_spread: Floats
    of_own: Floats

    @property
    def variance(self) -> Floats:
        """Of the logarithm of the expected amount, ``[S, A]``."""
        return self.of_segment[:, None] ** 2 + self.of_arm**2 + self.of_spread**2 + self.of_own**2


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """One round's middle and spread: levels ``[S]``, arms ``[A]``, own differences ``[S, A]``, variance ``v``."""

    level: Floats
    arm: Floats
    own: Floats
    spread: float

    @property
    def middle(self) -> Floats:
        """Of the logarithm of an amount, ``[S, A]``."""
        return self.level[:, None] + self.arm + self.own


def order_values(orders: Orders, n_segments: int, n_arms: int) -> OrderValues:
    """What the orders say about the amounts of every segment and arm.

    Without any order every amount is believed to be 1, for certain: then arms differ by how often they are rewarded.
    """
    shape = (n_segments, n_arms)
    if not orders.count.sum():
        nothing = np.zeros(shape)
        return OrderValues(nothing, np.zeros(n_segments), nothing, np.zeros(n_arms), nothing)
    fit, trusted = _first(orders, shape), orders
    for _ in range(_MOST_ROUNDS):
        before, trusted = fit.middle, _trusted(orders, fit)
        fit = _next(trusted, fit)
        if np.abs(fit.middle - before).max() < _SETTLED * np.sqrt(fit.spread):
            break
    return _values(trusted, fit)


def _first(orders: Orders, shape: tuple[int, int]) -> _Fit:
    """Where to begin: the median of the cells of each arm, leaning on that of all, and the spread around it."""
    means, counts = orders.logs / orders.count, orders.weight * orders.count
    middle = _median(means, counts)
    arm = np.zeros(shape[1])
    for a in np.unique(orders.arm):
        mine = orders.arm == a
        n = counts[mine].sum()
        arm[a] = (_median(means[mine], counts[mine]) - middle) * n / (n + ARM_ORDERS)
    first = _Fit(np.full(shape[0], middle), arm, np.zeros(shape), _FIRST_SPREAD)
    return replace(first, spread=_spread(orders, first.middle))


def _median(values: Floats, counts: Floats) -> float:
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(counts[order])
    return float(values[order[np.searchsorted(upto, upto[-1] / 2)]])


def _trusted(orders: Orders, fit: _Fit) -> Orders:
    """The orders again, those that stand out counting less."""
    middle = fit.middle[orders.segment, orders.arm]
    scale = max(np.sqrt(fit.spread), _LEAST_SPREAD)
    largest = np.log(_largest(orders, middle, fit.spread))
    taken = np.where(orders.count > 1, 1.0 - _trust((largest - middle) / scale), 0.0)
    count, logs = orders.count - taken, orders.logs - taken * largest
    log_squares = orders.log_squares - taken * largest**2
    log_squares = np.maximum(log_squares, logs**2 / count)
    trust = _trust((logs / count - middle) / (scale * np.sqrt(1.0 / count + _OF_CELLS * (orders.count > 1))))
    trust = np.maximum(trust, 1.0 - _DOUBTED / orders.count)
    return replace(orders, weight=orders.weight * trust, count=count, logs=logs, log_squares=log_squares)


def _trust(z: Floats) -> Floats:
    return (_BEND / np.maximum(np.abs(z), _BEND)) ** 4


def _largest(orders: Orders, middle: Floats, spread: float) -> Floats:
    """About the largest amount of each cell, ``[C]``, not above it where it does not stand out.

    If the others, whose sum is ``total - x``, are log-normal of this spread, their squares sum to about ``(total - x)^2
    exp(v) / (k - 1)``, and that with ``x^2`` is the sum of squares. Where that has no solution none stands out: the
    largest is at least ``squares / total``. Squares may have been cut off where amounts count in small units of
    currency; then what the total has above its expectation, and two standard deviations, is one order's.
    """
    others = np.maximum(orders.count - 1.0, 1.0)
    total, squares = np.maximum(orders.total, 1e-12), np.maximum(orders.squares, 0.0)
    ratio = np.exp(min(spread, 50.0)) / others
    root = np.sqrt(np.maximum((1.0 + ratio) * squares - ratio * total**2, 0.0))
    standing_out = np.where(root > 0.0, (ratio * total + root) / (1.0 + ratio), 0.0)
    usual = np.exp(np.minimum(middle + spread / 2, 200.0))
    above = total - usual * (others + 2.0 * np.sqrt(np.expm1(min(spread, 50.0)) * others))
    found = np.maximum(np.minimum(standing_out, np.sqrt(squares)), squares / total)
    return np.clip(np.maximum(found, above), 1e-12, _MOST)


def _next(orders: Orders, fit: _Fit) -> _Fit:
    """One round of levels, then arms, then own differences, each given the others; and the spread around them."""
    n, sums = _per_cell(orders, fit)
    per_segment = n.sum(axis=1)
    middle = float((sums - n * (fit.arm + fit.own)).sum() / n.sum())
    level = np.full(len(n), middle)
    if len(n) > 1:
        above = (sums - n * (middle + fit.arm + fit.own)).sum(axis=1)
        level += above / (per_segment + SEGMENT_ORDERS)
    means = np.divide(sums, n, out=np.zeros_like(n), where=n > 0) - level[:, None]
    informed = n * OWN_ORDERS / (n + OWN_ORDERS)
    arm = (informed * means).sum(axis=0) / (informed.sum(axis=0) + ARM_ORDERS)
    own = n / (n + OWN_ORDERS) * (means - arm)
    found = _Fit(level, arm, np.where(n > 0, own, 0.0), fit.spread)
    return replace(found, spread=_spread(orders, found.middle))


def _per_cell(orders: Orders, fit: _Fit) -> tuple[Floats, Floats]:
    """Orders and the sum of their logarithms by segment and arm, ``[S, A]`` each."""
    return _summed(orders, orders.count, fit.own.shape), _summed(orders, orders.logs, fit.own.shape)


def _summed(orders: Orders, values: Floats, shape: tuple[int, int]) -> Floats:
    places = orders.segment * shape[1] + orders.arm
    sums = np.bincount(places, orders.weight * values, minlength=shape[0] * shape[1])
    return np.asarray(sums.reshape(shape), np.float64)


def _squares(orders: Orders, middle: Floats) -> Floats:
    """Sum of squared distances of the logarithms from the middle, ``[S, A]``."""
    at = middle[orders.segment, orders.arm]
    return _summed(orders, orders.log_squares - 2 * at * orders.logs + at**2 * orders.count, middle.shape)


def _spread(orders: Orders, middle: Floats) -> float:
    """The pooled variance of logarithms, leaning on that before any order."""
    n = float((orders.weight * orders.count).sum())
    squares = float(_squares(orders, middle).sum())
    return (_FIRST_ORDERS * _FIRST_SPREAD + max(squares, 0.0)) / (_FIRST_ORDERS + n)


def _values(orders: Orders, fit: _Fit) -> OrderValues:
    n, _ = _per_cell(orders, fit)
    per_arm = n.sum(axis=0)
    spread = (SPREAD_ORDERS * fit.spread + np.maximum(_squares(orders, fit.middle).sum(axis=0), 0.0)) / (
        SPREAD_ORDERS + per_arm
    )
    informed = n * OWN_ORDERS / (n + OWN_ORDERS)
    leaning = OWN_ORDERS / (n + OWN_ORDERS)
    shared = fit.spread / max(float(n.sum()), 1.0)
    apart = fit.spread / (n.sum(axis=1) + SEGMENT_ORDERS) if len(n) > 1 else np.zeros(1)
    return OrderValues(
        location=fit.middle + spread / 2,
        of_segment=np.sqrt(shared + apart),
        of_arm=leaning * np.sqrt(fit.spread / (informed.sum(axis=0) + ARM_ORDERS)),
        of_spread=spread / np.sqrt(2.0 * (SPREAD_ORDERS + per_arm)),
        of_own=np.sqrt(fit.spread / (n + OWN_ORDERS)),
    )
