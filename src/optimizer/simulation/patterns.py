"""Which outcomes a decision has, together: a chance for every combination of the kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from optimizer.simulation.attribution import FROM_DECISION

LEVELS = 9  # of a recipient's frailty
_MOST_KINDS = 10  # a thousand combinations
_HALVINGS = 45  # of the bracket around a rate's log-odds: to 1e-12


class Outcomes(Protocol):
    """The chance of every combination of ``K`` kinds, for ``Z`` types of recipients, ``A`` arms and nothing sent."""

    @property
    def patterns(self) -> NDArray[np.bool_]:
        """``[P, K]``, which kinds happen; the last pattern is of none."""

    @property
    def shares(self) -> NDArray[np.float64]:
        """``[Z, Q]``, how many of each type have each level of frailty; rows sum to 1."""

    def chances(self, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of each pattern, ``[E, Z, A + 1, Q, P]``, with the log-odds shifted, ``[K, E, Z, A + 1]``."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTree:
    """Kinds that follow one another, or the decision, each with a chance of its own.

    Recipients differ by more than their type: each has a level ``u_q`` of frailty for good, and the log-odds of a kind
    are ``c + frailty * u_q``. So kinds with a frailty go together, or against each other, and one recipient's decisions
    resemble each other. ``c`` is such that the mean over the recipients concerned is the given rate, whatever the
    frailty and the shifts are.

    Attributes:
        parents: ``K``, the kind each follows, always an earlier one; `FROM_DECISION` for none.
        rates: ``[K, Z, A + 1]``, chance of each kind given its parent.
        frailties: ``K``, standard deviation of the log-odds between recipients; below 0: those more likely to do the
            others are less likely to do this.
        shares: ``[Z, Q]``, how many of each type have each level.
    """

    parents: tuple[int, ...]
    rates: NDArray[np.float64]
    frailties: tuple[float, ...]
    shares: NDArray[np.float64]

    @property
    def patterns(self) -> NDArray[np.bool_]:
        """All that the tree allows; the last is of none."""
        n = len(self.parents)
        every = (np.arange(2**n)[::-1, np.newaxis] >> np.arange(n)[::-1] & 1).astype(np.bool_)
        allowed = [
            every[:, parent] | ~every[:, kind] for kind, parent in enumerate(self.parents) if parent != FROM_DECISION
        ]
        return every[np.logical_and.reduce(allowed)] if allowed else every

    def chances(self, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Products of the chances along the tree."""
        rates = _shifted(self.rates[:, np.newaxis], shifts)
        levels = frailty_levels(self.shares.shape[1])
        everyone = np.broadcast_to(self.shares[np.newaxis, :, np.newaxis, :], (*rates.shape[1:], len(levels)))
        given: list[NDArray[np.float64]] = []  # chance of each kind given its parent, [E, Z, A + 1, Q]
        reached: list[NDArray[np.float64]] = []  # share of those at each level to whom it happens, as large
        for rate, frailty, parent in zip(rates, self.frailties, self.parents, strict=True):
            crowd = everyone if parent == FROM_DECISION else reached[parent]
            given.append(_by_level(rate, frailty * levels, crowd))
            reached.append(crowd * given[-1])
        patterns = self.patterns
        chances = np.ones((*everyone.shape, len(patterns)))
        for kind, parent in enumerate(self.parents):
            can = np.full(len(patterns), True) if parent == FROM_DECISION else patterns[:, parent]  # noqa: FBT003
            chance = given[kind][..., np.newaxis]
            chances *= np.where(patterns[:, kind], chance, np.where(can, 1.0 - chance, 1.0))
        return chances


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """Combinations of kinds with chances as they were found; recipients of one type are alike.

    Attributes:
        patterns: ``[P, K]``, all ``2 ** K`` combinations or fewer, each once; the last is of none.
        found: ``[Z, A + 1, P]``, chance of each.
    """

    patterns: NDArray[np.bool_]
    found: NDArray[np.float64]

    @property
    def shares(self) -> NDArray[np.float64]:
        """One level for everyone, ``[Z, 1]``."""
        return np.ones((len(self.found), 1))

    def chances(self, shifts: NDArray[np.float64]) -> NDArray[np.float64]:
        """As found; a shift moves the chance of its kind given the kinds before it, and so what comes together."""
        if not shifts.any():
            return np.broadcast_to(self.found, (shifts.shape[1], *self.found.shape))[:, :, :, np.newaxis]
        chances = np.ones((*shifts.shape[1:], len(self.patterns)))
        for kind in range(self.patterns.shape[1]):
            alike = (self.patterns[:, np.newaxis, :kind] == self.patterns[np.newaxis, :, :kind]).all(axis=2)
            before = self.found @ alike.astype(np.float64)  # of all patterns that agree so far, [Z, A + 1, P]
            with_it = self.found @ (alike & self.patterns[:, kind][:, np.newaxis]).astype(np.float64)
            given = np.clip(with_it / np.where(before > 0.0, before, 1.0), 0.0, 1.0)
            moved = _shifted(given, shifts[kind][..., np.newaxis])
            chances *= np.where(self.patterns[:, kind], moved, 1.0 - moved)
        return chances[:, :, :, np.newaxis]


def frailty_levels(n: int) -> NDArray[np.float64]:
    """``n`` equally likely levels, of mean 0 and variance 1, that stand for a normal distribution, ``[n]``."""
    if n == 1:
        return np.zeros(1)
    levels = norm.ppf((np.arange(n) + 0.5) / n)
    return levels / levels.std()


def drawn(chances: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A pattern for each row of chances, ``[D, P] -> [D]``."""
    upto = np.cumsum(chances, axis=1)
    return (rng.random(len(chances))[:, np.newaxis] >= upto[:, :-1]).sum(axis=1)


def checked_tree(kinds: Sequence[str], parents: Sequence[str | None]) -> tuple[int, ...]:
    """Place of each kind's parent among the kinds.

    Raises:
        ValueError: a kind twice, or a parent that is not an earlier kind.
    """
    if not 1 <= len(kinds) <= _MOST_KINDS or len(set(kinds)) < len(kinds):
        raise ValueError(f"kinds: found {', '.join(kinds) or 'none'}; allowed 1 to {_MOST_KINDS}, each once")
    places = []
    for place, (kind, parent) in enumerate(zip(kinds, parents, strict=True)):
        if parent is not None and parent not in kinds[:place]:
            allowed = ", ".join(kinds[:place]) or "none: it is the first"
            raise ValueError(f"{kind}: found the parent {parent}; allowed a kind before it: {allowed}")
        places.append(FROM_DECISION if parent is None else kinds.index(parent))
    return tuple(places)


def _shifted(rates: NDArray[np.float64], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rates with their log-odds shifted; 0 stays 0 and 1 stays 1."""
    return np.where(shifts == 0.0, rates, expit(logit(rates) + shifts))


def _by_level(
    rate: NDArray[np.float64], offsets: NDArray[np.float64], crowd: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Chances at each level, ``[..., Q]``, whose mean over the crowd, ``[..., Q]``, is the rate, ``[...]``."""
    if not offsets.any():
        return np.broadcast_to(rate[..., np.newaxis], crowd.shape)
    total = crowd.sum(axis=-1)
    crowd = crowd / np.where(total > 0.0, total, 1.0)[..., np.newaxis]
    reach = np.abs(offsets).max()
    low, high = logit(rate) - reach, logit(rate) + reach
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        short = (crowd * expit(middle[..., np.newaxis] + offsets)).sum(axis=-1) < rate
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return expit(((low + high) / 2)[..., np.newaxis] + offsets)
