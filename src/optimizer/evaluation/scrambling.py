"""Numbers scrambled as if drawn: what must be left to chance, yet be the same for every chunk and every process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scrambled(numbers: NDArray[np.uint64], start: int = 0) -> NDArray[np.uint64]:
    """One of 2^64 numbers for each: SplitMix64 (Steele, Lea and Flood 2014) from a start; none meets another's."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed
