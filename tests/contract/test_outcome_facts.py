"""Amounts, delays, machines and the quarantine on both databases: facts of the ledger, exact in any order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log
from typing import Any

import pytest

from optimizer.domain.delays import delay_bin
from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND
from optimizer.domain.micros import MICRO
from optimizer.errors import NotFound
from optimizer.services.outcomes.quarantine import retry, waiting

HYGIENE = "approval: {required: false}\nhygiene: {fastest: PT5S, honeypot: hidden_clicked}\n"


@pytest.fixture
def in_amounts(files: Mapping[str, str], edited: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The sample documents, where purchases are rewarded by their amount, and machines are told from people."""
    strategy = edited(
        files,
        "strategy.yaml",
        ("{outcome: purchase, value: first}", '{outcome: purchase, value: amount, at_most: "500 USD"}'),
        ("approval: {required: false}\n", HYGIENE),
    )
    return edited(strategy, "campaigns/winback.yaml", ("policy: {floor", "policy: {model: hurdle, floor"))


def limited(edited: Callable[..., dict[str, str]], files: Mapping[str, str], most: str) -> dict[str, str]:
    largest = f'approval: {{required: false}}\nhygiene: {{largest_value: {{purchase: "{most} USD"}}}}\n'
    return edited(files, "strategy.yaml", ("approval: {required: false}\n", largest))


def sums(house: Any, metric: str, campaign: str = "winback") -> tuple[int, ...]:
    """Sums of one metric over the whole campaign."""
    with house.deployment.store.reading() as ledger:
        found = [s for cell, s in ledger.statistics.of_campaign(campaign) if cell.metric == metric]
    return tuple(sum(column) for column in zip(*found, strict=True)) if found else (0, 0, 0, 0)


def retried(house: Any, *event_ids: str) -> list[str]:
    with house.deployment.store.writing(alone=True) as ledger:
        return [one.status.value for one in retry(ledger, house.deployment.live, event_ids, house.now)]


def in_quarantine(house: Any) -> dict[str, str]:
    with house.deployment.store.reading() as ledger:
        return {one.report.event_id: one.reason for one in waiting(ledger, 100)}


def test_amounts_and_their_refunds_are_exact(house: Any, in_amounts: Mapping[str, str]) -> None:
    house.apply(in_amounts)
    first, second = (answer.decision.decision_id for answer in house.learning(2))
    house.later(3 * DAY)
    house.recorded(first, value=19_900_000, currency="USD", event_id="shoes", after=HOUR)
    house.recorded(first, value=100_000, event_id="laces", after=2 * HOUR)
    house.recorded(second, value=9_000 * MICRO, event_id="giant", after=2 * DAY)
    logs = [round(log(amount) * MICRO) for amount in (20, 500)]
    assert sums(house, "reward:buy")[:3] == (2, 2, 520 * MICRO)
    assert sums(house, "amount:buy")[:3] == (2, 2, sum(logs))
    assert sums(house, f"delay:buy:{delay_bin(HOUR)}") == (1, 1, 0, 0)
    assert house.verify().clean
    house.recorded(first, reverses="shoes", after=3 * HOUR)
    assert sums(house, "reward:buy")[:3] == (2, 2, 500_100_000)
    assert sums(house, f"delay:buy:{delay_bin(2 * HOUR)}") == (1, 1, 0, 0)
    for event in ("laces", "giant"):
        house.recorded(first if event == "laces" else second, reverses=event, after=3 * HOUR)
    assert sums(house, "reward:buy") == (2, 0, 0, 0)
    assert sums(house, "amount:buy") == (0, 0, 0, 0)
    assert sums(house, f"delay:buy:{delay_bin(2 * DAY)}") == (0, 0, 0, 0)
    assert house.verify().clean


def test_what_a_machine_does_is_recorded_and_rewards_nobody(house: Any) -> None:
    (answer,) = house.learning(1, "newsletter")
    id_ = answer.decision.decision_id
    assert house.recorded(id_, "clicked", machine=True) == "accepted"
    with house.deployment.store.reading() as ledger:
        (outcome,) = ledger.outcomes.of([id_])[id_]
    assert outcome.machine
    assert sums(house, "machine:clicked", "newsletter") == (1, 1, 0, 0)
    assert sums(house, "outcome:clicked", "newsletter") == sums(house, "reward:clicks", "newsletter") == (0, 0, 0, 0)
    assert house.recorded(id_, "clicked") == "accepted"
    assert sums(house, "reward:clicks", "newsletter") == (1, 1, MICRO, MICRO)
    assert house.verify().clean


def test_a_machine_s_unsubscription_still_suppresses(house: Any) -> None:
    (answer,) = house.learning(1)
    house.recorded(answer.decision.decision_id, "unsubscribed", machine=True)
    key = answer.decision.recipient_key
    with house.deployment.store.reading() as ledger:
        assert ledger.suppressions.of([key])[key]
    assert house.verify().clean


def test_clicks_that_are_too_fast_and_honeypots_are_a_machine_s(house: Any, in_amounts: Mapping[str, str]) -> None:
    house.apply(in_amounts)
    fast, trapped = (answer.decision.decision_id for answer in house.learning(2, "newsletter"))
    house.later(DAY)
    house.recorded(fast, "clicked", after=HOUR + 4 * SECOND)
    house.recorded(trapped, "clicked", after=2 * HOUR)
    assert sums(house, "reward:clicks", "newsletter")[:3] == (2, 2, 2 * MICRO)
    house.recorded(fast, "delivered", after=HOUR)
    house.recorded(trapped, "hidden_clicked", after=3 * HOUR, event_id="trap")
    assert sums(house, "reward:clicks", "newsletter")[:3] == (1, 0, 0)  # the other was never delivered
    assert sums(house, "machine:clicked", "newsletter") == (2, 2, 0, 0)
    house.recorded(trapped, "hidden_clicked", after=4 * HOUR, reverses="trap")
    assert sums(house, "reward:clicks", "newsletter")[:3] == (2, 1, MICRO)
    assert house.verify().clean


def test_decisions_are_judged_by_the_hygiene_they_were_made_under(
    house: Any, files: Mapping[str, str], in_amounts: Mapping[str, str]
) -> None:
    house.apply(in_amounts)
    (guarded,) = house.learning(1, "newsletter")
    house.apply(files)
    (open_,) = house.learning(1, "newsletter")
    for answer in (guarded, open_):
        house.recorded(answer.decision.decision_id, "clicked", after=SECOND)
    assert sums(house, "machine:clicked", "newsletter") == sums(house, "outcome:clicked", "newsletter") == (1, 1, 0, 0)
    assert house.verify().clean


@pytest.mark.parametrize(
    ("value", "rest", "reason"),
    [
        (5_000_010_000, {}, "value: found 5000.01 USD for purchase; allowed at most 5000.00 USD"),
        (-1_000_000, {}, "value: found -1.00 USD for purchase; allowed 0 or more: name the outcome that is undone"),
        (1_000_000, {"currency": "EUR"}, "currency: found EUR; allowed USD"),
    ],
)
def test_a_value_nobody_should_believe_waits_in_quarantine(
    house: Any,
    files: Mapping[str, str],
    edited: Callable[..., dict[str, str]],
    value: int,
    rest: dict[str, str],
    reason: str,
) -> None:
    house.apply(limited(edited, files, "5000"))
    (answer,) = house.learning(1)
    assert house.recorded(answer.decision.decision_id, value=value, event_id="rich", **rest) == "rejected"
    assert in_quarantine(house)["rich"].startswith(reason)
    assert house.trials() == (1, 0, 0)
    assert house.recorded(answer.decision.decision_id, value=5_000_000_000) == "accepted"
    assert house.recorded(answer.decision.decision_id, "visit", value=9_000_000_000) == "accepted"
    assert house.verify().clean


def test_undoing_an_outcome_works_whatever_its_value_says(
    house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    (answer,) = house.learning(1)
    id_ = answer.decision.decision_id
    house.recorded(id_, value=800_000_000, event_id="order")
    house.apply(limited(edited, files, "500"))
    assert house.recorded(id_, value=-800_000_000, currency="USD", reverses="order") == "accepted"
    assert house.trials() == (1, 0, 0)


def test_a_retry_judges_by_the_documents_in_force_now(
    house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    house.apply(limited(edited, files, "500"))
    (answer,) = house.learning(1)
    house.recorded(answer.decision.decision_id, value=800_000_000, event_id="big", machine=True)
    house.recorded(answer.decision.decision_id, value=900_000_000, event_id="bigger")
    assert retried(house, "big") == ["rejected"]
    house.apply(limited(edited, files, "850"))
    assert retried(house, "big", "bigger") == ["accepted", "rejected"]
    assert list(in_quarantine(house)) == ["bigger"]
    assert sums(house, "machine:purchase") == (1, 1, 800_000_000, 0)
    house.apply(limited(edited, files, "5000"))
    assert retried(house, "bigger") == ["accepted"]
    assert (in_quarantine(house), house.trials()) == ({}, (1, 1, 1))
    assert house.verify().clean


def test_a_report_by_recipient_finds_the_decision_made_before_it_once_that_has_arrived(house: Any) -> None:
    report = house.report(None, recipient="ann", campaign_id="winback", event_id="early", after=MINUTE)
    assert [one.status.value for one in house.record(report)] == ["unknown"]
    with house.deployment.store.reading() as ledger:
        (kept,) = ledger.quarantine.latest(10)
    assert "ann" not in str(kept)
    first = house.decided("ann", "r1").decision
    house.later(DAY)
    second = house.decided("ann", "r2").decision
    assert retried(house, "early") == ["accepted"]
    with house.deployment.store.reading() as ledger:
        found = ledger.outcomes.of([first.decision_id, second.decision_id])
    assert [o.event_id for o in found[first.decision_id]] == ["early"]
    assert not found.get(second.decision_id)
    assert house.verify().clean


def test_what_will_happen_waits_until_it_has(house: Any) -> None:
    (answer,) = house.learning(1)
    assert house.recorded(answer.decision.decision_id, after=HOUR, event_id="soon") == "rejected"
    assert "occurred_at: found" in in_quarantine(house)["soon"]
    house.later(HOUR)
    assert retried(house, "soon") == ["accepted"]


def test_a_retry_of_what_does_not_wait_says_so_and_records_nothing(house: Any) -> None:
    with pytest.raises(NotFound, match="event_id: found nothing-like-it; allowed an event that waits in quarantine"):
        retried(house, "nothing-like-it")
