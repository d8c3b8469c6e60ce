"""Sample-ratio mismatch: were variants shown as often as the randomisation says?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

Floats = NDArray[np.float64]

FEWEST_EXPECTED = 5.0  # below this a count is far from normal and the chi-square law is off (Cochran 1954)


@dataclass(frozen=True, slots=True, eq=False)
class RatioMismatch:
    """``T`` tests of counts against shares.

    Attributes:
        statistics: ``[T]``, Pearson's chi-square; infinite when something was shown that has no share.
        degrees: ``[T]``, degrees of freedom; 0 where there was nothing to compare.
        p_values: ``[T]``, chance of counts at least as far off when the shares are true; 1 where nothing was compared.
    """

    statistics: Floats
    degrees: Floats
    p_values: Floats

    @property
    def together(self) -> float:
        """One p-value for all tests, which must be independent: statistics and degrees of freedom add."""
        return float(_p_values(self.statistics.sum(), self.degrees.sum()))


def ratio_mismatch(counts: NDArray[np.int64] | Floats, shares: Floats) -> RatioMismatch:
    """Pearson's chi-square test of many tables of counts at once (Fabijan et al. 2019 for its use on campaigns).

    Arms that should have been shown fewer than `FEWEST_EXPECTED` times are counted as one; if that one is still short,
    the least of the other arms joins it. The p-value is accurate far into the tail.

    Args:
        counts: ``[T, A]``, how often each arm was shown in each test.
        shares: ``[T, A]`` or ``[A]``, in proportion to how often it should have been; 0 for no such arm in that test.

    Raises:
        ValueError: a count or share is below 0 or no number, or a test with counts has no shares.
    """
    counts = np.asarray(counts, dtype=np.float64)
    shares = np.broadcast_to(np.asarray(shares, dtype=np.float64), counts.shape)
    for name, found in (("counts", counts), ("shares", shares)):
        if not np.all(found >= 0.0):
            raise ValueError(f"{name}: found {found.min():g}; allowed 0 or more")
    total, whole = counts.sum(axis=1, keepdims=True), shares.sum(axis=1, keepdims=True)
    if np.any((total > 0.0) & (whole == 0.0)):
        raise ValueError("shares: found none in a test with counts; allowed at least one above 0")
    expected = total * shares / np.where(whole > 0.0, whole, 1.0)
    impossible = ((counts > 0.0) & (shares == 0.0)).any(axis=1)
    observed, expected = _pooled(counts, expected)
    compared = expected > 0.0
    parts = np.divide((observed - expected) ** 2, expected, out=np.zeros_like(expected), where=compared)
    statistics = np.where(impossible, np.inf, parts.sum(axis=1))
    degrees = np.maximum(compared.sum(axis=1) - 1.0, impossible.astype(np.float64))
    return RatioMismatch(statistics, degrees, _p_values(statistics, degrees))


def _pooled(counts: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Counts and expected counts ``[T, A + 1]``: the last column takes what is expected too rarely."""
    rare = expected < FEWEST_EXPECTED
    short = (expected * rare).sum(axis=1)
    least = np.where(rare, np.inf, expected).argmin(axis=1)
    joins = (short > 0.0) & (short < FEWEST_EXPECTED)
    rare[joins, least[joins]] = True
    kept_counts, kept_expected = np.where(rare, 0.0, counts), np.where(rare, 0.0, expected)
    rare_counts, rare_expected = (counts * rare).sum(axis=1), (expected * rare).sum(axis=1)
    return (
        np.concatenate([kept_counts, rare_counts[:, None]], axis=1),
        np.concatenate([kept_expected, rare_expected[:, None]], axis=1),
    )


def _p_values(statistics: Floats, degrees: Floats) -> Floats:
    return np.where(degrees > 0.0, chdtrc(np.maximum(degrees, 1.0), statistics), 1.0)
