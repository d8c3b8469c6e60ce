"""Why: every answer carries one `Reason`, every variant that could not be chosen one `Block`."""

from enum import StrEnum


class Group(StrEnum):
    """Which part of the audience a recipient belongs to; groups are disjoint."""

    LEARNING = "learning"
    CAMPAIGN_HOLDOUT = "campaign_holdout"
    STRATEGY_HOLDOUT = "strategy_holdout"


class Reason(StrEnum):
    """Why a decision came out as it did."""

    EXPLOIT = "exploit"  # the drawn variant has the highest posterior mean of the eligible ones
    EXPLORE = "explore"  # another one has
    HOLDOUT = "holdout"  # the recipient is kept on control
    OUTSIDE_AUDIENCE = "outside_audience"  # no segment matches and `everyone_else: exclude`
    NOT_STARTED = "campaign_not_started"
    ENDED = "campaign_ended"
    NOTHING_ELIGIBLE = "no_eligible_variant"  # every variant was removed; `explain` says by which rule


class Block(StrEnum):
    """The rule that removed a variant from a decision."""

    NOT_STARTED = "campaign_not_started"
    ENDED = "campaign_ended"
    NOT_APPROVED = "not_approved"
    NOT_FOR_SEGMENT = "targeting_not_for_segment"
    EXCLUDED_BY_CALLER = "excluded_by_caller"
