from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.decision import Decision
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.domain.micros import MICRO
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.domain.statistics import Tally
from optimizer.engine.assessment import CLOCK_SKEW, RewardRule, assess, contributions

T0 = 1_000 * DAY
RULE = RewardRule("visits", "visit", "first", 7 * DAY, "decision")
COUNT = replace(RULE, value="count")
DELIVERED = replace(RULE, counts_from="delivered")
OPENED = replace(RULE, counts_from="opened")
DECISION = Decision(
    decision_id="d",
    campaign_id="winback",
    recipient_key="r",
    request_id="q",
    strategy_version=1,
    segment_id="new",
    group=Group.LEARNING,
    variant_id="mens",
    content_hash="h",
    propensity=0.5,
    reason=Reason.EXPLOIT,
    snapshot_id="winback:1",
    decided_at=T0,
    blocked={},
    deferred=False,
    attributes={},
    excluded=(),
)


def outcome(event_id: str, kind: str, after: int = HOUR, **changes: object) -> Outcome:
    fields: dict[str, object] = {"value": None, "currency": None, "received_at": T0 + after, "reverses": None}
    fields |= {"event_id": event_id, "decision_id": "d", "kind": kind, "occurred_at": T0 + after}
    return Outcome(**(fields | changes))  # type: ignore[arg-type]


def test_a_decision_without_outcomes_is_a_trial_that_earned_nothing() -> None:
    found = assess(RULE, DECISION, [])
    assert (found.exposed_at, found.reward, found.closes_at) == (T0, 0, T0 + 7 * DAY)


def test_first_earns_once_and_count_earns_each_time() -> None:
    twice = [outcome("a", "visit"), outcome("b", "visit", 2 * HOUR)]
    assert assess(RULE, DECISION, twice).reward == MICRO
    assert assess(COUNT, DECISION, twice).reward == 2 * MICRO


def test_other_kinds_earn_nothing_but_are_counted() -> None:
    found = assess(RULE, DECISION, [outcome("a", "purchase", value=5 * MICRO), outcome("b", "purchase", value=MICRO)])
    assert found.reward == 0
    assert found.counted == {"purchase": (2, 6 * MICRO)}


@pytest.mark.parametrize(
    ("after", "reward"), [(7 * DAY, MICRO), (7 * DAY + 1, 0), (-CLOCK_SKEW, MICRO), (-CLOCK_SKEW - 1, 0)]
)
def test_only_what_falls_within_the_window_counts(after: int, reward: int) -> None:
    assert assess(RULE, DECISION, [outcome("a", "visit", after)]).reward == reward


def test_the_window_opens_with_the_exposure() -> None:
    delivered = outcome("d", "delivered", 5 * DAY)
    late_visit = outcome("v", "visit", 11 * DAY)
    assert assess(DELIVERED, DECISION, [late_visit]).reward == 0
    found = assess(DELIVERED, DECISION, [late_visit, delivered])
    assert (found.exposed_at, found.closes_at, found.reward) == (T0 + 5 * DAY, T0 + 12 * DAY, MICRO)


@pytest.mark.parametrize(
    ("rule", "kind", "exposes"),
    [
        (DELIVERED, "delivered", True),
        (DELIVERED, "opened", True),
        (DELIVERED, "clicked", True),
        (DELIVERED, "exposed", True),
        (DELIVERED, "visit", False),
        (OPENED, "delivered", False),
        (OPENED, "opened", True),
        (OPENED, "clicked", True),
        (OPENED, "exposed", True),
    ],
)
def test_a_later_step_of_the_funnel_implies_the_exposure(rule: RewardRule, kind: str, exposes: bool) -> None:
    assert (assess(rule, DECISION, [outcome("a", kind)]).exposed_at is not None) == exposes


def test_a_deferred_decision_is_no_trial_until_it_is_exposed() -> None:
    deferred = replace(DECISION, deferred=True)
    visit = outcome("v", "visit")
    assert (assess(RULE, deferred, [visit]).exposed_at, assess(RULE, deferred, [visit]).reward) == (None, 0)
    found = assess(RULE, deferred, [visit, outcome("e", "exposed", 30 * MINUTE)])
    assert (found.exposed_at, found.reward) == (T0 + 30 * MINUTE, MICRO)


@pytest.mark.parametrize("kind", ["withdrawn", "bounced"])
def test_a_withdrawn_decision_is_no_trial_rather_than_a_failure(kind: str) -> None:
    gone = [outcome("v", "visit"), outcome("w", kind)]
    assert assess(RULE, DECISION, gone).exposed_at is None
    assert assess(RULE, DECISION, gone).reward == 0
    restored = [*gone, outcome("undo", kind, reverses="w")]
    assert assess(RULE, DECISION, restored).reward == MICRO


def test_a_reversed_outcome_never_happened_whichever_came_first() -> None:
    visit, undo = outcome("v", "visit"), outcome("u", "visit", 2 * HOUR, reverses="v")
    assert assess(RULE, DECISION, [visit, undo]) == assess(RULE, DECISION, [undo, visit]) == assess(RULE, DECISION, [])


def test_a_holdout_on_nothing_is_a_trial_and_an_empty_answer_is_not() -> None:
    nothing = replace(DECISION, variant_id=None, reason=Reason.HOLDOUT, group=Group.CAMPAIGN_HOLDOUT)
    assert assess(DELIVERED, nothing, []).exposed_at == T0
    assert assess(RULE, replace(nothing, reason=Reason.NOTHING_ELIGIBLE), []).exposed_at is None


EVENTS = [
    outcome("a", "visit"),
    outcome("b", "visit", 3 * HOUR),
    outcome("c", "visit", reverses="a"),
    outcome("d", "delivered", 2 * HOUR),
    outcome("e", "withdrawn", 4 * HOUR),
    outcome("f", "withdrawn", 5 * HOUR, reverses="e"),
    outcome("g", "purchase", 8 * DAY, value=3 * MICRO),
    outcome("h", "purchase", 20 * DAY, value=9 * MICRO),
]


@given(st.permutations(EVENTS), st.sampled_from([RULE, COUNT, DELIVERED, OPENED]))
def test_differences_add_up_to_the_whole_in_any_order(order: list[Outcome], rule: RewardRule) -> None:
    """What the ledger keeps by differences is what one fold of everything gives, exactly."""
    kept = Tally()
    kept.add(contributions(rule, DECISION, []))
    for n in range(len(order)):
        kept.subtract(contributions(rule, DECISION, order[:n]))
        kept.add(contributions(rule, DECISION, order[: n + 1]))
    whole = Tally()
    whole.add(contributions(rule, DECISION, EVENTS))
    assert kept.changes() == whole.changes()


def test_the_order_of_outcomes_does_not_matter() -> None:
    found = {str(assess(DELIVERED, DECISION, order)) for order in permutations(EVENTS[:5])}
    assert len({text.split("counted")[0] for text in found}) == 1


def test_statistics_belong_to_the_hour_of_the_decision_and_to_its_words() -> None:
    at = replace(DECISION, decided_at=T0 + 90 * MINUTE)
    cells = {cell.metric: cell for cell, _ in contributions(RULE, at, [outcome("v", "visit", 3 * DAY)])}
    assert set(cells) == {"decided", "reward:visits", "outcome:visit"}
    assert {(c.bucket, c.variant_id, c.content_hash, c.segment_id) for c in cells.values()} == {
        (T0 + HOUR, "mens", "h", "new")
    }
