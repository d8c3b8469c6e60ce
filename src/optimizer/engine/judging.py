"""Judging in columns: what thousands of decisions amount to, each as `assessment.assess` would judge it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.domain.micros import MICRO
from optimizer.domain.outcome import WITHDRAWN
from optimizer.domain.reasons import Reason
from optimizer.engine.assessment import CLOCK_SKEW, EXPOSURE_KINDS, WITHDRAWALS, RewardRule
from optimizer.engine.choosing import NO_ARM, REASONS
from optimizer.engine.machines import DELIVERIES, SENDERS_OWN, MachineRule

NEVER: Final[Instant] = int(np.iinfo(np.int64).max)
_HOLDOUT = REASONS.index(Reason.HOLDOUT)


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """``D`` decisions, none of them deferred, with at most one outcome of each of ``K`` kinds, none of them reversed.

    Attributes:
        segments: ``[D]``; -1 outside the audience.
        groups: ``[D]``, places in `guardrails.groups.GROUPS`.
        arms: ``[D]``; `NO_ARM` where nothing was sent.
        reasons: ``[D]``, places in `choosing.REASONS`.
        decided_at: ``[D]``, instants.
        occurred_at: ``[D, K]``, instants of the outcomes; `NEVER` where there is none.
        values: ``[D, K]``, their values in micro-units; 0 where there is none.
    """

    segments: NDArray[np.int64]
    groups: NDArray[np.int64]
    arms: NDArray[np.int64]
    reasons: NDArray[np.int64]
    decided_at: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    values: NDArray[np.int64]

    def __len__(self) -> int:
        """``D``."""
        return len(self.arms)


@dataclass(frozen=True, slots=True, eq=False)
class Assessments:
    """What ``D`` decisions amount to; see `assessment.Assessment`.

    Attributes:
        exposed_at: ``[D]``; `NEVER` where it does not count as a trial.
        closes_at: ``[D]``, instants.
        rewarded: ``[D]``.
        earned, reward: ``[D]``, micro-units.
        rewarded_at: ``[D]``, instants; `NEVER` where nothing was earned.
        withdrawn: ``[D]``.
        counted: ``[D, K]``, whether an outcome of the kind that a person caused fell within the window.
        machines: ``[D, K]``, the same of machines.
    """

    exposed_at: NDArray[np.int64]
    closes_at: NDArray[np.int64]
    rewarded: NDArray[np.bool_]
    earned: NDArray[np.int64]
    reward: NDArray[np.int64]
    rewarded_at: NDArray[np.int64]
    withdrawn: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    machines: NDArray[np.bool_]

    @property
    def exposed(self) -> NDArray[np.bool_]:
        """``[D]``, whether each counts as a trial."""
        return np.asarray(self.exposed_at != NEVER)


def assessments(rule: RewardRule, kinds: Sequence[str], made: Made) -> Assessments:
    """Judge decisions by their outcomes.

    Args:
        rule: the rule they are judged by.
        kinds: ``K`` outcome kinds, the columns of `made`.
        made: the decisions.
    """
    happened = made.occurred_at != NEVER
    of_machines = _of_machines(rule.machines, kinds, made, happened)
    occurred_at = np.where(of_machines, NEVER, made.occurred_at)
    exposed_at = _exposed_at(rule, kinds, made, occurred_at)
    exposed = exposed_at != NEVER
    closes_at = np.where(exposed, exposed_at, made.decided_at) + rule.window
    opens_at = made.decided_at - CLOCK_SKEW
    within = (made.occurred_at >= opens_at[:, None]) & (made.occurred_at <= closes_at[:, None])
    counted = within & ~of_machines
    earned = np.where(exposed, _earned(rule, kinds, made, counted), 0)
    reward = earned.copy()
    for kind, penalty in rule.penalties:
        reward -= np.where(counted[:, _places(kinds, {kind})].any(axis=1) & exposed, penalty, 0)
    rewarded = earned > 0
    first = made.occurred_at[:, _places(kinds, {rule.kind})].min(axis=1, initial=NEVER)
    withdrawn = happened[:, _places(kinds, {WITHDRAWN})].any(axis=1)
    return Assessments(
        exposed_at,
        closes_at,
        rewarded,
        earned,
        reward,
        np.where(rewarded, first, NEVER),
        withdrawn,
        counted,
        within & of_machines,
    )


def _earned(rule: RewardRule, kinds: Sequence[str], made: Made, counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Micro-units before penalties, ``[D]``, wherever it is a trial."""
    mine = _places(kinds, {rule.kind})
    if rule.in_amounts:
        total = np.where(counted[:, mine], made.values[:, mine], 0).sum(axis=1)
        return np.asarray(total if rule.at_most is None else np.minimum(total, rule.at_most))
    return np.asarray(MICRO * counted[:, mine].any(axis=1).astype(np.int64))  # the first such outcome is the only one


def _of_machines(rule: MachineRule, kinds: Sequence[str], made: Made, happened: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which outcomes are a machine's, ``[D, K]``; see `machines.machine_events`. Nothing here is flagged."""
    found = np.zeros(happened.shape, np.bool_)
    if not rule.kinds:
        return found
    delivered_at = made.occurred_at[:, _places(kinds, DELIVERIES)].min(axis=1, initial=NEVER)
    too_fast = np.where(delivered_at == NEVER, made.decided_at, delivered_at) + rule.fastest
    trap = _places(kinds, {rule.honeypot} if rule.honeypot else set())
    trapped = np.asarray(happened[:, trap].any(axis=1))
    judged = _places(kinds, set(rule.kinds) - SENDERS_OWN)
    fast = np.asarray(made.occurred_at[:, judged] < too_fast[:, None])
    found[:, judged] = trapped[:, None] if rule.fastest == 0 else fast | trapped[:, None]
    found[:, trap] = True
    return found & happened


def _exposed_at(
    rule: RewardRule, kinds: Sequence[str], made: Made, occurred_at: NDArray[np.int64]
) -> NDArray[np.int64]:
    if rule.counts_from == "decision":
        exposed_at = made.decided_at
    else:
        exposed_at = occurred_at[:, _places(kinds, EXPOSURE_KINDS[rule.counts_from])].min(axis=1, initial=NEVER)
    gone = (occurred_at[:, _places(kinds, WITHDRAWALS)] != NEVER).any(axis=1)
    kept_on_nothing = np.where(made.reasons == _HOLDOUT, made.decided_at, NEVER)
    return np.where(made.arms == NO_ARM, kept_on_nothing, np.where(gone, NEVER, exposed_at))


def _places(kinds: Sequence[str], wanted: frozenset[str] | set[str]) -> list[int]:
    return [place for place, kind in enumerate(kinds) if kind in wanted]
