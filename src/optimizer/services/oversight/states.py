"""States: what a campaign is doing, and whether it learns."""

from __future__ import annotations

from enum import StrEnum

from optimizer.domain.controls import Status
from optimizer.domain.instants import Instant
from optimizer.engine.learning import frozen_by_review
from optimizer.engine.tactic import Tactic


class State(StrEnum):
    """What a campaign is doing."""

    STOPPED = "stopped"
    PAUSED = "paused"
    REVIEW_OVERDUE = "review_overdue"  # and the strategy stops campaigns that nobody reviews
    AWAITING_APPROVAL = "awaiting_approval"  # no variant is approved, so nothing is served
    SCHEDULED = "scheduled"
    BUDGET_EXHAUSTED = "budget_exhausted"  # no variant fits into what is left
    LIVE = "live"
    ENDED = "ended"


class Learning(StrEnum):
    """Whether a campaign learns from what comes in."""

    LEARNING = "learning"
    FROZEN_SILENCE = "frozen_silence"  # no outcomes come in, so their absence says nothing
    FROZEN_REVIEW = "frozen_review"  # nobody has reviewed it in time, and the strategy freezes it until somebody does


def state_of(tactic: Tactic, now: Instant, *, exhausted: bool) -> State:
    """What a campaign is doing; `exhausted`: no variant fits into what is left of some budget."""
    limits = tactic.limits
    if limits.status is not Status.RUNNING:
        return State.STOPPED if limits.status is Status.STOPPED else State.PAUSED
    if limits.ends_at is not None and now >= limits.ends_at:
        return State.ENDED
    if not (limits.approved & ~limits.retired).any():
        return State.AWAITING_APPROVAL
    if limits.starts_at is not None and now < limits.starts_at:
        return State.SCHEDULED
    if limits.review_due_at is not None and now >= limits.review_due_at:
        return State.REVIEW_OVERDUE
    return State.BUDGET_EXHAUSTED if exhausted else State.LIVE


def learning_of(tactic: Tactic, now: Instant) -> tuple[Learning, Instant | None]:
    """Whether a campaign learns, and since when it does not."""
    if tactic.silent_since is not None:
        return Learning.FROZEN_SILENCE, tactic.silent_since
    if frozen_by_review(tactic, now):
        return Learning.FROZEN_REVIEW, tactic.review_due_at
    return Learning.LEARNING, None
