"""Oversight: how a campaign stands with the people who answer for it, as one picture for terminals, HTTP and pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from optimizer.domain.controls import UNTOUCHED, Controls, Status
from optimizer.domain.instants import Instant, isoformat
from optimizer.engine.watching import rollout_state
from optimizer.guardrails.reviews import review_due_at
from optimizer.guardrails.rollout import Stage, Wait, share_in_force, waits
from optimizer.services.live import Live
from optimizer.storage.store import Ledger
from optimizer.strategy.limits import Review


@dataclass(frozen=True, slots=True)
class RolloutStanding:
    """Where a rollout is.

    Attributes:
        stage: 1 for the first.
        share: share of the recipients that take part.
        since: None until the campaign has sent something.
        waits_for: what keeps it at this stage; nothing when the next check moves it on.
        approved_stage: the stage somebody has said yes to, counted from 1.
    """

    stage: int
    stages: int
    share: float
    since: Instant | None
    held: bool
    approved_stage: int | None
    waits_for: tuple[Wait, ...]


@dataclass(frozen=True, slots=True)
class ReviewStanding:
    """When people looked, and must look again.

    Attributes:
        when_overdue: what the strategy says happens then: warn, freeze or stop.
    """

    reviewed_at: Instant | None
    due_at: Instant | None
    overdue: bool
    when_overdue: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What people, or guardrail metrics, have decided about one campaign, and what they are asked for.

    Attributes:
        paused: variants that may not be chosen, with the sentence that says why.
        alerts: alarms nobody has answered: outcome kind, or what alarms about the learning, to sentence.
        silent_since: since when nothing is learned, as no outcomes come in; None while they do.
        rollout: None when the documents have none.
        review: None when the strategy asks for none.
    """

    campaign_id: str
    status: Status
    paused: dict[str, str]
    pinned: str | None
    alerts: dict[str, str]
    silent_since: Instant | None
    rollout: RolloutStanding | None
    review: ReviewStanding | None


def standing(ledger: Ledger, live: Live, campaign_id: str, now: Instant) -> Standing:
    """How a campaign stands.

    Raises:
        NotFound: no such campaign in the documents in force.
    """
    loaded = live.at(ledger)
    tactic = loaded.tactic(campaign_id)
    controls = ledger.controls.all().get(campaign_id, UNTOUCHED)
    review = None if loaded.workspace is None else loaded.workspace.strategy.review
    return Standing(
        campaign_id,
        controls.status,
        dict(controls.paused),
        controls.pinned,
        dict(controls.alerted),
        controls.silent_since,
        _rollout(tactic.stages, controls, now) if tactic.stages else None,
        None if review is None else _review(review, controls, now),
    )


def standing_json(found: Standing) -> dict[str, Any]:
    """The standing in types that JSON has."""
    rollout, review = found.rollout, found.review
    return {
        "campaign": found.campaign_id,
        "status": found.status.value,
        "paused": found.paused,
        "pinned": found.pinned,
        "alerts": found.alerts,
        "silent_since": _time(found.silent_since),
        "rollout": rollout
        and {
            "stage": rollout.stage,
            "stages": rollout.stages,
            "share": rollout.share,
            "since": _time(rollout.since),
            "held": rollout.held,
            "approved_stage": rollout.approved_stage,
            "waits_for": [wait.value for wait in rollout.waits_for],
        },
        "review": review
        and {
            "reviewed_at": _time(review.reviewed_at),
            "due_at": _time(review.due_at),
            "overdue": review.overdue,
            "when_overdue": review.when_overdue,
        },
    }


def _rollout(stages: tuple[Stage, ...], controls: Controls, now: Instant) -> RolloutStanding:
    state = rollout_state(controls, now)
    return RolloutStanding(
        stage=min(state.stage, len(stages) - 1) + 1,
        stages=len(stages),
        share=share_in_force(stages, state),
        since=controls.stage_since,
        held=state.held,
        approved_stage=None if state.approved_stage is None else state.approved_stage + 1,
        waits_for=waits(stages, state, now),
    )


def _review(review: Review, controls: Controls, now: Instant) -> ReviewStanding:
    due_at = review_due_at(controls, review)
    overdue = due_at is not None and now >= due_at
    return ReviewStanding(controls.reviewed_at, due_at, overdue, review.when_overdue)


def _time(at: Instant | None) -> str | None:
    return None if at is None else isoformat(at)
