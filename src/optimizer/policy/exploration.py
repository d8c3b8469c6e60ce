"""Exploration control: how P(best) becomes shares when people want more, or slower, than plain Thompson sampling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.policy.allocation import allocation, beside_withhold, on_lattice, sent_alone

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# P(best), P(withhold) and who is eligible become what is drawn from: `shares` with all else given.
Sharing = Callable[[Floats, Floats | float | None, Bools], Floats]

# A variant with fewer trials than the minimum is a newcomer once the segment has this many times what all need.
_EXPERIENCED = 2.0
# Added to P(best) of every rival, a 200th part of the lattice: who comes second stays defined where the first is sure.
_UNSURE = 1e-12


@dataclass(frozen=True, slots=True)
class Exploration:
    """What people ask of the shares, in the order in which it is done to them; the defaults leave P(best) as it is.

    Attributes:
        top_two: probability of keeping the first draw rather than its best rival, above 0 and at most 1.
        minimum_trials: trials each variant of a segment gets before any is preferred.
        floor, cap: least and largest share of a variant, see `allocation`.
        largest_change: most by which a variant's share moves from one snapshot to the next, above 0 and at most 1.

    Raises:
        ValueError: a number is outside its range.
    """

    top_two: float = 1.0
    minimum_trials: int = 0
    floor: float = 0.0
    cap: float = 1.0
    largest_change: float = 1.0

    def __post_init__(self) -> None:
        for name in ("top_two", "largest_change"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: found {getattr(self, name)}; allowed above 0, up to 1")
        for name in ("floor", "cap"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: found {getattr(self, name)}; allowed 0 to 1")
        if self.minimum_trials < 0:
            raise ValueError(f"minimum_trials: found {self.minimum_trials}; allowed at least 0")


NO_CONTROL: Final = Exploration()


def shares(
    p_best: Floats,
    p_withhold: Floats | float | None,
    eligible: Bools,
    trials: Floats,
    before: Floats | None,
    bounds: Exploration,
) -> Floats:
    """Probability with which each arm is drawn, and last that of withhold where there is one.

    In this order, all on what is sent: top-two (`top_two_shares`), minimum trials (`with_minimum`), floor, cap and
    lattice (`allocation`), largest change (`towards`). What is withheld follows its price alone. With the default
    bounds a row is that of `allocation` or `priced_allocation`, bit for bit.

    Floor and cap hold to within ``A * 2^-32`` wherever the shares before kept them; a newcomer below the floor, or a
    share that grew above the cap as others left, comes back within them by the largest change.

    Args:
        p_best: P(arm is best among the eligible), ``[..., A]``.
        p_withhold: P(no eligible arm is worth its price), ``[...]``; None where there is no price.
        eligible: which arms may be chosen, ``[..., A]``.
        trials: exposed decisions each arm has had in the segment, ``[..., A]``.
        before: shares in force until now, ``[..., A]``, of whatever could be chosen then; None begins at equal shares.
        bounds: what people ask for.

    Returns:
        ``[..., A]``, or with a price ``[..., A + 1]``: rows sum to exactly 1.0, with exactly 0 for arms that are not
        eligible; a row of zeros where none is.

    Raises:
        ValueError: as for `allocation`, or `trials` or `before` do not fit.
    """
    for name, array in (("trials", trials), ("before", before)):
        if array is not None and (array.shape != p_best.shape or not (array >= 0.0).all()):
            raise ValueError(f"{name}: found shape {array.shape}; allowed {p_best.shape}, numbers of at least 0")
    if p_withhold is None:
        return _sent(p_best, eligible, trials, before, bounds)
    given_sent, sendable, parts_withheld = sent_alone(p_best, p_withhold, eligible)
    return beside_withhold(_sent(given_sent, sendable, trials, before, bounds), sendable, parts_withheld)


def in_force(bounds: Exploration) -> Iterator[tuple[str, Exploration]]:
    """Name of each bound that can do something, with the bounds up to and including it, in the order they work.

    Floor and cap are always among them.
    """
    so_far = NO_CONTROL
    for field in fields(Exploration):
        asked = getattr(bounds, field.name)
        so_far = replace(so_far, **{field.name: asked})
        if field.name in {"floor", "cap"} or asked != getattr(NO_CONTROL, field.name):
            yield field.name, so_far


def top_two_shares(p_best: Floats, eligible: Bools, keep: float) -> Floats:
    """Shares of top-two Thompson sampling, ``[..., A]``: keep the first draw, or redraw until another arm comes.

    With ``keep`` the probability of the former, ``q_a = p_a (keep + (1 - keep) sum_{i != a} p_i / (1 - p_i))`` (Russo
    2016, "Simple Bayesian algorithms for best arm identification", section 3.3, summed over the redraws). So with one
    half about half of the traffic tells the leader from its rivals, however sure the leader already is. Where the
    others' P(best) is as good as 0, below 1e-12, each of them is the rival equally often: the limit of rivals that are
    equally unlikely. An arm without a rival keeps everything.
    """
    if keep == 1.0:
        return p_best
    p = np.where(eligible, p_best, 0.0)
    n_rivals = eligible.sum(axis=-1, keepdims=True) - 1
    rival = np.where(eligible, p + _UNSURE, 0.0)
    wins = np.divide(p, _of_others(rival), out=np.zeros_like(p), where=eligible & (n_rivals > 0))
    redrawn = np.where(n_rivals > 0, rival * _of_others(wins), p)
    return keep * p + (1.0 - keep) * redrawn


def with_minimum(p: Floats, eligible: Bools, trials: Floats, minimum: int) -> Floats:
    """Shares where arms with fewer trials than the minimum are neither preferred nor neglected, ``[..., A]``.

    An equal split among all eligible arms, until each has the minimum: nothing reaches it sooner for all of them. Once
    the eligible arms have together twice what all need, an arm below the minimum is a newcomer: it still gets its equal
    share, ``1 / n``, but the others share the rest as they would among themselves, so that what is known about them is
    not thrown away for it.
    """
    short = eligible & (trials < minimum)
    if not short.any():
        return p
    n = eligible.sum(axis=-1, keepdims=True)
    uniform = np.where(eligible, 1.0 / np.maximum(n, 1), 0.0)
    known = np.where(eligible & ~short, p, 0.0)
    total = known.sum(axis=-1, keepdims=True)
    rest = 1.0 - np.where(short, uniform, 0.0).sum(axis=-1, keepdims=True)
    with_newcomers = np.where(short, uniform, rest * np.divide(known, total, out=np.zeros_like(known), where=total > 0))
    seen = np.where(eligible, trials, 0.0).sum(axis=-1, keepdims=True)
    experienced = (seen >= _EXPERIENCED * n * minimum) & (total > 0)
    return np.where(short.any(axis=-1, keepdims=True), np.where(experienced, with_newcomers, uniform), p)


def towards(goal: Floats, before: Floats | None, eligible: Bools, largest_change: float) -> Floats:
    """The allocation on the way from the shares before to the goal where no share moves by more than a change.

    ``before + t (goal - before)`` with the largest ``t`` of at most 1 that allows it. So bounds that both keep are
    kept, and the goal is reached after at most ``1 / largest_change`` such steps, rounded up. The shares before are
    first given to the arms that are eligible now, in proportion; where these had none, or there are none, equally.
    """
    if largest_change == 1.0:
        return goal
    equal = np.where(eligible, 1.0, 0.0)
    left = equal if before is None else np.where(eligible, before, 0.0)
    left = np.where(left.any(axis=-1, keepdims=True), left, equal)
    total = left.sum(axis=-1, keepdims=True)
    start = np.divide(left, total, out=left.copy(), where=total > 0)
    furthest = np.abs(goal - start).max(axis=-1, keepdims=True)
    step = np.divide(largest_change, furthest, out=np.ones_like(furthest), where=furthest > largest_change)
    return np.where(step < 1.0, on_lattice(start + step * (goal - start)), goal)


def _sent(p_best: Floats, eligible: Bools, trials: Floats, before: Floats | None, bounds: Exploration) -> Floats:
    """The shares of what is sent, ``[..., A]``."""
    p = with_minimum(top_two_shares(p_best, eligible, bounds.top_two), eligible, trials, bounds.minimum_trials)
    return towards(allocation(p, eligible, bounds.floor, bounds.cap), before, eligible, bounds.largest_change)


def _of_others(values: Floats) -> Floats:
    """Sum over all other arms, ``[..., A]``: from both sides, as subtracting from the total would lose the small."""
    below, above = np.zeros_like(values), np.zeros_like(values)
    below[..., 1:] = np.cumsum(values[..., :-1], axis=-1)
    above[..., :-1] = np.cumsum(values[..., :0:-1], axis=-1)[..., ::-1]
    return below + above
