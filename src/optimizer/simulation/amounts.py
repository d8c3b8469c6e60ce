"""What an outcome is worth: distributions of amounts, in micro-units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from optimizer.domain.micros import LARGEST, MICRO, units


class Amount(Protocol):
    """A distribution of amounts."""

    def draw(self, arms: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """An amount for each outcome, ``[E]`` micro-units.

        Args:
            arms: ``[E]``, arm of the decision it comes of; -1 where nothing was sent.
            rng: chance.
        """

    def means(self, n_arms: int, at_most: int | None = None) -> NDArray[np.float64]:
        """Expected amount after each arm, and last after nothing sent, ``[A + 1]`` units of currency.

        Args:
            n_arms: ``A``.
            at_most: an amount counts as no more than this, micro-units; None for all of it.
        """


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """The same amount every time, micro-units."""

    micros: int

    def draw(self, arms: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:  # noqa: ARG002  # no chance
        """That amount, ``[E]``."""
        return np.full(len(arms), self.micros, dtype=np.int64)

    def means(self, n_arms: int, at_most: int | None = None) -> NDArray[np.float64]:
        """That amount, ``[A + 1]``."""
        return np.full(n_arms + 1, units(self.micros if at_most is None else min(self.micros, at_most)))


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

    def means(self, n_arms: int, at_most: int | None = None) -> NDArray[np.float64]:
        """The limited expectation of a log-normal amount (Klugman, Panjer & Willmot 2012, appendix A), ``[A + 1]``."""
        limit = units(LARGEST if at_most is None else at_most)
        z = (np.log(limit) - np.log(self.median)) / self.sigma
        below = self.median * np.exp(self.sigma**2 / 2) * ndtr(z - self.sigma)
        return np.full(n_arms + 1, below + limit * ndtr(-z))


@dataclass(frozen=True, slots=True)
class AmountsByArm:
    """Arms after which outcomes are worth differently.

    Attributes:
        of_arms: ``A + 1``, the last after nothing sent.
    """

    of_arms: tuple[Amount, ...]

    def draw(self, arms: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """An amount for each outcome, ``[E]``."""
        drawn = np.empty(len(arms), dtype=np.int64)
        for place in np.unique(arms).tolist():
            rows = arms == place
            drawn[rows] = self.of_arms[place].draw(arms[rows], rng)
        return drawn

    def means(self, n_arms: int, at_most: int | None = None) -> NDArray[np.float64]:
        """That of each, ``[A + 1]``."""
        return np.array([amount.means(n_arms, at_most)[arm] for arm, amount in enumerate(self.of_arms)])


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
            amounts, chances = self._of(place)
            upto = np.cumsum(chances)
            drawn[rows] = amounts[np.searchsorted(upto[:-1] / upto[-1], rng.random(int(rows.sum())), side="right")]
        return drawn

    def means(self, n_arms: int, at_most: int | None = None) -> NDArray[np.float64]:
        """Mean of the observed amounts of each arm, as often as each is drawn, ``[A + 1]``."""
        most = LARGEST if at_most is None else at_most
        found = [self._of(place) for place in range(n_arms + 1)]
        return np.array([np.average(np.minimum(amounts, most), weights=chances) for amounts, chances in found]) / MICRO

    def _of(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Amounts and chances of an arm, or those of all where it has none."""
        if len(self.amounts[place]):
            return self.amounts[place], self.chances[place]
        return np.concatenate(self.amounts), np.concatenate(self.chances)
