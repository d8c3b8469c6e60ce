"""The hierarchical model: segments, messages, targetings and periods learn from one another.

A binomial logistic model with random effects on the cells of segment, arm and period (:mod:`hierarchical_design`),
fitted by :mod:`hierarchical_fit`. Arms are compared at an average period: what an arm would have earned with its
traffic spread over the periods like that of all arms together. A rate at an average of log-odds is not an average of
rates, so the expectation is also taken over how much periods differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, ndtr

from optimizer.domain.belief import Belief
from optimizer.domain.evidence import Evidence
from optimizer.domain.instants import Duration, Instant
from optimizer.policy.drawn import N_DRAWS, DrawnPosterior
from optimizer.policy.hierarchical_design import TERMS, Cells, Design, Structure, cells_of, structure
from optimizer.policy.hierarchical_fit import Effects, Fit, average_rate, fitted, start_of
from optimizer.policy.penalties import PENALTY_PRIOR, penalty_total
from optimizer.policy.streams import normals

Floats = NDArray[np.float64]

MODEL: Final = "hierarchical"
IMMATERIAL: Final = 0.01  # standard deviations by which log-odds, or a part of these deviations, must move to matter
_OF_EFFECTS, _OF_PENALTIES = 1, 2  # purposes of streams of one seed
_SCORES = np.linspace(-4.5, 4.5, 46)  # normal scores at which quantiles of penalty rates are tabulated


def hierarchical_posterior(
    evidence: Evidence,
    now: Instant,
    half_life: Duration | None,
    design: Design,
    prior: tuple[float, float] = (1.0, 1.0),
    penalties: Sequence[float] = (),
    before: Belief | None = None,
    seed: tuple[int, ...] = (0,),
) -> DrawnPosterior:
    """What the evidence says about ``A`` arms in ``S`` segments when all of them learn from one another.

    Args:
        evidence: sums of shape ``[S, A, B]``; trials may be fractions of trials.
        now: instant to which ages are measured, in microseconds.
        half_life: age at which a trial counts half, in microseconds; ``None`` forgets nothing.
        design: messages and targetings of the arms, and the period.
        prior: imagined successes and failures, of the campaign as a whole.
        penalties: what each penalised kind of outcome costs, in reward units; rates of these have the prior
            ``PENALTY_PRIOR`` in each segment and arm, and learn nothing from each other.
        before: an earlier belief, from which the fit begins: faster, and the same within the fit's tolerance. Where
            nothing has moved by more than ``IMMATERIAL``, it is the result.
        seed: of the draws.

    Returns:
        Joint draws ``[S, N_DRAWS, A]`` of net rewards.

    Raises:
        ValueError: half-life or prior is not positive, a cell has impossible counts, there are not as many
            arms in the design or penalties as in the evidence.
    """
    if design.n_arms != evidence.trials.shape[1]:
        raise ValueError(f"design: found {design.n_arms} arms; allowed {evidence.trials.shape[1]}, as in the evidence")
    if len(penalties) != len(evidence.penalty_counts):
        kinds = len(evidence.penalty_counts)
        raise ValueError(f"penalties: found {len(penalties)}; allowed one for each of {kinds} kinds")
    penalty_total(penalties)
    cells = cells_of(evidence, now, half_life, design.period)
    model = structure(design, cells, prior)
    fit = fitted(model, cells, _start(model, cells, before))
    weights = evidence.weights(now, half_life)
    happened, trials = evidence.penalty_counts @ weights, evidence.trials @ weights
    arrays = _at_an_average_period(fit, cells) | {
        "penalties": np.array(penalties, np.float64),
        "penalty_alpha": PENALTY_PRIOR[0] + happened,
        "penalty_beta": PENALTY_PRIOR[1] + trials - happened,
        "seed": np.array(seed, np.float64),
    }
    if before is not None and _still_holds(before, arrays):
        return hierarchical_of(before)
    return hierarchical_of(Belief(MODEL, arrays))


def hierarchical_of(belief: Belief) -> DrawnPosterior:
    """The posterior that a belief was made of, bit for bit.

    The belief's arrays: ``location`` ``[S, A]`` and ``factor`` ``[S, A, A]`` (of its covariance) of the log-odds at an
    average period, ``spread`` of the periods' effects; ``penalties`` ``[K]`` with the parameters of their rates
    ``penalty_alpha``, ``penalty_beta`` ``[K, S, A]``; ``seed``; and where the next fit begins: ``scales``, ``shared``,
    ``period_starts``, ``period_effects``.
    """
    arrays = belief.arrays
    location, factor, spread = arrays["location"], arrays["factor"], float(arrays["spread"])
    seed = tuple(int(part) for part in arrays["seed"])
    # Each draw and its mirror image: means of draws are those of the belief.
    half = normals((*seed, _OF_EFFECTS), (N_DRAWS // 2, location.shape[1]))
    odds = np.concatenate([half, -half]) @ factor.transpose(0, 2, 1) + location[:, None, :]
    deviations = np.sqrt((factor**2).sum(axis=2))
    # A good period and a bad one, equally likely: their mean and variance are those of all periods.
    draws = (expit(odds + spread) + expit(odds - spread)) / 2.0
    success = (average_rate(location + spread, deviations) + average_rate(location - spread, deviations)) / 2.0
    mean = success.copy()
    for kind, penalty in enumerate(arrays["penalties"]):
        alpha, beta = arrays["penalty_alpha"][kind], arrays["penalty_beta"][kind]
        draws = draws - penalty * _beta_draws(alpha, beta, (*seed, _OF_PENALTIES, kind))
        mean -= penalty * alpha / (alpha + beta)
    return DrawnPosterior(belief, mean, success, draws)


def scales_of(belief: Belief) -> Mapping[str, float]:
    """Standard deviation of each term's effects, in log-odds, by the term's name."""
    return dict(zip(TERMS, belief.arrays["scales"].tolist(), strict=True))


def _start(model: Structure, cells: Cells, before: Belief | None) -> Effects:
    """Effects of the belief before, where it is about as many segments and arms; of any, the scales."""
    if before is None or before.model != MODEL:
        return start_of(model, cells)
    known = before.arrays
    start = start_of(model, cells, known["scales"])
    if known["location"].shape != start.within.shape or known["shared"].shape != start.shared.shape:
        return start
    _, ours, theirs = np.intersect1d(cells.starts, known["period_starts"], return_indices=True)
    start.periods[ours] = known["period_effects"][theirs]
    return Effects(known["location"], known["shared"], start.periods, known["scales"])


def _still_holds(before: Belief, arrays: Mapping[str, Floats]) -> bool:
    """Whether a fit has moved from a belief by nothing that one could see in a draw."""
    old = before.arrays
    if before.model != MODEL or any(
        old[name].shape != arrays[name].shape for name in ("location", "factor", "penalty_alpha")
    ):
        return False
    deviations, new_deviations = (np.sqrt((one["factor"] ** 2).sum(axis=2)) for one in (old, arrays))
    alike = (np.abs(arrays["location"] - old["location"]) <= IMMATERIAL * deviations).all()
    alike &= (np.abs(new_deviations - deviations) <= IMMATERIAL * deviations).all()
    same = ("penalties", "penalty_alpha", "penalty_beta")
    return bool(alike and all(np.allclose(old[name], arrays[name], rtol=IMMATERIAL**2, atol=0.0) for name in same))


def _at_an_average_period(fit: Fit, cells: Cells) -> dict[str, Floats]:
    """The log-odds of all arms at an average period, and what the next fit begins from, as arrays of a belief."""
    effects = fit.effects
    average = float(cells.shares @ effects.periods)
    along = np.concatenate([np.zeros(len(effects.shared)), cells.shares])
    covariance = fit.factors.covariance(np.broadcast_to(along, (effects.within.shape[1], len(along))))
    return {
        "location": effects.within + average,
        "factor": np.linalg.cholesky((covariance + covariance.transpose(0, 2, 1)) / 2),
        "spread": np.sqrt(cells.shares @ (effects.periods - average) ** 2),
        "scales": effects.scales,
        "shared": effects.shared + average,
        "period_starts": cells.starts.astype(np.float64),
        "period_effects": effects.periods - average,
    }


def _beta_draws(alpha: Floats, beta: Floats, seed: tuple[int, ...]) -> Floats:
    """Draws from independent Beta distributions, ``[S, A]`` to ``[S, N_DRAWS, A]``; segments share random numbers.

    By inversion, with quantiles interpolated between those at ``_SCORES``.
    """
    n_segments, n_arms = alpha.shape
    quantiles = betaincinv(alpha, beta, ndtr(_SCORES)[:, None, None])
    scores = normals(seed, (N_DRAWS, n_arms)).clip(_SCORES[0], _SCORES[-1] - 1e-9)
    places = (scores - _SCORES[0]) / (_SCORES[1] - _SCORES[0])
    below = places.astype(np.int64)
    part = places - below
    draws = np.empty((n_segments, N_DRAWS, n_arms))
    for arm in range(n_arms):
        table = quantiles[:, :, arm]
        lower, upper = table[below[:, arm]], table[below[:, arm] + 1]
        draws[:, :, arm] = (lower + part[:, arm, None] * (upper - lower)).T
    return draws
