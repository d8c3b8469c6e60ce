"""Revenue with a hurdle: whether anything is earned, times how much (a Beta and a log-normal distribution).

Most decisions earn nothing and few earn very different amounts. The expected reward of a decision is

    P(positive) * E[amount | positive],

the first a Beta posterior as in :mod:`optimizer.policy.beta_bernoulli`, the second log-normal and robust against single
giant orders, as :mod:`optimizer.policy.order_values` says (two-part models: Duan et al. 1983; of revenue in tests:
robust location: Huber 1964). A mean of amounts would follow its largest order instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from optimizer.domain.belief import Belief
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Duration, Instant
from optimizer.policy.beta_quantiles import beta_quantiles
from optimizer.policy.drawn import N_DRAWS, DrawnPosterior
from optimizer.policy.order_values import Orders, OrderValues, order_values
from optimizer.policy.penalties import PENALTY_PRIOR, penalty_total
from optimizer.policy.posterior import Floats
from optimizer.policy.streams import normals

HURDLE: Final = "hurdle"
IMMATERIAL: Final = 1e-4  # part of its own size by which a parameter must move to matter

_POSITIVE, _SEGMENT, _ARM, _SPREAD, _OWN, _PENALTY = range(1, 7)  # purposes of streams


def hurdle_posterior(
    evidence: Evidence,
    now: Instant,
    half_life: Duration | None,
    prior: tuple[float, float],
    penalties: Sequence[float],
    seed: tuple[int, ...],
    before: Belief | None = None,
) -> DrawnPosterior:
    """Posterior of net revenue per decision, in units of currency, older buckets counting less.

    Args:
        evidence: sums of shape ``[S, A, B]``, whose rewards are amounts.
        now: instant to which ages are measured, in microseconds.
        half_life: age at which a trial counts half, in microseconds; ``None`` forgets nothing.
        prior: successes and failures that the prior of P(positive) is worth.
        penalties: what each penalised kind of outcome costs, in units of currency, in the order of
            ``evidence.penalty_counts``.
        seed: integers of at least 0 that make the draws.
        before: an earlier belief; where nothing but the seed has moved by more than `IMMATERIAL`, it is the result.

    Raises:
        ValueError: a half-life or prior is not positive, or penalties are negative or not one for each kind.
    """
    if half_life is not None and half_life <= 0:
        raise ValueError(f"half_life: found {half_life} microseconds; allowed above 0, or none")
    if not all(worth > 0 and np.isfinite(worth) for worth in prior):
        raise ValueError(f"prior: found {prior}; allowed two numbers above 0")
    if len(penalties) != len(evidence.penalty_counts):
        raise ValueError(
            f"penalties: found {len(penalties)}; allowed one for each of {len(evidence.penalty_counts)} kinds"
        )
    penalty_total(penalties)
    weights = evidence.weights(now, half_life)
    failures = np.maximum(evidence.trials - evidence.positives, 0.0)
    happened = evidence.penalty_counts @ weights
    n_segments, n_arms, _ = evidence.trials.shape
    values = order_values(_orders(evidence, weights, penalties), n_segments, n_arms)
    arrays = {
        "seed": np.array(seed, np.float64),
        "alpha": prior[0] + evidence.positives @ weights,
        "beta": prior[1] + failures @ weights,
        "penalties": np.array(penalties, np.float64),
        "penalty_alpha": PENALTY_PRIOR[0] + happened,
        "penalty_beta": PENALTY_PRIOR[1] + np.maximum(evidence.trials @ weights - happened, 0.0),
        "location": values.location,
        "of_segment": values.of_segment,
        "of_arm": values.of_arm,
        "of_spread": values.of_spread,
        "of_own": values.of_own,
    }
    found = Belief(HURDLE, arrays)
    if before is not None and before.model == HURDLE:
        reseeded = Belief(HURDLE, {**arrays, "seed": before.arrays["seed"]})
        found = before if before.close_to(reseeded, IMMATERIAL) else found
    return hurdle_of(found)


def hurdle_of(belief: Belief) -> DrawnPosterior:
    """The posterior of a belief of this model; the same belief gives the same draws bit for bit."""
    of = belief.arrays
    alpha, beta, penalties = of["alpha"], of["beta"], of["penalties"].reshape(-1, 1, 1)
    values = OrderValues(of["location"], of["of_segment"], of["of_arm"], of["of_spread"], of["of_own"])
    success = alpha / (alpha + beta)
    unwanted = of["penalty_alpha"] / (of["penalty_alpha"] + of["penalty_beta"])
    mean = success * np.exp(values.location + values.variance / 2) - (penalties * unwanted).sum(axis=0)
    return DrawnPosterior(belief, mean, success, _draws(of, values))


def _orders(evidence: Evidence, weights: Floats, penalties: Sequence[float]) -> Orders:
    """The cells that hold orders; rewards are less penalties, which are added again."""
    price = np.asarray(penalties, np.float64).reshape(-1, 1, 1, 1)
    total = evidence.rewards + (price * evidence.penalty_counts).sum(axis=0)
    squares = evidence.squares - (price**2 * evidence.penalty_counts).sum(axis=0)
    place = np.nonzero((evidence.positives > 0) & (weights > 0))
    sums = (evidence.positives, evidence.logs, evidence.log_squares, total, squares)
    return Orders(place[0], place[1], weights[place[2]], *(array[place] for array in sums))


def _draws(of: Mapping[str, Floats], values: OrderValues) -> Floats:
    """Joint draws of net revenue per decision, ``[S, K, A]``."""
    seed = tuple(int(part) for part in of["seed"])
    n_segments, n_arms = values.location.shape
    each = (n_segments, n_arms, N_DRAWS)
    logs = values.location[:, :, None] + values.of_own[:, :, None] * normals((*seed, _OWN), each)
    logs += values.of_segment[:, None, None] * normals((*seed, _SEGMENT), (n_segments, 1, N_DRAWS))
    logs += values.of_arm[:, :, None] * normals((*seed, _ARM), (n_arms, N_DRAWS))
    logs += values.of_spread[:, None] * normals((*seed, _SPREAD), (n_arms, N_DRAWS))
    drawn = beta_quantiles(of["alpha"], of["beta"], normals((*seed, _POSITIVE), each)) * np.exp(logs)
    for kind, penalty in enumerate(of["penalties"]):
        rate = (of["penalty_alpha"][kind], of["penalty_beta"][kind])
        drawn -= penalty * beta_quantiles(*rate, normals((*seed, _PENALTY, kind), each))
    return np.ascontiguousarray(drawn.transpose(0, 2, 1))
