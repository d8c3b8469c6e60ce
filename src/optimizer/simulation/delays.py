"""How long an outcome takes: distributions of the delay between a decision, or an earlier outcome, and the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from optimizer.domain.instants import Duration

QUANTILES = 1_000  # steps of an observed delay curve
_LONGEST = 2.0**61  # microseconds; an instant plus a few of these still fits in 64 bits


class Delay(Protocol):
    """A distribution of delays, microseconds, none of them negative."""

    def cdf(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that the delay is at most `age`, microseconds; 0 for a negative age, of its shape."""

    def quantile(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """The delay that this share of delays stays below, from 0 up to but without 1; microseconds, of its shape."""

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Independent delays, ``[n]``, whole microseconds."""


@dataclass(frozen=True, slots=True)
class NoDelay:
    """It happens at once."""

    def cdf(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 from age 0 on."""
        return (np.asarray(age) >= 0.0).astype(np.float64)

    def quantile(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """0 everywhere."""
        return np.zeros(np.shape(level))

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:  # noqa: ARG002  # no chance in it
        """Zeros."""
        return np.zeros(n, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ExponentialDelay:
    """It may happen at any moment, with the same hazard always.

    Attributes:
        mean: microseconds; the median is ``ln 2`` of it.

    Raises:
        ValueError: the mean is not positive.
    """

    mean: Duration

    def __post_init__(self) -> None:
        if not self.mean > 0:
            raise ValueError(f"delay: found a mean of {self.mean} microseconds; allowed above 0")

    def cdf(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        """``1 - exp(-age / mean)``."""
        return -np.expm1(-np.maximum(age, 0.0) / self.mean)

    def quantile(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """``-mean * ln(1 - level)``."""
        return -self.mean * np.log1p(-np.asarray(level))

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Independent delays, ``[n]``."""
        return _whole(self.quantile(rng.random(n)))


@dataclass(frozen=True, slots=True)
class LogNormalDelay:
    """Most come soon and a few very late: the logarithm of the delay is normal.

    Attributes:
        median: microseconds.
        sigma: standard deviation of the natural logarithm; 1 means that two in three lie within a factor of 2.7.

    Raises:
        ValueError: median or sigma is not positive.
    """

    median: Duration
    sigma: float

    def __post_init__(self) -> None:
        if not (self.median > 0 and self.sigma > 0):
            found = f"a median of {self.median} microseconds and a sigma of {self.sigma:g}"
            raise ValueError(f"delay: found {found}; allowed both above 0")

    def cdf(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        """``Phi(ln(age / median) / sigma)``."""
        with np.errstate(divide="ignore"):
            return ndtr(np.log(np.maximum(age, 0.0) / self.median) / self.sigma)

    def quantile(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """``median * exp(sigma * Phi^-1(level))``."""
        return self.median * np.exp(self.sigma * ndtri(level))

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Independent delays, ``[n]``."""
        return _whole(self.quantile(rng.random(n)))


@dataclass(frozen=True, slots=True, eq=False)
class EmpiricalDelay:
    """As it was observed: a table of quantiles at equal steps of probability, straight lines between them.

    Attributes:
        quantiles: ``[Q + 1]``, microseconds, from the shortest to the longest delay.

    Raises:
        ValueError: fewer than two quantiles, one below 0, or not in order.
    """

    quantiles: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(self.quantiles) < 2 or self.quantiles[0] < 0 or (np.diff(self.quantiles) < 0).any():
            raise ValueError("delay: found quantiles out of order; allowed two or more, from 0 up")

    @classmethod
    def observed(cls, delays: NDArray[np.int64]) -> EmpiricalDelay:
        """The curve of observed delays, ``[n]``, microseconds; those still running must not be among them.

        Raises:
            ValueError: there is none, or one is negative.
        """
        if not len(delays) or delays.min() < 0:
            found = "none" if not len(delays) else f"one of {delays.min()} microseconds"
            raise ValueError(f"delay: found {found}; allowed one or more observed delays, from 0 up")
        return cls(np.quantile(delays, np.linspace(0.0, 1.0, QUANTILES + 1)))

    def cdf(self, age: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of the table; where several quantiles are equal it jumps to the last of them."""
        at = np.asarray(age, dtype=np.float64)
        after = np.searchsorted(self.quantiles, at, side="right")
        last = len(self.quantiles) - 1
        left = np.clip(after - 1, 0, last - 1)
        low, high = self.quantiles[left], self.quantiles[left + 1]
        part = np.clip((at - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        return np.where(after == 0, 0.0, np.where(after > last, 1.0, (left + part) / last))

    def quantile(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Looked up in the table."""
        return np.interp(level, np.linspace(0.0, 1.0, len(self.quantiles)), self.quantiles)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Independent delays, ``[n]``."""
        return _whole(self.quantile(rng.random(n)))


def _whole(delays: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.minimum(delays, _LONGEST).astype(np.int64)
