"""What an outcome is worth: distributions of amounts, in micro-units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.micros import LARGEST, MICRO


class Amount(Protocol):
    """A distribution of amounts."""

    def draw(self, arms: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """An amount for each outcome, ``[E]`` micro-units.

        Args:
            arms: ``[E]``, arm of the decision it comes of; -1 where nothing was sent.
            rng: chance.
        """


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """The same amount every time, micro-units."""

    micros: int

    def draw(self, arms: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:  # noqa: ARG002  # no chance
        """That amount, ``[E]``."""
        return np.full(len(arms), self.micros, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LogNormalAmount:
    """Many small amounts and a few large ones; the mean is ``median * exp(sigma ** 2 / 2)``.

    Attributes:
        median: units of currency.
        sigma: standard deviation of the natural logarithm.

    Raises:
        ValueError: median or sigma is not positive.
    """

    median: float
    sigma: float

    def __post_init__(self) -> None:
        if not (self.median > 0 and self.sigma > 0):
            found = f"a median of {self.median:g} and a sigma of {self.sigma:g}"
            raise ValueError(f"amount: found {found}; allowed both above 0")

    def draw(self, arms: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Independent amounts, ``[E]``, rounded to whole micro-units."""
        amounts = self.median * MICRO * np.exp(self.sigma * rng.standard_normal(len(arms)))
        return np.minimum(amounts, LARGEST).round().astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ResampledAmounts:
    """Amounts of a history, drawn again with replacement: of the same arm, or of any where that arm has none.

    Attributes:
        amounts: for each of the ``A`` arms, and last for nothing sent, those observed, micro-units.
        chances: as long as each of `amounts`: how often each is to be drawn, in proportion.

    Raises:
        ValueError: there is no amount at all.
    """

    amounts: Sequence[NDArray[np.int64]]
    chances: Sequence[NDArray[np.float64]]

    def __post_init__(self) -> None:
        if not sum(map(len, self.amounts)):
            raise ValueError("amounts: found none; allowed one or more to draw from")

    def draw(self, arms: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Independent amounts, ``[E]``."""
        drawn = np.empty(len(arms), dtype=np.int64)
        for place in np.unique(arms):
            rows = arms == place
            found = (self.amounts[place], self.chances[place])
            amounts, chances = found if len(found[0]) else (np.concatenate(self.amounts), np.concatenate(self.chances))
            upto = np.cumsum(chances)
            drawn[rows] = amounts[np.searchsorted(upto[:-1] / upto[-1], rng.random(int(rows.sum())), side="right")]
        return drawn
