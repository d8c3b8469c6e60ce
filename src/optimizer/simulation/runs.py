"""What comes of a rehearsal: one run of one chooser in one world, in numbers to compare and to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant

# How much of a posterior lies below each of its kept quantiles; symmetric, a half in the middle.
QUANTILES: Final = (0.001, 0.005, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.995, 0.999)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What happened in each of ``T`` steps; money and rewards in units, not in micro-units.

    Attributes:
        at: ``[T]``, first instant of each step.
        decisions: ``[T]``, contacts decided for.
        sends: ``[T]``, decisions with a variant.
        rewards: ``[T]``, what the step's decisions earn in the end, penalties taken off.
        expected: ``[T]``, expected reward of what the learning group was given: the truth of the world.
        best: ``[T]``, that of the best it could have been given: an eligible variant, or nothing.
        spend: ``[T]``, money in use at the step's end since the rehearsal began: due, or reserved.
        paced_spend: ``[T]``, what is in use then of the budget that is paced, in its units (money or sends), in its
            current period; nan where none is.
        pacing_target: ``[T]``, what should be in use then; nan where none is paced.
        price: ``[T]``, what a unit of the paced budget must earn; nan where there is no price.
    """

    at: NDArray[np.int64]
    decisions: NDArray[np.int64]
    sends: NDArray[np.int64]
    rewards: NDArray[np.float64]
    expected: NDArray[np.float64]
    best: NDArray[np.float64]
    spend: NDArray[np.float64]
    paced_spend: NDArray[np.float64]
    pacing_target: NDArray[np.float64]
    price: NDArray[np.float64]

    @property
    def regret(self) -> NDArray[np.float64]:
        """``[T]``, expected reward that each step's choices missed, never below 0.

        Judged by what was eligible: a chooser whose budget is gone misses nothing any more, so where budgets bind
        compare rewards.
        """
        return self.best - self.expected


@dataclass(frozen=True, slots=True, eq=False)
class AllocationCurve:
    """How usual contacts of each segment would have been shared out, at no more than 200 of the steps.

    Attributes:
        at: ``[P]``, instants.
        shares: ``[P, S, A]``, probability of each variant among those approved, not paused and meant for the segment;
            what a row misses of 1 is sent nothing.
    """

    at: NDArray[np.int64]
    shares: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done to the campaign; see `optimizer.engine.raising.Done`.

    Attributes:
        at: instant.
        actor: ``optimizer`` for what guardrails did, ``people`` for what people answered.
        action: such as ``pause``, ``stop``, ``alert``, ``begin rollout``, ``advance rollout``, ``approve stage``.
        subject: campaign, or campaign and variant.
        sentence: why.
    """

    at: Instant
    actor: str
    action: str
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Lift:
    """What learning gains over control.

    Attributes:
        true: by the world's own rates, a message: what the learning group was sent against control for the same
            recipients. Where some messages never become a trial, it is smaller than the measured one by their share.
        measured: mean reward of the learning group's trials less that of the holdouts', compared within segments and
            days, as a report would say.
        standard_error: of the measured one; 0 where nothing or everything was rewarded.
        raw: the same of the plain means, which seasons and changing shares confound.
        learning_trials, holdout_trials: how many trials that rests on.
    """

    true: float
    measured: float
    standard_error: float
    raw: float
    learning_trials: int
    holdout_trials: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One rehearsal.

    Attributes:
        segment_ids, variant_ids: names of ``S`` segments and ``A`` variants.
        curves: step by step.
        allocation: how the allocation moved.
        decisions, sends, snapshots: how many.
        reward: what all decisions earn in the end, in units of reward; holdouts included.
        expected_reward: what they could expect to, by the world's own rates.
        regret: expected reward that the learning group missed.
        spend: money due in the end, once nothing more can be.
        outcomes: how many of each kind, of whatever time.
        by_variant: the same of each variant, after its ``sends``; outcomes of nothing sent are in none.
        reasons: decisions by reason.
        blocks: decisions from which a rule removed at least one variant, by rule.
        events: what guardrails did and people answered, in order.
        stages: instant at which each stage of the rollout began, as far as it came.
        mean: ``[S, A]``, expected net reward by the posterior at the end, once every outcome that counts has come.
        quantiles: ``[len(QUANTILES), S, A]``, of that posterior.
        prob_best: ``[S, A]``, by that posterior, among the variants meant for the segment.
        trials, successes: ``[S, A]``, of the learning group.
        lift: None without holdouts or before either group has two trials.
        days_to_answer: days from the start until one variant of a segment was best with probability .9, for each of
            ``S``; None where that never was so.
        over_budget: steps after which any limit was exceeded; always 0.
    """

    segment_ids: tuple[str, ...]
    variant_ids: tuple[str, ...]
    curves: Curves
    allocation: AllocationCurve
    decisions: int
    sends: int
    snapshots: int
    reward: float
    expected_reward: float
    regret: float
    spend: float
    outcomes: Mapping[str, int]
    by_variant: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, int]
    blocks: Mapping[str, int]
    events: tuple[Event, ...]
    stages: tuple[Instant, ...]
    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    prob_best: NDArray[np.float64]
    trials: NDArray[np.float64]
    successes: NDArray[np.float64]
    lift: Lift | None
    days_to_answer: tuple[float | None, ...]
    over_budget: int
