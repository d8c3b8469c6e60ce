"""Replay a scenario: every learning policy on its history, some permutations at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import add
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.fitted_models import reward_model
from optimizer.history.opening import History
from optimizer.scenarios.documents import Replay
from optimizer.scenarios.measuring import curve, measured
from optimizer.scenarios.result import Replayed
from optimizer.scenarios.spreading import Workers
from optimizer.simulation.doubly_robust_replay import DoublyRobustReplayed, doubly_robust_replay
from optimizer.simulation.learner import menus_of
from optimizer.simulation.replay import Replayed as RejectionReplayed
from optimizer.simulation.replay import replay
from optimizer.simulation.replay_log import Course, ReplayLog, batches_of_rows, replay_log
from optimizer.strategy.policy_settings import ResolvedPolicy

TOGETHER = 25  # permutations of one unit of work, whatever the number of jobs, so that it makes no difference

Floats = NDArray[np.float64]
Permutations = RejectionReplayed | DoublyRobustReplayed


@dataclass(frozen=True, slots=True, eq=False)
class _Rejecting:
    log: ReplayLog

    def permutations(self, policy: ResolvedPolicy, seed: int, numbers: tuple[int, ...]) -> Permutations:
        return replay(self.log, policy, seed, numbers)


@dataclass(frozen=True, slots=True, eq=False)
class _DoublyRobust:
    feedback: LoggedFeedback
    predictions: Floats
    course: Course

    def permutations(self, policy: ResolvedPolicy, seed: int, numbers: tuple[int, ...]) -> Permutations:
        return doubly_robust_replay(
            self.feedback, self.predictions, policy, self.course, seed=seed, permutations=numbers
        )


_Unit = tuple[_Rejecting | _DoublyRobust, ResolvedPolicy, int, tuple[int, ...]]


def replays(
    history: History, policies: Mapping[str, ResolvedPolicy], settings: Replay, seed: int, workers: Workers
) -> tuple[Replayed, ...]:
    """What each policy would have earned on the history, over permutations of it.

    Raises:
        ValueError: the history cannot be replayed, see `replay_log`, `replay` and `doubly_robust_replay`.
    """
    feedback = history.feedback()
    order: Literal["logged", "shuffled"] = "logged" if settings.permutations == 1 else "shuffled"
    course = Course(batches_of_rows(len(feedback), settings.refresh), order)
    method = settings.method or ("doubly_robust" if feedback.propensity_source == "logged" else "rejection")
    way: _Rejecting | _DoublyRobust
    if method == "rejection":
        way = _Rejecting(replay_log(feedback, course))
    else:
        way = _DoublyRobust(feedback, reward_model([feedback], seed=seed).predicted(feedback, 0), course)
    numbers = range(settings.permutations)
    groups = [tuple(numbers[first : first + TOGETHER]) for first in range(0, len(numbers), TOGETHER)]
    units: list[_Unit] = [(way, policy, seed, group) for policy in policies.values() for group in groups]
    done = workers.results("replaying", _replayed, units, len(units))
    found = [(name, reduce(add, islice(done, len(groups)))) for name in policies]
    return tuple(_found(name, method, feedback, together) for name, together in found)


def _replayed(unit: _Unit) -> Permutations:
    way, policy, seed, numbers = unit
    return way.permutations(policy, seed, numbers)


def _found(name: str, method: str, feedback: LoggedFeedback, together: Permutations) -> Replayed:
    known = together if isinstance(together, RejectionReplayed) else None
    return Replayed(
        policy=name,
        method=method,
        reward=measured(together.mean_rewards),
        accepted=measured(together.accepted[:, -1] / len(feedback)),
        standard_error_of_one=together.standard_error_of_one,
        equal_split=None if known is None else known.log.equal_split,
        best_fixed=None if known is None else known.best_fixed[1],
        best_variant=None if known is None else known.best_fixed[0],
        curve=curve(together.points, together.curve),
        allocation=_allocation(feedback, together.allocation.mean(axis=0)),
    )


def _allocation(feedback: LoggedFeedback, shares: Floats) -> dict[str, dict[str, float]]:
    """The last allocation of each segment, where most of its variants could be chosen."""
    menus = menus_of(feedback)
    found: dict[int, dict[str, float]] = {}
    for menu in np.argsort(-menus.eligible.sum(axis=1), kind="stable").tolist():
        of_menu = {v: float(s) for v, s in zip(feedback.variant_ids, shares[menu], strict=True)}
        found.setdefault(int(menus.segments[menu]), of_menu)
    return {feedback.segment_ids[segment]: found[segment] for segment in sorted(found)}
