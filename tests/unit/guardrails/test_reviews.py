"""When people must have looked again."""

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.instants import DAY
from optimizer.guardrails.reviews import review_due_at
from optimizer.strategy.limits import Review

FORTNIGHTLY = Review.model_validate({"every": "P14D", "when_overdue": "freeze"})


def test_a_review_is_due_one_period_after_the_last_one() -> None:
    assert review_due_at(Controls(reviewed_at=3 * DAY), FORTNIGHTLY) == 17 * DAY


def test_a_campaign_that_was_never_in_force_has_nothing_to_review() -> None:
    assert review_due_at(UNTOUCHED, FORTNIGHTLY) is None


def test_a_strategy_without_reviews_asks_for_none() -> None:
    assert review_due_at(Controls(reviewed_at=0), None) is None


def test_a_review_at_the_very_first_instant_counts() -> None:
    assert review_due_at(Controls(reviewed_at=0), FORTNIGHTLY) == 14 * DAY
