"""The way from decision to reward: everybody once, the holdout apart, what is unwanted beside it."""

from optimizer.domain.reasons import Group
from optimizer.domain.statistics import DECIDED, NOTHING, WITHHELD, Cell, Sums, outcome_metric, reward_metric
from optimizer.engine.assessment import RewardRule
from optimizer.insights.funnels import Step, funnel

RULE = RewardRule("buy", "purchase", "first", 1, "decision", (("unsubscribed", 2_000_000),))


def cell(
    metric: str, n: int, positives: int = 0, group: str = Group.LEARNING, variant: str = "ten"
) -> tuple[Cell, Sums]:
    return Cell("winback", "lapsed", variant, "h", group, metric, 0), Sums(n, positives, 0, 0)


def test_steps_come_in_their_order_and_only_those_that_happened() -> None:
    found = funnel(
        [
            cell(DECIDED, 100),
            cell(DECIDED, 10, group=Group.CAMPAIGN_HOLDOUT),
            cell(DECIDED, 5, group=Group.STRATEGY_HOLDOUT, variant=NOTHING),
            cell(reward_metric("buy"), 90, 9),
            cell(reward_metric("buy"), 10, 1, group=Group.CAMPAIGN_HOLDOUT),
            cell(reward_metric("buy"), 5, group=Group.STRATEGY_HOLDOUT, variant=NOTHING),
            cell(outcome_metric("opened"), 50, 40),
            cell(outcome_metric("unsubscribed"), 3, 2),
        ],
        RULE,
        ["complained"],
    )
    assert found.steps == (
        Step("decided", 100, 15),
        Step("exposed", 90, 15),
        Step("opened", 40, 0),
        Step("rewarded", 9, 1),
    )
    assert found.unwanted == (Step("unsubscribed", 2, 0), Step("complained", 0, 0))


def test_the_holdout_leaves_out_those_of_a_pause_as_the_learning_group_does() -> None:
    found = funnel(
        [
            cell(DECIDED, 80),
            cell(DECIDED, 40, variant=NOTHING),  # paused
            cell(reward_metric("buy"), 80, 8),
            cell(DECIDED, 12, group=Group.CAMPAIGN_HOLDOUT, variant=NOTHING),  # four of them paused
            cell(reward_metric("buy"), 8, 1, group=Group.CAMPAIGN_HOLDOUT, variant=NOTHING),
        ],
        RULE,
        [],
    )
    assert found.steps == (Step("decided", 80, 8), Step("exposed", 80, 8), Step("rewarded", 8, 1))


def test_whoever_was_sent_nothing_or_chosen_for_by_people_is_on_no_way() -> None:
    others = [
        cell(DECIDED, 7, variant=NOTHING),
        cell(DECIDED, 7, variant=WITHHELD),
        cell(DECIDED, 7, group=Group.CHOSEN_BY_PEOPLE),
        cell(DECIDED, 7, group=Group.OUTSIDE_ROLLOUT),
        cell("machine:opened", 7, 7),
        cell(reward_metric("other"), 7, 7),
    ]
    assert funnel(others, RULE, []).steps == (Step("decided", 0, 0), Step("exposed", 0, 0), Step("rewarded", 0, 0))
