"""Training of the contextual model: trials one by one become a belief, and what stands for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, expit, polygamma

from optimizer.domain.belief import Belief
from optimizer.domain.instants import Duration, Instant
from optimizer.domain.trials import Trials
from optimizer.policy.contextual import MODEL, ContextualPosterior, coefficient_prior, contextual_of
from optimizer.policy.contextual_fit import ArmTrials, fitted
from optimizer.policy.features import Features
from optimizer.policy.penalties import PENALTY_PRIOR
from optimizer.policy.posterior import Floats

_MATURITY_STEPS = 64  # trials whose maturity is the same to one part in so many may share a row
_LEAST_MATURED = 1e-3
_PART = 4_000_000  # features that are held at a time


@dataclass(frozen=True, slots=True)
class Penalised:
    """What happened of the ``P`` penalised kinds of outcomes, all segments together.

    Attributes:
        penalties: ``[P]``, what each kind costs, in reward units.
        counts: ``[P, A]``, trials on which it happened.
        trials: ``[A]``, out of these.
    """

    penalties: Floats
    counts: Floats
    trials: Floats

    @classmethod
    def none(cls, n_arms: int) -> Penalised:
        """Nothing is penalised."""
        return cls(np.zeros(0), np.zeros((0, n_arms)), np.zeros(n_arms))


def contextual_posterior(
    trials: Trials,
    features: Features,
    now: Instant,
    half_life: Duration | None,
    *,
    prior: tuple[float, float] = (1.0, 1.0),
    penalised: Penalised | None = None,
    before: Belief | None = None,
    seed: tuple[int, ...] = (0,),
) -> ContextualPosterior:
    """Fit to trials.

    Args:
        trials: what was tried, its attributes as ``features.numbers`` gives them.
        features: how attributes become features.
        now: instant to which ages are measured.
        half_life: age at which a trial counts half, in microseconds; None forgets nothing.
        prior: successes and failures that the rate of a recipient with all features 0 is believed to rest on.
        penalised: what happened of penalised kinds of outcomes.
        before: belief of the last fit, to begin from.
        seed: of the ensemble.

    Raises:
        ValueError: half-life or prior is not positive.
    """
    if half_life is not None and half_life <= 0:
        raise ValueError(f"half_life: found {half_life} microseconds; allowed above 0, or none")
    if not (min(prior) > 0.0 and np.isfinite(prior).all()):
        raise ValueError(f"prior: found {prior}; allowed two numbers above 0")
    n_segments, n_arms = trials.shape
    weights = trials.weights(now, half_life)
    location, scale = features.scaling(trials.attributes)
    by_arm = [_trials_of_arm(trials, features, weights, location, scale, arm) for arm in range(n_arms)]
    successes, failures = prior
    # Mean and variance of the log-odds of a rate that is Beta(successes, failures).
    center = float(digamma(successes) - digamma(failures))
    spread = float(np.sqrt(polygamma(1, successes) + polygamma(1, failures)))
    fit = fitted(by_arm, coefficient_prior(features, (center, spread)), _start(before, features, n_arms))
    counted = penalised or Penalised.none(n_arms)
    alpha = PENALTY_PRIOR[0] + counted.counts
    beta = PENALTY_PRIOR[1] + np.maximum(counted.trials - counted.counts, 0.0)
    largest = [expit(seen.rows @ w).max(initial=0.0) for seen, w in zip(by_arm, fit.arms, strict=True)]
    arrays = {
        "seed": np.array(seed, np.float64),
        "fitted_at": np.array(now, np.float64),
        "features": features.as_numbers(),
        "location": location,
        "scale": scale,
        "common": fit.common,
        "arms": fit.arms,
        "common_factor": _packed(fit.common_precision),
        "arm_factors": _packed(fit.arm_precisions),
        "scales": fit.scales,
        "contexts": _contexts(trials, features, weights, location, scale, n_segments),
        "largest": np.array(max(largest, default=0.0)),
        "penalties": np.asarray(counted.penalties, np.float64),
        "penalty_alpha": alpha,
        "penalty_beta": beta,
    }
    return contextual_of(Belief(MODEL, arrays))


def _trials_of_arm(
    trials: Trials, features: Features, weights: Floats, location: Floats, scale: Floats, arm: int
) -> ArmTrials:
    """Trials of one arm, equal ones in one row where no attribute is a number."""
    here = np.flatnonzero(trials.arms == arm)
    steps = np.rint(trials.matured[here] * _MATURITY_STEPS) / _MATURITY_STEPS
    matured = np.maximum(steps, _LEAST_MATURED)
    numbers, rewarded = trials.attributes[here], trials.rewarded[here]
    positive, other = np.where(rewarded, weights[here], 0.0), np.where(rewarded, 0.0, weights[here])
    if not any(each.kind == "number" for each in features.described):
        keys = np.column_stack([np.nan_to_num(numbers, nan=-1.0), matured])
        distinct, place = np.unique(keys, axis=0, return_inverse=True)
        numbers, matured = np.where(distinct[:, :-1] < 0.0, np.nan, distinct[:, :-1]), distinct[:, -1]
        positive, other = (np.bincount(place.ravel(), each, len(distinct)) for each in (positive, other))
    return ArmTrials(features.rows(numbers, location, scale), positive, other, matured)


def _contexts(
    trials: Trials, features: Features, weights: Floats, location: Floats, scale: Floats, n_segments: int
) -> Floats:
    """Average features of each segment's trials, ``[S, D]``; of all where a segment has none."""
    sums, totals = np.zeros((n_segments, features.n_columns)), np.zeros(n_segments)
    size = max(_PART // features.n_columns, 1)
    for start in range(0, len(trials), size):
        here = slice(start, start + size)
        rows = features.rows(trials.attributes[here], location, scale) * weights[here, None]
        for segment in range(n_segments):
            inside = trials.segments[here] == segment
            sums[segment] += rows[inside].sum(axis=0)
            totals[segment] += weights[here][inside].sum()
    everyone = np.eye(1, features.n_columns)[0] if totals.sum() == 0.0 else sums.sum(axis=0) / totals.sum()
    known = totals[:, None] > 0.0
    return np.where(known, sums / np.where(known, totals[:, None], 1.0), everyone)


def _start(before: Belief | None, features: Features, n_arms: int) -> tuple[Floats, Floats, Floats] | None:
    """Where the last fit ended, if it was one of the same features and as many arms."""
    if before is None or before.model != MODEL:
        return None
    arrays = before.arrays
    same = len(arrays["arms"]) == n_arms and np.array_equal(arrays["features"], features.as_numbers())
    return (arrays["common"], arrays["arms"], arrays["scales"]) if same else None


def _packed(precisions: Floats) -> Floats:
    """Lower triangles of Cholesky's factors, ``[..., D, D]`` to ``[..., D (D + 1) / 2]``."""
    factors = np.asarray(np.linalg.cholesky(precisions), np.float64)
    return factors[(..., *np.tril_indices(factors.shape[-1]))]
