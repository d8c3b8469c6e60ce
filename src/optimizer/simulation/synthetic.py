"""Synthetic worlds: the truth is written down, so that what a rehearsal finds can be held against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.decision import Attributes
from optimizer.simulation.amounts import Amount
from optimizer.simulation.arrivals import Arrivals
from optimizer.simulation.attribution import Timing
from optimizer.simulation.delays import Delay, NoDelay
from optimizer.simulation.dynamics import Dynamic, Scene, shifts
from optimizer.simulation.patterns import LEVELS, OutcomeTree, checked_tree
from optimizer.simulation.settled import SettledWorld
from optimizer.simulation.world import Population


@dataclass(frozen=True, slots=True)
class RecipientType:
    """Recipients who are alike, but for chance and frailty.

    Attributes:
        share: how many there are of them, in proportion.
        attributes: declared attributes of each.
        zone: their time zone; None for unknown.
        consent: which share of them agreed to the channel, the others having said no; None when nobody said.
        activity: how often each of them comes by, in proportion.

    Raises:
        ValueError: share, consent or activity is out of range.
    """

    share: float = 1.0
    attributes: Attributes = field(default_factory=dict)
    zone: ZoneInfo | None = None
    consent: float | None = None
    activity: float = 1.0

    def __post_init__(self) -> None:
        if not (self.share > 0.0 and self.activity >= 0.0):
            found = f"a share of {self.share:g} and an activity of {self.activity:g}"
            raise ValueError(f"type: found {found}; allowed a share above 0, an activity from 0 up")
        if self.consent is not None and not 0.0 <= self.consent <= 1.0:
            raise ValueError(f"consent: found {self.consent:g}; allowed 0 to 1")


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeKind:
    """One kind of outcome.

    Attributes:
        name: ``delivered``, ``clicked``, ``purchase`` … any identifier.
        rates: ``[Z, A + 1]``, or anything that broadcasts to it: chance for each type of recipients and each arm, the
            last for nothing sent; given the parent, where there is one.
        parent: the kind it follows, one before it; None when it follows the decision.
        delay: how long after its parent, or the decision.
        amount: what it is worth; None for no value.
        frailty: standard deviation of its log-odds between recipients of one type; see `OutcomeTree`.
    """

    name: str
    rates: NDArray[np.float64] | Sequence[Sequence[float]]
    parent: str | None = None
    delay: Delay = field(default_factory=NoDelay)
    amount: Amount | None = None
    frailty: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticWorld:
    """A `WorldModel` with nothing uncertain but who is who.

    Attributes:
        n_recipients: ``M``.
        n_arms: ``A``, in the order of the tactic.
        types: ``Z`` types of recipients; their numbers are the shares of ``M``, to the nearest recipient.
        kinds: ``K`` kinds of outcomes, parents first.
        arrivals: who comes by when.
        dynamics: what moves the rates over time.

    Raises:
        ValueError: no type or no kind, a parent that does not come first, rates out of range or shape, or dynamics
            of what the world does not have.
    """

    n_recipients: int
    n_arms: int
    types: Sequence[RecipientType]
    kinds: Sequence[OutcomeKind]
    arrivals: Arrivals
    dynamics: Sequence[Dynamic] = ()
    _timing: Timing = field(init=False)  # one for all worlds: it remembers what it has computed

    def __post_init__(self) -> None:
        if self.n_recipients < 1 or self.n_arms < 1 or not self.types:
            found = f"{self.n_recipients} recipients, {self.n_arms} arms, {len(self.types)} types"
            raise ValueError(f"world: found {found}; allowed one or more of each")
        names = tuple(kind.name for kind in self.kinds)
        parents = checked_tree(names, [kind.parent for kind in self.kinds])
        object.__setattr__(self, "_timing", Timing(parents, [kind.delay for kind in self.kinds]))
        self._rates()
        zones = [each.zone for each in self.types]
        shifts(self.dynamics, Scene(names, zones, self.n_arms, 0, np.zeros(1, dtype=np.int64)))  # or it raises now

    def world(self, rng: np.random.Generator) -> SettledWorld:
        """One world: whose consent it is, who has what frailty, and any order of coming are settled."""
        counts = proportional([each.share for each in self.types], self.n_recipients)
        types = np.repeat(np.arange(len(self.types)), counts)
        of_each = [self.types[z] for z in types.tolist()]
        population = Population(
            attributes=[each.attributes for each in of_each],
            types=types,
            zones=[each.zone for each in of_each],
            consents=[c for each, n in zip(self.types, counts, strict=True) for c in _consents(each, int(n), rng)],
        )
        frailties = tuple(kind.frailty for kind in self.kinds)
        n_levels = LEVELS if any(frailties) else 1
        levels = np.concatenate([rng.permutation(np.arange(n) % n_levels) for n in counts])
        found = np.stack([np.bincount(levels[types == z], minlength=n_levels) for z in range(len(counts))])
        shares = np.where(counts[:, np.newaxis] > 0, found / np.maximum(counts, 1)[:, np.newaxis], 1.0 / n_levels)
        return SettledWorld(
            kinds=tuple(kind.name for kind in self.kinds),
            population=population,
            outcomes=OutcomeTree(self._timing.parents, self._rates(), frailties, shares),
            timing=self._timing,
            amounts=[kind.amount for kind in self.kinds],
            comings=self.arrivals.of(population, np.array([each.activity for each in self.types]), rng),
            dynamics=self.dynamics,
            zones=[each.zone for each in self.types],
            levels=levels,
            n_arms=self.n_arms,
        )

    def _rates(self) -> NDArray[np.float64]:
        """``[K, Z, A + 1]``."""
        shape = (len(self.types), self.n_arms + 1)
        stacked = np.empty((len(self.kinds), *shape))
        for place, kind in enumerate(self.kinds):
            rates = np.asarray(kind.rates, dtype=np.float64)
            try:
                stacked[place] = np.broadcast_to(rates, shape)
            except ValueError:
                raise ValueError(f"{kind.name}: found rates of shape {rates.shape}; allowed {shape}") from None
            if not ((rates >= 0.0) & (rates <= 1.0)).all():
                raise ValueError(f"{kind.name}: found rates {rates.min():g} to {rates.max():g}; allowed 0 to 1")
        return stacked


def proportional(shares: Sequence[float], n: int) -> NDArray[np.int64]:
    """``n`` shared out in these proportions by largest remainders, ``[Z]``; the sum is ``n``."""
    exact = n * np.asarray(shares, dtype=np.float64) / np.sum(shares)
    counts = np.floor(exact).astype(np.int64)
    neediest = np.argsort(-(exact - counts), kind="stable")
    counts[neediest[: n - counts.sum()]] += 1
    return counts


def _consents(each: RecipientType, n: int, rng: np.random.Generator) -> list[bool | None]:
    if each.consent is None:
        return [None] * n
    agreed: list[bool | None] = (rng.permutation(n) < round(each.consent * n)).tolist()
    return agreed
