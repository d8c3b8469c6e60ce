"""Numbers that look random and never change: the same seed gives the same draws, on every machine and version.

Only the raw bits of PCG64 (O'Neill 2014) are used, which numpy keeps as they are; how its generators turn bits into
distributions may change between versions, and a past decision has to come out the same again.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


def uniforms(seed: tuple[int, ...], shape: tuple[int, ...]) -> Floats:
    """Independent uniform numbers inside (0, 1), of a shape.

    Args:
        seed: integers of at least 0; a purpose among them keeps streams of one snapshot apart.
        shape: of the result.
    """
    bits = np.atleast_1d(np.random.PCG64(seed).random_raw(prod(shape)))
    return ((bits >> np.uint64(11)).astype(np.float64) + 0.5).reshape(shape) / 2.0**53


def normals(seed: tuple[int, ...], shape: tuple[int, ...]) -> Floats:
    """Independent standard normal numbers of a shape, by inversion."""
    return np.asarray(ndtri(uniforms(seed, shape)), np.float64)
