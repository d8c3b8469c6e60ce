"""What the hierarchical model is made of: cells of evidence by period, and effects with a prior variance for each term.

The log-odds of success of arm ``a`` in segment ``s`` and period ``t`` are ``e[s, a] + tau[t]``. Every period has one
effect ``tau`` for all arms and segments, so a variant that got its traffic on a good day does not look good. The rest
has two levels,

    e[s] = C c + d[s],    c ~ N(m, V_c),    d[s] ~ N(0, V_d),

where variances add up from terms, each a scale and a kernel of which arms share an effect: all, those with the same
message, those with the same targeting, or none. With one segment, ``c`` is the intercept and ``d`` has message,
targeting and variant; with several, ``c[a]`` is what arm ``a`` does anywhere (intercept, message, targeting, variant),
and ``d`` is how a segment departs from it (segment, and its own message, targeting and variant).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import DAY, Duration, Instant

Floats = NDArray[np.float64]

# Every term with its typical scale: the standard deviation, in log-odds, that it is thought to have before any data.
TYPICAL: Final = {
    "period": 0.2,
    "message": 0.3,
    "targeting": 0.3,
    "variant": 0.1,
    "segment": 0.3,
    "segment:message": 0.3,
    "segment:targeting": 0.3,
    "segment:variant": 0.1,
}
TERMS: Final = tuple(TYPICAL)
MOST_PERIODS: Final = 120
LEAST_IMAGINED: Final = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Which message and which targeting each of ``A`` arms is made of, and what time they share.

    Attributes:
        messages: ``[A]``, integers; arms with the same message have the same.
        targetings: ``[A]``, likewise.
        period: how long all arms share good and bad times, in microseconds.

    Raises:
        ValueError: there is no arm, or not one message and targeting for each, or the period is not above 0.
    """

    messages: NDArray[np.int64]
    targetings: NDArray[np.int64]
    period: Duration = DAY

    def __post_init__(self) -> None:
        if self.messages.ndim != 1 or self.messages.shape != self.targetings.shape or not self.messages.size:
            found = f"{self.messages.shape} messages and {self.targetings.shape} targetings"
            raise ValueError(f"design: found {found}; allowed one of each for every arm")
        if self.period <= 0:
            raise ValueError(f"period: found {self.period} microseconds; allowed above 0")

    @property
    def n_arms(self) -> int:
        """``A``."""
        return len(self.messages)

    def kernels(self) -> dict[str, Floats]:
        """Which arms share an effect, ``[A, A]`` of 0 and 1, by factor.

        A factor that tells no arms apart is left out, and so is the variant where a factor alone tells all of them
        apart: then it is that factor's name for the same thing.
        """
        found: dict[str, Floats] = {}
        for name, codes in (("message", self.messages), ("targeting", self.targetings)):
            kernel = (codes[:, None] == codes).astype(np.float64)
            if not kernel.all() and not any((kernel == other).all() for other in found.values()):
                found[name] = kernel
        alone = np.eye(self.n_arms)
        return found if any((alone == other).all() for other in found.values()) else found | {"variant": alone}


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """Effects that have a normal prior whose variance is a fixed part and a sum of scaled kernels.

    Attributes:
        terms: ``J`` places in `TERMS`.
        kernels: ``[J, N, N]``.
        fixed: ``[N, N]``, the part of the variance that is not estimated.
    """

    terms: tuple[int, ...]
    kernels: Floats
    fixed: Floats

    def variance(self, scales: Floats) -> Floats:
        """Prior variance ``[N, N]`` of the effects, given the standard deviations of all terms."""
        return self.fixed + np.tensordot(scales[list(self.terms)] ** 2, self.kernels, axes=1)


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """The two levels of effects, for ``S`` segments and ``A`` arms; see the module.

    Attributes:
        shared: the level of ``c``, of ``Q`` effects.
        within: the level of ``d``, of ``A`` effects in each segment.
        loading: ``C``, ``[A, Q]``.
        intercept: ``m``, prior mean of each shared effect.
    """

    shared: Level
    within: Level
    loading: Floats
    intercept: float


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Evidence by period, older trials counting less.

    Attributes:
        starts: first instant of each of ``T`` periods, increasing.
        trials: ``[S, A, T]``.
        positives: ``[S, A, T]``.
        shares: ``[T]``, each period's part of all trials; together 1, or 0 where there are none.
    """

    starts: NDArray[np.int64]
    trials: Floats
    positives: Floats
    shares: Floats


def structure(design: Design, cells: Cells, prior: tuple[float, float]) -> Structure:
    """The levels of a design.

    The intercept's prior has the mean of the log-odds of a Beta distribution of all trials, imagined ones included, and
    the variance of those of the imagined ones alone. A vague prior around one half instead would spread a small rate
    over all other terms, and blow up their scales.

    Args:
        design: the arms.
        cells: the evidence.
        prior: imagined successes and failures; less than a half of one counts as a half.

    Raises:
        ValueError: the prior is not two numbers above 0.
    """
    if not all(part > 0.0 and np.isfinite(part) for part in prior):
        raise ValueError(f"prior: found {prior}; allowed two numbers above 0")
    imagined = np.maximum(prior, LEAST_IMAGINED)
    successes = float(cells.positives.sum())
    seen = np.array([successes, max(float(cells.trials.sum()) - successes, 0.0)])
    intercept = float(digamma(imagined + seen) @ (1.0, -1.0))
    vagueness = float(polygamma(1, imagined).sum())
    n_segments = cells.trials.shape[0]
    n_arms, kernels = design.n_arms, design.kernels()
    anywhere = tuple(TERMS.index(name) for name in kernels)
    stacked, everyone = np.array(list(kernels.values())), np.ones((n_arms, n_arms))
    if n_segments == 1:
        only = Level((), np.zeros((0, 1, 1)), np.full((1, 1), vagueness))
        return Structure(only, Level(anywhere, stacked, 0.0 * everyone), np.ones((n_arms, 1)), intercept)
    here = (TERMS.index("segment"), *(TERMS.index(f"segment:{name}") for name in kernels))
    within = Level(here, np.concatenate([everyone[None], stacked]), 0.0 * everyone)
    return Structure(Level(anywhere, stacked, vagueness * everyone), within, np.eye(n_arms), intercept)


def cells_of(evidence: Evidence, now: Instant, half_life: Duration | None, period: Duration) -> Cells:
    """Evidence summed over periods, at most ``MOST_PERIODS`` of them.

    Where there are more, the newest half of these stay as they are, and the older ones are merged with their
    neighbours in runs of equal length.

    Raises:
        ValueError: the half-life is not above 0, or a cell has not ``0 <= positives <= trials``, nor each of
            its penalty counts.
    """
    if half_life is not None and half_life <= 0:
        raise ValueError(f"half_life: found {half_life} microseconds; allowed above 0, or none")
    counts = np.concatenate([evidence.positives[None], evidence.penalty_counts])
    impossible = ~((counts >= 0) & (counts <= evidence.trials))
    if impossible.any():
        kind, *place = (int(i) for i in np.argwhere(impossible)[0])
        found = (
            f"{counts[kind][tuple(place)]} positives or penalised outcomes in {evidence.trials[tuple(place)]} trials"
        )
        raise ValueError(f"evidence at [segment, arm, bucket] {place}: found {found}; allowed 0 to all of them")
    weights = evidence.weights(now, half_life)
    of_buckets, places = np.unique(evidence.buckets // period, return_inverse=True)
    run_of, starts = _runs(of_buckets * period)
    belongs = np.zeros((len(weights), len(starts)))
    belongs[np.arange(len(weights)), run_of[places]] = weights
    trials, positives = evidence.trials @ belongs, evidence.positives @ belongs
    total = trials.sum()
    return Cells(starts, trials, positives, trials.sum(axis=(0, 1)) / (total if total > 0.0 else 1.0))


def _runs(starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which run each period belongs to, and where each run starts."""
    kept = MOST_PERIODS // 2
    n_old = len(starts) - kept
    if len(starts) <= MOST_PERIODS:
        return np.arange(len(starts)), starts
    old = np.arange(n_old) * (MOST_PERIODS - kept) // n_old
    run_of = np.concatenate([old, MOST_PERIODS - kept + np.arange(kept)])
    return run_of, starts[np.unique(run_of, return_index=True)[1]]


def codes_of(names: Sequence[str]) -> NDArray[np.int64]:
    """Each name as the number of different names before its first occurrence, ``[A]``."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in names], np.int64)
