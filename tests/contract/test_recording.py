"""Outcomes on both databases: once each, in any order, by exact differences, and nothing is ever lost."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from optimizer.domain.instants import DAY, MINUTE
from optimizer.domain.outcome import Receipt
from optimizer.errors import Conflict


def statuses(house: Any, *reports: Any) -> list[str]:
    return [one.status.value for one in house.record(*reports)]


def test_an_outcome_counts_once_however_often_it_is_reported(house: Any) -> None:
    (answer,) = house.learning(1)
    report = house.report(answer.decision.decision_id)
    assert statuses(house, report) == ["accepted"]
    before = house.counts(), house.statistics()
    assert statuses(house, report, report) == ["duplicate", "duplicate"]
    assert (house.counts(), house.statistics()) == before
    assert house.trials() == (1, 1, 1)
    assert house.verify().clean


def test_an_outcome_reported_twice_in_one_batch_is_accepted_first_and_a_duplicate_then(house: Any) -> None:
    (answer,) = house.learning(1)
    report = house.report(answer.decision.decision_id)
    assert statuses(house, report, report) == ["accepted", "duplicate"]
    assert house.trials() == (1, 1, 1)


def test_a_reward_of_first_counts_one_purchase_and_count_counts_each(house: Any) -> None:
    (winback,) = house.learning(1)
    (newsletter,) = house.learning(1, "newsletter")
    for answer, kind in ((winback, "purchase"), (newsletter, "clicked")):
        for _ in range(3):
            house.recorded(answer.decision.decision_id, kind)
    assert house.trials() == (1, 1, 1)
    assert house.trials("newsletter", "reward:clicks") == (1, 1, 3)
    assert house.verify().clean


def test_an_outcome_after_its_window_is_late_and_earns_nothing(house: Any) -> None:
    (answer,) = house.learning(1)
    house.later(8 * DAY)
    assert house.recorded(answer.decision.decision_id, after=7 * DAY + 1) == "late"
    assert house.trials() == (1, 0, 0)
    assert house.recorded(answer.decision.decision_id, after=7 * DAY) == "accepted"
    assert house.trials() == (1, 1, 1)
    assert house.counts()["outcomes"] == 2
    assert house.verify().clean


def test_a_purchase_and_its_refund_give_the_same_in_any_order(house: Any) -> None:
    for n_before, order in enumerate(permutations(range(3))):
        (answer,) = house.learning(1)
        id_ = answer.decision.decision_id
        reports = [
            house.report(id_, event_id=f"buy-{id_}"),
            house.report(id_, "refund", event_id=f"refund-{id_}", reverses=f"buy-{id_}"),
            house.report(id_, "opened"),
        ]
        for n in order:
            assert statuses(house, reports[n]) == ["accepted"]
        assert house.trials() == (n_before + 1, 0, 0)
    assert house.verify().clean


def test_a_refund_of_one_of_two_purchases_leaves_the_other(house: Any) -> None:
    (answer,) = house.learning(1)
    id_ = answer.decision.decision_id
    house.record(house.report(id_, event_id="one"), house.report(id_, event_id="two"))
    house.recorded(id_, "refund", reverses="one")
    assert house.trials() == (1, 1, 1)
    house.recorded(id_, "refund", reverses="two")
    assert house.trials() == (1, 0, 0)
    assert house.verify().clean


def test_a_report_of_an_unknown_decision_waits_in_quarantine_and_is_accepted_once_it_is_right(house: Any) -> None:
    (answer,) = house.learning(1)
    report = house.report("f" * 32)
    assert statuses(house, report) == ["unknown"]
    assert house.counts()["quarantine"] == 1
    assert house.counts()["outcomes"] == 0
    assert statuses(house, report) == ["unknown"]
    assert house.counts()["quarantine"] == 1
    right = house.report(answer.decision.decision_id, event_id=report.event_id)
    assert statuses(house, right) == ["accepted"]
    assert house.counts()["quarantine"] == 0
    assert house.verify().clean


def test_an_event_that_was_refused_first_is_no_duplicate_in_the_same_batch(house: Any) -> None:
    unknown = house.report("f" * 32, event_id="same")
    assert statuses(house, unknown, unknown) == ["unknown", "unknown"]


def test_the_quarantine_keeps_no_recipient_id(house: Any) -> None:
    report = house.report(None, recipient="ann@example.com", campaign_id="winback")
    assert statuses(house, report) == ["unknown"]
    with house.deployment.store.engine.connect() as connection:
        (kept,) = connection.exec_driver_sql("SELECT report || reason FROM quarantine").scalars()
    assert "ann@example.com" not in kept
    assert "recipient_key" in kept


def test_an_outcome_by_recipient_goes_to_the_campaigns_latest_decision(house: Any) -> None:
    house.decided("ann", "r1")
    house.later(10)
    latest = house.decided("ann", "r2")
    house.later(10)
    house.decided("ann", "r1", "newsletter")
    report = house.report(None, after=15, recipient="ann", campaign_id="winback")
    assert statuses(house, report) == ["accepted"]
    with house.deployment.store.reading() as ledger:
        assert len(ledger.outcomes.of([latest.decision.decision_id])[latest.decision.decision_id]) == 1


@pytest.mark.parametrize("after", [-5 * MINUTE - 1, 5 * MINUTE + 1, 400 * 366 * DAY, -50 * 366 * DAY])
def test_an_outcome_before_its_decision_or_in_the_future_is_rejected_with_the_bounds(house: Any, after: int) -> None:
    (answer,) = house.learning(1)
    before = house.statistics()
    (one,) = house.record(house.report(answer.decision.decision_id, after=after))
    assert one.status is Receipt.REJECTED
    assert "occurred_at: found" in one.detail
    assert "allowed" in one.detail
    assert house.statistics() == before
    assert house.counts()["quarantine"] == 1


@pytest.mark.parametrize("occurred_at", [253_402_300_800_000_000, -62_135_596_800_000_001, 2**63 - 1, -(2**63)])
def test_an_outcome_beyond_the_calendar_is_rejected_like_any_other(house: Any, occurred_at: int) -> None:
    (answer,) = house.learning(1)
    (one,) = house.record(house.report(answer.decision.decision_id, occurred_at=occurred_at))
    assert one.status is Receipt.REJECTED


@pytest.mark.parametrize("after", [-5 * MINUTE, 5 * MINUTE])
def test_clocks_may_differ_by_five_minutes(house: Any, after: int) -> None:
    (answer,) = house.learning(1)
    assert house.recorded(answer.decision.decision_id, after=after) == "accepted"
    assert house.trials() == (1, 1, 1)


def test_a_foreign_currency_is_rejected_and_our_own_accepted(house: Any) -> None:
    (answer,) = house.learning(1)
    id_ = answer.decision.decision_id
    assert house.recorded(id_, value=1, currency="EUR") == "rejected"
    assert house.recorded(id_, value=1, currency="USD") == "accepted"


# ---------------------------------------------------------------- exposure


def test_a_deferred_decision_counts_from_its_exposure(house: Any) -> None:
    (answer,) = house.learning(1, deferred=True)
    id_ = answer.decision.decision_id
    assert house.trials() == (0, 0, 0)
    house.recorded(id_)
    assert house.trials() == (0, 0, 0)
    house.recorded(id_, "exposed")
    assert house.trials() == (1, 1, 1)
    assert house.verify().clean


def test_a_withdrawn_decision_is_no_trial_whenever_it_is_withdrawn(house: Any) -> None:
    for order in permutations(["purchase", "withdrawn", "exposed"]):
        (answer,) = house.learning(1, deferred=True)
        for kind in order:
            assert house.recorded(answer.decision.decision_id, kind) == "accepted"
    assert house.trials() == (0, 0, 0)
    assert house.verify().clean


def test_a_withdrawal_that_is_reversed_never_happened(house: Any) -> None:
    (answer,) = house.learning(1)
    id_ = answer.decision.decision_id
    house.recorded(id_, "bounced", event_id="bounce")
    assert house.trials() == (0, 0, 0)
    house.recorded(id_, "correction", reverses="bounce")
    assert house.trials() == (1, 0, 0)
    assert house.verify().clean


@pytest.mark.parametrize(
    ("campaign", "metric", "kind", "n_trials"),
    [
        ("newsletter", "reward:clicks", "delivered", 1),
        ("newsletter", "reward:clicks", "opened", 1),
        ("newsletter", "reward:clicks", "clicked", 1),
        ("newsletter", "reward:clicks", "exposed", 1),
        ("newsletter", "reward:clicks", "purchase", 0),
        ("members", "reward:opens", "delivered", 0),
        ("members", "reward:opens", "opened", 1),
        ("members", "reward:opens", "clicked", 1),
    ],
)
def test_a_later_step_of_the_funnel_implies_the_exposure(
    house: Any, campaign: str, metric: str, kind: str, n_trials: int
) -> None:
    (answer,) = house.learning(1, campaign, attributes={"vip": True})
    house.recorded(answer.decision.decision_id, kind)
    assert house.trials(campaign, metric)[0] == n_trials
    assert house.verify().clean


def test_the_window_moves_with_the_earliest_exposure(house: Any) -> None:
    (answer,) = house.learning(1, "newsletter")
    id_ = answer.decision.decision_id
    house.later(5 * DAY)
    assert house.recorded(id_, "delivered", after=3 * DAY) == "accepted"  # it opens the window itself
    assert house.recorded(id_, "clicked", after=4 * DAY) == "accepted"
    assert house.trials("newsletter", "reward:clicks") == (1, 1, 1)
    assert house.recorded(id_, "delivered", after=1) == "accepted"
    assert house.trials("newsletter", "reward:clicks") == (1, 0, 0)  # the click was more than a day after that
    assert house.verify().clean


def test_holdouts_and_their_outcomes_are_counted_apart(house: Any) -> None:
    held = next(a.decision for n in range(1_000) if (a := house.decided(f"p{n}")).decision.group == "campaign_holdout")
    house.recorded(held.decision_id)
    earned = {c.group: s for c, s in house.statistics().items() if c.metric == "reward:buy" and s[1]}
    assert earned == {"campaign_holdout": (1, 1, 1_000_000)}
    assert house.learn().belief.arrays["alpha"].sum() == house.learn().trials.size  # the prior alone
    assert house.verify().clean


def test_sums_of_the_largest_amounts_stay_exact(house: Any) -> None:
    (answer,) = house.learning(1)
    largest = 10**15
    reports = [house.report(answer.decision.decision_id, "refund", value=-largest) for _ in range(2_000)]
    house.record(*reports)
    (total,) = [s[2] for c, s in house.statistics().items() if c.metric == "outcome:refund"]
    assert total == -2_000 * largest
    assert house.verify().clean


def test_a_large_order_that_is_refunded_leaves_no_trace_in_the_sums(house: Any) -> None:
    small, large = house.learning(2, "newsletter", excluded=("long:morning", "long:evening", "short:evening"))
    house.recorded(small.decision.decision_id, "purchase", value=19_930_000)
    house.recorded(large.decision.decision_id, "purchase", value=1_234_567_890_000, event_id="large")
    house.recorded(large.decision.decision_id, "refund", reverses="large")
    assert house.verify().clean


def test_outcomes_whose_sum_would_leave_64_bits_are_refused_rather_than_rounded(house: Any) -> None:
    (answer,) = house.learning(1)

    def thousand(start: int) -> list[Any]:
        return [
            house.report(answer.decision.decision_id, event_id=f"rich-{start + n}", value=10**15 - 1)
            for n in range(1_000)
        ]

    for start in range(0, 9_000, 1_000):
        house.record(*thousand(start))
    with pytest.raises(Conflict, match="64 bits"):
        house.record(*thousand(9_000))
    assert house.counts()["outcomes"] == 9_000
    assert house.verify().clean
