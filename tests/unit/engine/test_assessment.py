from dataclasses import replace
from itertools import permutations
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.decision import Decision
from optimizer.domain.delays import delay_bin
from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND
from optimizer.domain.micros import MICRO
from optimizer.domain.outcome import Outcome
from optimizer.domain.reasons import Group, Reason
from optimizer.domain.statistics import ZERO, Sums, Tally
from optimizer.engine.assessment import (
    CLOCK_SKEW,
    LARGEST_SQUARED,
    RewardRule,
    assess,
    cell_of,
    contributions,
    contributions_unheard,
    differences,
    squared,
)
from optimizer.engine.machines import MachineRule

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
    deferred = DECISION._replace(deferred=True)
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
    nothing = DECISION._replace(variant_id=None, reason=Reason.HOLDOUT, group=Group.CAMPAIGN_HOLDOUT)
    assert assess(DELIVERED, nothing, []).exposed_at == T0
    assert assess(RULE, nothing._replace(reason=Reason.NOTHING_ELIGIBLE), []).exposed_at is None


AMOUNT = replace(RULE, kind="purchase", value="amount", penalties=(("unsubscribed", 5 * MICRO),))
CAPPED = replace(AMOUNT, at_most=10 * MICRO)
GUARDED = replace(OPENED, kind="clicked", machines=MachineRule(("clicked", "opened"), 2 * SECOND, "hidden_clicked"))


def test_an_amount_is_the_sum_of_what_stands_and_a_full_refund_leaves_no_success() -> None:
    bought = [outcome("a", "purchase", value=19_900_000), outcome("b", "purchase", 2 * HOUR, value=100_000)]
    found = assess(AMOUNT, DECISION, bought)
    assert (found.rewarded, found.earned, found.reward, found.rewarded_at) == (True, 20 * MICRO, 20 * MICRO, T0 + HOUR)
    partly = [*bought, outcome("r", "purchase", 3 * HOUR, reverses="a")]
    assert (assess(AMOUNT, DECISION, partly).reward, assess(AMOUNT, DECISION, partly).rewarded_at) == (
        100_000,
        T0 + 2 * HOUR,
    )
    wholly = assess(AMOUNT, DECISION, [*partly, outcome("s", "purchase", 3 * HOUR, reverses="b")])
    assert (wholly.rewarded, wholly.reward, wholly.rewarded_at) == (False, 0, None)


def test_a_purchase_without_a_value_or_with_a_negative_one_is_no_success() -> None:
    assert not assess(AMOUNT, DECISION, [outcome("a", "purchase")]).rewarded
    taken = [outcome("a", "purchase", value=3 * MICRO), outcome("b", "purchase", value=-4 * MICRO)]
    assert (assess(AMOUNT, DECISION, taken).rewarded, assess(AMOUNT, DECISION, taken).reward) == (False, -MICRO)


def test_penalties_come_off_an_amount_in_units_of_currency_and_do_not_undo_the_success() -> None:
    found = assess(AMOUNT, DECISION, [outcome("a", "purchase", value=2 * MICRO), outcome("u", "unsubscribed")])
    assert (found.rewarded, found.earned, found.reward) == (True, 2 * MICRO, -3 * MICRO)


def test_a_giant_order_counts_at_most_what_one_decision_may_earn() -> None:
    giant = [outcome("a", "purchase", value=1_000_000 * MICRO)]
    assert assess(CAPPED, DECISION, giant).reward == 10 * MICRO
    assert assess(AMOUNT, DECISION, giant).reward == 1_000_000 * MICRO
    (of_reward,) = [s for c, s in contributions(AMOUNT, DECISION, giant) if c.metric.startswith("reward")]
    assert of_reward.squares == squared(LARGEST_SQUARED)  # as large as it may be; its sums stay within 64 bits


def test_the_logarithm_of_an_amount_is_that_before_penalties() -> None:
    bought = [outcome("a", "purchase", value=20 * MICRO), outcome("u", "unsubscribed")]
    sums = {cell.metric: sums for cell, sums in contributions(AMOUNT, DECISION, bought)}
    assert sums["amount:visits"] == Sums(1, 1, round(log(20) * MICRO), round(log(20) ** 2 * MICRO))
    assert "amount:visits" not in {c.metric for c, _ in contributions(RULE, DECISION, [outcome("v", "visit")])}
    small = [outcome("a", "purchase", value=1)]
    (cents,) = [s for c, s in contributions(AMOUNT, DECISION, small) if c.metric == "amount:visits"]
    assert cents.total == round(log(1e-6) * MICRO) < 0


def test_the_delay_is_from_the_exposure_to_the_first_reward_that_stands() -> None:
    reports = [outcome("d", "delivered", HOUR), outcome("b", "visit", 3 * HOUR), outcome("a", "visit", 2 * HOUR)]

    def delays(*more: Outcome) -> set[str]:
        return {c.metric for c, _ in contributions(DELIVERED, DECISION, [*reports, *more]) if "delay" in c.metric}

    assert delays() == {f"delay:visits:{delay_bin(HOUR)}"}
    assert delays(outcome("r", "visit", 9 * HOUR, reverses="a")) == {f"delay:visits:{delay_bin(2 * HOUR)}"}


def test_what_a_machine_did_neither_exposes_nor_earns_nor_penalises_but_is_counted_apart() -> None:
    opened, clicked = outcome("o", "opened", machine=True), outcome("c", "clicked", machine=True, value=MICRO)
    rule = replace(OPENED, kind="clicked", penalties=(("complained", MICRO),))
    found = assess(rule, DECISION, [opened, clicked])
    assert (found.exposed_at, found.rewarded, found.counted) == (None, False, {})
    assert found.machines == {"opened": (1, 0), "clicked": (1, MICRO)}
    seen = assess(rule, DECISION, [opened, clicked, outcome("x", "exposed"), outcome("m", "complained", machine=True)])
    assert (seen.exposed_at, seen.reward) == (T0 + HOUR, 0)
    metrics = {c.metric: s for c, s in contributions(rule, DECISION, [opened, clicked])}
    assert metrics == {
        "decided": Sums(1, 0, 0, 0),
        "machine:opened": Sums(1, 1, 0, 0),
        "machine:clicked": Sums(1, 1, MICRO, 0),
    }


@pytest.mark.parametrize("kind", ["exposed", "withdrawn", "bounced"])
def test_what_the_sender_says_is_no_machine_s_doing(kind: str) -> None:
    said = outcome("x", kind)
    assert assess(OPENED, DECISION, [said._replace(machine=True)]) == assess(OPENED, DECISION, [said])


@pytest.mark.parametrize(("after", "is_machine"), [(0, True), (SECOND, True), (2 * SECOND, False), (-MINUTE, True)])
def test_an_open_sooner_than_a_person_could_is_a_machine_s(after: int, is_machine: bool) -> None:
    delivered = outcome("d", "delivered", 5 * MINUTE)
    opened = outcome("o", "opened", 5 * MINUTE + after)
    assert (assess(GUARDED, DECISION, [opened, delivered]).exposed_at is None) == is_machine
    assert assess(OPENED, DECISION, [opened, delivered]).exposed_at == opened.occurred_at


def test_without_a_delivery_the_decision_is_when_it_was_delivered() -> None:
    assert assess(GUARDED, DECISION, [outcome("o", "opened", SECOND)]).exposed_at is None
    assert assess(GUARDED, DECISION, [outcome("o", "opened", 3 * SECOND)]).exposed_at == T0 + 3 * SECOND
    undone = [outcome("d", "delivered", HOUR), outcome("r", "delivered", HOUR, reverses="d")]
    assert assess(GUARDED, DECISION, [*undone, outcome("o", "opened", 3 * SECOND)]).exposed_at is not None


def test_a_honeypot_makes_all_opens_and_clicks_a_machine_s_until_it_is_reversed() -> None:
    clicks = [outcome("o", "opened"), outcome("c", "clicked", 2 * HOUR), outcome("p", "purchase", 3 * HOUR)]
    trap = outcome("h", "hidden_clicked", 4 * HOUR)
    assert assess(GUARDED, DECISION, clicks).rewarded
    trapped = assess(GUARDED, DECISION, [*clicks, trap])
    assert (trapped.exposed_at, set(trapped.machines)) == (None, {"opened", "clicked", "hidden_clicked"})
    assert set(trapped.counted) == {"purchase"}
    undone = assess(GUARDED, DECISION, [*clicks, trap, outcome("u", "hidden_clicked", reverses="h")])
    assert undone == assess(GUARDED, DECISION, clicks)


EVENTS = [
    outcome("a", "visit"),
    outcome("b", "visit", 3 * HOUR),
    outcome("i", "opened", 2 * HOUR + SECOND),
    outcome("j", "clicked", HOUR, machine=True),
    outcome("k", "clicked", 4 * HOUR),
    outcome("l", "hidden_clicked", 5 * HOUR),
    outcome("m", "hidden_clicked", 6 * HOUR, reverses="l"),
    outcome("n", "purchase", HOUR, value=7 * MICRO),
    outcome("o", "purchase", HOUR, reverses="n"),
    outcome("p", "unsubscribed", 2 * HOUR),
    outcome("c", "visit", reverses="a"),
    outcome("d", "delivered", 2 * HOUR),
    outcome("e", "withdrawn", 4 * HOUR),
    outcome("f", "withdrawn", 5 * HOUR, reverses="e"),
    outcome("g", "purchase", 8 * DAY, value=3 * MICRO),
    outcome("h", "purchase", 20 * DAY, value=9 * MICRO),
]


@given(st.permutations(EVENTS), st.sampled_from([RULE, COUNT, DELIVERED, OPENED, AMOUNT, CAPPED, GUARDED]))
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


@given(st.permutations(EVENTS), st.integers(0, len(EVENTS)), st.sampled_from([DELIVERED, AMOUNT, CAPPED, GUARDED]))
def test_a_difference_is_what_one_fold_has_more_than_the_other(order: list[Outcome], n: int, rule: RewardRule) -> None:
    before, after = assess(rule, DECISION, order[:n]), assess(rule, DECISION, order)
    kept = Tally()
    kept.add(contributions(rule, DECISION, order[:n]))
    changes = list(differences(rule, before, after))
    kept.add((cell_of(DECISION, metric), sums) for metric, sums in changes)
    whole = Tally()
    whole.add(contributions(rule, DECISION, order))
    assert kept.changes() == whole.changes()
    assert all(sums != ZERO for _, sums in changes)


KINDS_OF_DECISION = st.builds(
    DECISION._replace,
    segment_id=st.sampled_from(["new", None]),
    group=st.sampled_from(Group),
    variant_id=st.sampled_from(["mens", "plain", None]),
    reason=st.sampled_from(Reason),
    deferred=st.booleans(),
    decided_at=st.sampled_from([T0, T0 + HOUR]),
)


@given(st.lists(KINDS_OF_DECISION, max_size=12), st.sampled_from([RULE, DELIVERED, AMOUNT, GUARDED]))
def test_new_decisions_counted_together_add_what_each_adds(decisions: list[Decision], rule: RewardRule) -> None:
    together, alone = Tally(), Tally()
    together.add(contributions_unheard(lambda _: rule, decisions))
    for decision in decisions:
        alone.add(contributions(rule, decision, ()))
    assert together.changes() == alone.changes()


def test_the_order_of_outcomes_does_not_matter() -> None:
    for rule in (DELIVERED, AMOUNT, GUARDED):
        found = {str(assess(rule, DECISION, order)) for order in permutations(EVENTS[:6])}
        assert len({text.split("counted")[0] for text in found}) == 1


def test_statistics_belong_to_the_hour_of_the_decision_and_to_its_words() -> None:
    at = DECISION._replace(decided_at=T0 + 90 * MINUTE)
    cells = {cell.metric: cell for cell, _ in contributions(RULE, at, [outcome("v", "visit", 3 * DAY)])}
    assert set(cells) == {
        "decided",
        "reward:visits",
        f"delay:visits:{delay_bin(3 * DAY - 90 * MINUTE)}",
        "outcome:visit",
    }
    assert {(c.bucket, c.variant_id, c.content_hash, c.segment_id) for c in cells.values()} == {
        (T0 + HOUR, "mens", "h", "new")
    }
