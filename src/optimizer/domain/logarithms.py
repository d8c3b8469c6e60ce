"""Natural logarithms in whole numbers, the same on every machine: only operations that IEEE 754 rounds one way."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.micros import MICRO

_LN_2: Final = 0.6931471805599453
_HALF_ROOT: Final = 0.7071067811865476  # fractions from here to twice as much need the fewest terms
_TERMS: Final = 11  # beyond them, less than the last digit of a float


def micro_logs(amounts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Logarithms of amounts and their squares, each in millionths, of the shape of `amounts`.

    Libraries differ in the last digit of a logarithm, between machines and between one number and many. A ledger
    whose sums are kept by differences needs the very same one each time.

    Args:
        amounts: micro-units, above zero; the logarithm is of the amount in units.
    """
    fractions, exponents = np.frexp(np.asarray(amounts, np.float64) / MICRO)
    small = fractions < _HALF_ROOT
    fractions, exponents = np.where(small, 2 * fractions, fractions), exponents - small
    ratio = (fractions - 1) / (fractions + 1)  # ln f = 2 atanh((f - 1) / (f + 1))
    squared = ratio * ratio
    series = np.zeros_like(squared)
    for term in reversed(range(_TERMS)):
        series = series * squared + 1 / (2 * term + 1)
    logs = exponents * _LN_2 + 2 * ratio * series
    return np.rint(logs * MICRO).astype(np.int64), np.rint(logs * logs * MICRO).astype(np.int64)
