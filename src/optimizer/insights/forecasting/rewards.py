"""Rewards to come: of what was sent already and has not shown all it will, and of what is still to be sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Instant
from optimizer.policy.delay import DelayCurve
from optimizer.policy.effective import expected_at_maturity

Floats = NDArray[np.float64]

N_CURVES = 40  # imagined delay curves that what is still to come is read from


@dataclass(frozen=True, slots=True, eq=False)
class Yield:
    """What one contact earns at maturity, as far as that is known: ``N`` paths.

    Attributes:
        each: expected reward, ``[N]``: paths differ as far as one does not know it.
        lump: variance of one contact's reward over its mean: 1 where rewards are rare and alike, more where they are
            large or differ.
    """

    each: Floats
    lump: float


def mean_rewards(mean: Floats, low: Floats, high: Floats, n_paths: int, rng: np.random.Generator) -> Floats:
    """Draws of expected rewards with these means and 95 % intervals, ``[...]`` to ``[n_paths, ...]``.

    Gamma laws where a reward cannot be below zero, normal ones where it can, as where outcomes are penalised.
    """
    spread = np.maximum((high - low) / 3.92, 1e-12)
    usual = rng.normal(mean, spread, (n_paths, *mean.shape))
    if (low < 0.0).any() or (mean <= 0.0).any():
        return usual
    shape = (mean / spread) ** 2
    return np.asarray(rng.gamma(shape, mean / shape, (n_paths, *mean.shape)))


def lump_of(trials: float, rewards: float, squares: float) -> float:
    """Variance over mean of a trial's reward; 1 while nothing was earned."""
    if trials <= 0.0 or rewards <= 0.0:
        return 1.0
    mean = rewards / trials
    return max((squares / trials - mean**2) / mean, 1e-3)


def earned(contacts: Floats, found: Yield, rng: np.random.Generator) -> Floats:
    """Rewards of so many contacts a day on each path, ``[N, H]``: as many lumps as chance has it."""
    wanted = contacts * found.each[:, np.newaxis]
    chance = rng.poisson(np.minimum(np.maximum(wanted, 0.0) / found.lump, 1e15)) * found.lump
    return np.where(wanted >= 0.0, chance, wanted)


def still_to_come(
    evidence: Evidence,
    curve: DelayCurve,
    now: Instant,
    penalties: tuple[float, ...],
    lump: float,
    n_paths: int,
    rng: np.random.Generator,
) -> Floats:
    """Rewards that trials made so far have yet to bring, ``[n_paths]``.

    Args:
        evidence: as it is, by the hour.
        curve: how late rewards come; its doubts are part of what is not known.
        now: until when outcomes have come in.
        penalties: what each penalised kind costs, in reward units.
        lump: see `Yield`.
        n_paths: how many.
        rng: chance.
    """
    if curve.at_once or not evidence.trials.any():
        return np.zeros(n_paths)
    coming = np.empty(N_CURVES)
    so_far = float(evidence.rewards.sum())
    positives = float(evidence.positives.sum())
    for n in range(N_CURVES):
        found = expected_at_maturity(evidence, _imagined(curve, rng), now, penalties)
        coming[n] = max(float(found.expected_rewards.sum()) - so_far, 0.0)
    # The rate of what comes is known as well as the rewards so far are many.
    known = rng.gamma(positives + 0.5, 1.0 / (positives + 0.5), n_paths) * coming[rng.integers(N_CURVES, size=n_paths)]
    return np.asarray(rng.poisson(np.minimum(known / lump, 1e15)) * lump, np.float64)


def _imagined(curve: DelayCurve, rng: np.random.Generator) -> DelayCurve:
    """A curve as the true one may be: each step's logarithm is as uncertain as the curve says."""
    steps = np.log(np.maximum(curve.shares, 1e-12))
    rises = np.diff(steps, prepend=steps[0])[1:]
    spread = np.sqrt(np.maximum(curve.doubts[1:], 0.0))
    shape = np.where(spread > 0.0, (rises / np.maximum(spread, 1e-12)) ** 2, 0.0)
    drawn = np.where(shape > 1e-9, rng.gamma(np.maximum(shape, 1e-9), rises / np.maximum(shape, 1e-9)), rises)
    shares = np.exp(-np.append(np.cumsum(drawn[::-1])[::-1], 0.0))
    return replace(curve, shares=shares)
