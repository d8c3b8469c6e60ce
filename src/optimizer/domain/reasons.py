"""Why: every answer carries one `Reason`, every variant that could not be chosen one `Block`."""

from enum import StrEnum


class Group(StrEnum):
    """Which part of the audience a decision belongs to; groups are disjoint and only one of them is learned from."""

    LEARNING = "learning"
    CAMPAIGN_HOLDOUT = "campaign_holdout"
    STRATEGY_HOLDOUT = "strategy_holdout"
    OUTSIDE_ROLLOUT = "outside_rollout"  # the rollout has not reached the recipient: control, until it does
    CHOSEN_BY_PEOPLE = "chosen_by_people"  # a person pinned the variant, or chose it for the recipient: no draw


HOLDOUTS = frozenset({Group.CAMPAIGN_HOLDOUT, Group.STRATEGY_HOLDOUT})


class Block(StrEnum):
    """The rule that removed a variant from a decision, in the order in which the rules are asked."""

    CAMPAIGN_STOPPED = "campaign_stopped"
    CAMPAIGN_PAUSED = "campaign_paused"
    REVIEW_OVERDUE = "review_overdue"
    NOT_STARTED = "campaign_not_started"
    ENDED = "campaign_ended"
    SUPPRESSED = "recipient_suppressed"  # unsubscribed, complained, or put on the list by a person
    NO_CONSENT = "no_consent"
    CONTACT_POLICY = "contact_policy"
    UNKNOWN_TIME_ZONE = "unknown_time_zone"
    QUIET_HOURS = "quiet_hours"
    RETIRED = "retired"  # the documents keep its words and say that it is no longer sent
    NOT_APPROVED = "not_approved"
    VARIANT_PAUSED = "variant_paused"
    NOT_FOR_SEGMENT = "targeting_not_for_segment"
    EXCLUDED_BY_CALLER = "excluded_by_caller"
    OUTSIDE_SEND_WINDOW = "outside_send_window"
    BRAND_RULE = "brand_rule"  # the words break one once the recipient's data are filled in
    SENDS_EXHAUSTED = "sends_exhausted"
    BUDGET_EXHAUSTED = "budget_exhausted"
    NOT_PINNED = "not_pinned"  # a person pinned another one
    NOT_CHOSEN = "not_chosen"  # a person chose another one for this recipient


class Reason(StrEnum):
    """Why a decision came out as it did.

    Where every variant was removed by one and the same rule, the reason has the name of that rule.
    """

    EXPLOIT = "exploit"  # the drawn variant has the highest posterior mean of the eligible ones
    EXPLORE = "explore"  # another one has
    HOLDOUT = "holdout"  # the recipient is kept on control
    OUTSIDE_ROLLOUT = "outside_rollout"  # the rollout has not reached the recipient, who gets control until it does
    PINNED = "pinned"  # a person chose for everyone
    CHOSEN_BY_HUMAN = "chosen_by_human"  # a person chose for this recipient
    WITHHELD = "withheld"  # scarce budget is kept for contacts that are worth more
    OUTSIDE_AUDIENCE = "outside_audience"  # no segment matches and `everyone_else: exclude`
    NOTHING_ELIGIBLE = "no_eligible_variant"  # every variant was removed; `explain` says by which rule
    STOPPED = "campaign_stopped"
    PAUSED = "campaign_paused"
    REVIEW_OVERDUE = "review_overdue"
    NOT_STARTED = "campaign_not_started"
    ENDED = "campaign_ended"
    SUPPRESSED = "recipient_suppressed"
    NO_CONSENT = "no_consent"
    CONTACT_POLICY = "contact_policy"
    UNKNOWN_TIME_ZONE = "unknown_time_zone"
    QUIET_HOURS = "quiet_hours"
    OUTSIDE_SEND_WINDOW = "outside_send_window"
    SENDS_EXHAUSTED = "sends_exhausted"
    BUDGET_EXHAUSTED = "budget_exhausted"
    LEDGER_UNAVAILABLE = "ledger_unavailable"  # nobody was asked: nothing is decided, nothing is sent
