"""What the gauges read from a ledger, on each database."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from optimizer.domain.instants import DAY, HOUR, MINUTE, SECOND
from optimizer.services.learning.lease import begin_lease
from optimizer.services.live import Live
from optimizer.services.reports import gauges
from optimizer.services.reports.gauges import GAUGES, Gauge, GaugeReader, entropy


def read(house: Any, reader: GaugeReader | None = None) -> Mapping[Gauge, Mapping[tuple[str, ...], float]]:
    with house.deployment.store.reading() as ledger:
        return (reader or GaugeReader()).read(ledger, house.deployment.live, house.now)


@pytest.fixture
def budgeted(house: Any, files: Mapping[str, str], edited: Callable[..., Any]) -> Any:
    """The house, with limits on money and sends."""
    limits = "channels: {email: {sends_per_day: 1000, cost: 0.5 USD}}\nbudget: {total: 1000 USD, per: month}\n"
    documents = edited(
        files, "strategy.yaml", ("approval: {required: false}\n", f"approval: {{required: false}}\n{limits}")
    )
    house.apply(
        edited(
            documents,
            "campaigns/winback.yaml",
            ("policy: {floor: 0.05}", "policy: {floor: 0.05}\nbudget: {sends: {daily: 40}}"),
        )
    )
    return house


def test_budgets_are_what_is_left_of_every_limit_once(budgeted: Any) -> None:
    before = read(budgeted)
    assert before[gauges.SENDS_LEFT]["campaign:winback", "day"] == 40
    assert before[gauges.MONEY_LEFT]["strategy", "month"] == 1_000
    sent = [budgeted.decided(f"r{n}") for n in range(10)]
    spent = sum(answer.variant is not None for answer in sent)
    assert spent > 0
    after = read(budgeted)
    assert after[gauges.SENDS_LEFT]["campaign:winback", "day"] == 40 - spent
    assert after[gauges.SENDS_LIMIT]["campaign:winback", "day"] == 40
    assert after[gauges.SENDS_LEFT]["channel:email", "day"] == 1_000 - spent
    assert after[gauges.MONEY_LEFT]["strategy", "month"] == 1_000 - spent / 2
    assert after[gauges.MONEY_LIMIT]["strategy", "month"] == 1_000
    day = after[gauges.ELAPSED]["campaign:winback", "day"]
    month = after[gauges.ELAPSED]["strategy", "month"]
    assert 0 < month < 1
    budgeted.later(HOUR)
    assert read(budgeted)[gauges.ELAPSED]["campaign:winback", "day"] == pytest.approx(day + 1 / 24)


def test_a_campaign_without_anything_left_says_so(budgeted: Any) -> None:
    assert ("winback", "live") in read(budgeted)[gauges.STATE]
    for n in range(60):
        budgeted.decided(f"r{n}")
    found = read(budgeted)
    assert found[gauges.SENDS_LEFT]["campaign:winback", "day"] == 0
    assert ("winback", "budget_exhausted") in found[gauges.STATE]
    assert ("newsletter", "live") in found[gauges.STATE]


def test_learning_lag_is_the_time_since_a_campaign_was_due(house: Any) -> None:
    with house.deployment.store.writing(alone=True) as ledger:
        begin_lease(ledger, "winback", "worker-a", 10 * MINUTE, house.now)
    house.later(10 * MINUTE)
    assert read(house)[gauges.LAG]["winback",] == 0
    house.later(90 * SECOND)
    found = read(house)
    assert found[gauges.LAG]["winback",] == 90
    assert found[gauges.HOLDER] == {("winback", "worker-a"): 1}
    assert found[gauges.SNAPSHOT_AGE]["winback",] == 690


def test_silence_begins_when_outcomes_stop_changing(house: Any) -> None:
    assert read(house)[gauges.SILENCE] == {}
    answers = house.learning(5)
    house.learn()
    house.later(DAY)
    assert read(house)[gauges.SILENCE]["winback",] == DAY / SECOND
    house.recorded(answers[0].decision.decision_id, occurred_at=house.now)
    house.learn()
    house.later(MINUTE)
    assert read(house)[gauges.SILENCE]["winback",] == 60


def test_entropies_are_those_of_the_allocation_and_computed_once(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = GaugeReader()
    first = read(house, reader)[gauges.ENTROPY]
    loaded = Live.at
    with house.deployment.store.reading() as ledger:
        table = loaded(house.deployment.live, ledger).tables["winback"]
        tactic = loaded(house.deployment.live, ledger).tactics["winback"]
    for segment, segment_id in enumerate(tactic.rules.segment_ids):
        shares = table.row(segment, tactic.limits.may_be_chosen[segment]).allocation
        assert first["winback", segment_id] == pytest.approx(-(shares * np.log2(shares)).sum())
    computed: list[int] = []
    monkeypatch.setattr(gauges, "entropy", lambda shares: computed.append(1) or entropy(shares))
    assert read(house, reader)[gauges.ENTROPY] == first
    assert computed == []
    for answer in house.learning(30):
        house.recorded(answer.decision.decision_id)
    house.later(HOUR)
    house.learn()
    assert read(house, reader)[gauges.ENTROPY] != first
    assert computed


def test_no_more_segments_than_a_bound_have_an_entropy(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = read(house)[gauges.ENTROPY]
    monkeypatch.setattr(gauges, "MOST_SEGMENTS", len(everything) - 1)
    assert 0 < len(read(house)[gauges.ENTROPY]) < len(everything)


@pytest.mark.parametrize(
    ("shares", "bits"),
    [([1.0, 0.0], 0.0), ([0.5, 0.5], 1.0), ([0.25] * 4, 2.0), ([0.0, 0.0], 0.0), ([1 / 3] * 3, math.log2(3))],
)
def test_entropy_is_in_bits(shares: list[float], bits: float) -> None:
    assert entropy(np.array(shares)) == pytest.approx(bits)


def test_lists_are_counted_and_nothing_names_a_person(house: Any) -> None:
    answer = house.decided("zoe.unmistakable")
    house.recorded(answer.decision.decision_id, "unsubscribed")
    house.recorded("f" * 32, event_id="nobody-knows")
    found = read(house)
    assert found[gauges.SUPPRESSIONS][()] == 1
    assert found[gauges.QUARANTINE][()] == 1
    assert found[gauges.VERSION][()] == 1
    assert set(found) == set(GAUGES)
    labels = {label for values in found.values() for key in values for label in key}
    secrets = {"zoe.unmistakable", "nobody-knows", answer.decision.recipient_key, answer.decision.decision_id}
    assert labels.isdisjoint(secrets)
    for gauge, values in found.items():
        assert all(len(key) == len(gauge.labels) for key in values), gauge


def test_a_ledger_with_nothing_in_force_can_be_read(deployment: Any, make_house: Callable[..., Any]) -> None:
    found = read(make_house(deployment))
    assert found[gauges.STATE] == {}
    assert found[gauges.VERSION][()] == 0
