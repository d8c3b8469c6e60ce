"""What changed documents would have done with past requests: exact for the rules, estimated for rewards."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import DAY
from optimizer.domain.reasons import Block, Reason
from optimizer.services.documents.hindsight import Hindsight, hindsight
from optimizer.services.live import tactics_of
from optimizer.strategy.workspace import read_workspace

WINBACK = "campaigns/winback.yaml"
RATES = {"ten-percent": 0.5, "new-arrivals": 0.2, "hello": 0.1}
PEOPLE = 220


@pytest.fixture
def busy(house: Any) -> Any:
    """Two requests a week for each of many people, at noon; a third of them far away; outcomes by known rates."""
    rng = np.random.default_rng(5)
    for day in (0, 3):
        zones = ["Asia/Tokyo" if number % 3 == 0 else "Europe/London" for number in range(PEOPLE)]
        requests = [house.request(f"person-{n}", f"r{day}", "winback", time_zone=zone) for n, zone in enumerate(zones)]
        decisions = [answer.decision for answer in house.decide(*requests)]
        bought = [d.decision_id for d in decisions if d.variant_id and rng.random() < RATES[d.variant_id]]
        house.record(*[house.report(decision_id, occurred_at=house.now) for decision_id in bought])
        house.later(3 * DAY)
    house.later(8 * DAY)
    return house


def looked_back(house: Any, files: Mapping[str, str]) -> Hindsight | None:
    with house.deployment.store.reading() as ledger:
        tactic = tactics_of(read_workspace(files), 2, ledger.approvals.granted(), {})["winback"]
        return hindsight(ledger, house.deployment.live, tactic, UNTOUCHED, house.now)


def seen(house: Any, files: Mapping[str, str]) -> Hindsight:
    found = looked_back(house, files)
    assert found is not None
    return found


def test_the_same_documents_send_to_the_same_people(busy: Any, files: Mapping[str, str]) -> None:
    found = seen(busy, files)
    assert (found.n_decisions, found.sent_before, found.sent_after) == (2 * PEOPLE, 2 * PEOPLE, 2 * PEOPLE)
    assert (found.newly_blocked, found.newly_sent) == ({}, 0)


def test_a_contact_policy_blocks_exactly_the_second_message_of_a_week(
    busy: Any, files: Mapping[str, str], edited: Any
) -> None:
    policy = "contact_policy: [{at_most: 1, per: P7D, channels: [email]}]"
    rule = f"approval: {{required: false}}\n{policy}\nchannels: {{email: {{}}}}"
    found = seen(busy, edited(files, "strategy.yaml", ("approval: {required: false}", rule)))
    assert found.sent_after == PEOPLE
    assert found.newly_blocked == {Block.CONTACT_POLICY: PEOPLE}


def test_quiet_hours_are_those_of_each_recipient(busy: Any, files: Mapping[str, str], edited: Any) -> None:
    # Noon in London is the evening in Tokyo.
    rule = 'approval: {required: false}\nchannels: {email: {quiet_hours: "19:00-08:00"}}'
    found = seen(busy, edited(files, "strategy.yaml", ("approval: {required: false}", rule)))
    far_away = 2 * len(range(0, PEOPLE, 3))
    assert found.newly_blocked == {Block.QUIET_HOURS: far_away}
    assert found.sent_after == 2 * PEOPLE - far_away


def test_a_budget_is_used_up_by_what_would_be_chosen(busy: Any, files: Mapping[str, str], edited: Any) -> None:
    costs = 'approval: {required: false}\nchannels: {email: {cost: "0.10 USD"}}'
    after = edited(files, "strategy.yaml", ("approval: {required: false}", costs))
    assert seen(busy, after).spend_after == pytest.approx(0.1 * 2 * PEOPLE)
    after = edited(after, WINBACK, ("policy: {floor: 0.05}", 'policy: {floor: 0.05}\nbudget: {total: "30 USD"}'))
    found = seen(busy, after)
    assert (found.spend_before, found.spend_after) == (0.0, pytest.approx(30.0))
    assert found.newly_blocked == {Block.BUDGET_EXHAUSTED: 2 * PEOPLE - 300}


def test_rewards_are_judged_by_what_was_drawn(busy: Any, files: Mapping[str, str]) -> None:
    found = seen(busy, files)
    assert found.reward_before is not None
    assert found.reward_after is not None
    assert found.lift is not None
    # Nothing was learned while these decisions were drawn, so the log is an equal split; now most would get the best.
    assert found.reward_before == pytest.approx(np.mean(list(RATES.values())), abs=4 * 0.45 / found.n_judged**0.5)
    low, high = found.reward_after.intervals["bootstrap"]
    assert 0.3 < low < 0.5 < high < 0.62
    assert found.lift.value == pytest.approx(found.reward_after.value - found.reward_before)


def test_only_draws_whose_outcomes_are_in_are_judged(busy: Any, files: Mapping[str, str]) -> None:
    found = seen(busy, files)
    with busy.deployment.store.reading() as ledger:
        drawn = [d for d in ledger.decisions.stream() if d.reason in {Reason.EXPLOIT, Reason.EXPLORE}]
    assert found.n_judged == len(drawn)
    busy.now -= 6 * DAY  # the second week's windows are still open
    assert seen(busy, files).n_judged == sum(d.request_id == "r0" for d in drawn)


def test_new_words_are_not_judged_by_the_old_ones(busy: Any, files: Mapping[str, str], edited: Any) -> None:
    found = seen(busy, edited(files, WINBACK, ("We saved you 10%", "Ten percent are yours")))
    assert found.verdict is not None
    assert found.verdict.word != "trust"


def test_a_handful_of_decisions_says_nothing(house: Any, files: Mapping[str, str]) -> None:
    for number in range(20):
        house.decided(f"person-{number}")
    assert looked_back(house, files) is None


def test_looking_back_writes_nothing(busy: Any, files: Mapping[str, str]) -> None:
    before = busy.counts()
    seen(busy, files)
    assert busy.counts() == before
