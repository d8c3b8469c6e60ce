"""A decision in words: why it came out as it did, where the recipient stood, and what each step did to the shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from optimizer.domain.reasons import Block, Group, Reason
from optimizer.engine.steps import POSTERIOR, PRICE, Step
from optimizer.insights.ranking_words import RULES

REASONS: Final[Mapping[Reason, str]] = {
    Reason.EXPLOIT: "it was drawn, and is believed to be the best of those that could be chosen",
    Reason.EXPLORE: "it was drawn to learn more of it: another one is believed to be better",
    Reason.HOLDOUT: "the recipient is held out, so that what the campaign adds can be measured",
    Reason.OUTSIDE_ROLLOUT: "the rollout had not reached the recipient",
    Reason.PINNED: "a person had pinned it for everyone",
    Reason.CHOSEN_BY_HUMAN: "a person chose it for this recipient",
    Reason.WITHHELD: "scarce budget was kept for contacts that are worth more",
    Reason.OUTSIDE_AUDIENCE: "no segment of the campaign matched the recipient",
    Reason.NOTHING_ELIGIBLE: "several rules together removed every variant",
    Reason.LEDGER_UNAVAILABLE: "the ledger could not be reached, so nothing was decided",
}
GROUPS: Final[Mapping[Group, str]] = {
    Group.LEARNING: "learning: drawn, and learned from",
    Group.CAMPAIGN_HOLDOUT: "the campaign's holdout: kept on control",
    Group.STRATEGY_HOLDOUT: "the strategy's holdout: kept on control in every campaign",
    Group.OUTSIDE_ROLLOUT: "outside the rollout: control, until it gets there",
    Group.CHOSEN_BY_PEOPLE: "chosen by people: recorded, never learned from",
}
_STEPS: Final[Mapping[str, str]] = {
    POSTERIOR: "Believed to be the best, among all",
    PRICE: "What the budget's price leaves",
    "top_two": "Second draws go to the runner-up (top_two)",
    "minimum_trials": "Everyone gets enough trials first (minimum_trials)",
    "floor": "Nobody below the floor",
    "cap": "Nobody above the cap",
    "largest_change": "No faster than the largest change",
}


def reason_words(reason: Reason) -> str:
    """Why a decision came out as it did, as the end of a sentence that begins with what was sent."""
    return REASONS[reason] if reason in REASONS else RULES[Block(reason.value)]


def step_words(step: Step) -> str:
    """What a step did."""
    if step.name in _STEPS:
        return _STEPS[step.name]
    return f"Without those removed: {RULES[Block(step.name)]}"
