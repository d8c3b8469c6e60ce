"""Doubly robust replay: what a learning policy would have earned on a log of any known propensities.

Rejection replay throws away what it rejects, and needs propensities that a segment's rows share. Here every row counts
towards the value, by a model of the reward put right by importance weighting, and rejection decides only what the
policy gets to learn from: Dudik, Erhan, Langford, Li 2012, "Sample-efficient nonstationary policy evaluation for
contextual bandits", algorithm DR-ns. With allocation ``q``, logged arm ``a``, reward ``r``, propensity ``p`` and
predictions ``m``, a row is worth

    R = sum over b of q_b m_b + q_a / p (r - m_a),

which is unbiased for the allocation's value whatever the model says, and is learned from with probability
``min(1, c q_a / p)``. A policy sees ``c`` decisions a row on average, so the row counts ``c`` times in the mean.

The constant is the ``quantile`` of ``p / q_a`` over the log, and at most ``most``. At quantile 0 no probability is cut
off at 1, and what the policy learns from is a fair sample of what it would have met live; a larger one learns from more
rows, but too rarely from those of small propensity. Here it is renewed with the allocation, at each refresh, from the
whole log's propensities instead of those seen so far: they say nothing about rewards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from optimizer.domain.feedback import LoggedFeedback
from optimizer.simulation.learner import Counts, Floats, Learner, Menus, menus_of
from optimizer.simulation.permutations import Permutations
from optimizer.simulation.replay_log import Course, curve_points, positives_of
from optimizer.strategy.policy_settings import ResolvedPolicy

Predictions = Floats | Callable[[LoggedFeedback], Floats]

_REPLAYING = 42  # stream of numbers
_SAMPLE = 4096  # rows, evenly spaced, from which a quantile above 0 is taken


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How many rows the policy learns from.

    Attributes:
        quantile: share of the log's rows whose probability of being accepted may be cut off at 1.
        most: the largest acceptance constant.

    Raises:
        ValueError: the quantile is not from 0 to below 1, or ``most`` not above 0.
    """

    quantile: float = 0.0
    most: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.quantile < 1.0:
            raise ValueError(f"quantile: found {self.quantile}; allowed 0 to below 1")
        if not 0.0 < self.most < np.inf:
            raise ValueError(f"most: found {self.most}; allowed a number above 0")


@dataclass(frozen=True, slots=True, eq=False)
class DoublyRobustReplayed(Permutations):
    """``P`` permutations of one log under one policy. Two sets of permutations add.

    Attributes:
        points: ``[C]``, rows of the log seen at each point of the curves; the last is all of them.
        accepted: ``[P, C]``, rows learned from until then.
        curve: ``[P, C]``, mean reward of a decision until then.
        errors: ``[P]``, standard error of the last of them, rows taken for independent and what was learned for given.
        unseen: ``[P]``, share of the decisions that went to variants the log never shows in their menu: for those the
            model's word stands alone, and nothing is learned.
        chosen: ``[P, S, A]``, rows learned from by segment and variant.
        allocation: ``[P, M, A]``, the allocation that was learned in the end, for each menu of the log.
    """

    kept: ClassVar = ("accepted", "curve", "errors", "unseen", "chosen", "allocation")

    points: Counts
    accepted: Counts
    curve: Floats
    errors: Floats
    unseen: Floats
    chosen: Counts
    allocation: Floats

    @property
    def mean_rewards(self) -> Floats:
        """What a decision earns in each permutation, ``[P]``."""
        return self.curve[:, -1]

    @property
    def standard_error_of_one(self) -> float:
        """Standard error of one permutation's mean reward, given what it learned: another log might differ so far."""
        return float(np.sqrt((self.errors**2).mean()))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The columns a replay reads, ``[N]`` each, in the log's order of time."""

    menus: Menus
    arms: Counts
    segments: Counts
    inverse: Floats  # of the propensity
    rewards: Floats
    residuals: Floats  # reward less its prediction
    predicted: Floats  # [N, A], or [S, A] where predictions are those of segments
    events: Floats  # [1 + K, N]
    least: Floats  # [M, A], smallest propensity of each variant in each menu; infinite where it was never logged
    sample: Counts


def doubly_robust_replay(
    feedback: LoggedFeedback,
    predictions: Predictions,
    policy: ResolvedPolicy,
    course: Course,
    *,
    seed: int,
    permutations: Iterable[int],
    acceptance: Acceptance = Acceptance(),
) -> DoublyRobustReplayed:
    """Let a policy learn from a log of known propensities, once for each permutation.

    Args:
        feedback: the log.
        predictions: expected reward of every variant, ``[N, A]`` for each row of `feedback` or ``[S, A]`` for each
            segment, or what gives them; from models that never saw the row, else its residual is too small.
        policy: settings, as a campaign resolves them.
        course: batches, order and penalties.
        seed: of all permutations.
        permutations: numbers of those to do; each depends on seed and number alone.
        acceptance: how many rows the policy learns from.

    Raises:
        ValueError: sizes do not sum to the rows, predictions have another shape or are not numbers, a penalised outcome
            is no column, the policy forgets with time and the log knows none, or there is no permutation.
    """
    sizes = course.sizes_of(feedback)
    if policy.half_life is not None and feedback.decided_at is None:
        raise ValueError("half_life: found one, and a log without the time of its rows; allowed `never` without it")
    opens = np.zeros(len(sizes), np.int64)
    by_time = np.arange(len(feedback))
    if feedback.decided_at is not None:
        by_time = np.argsort(feedback.decided_at, kind="stable")
        opens = feedback.decided_at[by_time[np.cumsum(sizes) - sizes]]
    rows = _rows(feedback, predictions, course.penalties)
    costs = tuple(course.penalties.values())
    parts = []
    for k in permutations:
        rng = np.random.Generator(np.random.PCG64([seed, _REPLAYING, k]))
        places = rng.permutation(len(feedback)) if course.order == "shuffled" else by_time
        learner = Learner(policy, rows.menus, feedback.n_segments, penalties=costs, opens=opens)
        batches = list(zip(np.split(places, np.cumsum(sizes)[:-1]), opens.tolist(), strict=True))
        parts.append(_permutation(rows, learner, batches, acceptance, rng))
    if not parts:
        raise ValueError("permutations: found none; allowed one or more")
    return sum(parts[1:], start=parts[0])


def _rows(feedback: LoggedFeedback, predictions: Predictions, penalties: Mapping[str, float]) -> _Rows:
    predicted = np.asarray(predictions(feedback) if callable(predictions) else predictions, np.float64)
    n, n_arms = len(feedback), feedback.n_arms
    of_segments = predicted.shape == (feedback.n_segments, n_arms) and predicted.shape != (n, n_arms)
    if not of_segments and predicted.shape != (n, n_arms):
        allowed = f"[{n}, {n_arms}] for the rows or [{feedback.n_segments}, {n_arms}] for the segments"
        raise ValueError(f"predictions: found shape {predicted.shape}; allowed {allowed}")
    if not np.isfinite(predicted).all():
        raise ValueError("predictions: found some that are not finite; allowed numbers")
    menus = menus_of(feedback)
    least = np.full(menus.eligible.size, np.inf)
    np.minimum.at(least, menus.of_rows * n_arms + feedback.arms, feedback.propensities)
    places = feedback.segments if of_segments else np.arange(n)
    return _Rows(
        menus=menus,
        arms=feedback.arms,
        segments=feedback.segments,
        inverse=1.0 / feedback.propensities,
        rewards=feedback.rewards,
        residuals=feedback.rewards - predicted[places, feedback.arms],
        predicted=predicted,
        events=np.array(
            [positives_of(feedback, penalties), *(feedback.outcomes[kind] > 0 for kind in penalties)], np.float64
        ),
        least=least.reshape(menus.eligible.shape),
        sample=np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64),
    )


def _permutation(
    rows: _Rows,
    learner: Learner,
    batches: Sequence[tuple[Counts, int]],
    acceptance: Acceptance,
    rng: np.random.Generator,
) -> DoublyRobustReplayed:
    """One permutation; each batch is the places of its rows, and the instant it begins."""
    of_segments = len(rows.predicted) != len(rows.arms)
    n_segments, n_arms = learner.n_segments, rows.least.shape[1]
    hidden = np.isinf(rows.least)
    chosen = np.zeros((n_segments, n_arms), np.int64)
    sums = np.zeros((len(batches), 4))
    moments = np.zeros(3)
    unseen = 0.0
    for batch, (places, now) in enumerate(batches):
        allocation = learner.allocation(now)[0]
        constant = _constant(rows, allocation, acceptance)
        menus, arms, segments = rows.menus.of_rows[places], rows.arms[places], rows.segments[places]
        shares, predicted = allocation[menus], rows.predicted[segments if of_segments else places]
        importance = shares[np.arange(len(places)), arms] * rows.inverse[places]
        worth = (shares * predicted).sum(axis=1) + importance * rows.residuals[places]
        accepted = rng.random(len(places)) < constant * importance
        sums[batch] = len(places), accepted.sum(), constant * len(places), constant * worth.sum()
        moments += constant**2 * np.array([len(places), worth.sum(), (worth**2).sum()])
        unseen += constant * float((allocation * hidden)[menus].sum())
        learned = np.vstack([np.ones(accepted.sum()), rows.events[:, places[accepted]]])
        cells = segments[accepted] * n_arms + arms[accepted]
        by_cell = np.array([np.bincount(cells, of_rows, n_segments * n_arms) for of_rows in learned])
        learner.learn(by_cell.reshape(-1, 1, n_segments, n_arms), now)
        chosen += by_cell[0].reshape(n_segments, n_arms).astype(np.int64)
    seen, accepted_until, constants, worths = sums.cumsum(axis=0).T
    value = worths[-1] / constants[-1]
    variance = value**2 * moments[0] - 2.0 * value * moments[1] + moments[2]
    points = curve_points(len(batches))
    return DoublyRobustReplayed(
        points=seen[points].astype(np.int64),
        accepted=accepted_until[None, points].astype(np.int64),
        curve=(worths / constants)[None, points],
        errors=np.array([np.sqrt(max(variance, 0.0)) / constants[-1]]),
        unseen=np.array([unseen / constants[-1]]),
        chosen=chosen[None],
        allocation=learner.allocation(batches[-1][1]),
    )


def _constant(rows: _Rows, allocation: Floats, acceptance: Acceptance) -> float:
    """The acceptance constant under one allocation, ``[M, A]``."""
    # An arm without a share is never accepted, whatever the constant.
    if acceptance.quantile == 0.0:
        ratios = np.divide(rows.least, allocation, out=np.full(allocation.shape, np.inf), where=allocation > 0.0)
        return min(acceptance.most, float(ratios.min()))
    shares = allocation[rows.menus.of_rows[rows.sample], rows.arms[rows.sample]]
    ratios = np.full(len(shares), np.inf)
    np.divide(1.0, rows.inverse[rows.sample] * shares, out=ratios, where=shares > 0.0)
    return min(acceptance.most, float(np.sort(ratios)[int(acceptance.quantile * len(ratios))]))
