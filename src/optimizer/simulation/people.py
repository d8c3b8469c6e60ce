"""People in a rehearsal: some time after they are asked, they review, approve a stage, release what is held."""

from __future__ import annotations

from dataclasses import replace

from optimizer.domain.controls import Controls
from optimizer.domain.instants import Duration, Instant
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import rollout_state, stage_words, with_rollout
from optimizer.guardrails.rollout import Wait, approved, released, waits
from optimizer.simulation.runs import Event

PEOPLE = "people"  # actor of their answers


class People:
    """Whoever answers for a campaign. They resume nothing: what a guardrail paused or stopped stays so.

    Args:
        reaction: how long they take once they are asked; None: they never answer.
        release: how long until they let a rollout go on that a guardrail holds; None: they never do.
    """

    def __init__(self, reaction: Duration | None, release: Duration | None = None) -> None:
        self._reaction, self._release = reaction, release
        self._asked_at: Instant | None = None  # for the next stage
        self._held_since: Instant | None = None

    def answered(self, tactic: Tactic, controls: Controls, now: Instant) -> tuple[Controls, tuple[Event, ...]]:
        """The controls after what people have answered by now."""
        reviewed, reviews = self._reviewed(tactic, controls, now)
        going, releases = self._released(tactic, reviewed, now)
        after, approvals = self._approved(tactic, going, now)
        return after, (*reviews, *releases, *approvals)

    def _reviewed(self, tactic: Tactic, controls: Controls, now: Instant) -> tuple[Controls, tuple[Event, ...]]:
        due = tactic.review_due_at
        if self._reaction is None or due is None or now < due + self._reaction:
            return controls, ()
        return replace(controls, reviewed_at=now), (Event(now, PEOPLE, "review", tactic.campaign_id, "it was due"),)

    def _released(self, tactic: Tactic, controls: Controls, now: Instant) -> tuple[Controls, tuple[Event, ...]]:
        if not controls.held or self._release is None:
            self._held_since = None
            return controls, ()
        self._held_since = now if self._held_since is None else self._held_since
        if now < self._held_since + self._release:
            return controls, ()
        self._held_since, state = None, rollout_state(controls, now)
        sentence = f"the rollout goes on: {stage_words(tactic.stages, state.stage)}"
        event = Event(now, PEOPLE, "release rollout", tactic.campaign_id, sentence)
        return with_rollout(controls, released(state)), (event,)

    def _approved(self, tactic: Tactic, controls: Controls, now: Instant) -> tuple[Controls, tuple[Event, ...]]:
        state = rollout_state(controls, now)
        is_asked = controls.stage_since is not None and waits(tactic.stages, state, now) == (Wait.APPROVAL,)
        if not is_asked or self._reaction is None:
            self._asked_at = None
            return controls, ()
        self._asked_at = now if self._asked_at is None else self._asked_at
        if now < self._asked_at + self._reaction:
            return controls, ()
        self._asked_at, following = None, state.stage + 1
        sentence = f"on to {stage_words(tactic.stages, following)}"
        after = with_rollout(controls, approved(tactic.stages, state, following))
        return after, (Event(now, PEOPLE, "approve stage", tactic.campaign_id, sentence),)
