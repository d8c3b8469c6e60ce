"""Stages to come: which share of the recipients takes part on each day, as far as documents and people have said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.instants import Instant
from optimizer.guardrails.rollout import RolloutState, Stage, Wait, next_state, share_in_force, waits

_SAID = {
    Wait.HELD: "the rollout stays where a breach holds it, until somebody releases it",
    Wait.APPROVAL: "the rollout stays at the stage that waits for somebody's yes",
}


def stages_ahead(
    stages: Sequence[Stage], state: RolloutState, now: Instant, evenings: Sequence[Instant]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Share of the recipients that take part on each day, ``[H]``, and what is assumed of the stages, in words.

    A stage that only waits for its time goes on when that is over; one that waits for a person stays.

    Args:
        stages: of the documents; none is as good as everybody.
        state: where the rollout is.
        now: the instant from which on.
        evenings: the end of each day.
    """
    shares, said = np.ones(len(evenings)), dict[str, None]()
    for place, evening in enumerate(evenings):
        shares[place] = share_in_force(stages, state)
        for wait in waits(stages, state, max(evening, now)) if stages else ():
            if wait in _SAID:
                said[_SAID[wait]] = None
        if stages:
            state = next_state(stages, state, max(evening, now), breached=False)
    return shares, tuple(said)
