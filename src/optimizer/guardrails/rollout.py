"""Rollout: a campaign begins with a small share of its recipients and grows by stages, unless a guardrail holds it.

A check moves it on by one stage at most. People say yes to the next stage, or release a rollout that a breach has
held; neither cuts a stage short.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Duration, Instant


class Requirement(StrEnum):
    """What a stage can ask for before it is entered."""

    NO_GUARDRAIL_BREACH = "no_guardrail_breach"
    APPROVAL = "approval"


class Wait(StrEnum):
    """What keeps a rollout at its stage."""

    LAST_STAGE = "last_stage"  # there is nothing to wait for
    HELD = "held_by_breach"  # until a person releases it
    TIME = "time"  # until the stage has lasted as long as it is meant to
    APPROVAL = "approval"  # until a person says yes to the next stage


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a rollout.

    Attributes:
        share: share of the recipients that take part, above 0 and at most 1.
        lasts: how long the stage lasts at least, in microseconds (``for`` in the documents); None: until a person
            says yes to the next stage.
        requires: what must hold before the stage is entered, values of `Requirement`.
    """

    share: float
    lasts: Duration | None = None
    requires: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Where a rollout is.

    Attributes:
        stage: index of the stage in force.
        since: instant at which it was entered.
        held: whether a breach holds the rollout and nobody has released it.
        approved_stage: index of the stage that a person said yes to; None when there is no such yes.
    """

    stage: int
    since: Instant
    held: bool = False
    approved_stage: int | None = None


def share_in_force(stages: Sequence[Stage], state: RolloutState) -> float:
    """Share of the recipients that take part now; without stages, all of them.

    A state from before the documents lost stages counts as being at the last one.
    """
    return stages[min(state.stage, len(stages) - 1)].share if stages else 1.0


def in_rollout(share: float, recipient_hash: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which recipients take part; those who do not get control and are never learned from.

    Args:
        share: share of the recipients, 0 to 1.
        recipient_hash: ``[N]`` in [0, 1), a hash of campaign and recipient for this purpose alone. It is independent
            of the holdouts, or the first stages would be short of learning recipients.

    Returns:
        ``[N]``. A larger share takes in everybody that a smaller one does.
    """
    return recipient_hash < share


def waits(stages: Sequence[Stage], state: RolloutState, now: Instant) -> tuple[Wait, ...]:
    """What keeps the rollout at its stage, in the order of `Wait`; nothing when the next check moves it on.

    A breach holds every rollout, so ``no_guardrail_breach`` is required whether or not the next stage says so.
    """
    following = state.stage + 1
    if following >= len(stages):
        return (Wait.LAST_STAGE,)
    lasts = stages[state.stage].lasts
    # A stage that does not say how long it lasts has no end of its own: somebody's yes to the next one is its end.
    asks = lasts is None or Requirement.APPROVAL in stages[following].requires
    applies = {
        Wait.HELD: state.held,
        Wait.TIME: lasts is not None and now - state.since < lasts,
        Wait.APPROVAL: asks and state.approved_stage != following,
    }
    return tuple(wait for wait, keeps in applies.items() if keeps)


def next_state(stages: Sequence[Stage], state: RolloutState, now: Instant, *, breached: bool) -> RolloutState:
    """The state after a check at ``now``.

    A breach holds the rollout unless it is at its last stage, where there is nothing left to hold. What is held stays
    so until `released`, also when the breach is over.

    A stage begins at the check that finds it due, not at the instant it could have begun: nobody was in it before
    that. So a check moves on by one stage at most, and after a long silence every stage still lasts its own time.

    Args:
        stages: the stages of the documents.
        state: where the rollout is.
        now: instant of the check. One before ``state.since`` (a clock set back) changes no stage.
        breached: whether a guardrail metric is breached that nobody has dealt with. A breach that is passed again
            after a release holds the rollout again.
    """
    if breached and state.stage + 1 < len(stages):
        return replace(state, held=True)
    if waits(stages, state, now):
        return state
    return RolloutState(stage=state.stage + 1, since=now)


def approved(stages: Sequence[Stage], state: RolloutState, stage: int) -> RolloutState:
    """The state after a person said yes to entering a stage.

    The person names the stage, so that a yes meant for one stage is not taken for the one after it when the rollout
    has moved on in between.

    Raises:
        ValueError: it is not the next stage.
    """
    following = state.stage + 1
    if stage != following or following >= len(stages):
        allowed = f"the next stage, {following}" if following < len(stages) else "none: the last stage is in force"
        raise ValueError(f"stage: found {stage}; allowed {allowed}")
    return replace(state, approved_stage=stage)


def released(state: RolloutState) -> RolloutState:
    """The state after a person let a held rollout go on.

    The time it was held counts towards the stage, whose recipients took part all along, and an earlier yes to the
    next stage stays: whoever releases knows of the breach.
    """
    return replace(state, held=False)
