"""Proposals in words: what each kind is called, and what a change is expected to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from optimizer.domain.proposals import Effect, ProposalKind
from optimizer.insights.ranking_words import SHARE

KINDS: Final[Mapping[ProposalKind, str]] = {
    ProposalKind.RETIRE_VARIANT: "retire a variant",
    ProposalKind.MOVE_BUDGET: "move budget",
    ProposalKind.RAISE_BUDGET: "raise a budget",
    ProposalKind.ADVANCE_STAGE: "go on with a rollout",
    ProposalKind.ROLL_BACK_STAGE: "roll a rollout back",
    ProposalKind.SPLIT_SEGMENT: "split a segment",
    ProposalKind.MERGE_SEGMENTS: "merge segments",
    ProposalKind.WRITE_MESSAGE: "write a message",
    ProposalKind.LOWER_FREQUENCY: "contact people less often",
    ProposalKind.FIX_AUDIENCE: "mend an audience",
}


def effect_words(effect: Effect | None) -> str:
    """What to expect: ``+12 rewards a day (95 % interval: +3.1 to +21)``."""
    if effect is None:
        return "no number can be given"
    times, unit = (100.0, "points") if effect.unit == SHARE else (1.0, effect.unit)
    value, low, high = (f"{times * number:+,.3g}" for number in (effect.value, effect.low, effect.high))
    return f"{value} {unit} a {effect.per} (95 % interval: {low} to {high})"
