"""How long after the exposure rewards come, in bins that grow with the delay: a sixth of it wide at most."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import MINUTE, Duration

_PER_DOUBLING = 4
_DOUBLINGS = 20  # 2^20 minutes are two years; no attribution window is longer than one

# Starts of the bins, microseconds: 0, then a minute and every further quarter of a doubling.
DELAY_STARTS: Final[NDArray[np.int64]] = np.concatenate(
    [[0], np.rint(MINUTE * np.exp2(np.arange(_PER_DOUBLING * _DOUBLINGS) / _PER_DOUBLING)).astype(np.int64)]
)
N_DELAYS: Final = len(DELAY_STARTS)
_STARTS: Final[list[int]] = DELAY_STARTS.tolist()  # one by one, arrays take far longer


def delay_bin(delay: Duration) -> int:
    """The bin that holds a delay; negative ones, which tolerated clocks can make, are in the first."""
    return max(bisect_right(_STARTS, delay) - 1, 0)


def delay_bins(delays: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same of many, of any shape."""
    return np.maximum(np.searchsorted(DELAY_STARTS, delays, side="right") - 1, 0)
