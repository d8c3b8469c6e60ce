"""People in a rehearsal: they say yes to the next stage of a rollout, and review, some time after they are asked."""

from __future__ import annotations

from dataclasses import replace

from optimizer.domain.controls import Controls
from optimizer.domain.instants import Duration, Instant
from optimizer.engine.tactic import Tactic
from optimizer.engine.watching import rollout_state, stage_words, with_rollout
from optimizer.guardrails.rollout import Wait, approved, waits
from optimizer.simulation.runs import Event

PEOPLE = "people"  # actor of their answers


class People:
    """Whoever answers for a campaign. They release and resume nothing: what a guardrail stopped stays so.

    Args:
        reaction: how long they take once they are asked; None: they never answer.
    """

    def __init__(self, reaction: Duration | None) -> None:
        self._reaction = reaction
        self._asked_at: Instant | None = None  # for the next stage

    def answered(self, tactic: Tactic, controls: Controls, now: Instant) -> tuple[Controls, tuple[Event, ...]]:
        """The controls after what people have answered by now."""
        reviewed, reviews = self._reviewed(tactic, controls, now)
        after, approvals = self._approved(tactic, reviewed, now)
        return after, (*reviews, *approvals)

    def _reviewed(self, tactic: Tactic, controls: Controls, now: Instant) -> tuple[Controls, tuple[Event, ...]]:
        due = tactic.review_due_at
        if self._reaction is None or due is None or now < due + self._reaction:
            return controls, ()
        return replace(controls, reviewed_at=now), (Event(now, PEOPLE, "review", tactic.campaign_id, "it was due"),)

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
