"""A contextual policy in the service: it learns whom a message is for, and every decision comes out the same again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from optimizer.domain.controls import UNTOUCHED, Controls
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.engine.contexts import MOST_TRIALS
from optimizer.errors import DocumentError
from optimizer.services.decisions.explaining import explain
from optimizer.services.documents.hindsight import hindsight
from optimizer.services.learning import training
from optimizer.services.learning.training import newest_trials
from optimizer.services.live import DOCUMENTS, tactics_of
from optimizer.strategy.workspace import read_workspace

STRATEGY = """\
strategy: shop
currency: USD
time_zone: Europe/London
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  country: {type: category, values: [US, GB]}
  age: {type: number}
  loyal: {type: boolean}
  illness: {type: boolean, sensitive: true}
  name: {type: text}
channels:
  email: {cost: "0.01 USD"}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two}
policy: {model: contextual, attributes: [country, age, loyal], refit: PT1H, floor: 0.02, delay: ignored}
"""
CHANCES = np.random.Generator(np.random.PCG64(11)).random(4_000).tolist()
Play = Callable[..., Any]


@pytest.fixture
def play(deployment: Any, make_house: Callable[..., Any]) -> Play:
    """A house with the shop in force, its documents changed by ``(old, new)`` pairs."""

    def built(*changes: tuple[str, str]) -> Any:
        house = make_house(deployment)
        files = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN}
        for old, new in changes:
            (path,) = [name for name, text in files.items() if old in text]
            files[path] = files[path].replace(old, new, 1)
        house.files = files
        house.apply(files)
        return house

    return built


def recipients(n: int, first: int = 0) -> list[dict[str, Any]]:
    """Attributes of ``n`` recipients: some know neither age nor loyalty."""
    found = []
    for number in range(first, first + n):
        one: dict[str, Any] = {"country": ["US", "GB"][number % 2]}
        if number % 3:
            one |= {"age": 20.0 + number % 50, "loyal": number % 5 == 0}
        found.append(one)
    return found


def send(house: Any, n: int, first: int = 0) -> list[Any]:
    """Decisions for ``n`` recipients; those of a country buy after its own message only, two thirds of them."""
    asked = [
        house.request(f"person-{first + number}", attributes=one) for number, one in enumerate(recipients(n, first))
    ]
    decisions = [answer.decision for answer in house.decide(*asked)]
    reports = [
        house.report(one.decision_id, occurred_at=house.now)
        for number, one in enumerate(decisions)
        if one.variant_id == ("one" if one.attributes["country"] == "US" else "two") and CHANCES[first + number] < 2 / 3
    ]
    house.record(*reports)
    return decisions


def share_of_one(house: Any, country: str) -> float:
    """Probability with which a recipient of a country is sent the first message."""
    with house.deployment.store.reading() as ledger:
        table = house.deployment.live.at(ledger).tables["winback"]
    row = table.row(0, np.ones(2, np.bool_), {"country": country, "age": 40.0, "loyal": False})
    return float(row.allocation[0])


def test_whom_a_message_is_for_is_learned_from_the_ledger(play: Play) -> None:
    house = play()
    assert share_of_one(house, "US") == pytest.approx(0.5, abs=0.15)
    send(house, 200)
    house.later(HOUR)
    house.learn()
    assert share_of_one(house, "US") > 0.9
    assert share_of_one(house, "GB") < 0.1


def test_every_past_decision_comes_out_the_same_bit_for_bit(play: Play) -> None:
    house = play()
    sent = []
    for round_ in range(4):
        sent += send(house, 40, 40 * round_)
        house.later(HOUR)
        house.learn()
    assert len({one.propensity for one in sent}) > 20
    found = house.verify()
    assert found.recomputed == 160
    assert not found.differing


def test_the_logged_propensity_is_the_probability_of_the_draw_for_these_attributes(play: Play) -> None:
    house = play()
    send(house, 100)
    house.later(HOUR)
    house.learn()
    with house.deployment.store.reading() as ledger:
        table = house.deployment.live.at(ledger).tables["winback"]
    for one in send(house, 40, 100):
        row = table.row(0, np.ones(2, np.bool_), one.attributes)
        assert one.propensity == row.allocation[("one", "two").index(one.variant_id)]
        assert (row.allocation * 2**32 % 1 == 0).all()


def test_steps_of_a_decision_end_at_its_own_propensity(play: Play) -> None:
    house = play()
    send(house, 100)
    house.later(HOUR)
    house.learn()
    for one in send(house, 5, 100):
        with house.deployment.store.reading() as ledger:
            explained = explain(ledger, house.deployment.live, one.decision_id)
        assert explained.steps[-1].shares[one.variant_id] == one.propensity
        mine = next(variant for variant in explained.variants if variant.variant_id == one.variant_id)
        assert mine.low < mine.mean < mine.high


def test_nothing_is_read_before_a_fit_is_due(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    house = play()
    reads: list[int] = []

    def counted(*arguments: Any) -> Any:
        reads.append(1)
        return newest_trials(*arguments)

    monkeypatch.setattr("optimizer.services.learning.refreshing.newest_trials", counted)
    before = house.learn()
    send(house, 50)
    house.later(59 * MINUTE)
    assert house.learn().number == before.number
    assert not reads
    house.later(MINUTE)
    assert house.learn().number == before.number + 1
    assert len(reads) == 1


def test_of_the_newest_trials_only_those_of_the_words_in_force_are_read(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = play()
    sent = send(house, 40)
    house.later(MINUTE)
    later = send(house, 30, 40)
    monkeypatch.setattr(training, "PAGE", 7)
    assert MOST_TRIALS >= 100_000

    def read() -> Any:
        with house.deployment.store.reading() as ledger:
            return newest_trials(ledger, house.deployment.live.at(ledger).tactics["winback"])

    everything = read()
    assert len(everything) == 70
    assert sorted(everything.decided_at.tolist()) == sorted(one.decided_at for one in sent + later)
    assert everything.rewarded.sum() == house.trials()[1]
    monkeypatch.setattr(training, "MOST_TRIALS", 30)
    assert set(read().decided_at.tolist()) == {later[0].decided_at}
    monkeypatch.setattr(training, "MOST_TRIALS", 70)
    house.files["campaigns/winback.yaml"] = house.files["campaigns/winback.yaml"].replace(
        "subject: Two", "subject: Three"
    )
    house.apply(house.files)
    assert len(read()) == sum(one.variant_id == "one" for one in sent + later)


def test_other_declared_values_are_fitted_at_once_and_old_decisions_still_come_out(play: Play) -> None:
    house = play()
    send(house, 120)
    house.later(HOUR)
    house.learn()
    send(house, 20, 120)
    house.files["strategy.yaml"] = house.files["strategy.yaml"].replace("[US, GB]", "[FR, GB, US]")
    house.apply(house.files)
    assert share_of_one(house, "US") > 0.9
    send(house, 20, 140)
    assert not house.verify().differing


def test_a_price_and_penalties_work_with_it(play: Play) -> None:
    house = play(
        ("value: first}, ", "value: first}, penalties: {unsubscribed: 0.5}, "),
        ("policy:", "starts: 2026-03-01\nends: 2026-12-31\nbudget: {total: 5 USD, pacing: even}\npolicy:"),
    )
    for round_ in range(3):
        decisions = send(house, 80, 80 * round_)
        sent = [one for one in decisions if one.variant_id == "two"]
        house.record(*(house.report(one.decision_id, "unsubscribed", occurred_at=house.now) for one in sent[:10]))
        house.later(HOUR)
        snapshot = house.learn()
    assert snapshot.price is not None
    assert not house.verify().differing


def test_without_attributes_of_their_own_all_recipients_of_a_fit_are_alike(play: Play) -> None:
    house = play()
    answers = house.decide(*(house.request(f"nobody-{n}") for n in range(40)))
    assert {one.decision.propensity for one in answers} <= {
        one.decision.propensity for one in answers if one.decision.variant_id in {"one", "two"}
    }
    house.later(DAY)
    house.learn()
    assert not house.verify().differing


@pytest.mark.parametrize(
    ("policy", "key", "allowed"),
    [
        ("{model: contextual}", "policy.model", "with the key attributes beside it"),
        ("{model: contextual, attributes: [country, region]}", "policy.attributes[1]", "an attribute that is declared"),
        ("{model: contextual, attributes: [illness]}", "policy.attributes[0]", "an attribute that is not sensitive"),
        ("{model: contextual, attributes: [name]}", "policy.attributes[0]", "no text"),
        ("{model: contextual, attributes: [age, age]}", "policy.attributes[1]", "each attribute once"),
        (
            "{model: contextual, attributes: [age], interactions: [[age, country]]}",
            "policy.interactions[0][1]",
            "one of the attributes",
        ),
        (
            "{model: contextual, attributes: [age], interactions: [[age, age]]}",
            "policy.interactions[0]",
            "two different attributes",
        ),
        ("{attributes: [country]}", "policy.attributes", "with the model contextual only"),
        ("{refit: PT1H}", "policy.refit", "with the model contextual only"),
        ("{model: contextual, attributes: [age], period: P1D}", "policy.period", "with the model hierarchical only"),
    ],
)
def test_what_the_model_cannot_use_is_found_where_it_stands(play: Play, policy: str, key: str, allowed: str) -> None:
    written = CAMPAIGN[CAMPAIGN.index("policy:") :]
    with pytest.raises(DocumentError) as raised:
        play((written, f"policy: {policy}\n"))
    assert [(found.key, allowed in found.allowed) for found in raised.value.findings] == [(key, True)]


def test_hindsight_judges_a_contextual_policy_by_the_attributes_of_each_past_decision(play: Play) -> None:
    plain = CAMPAIGN[CAMPAIGN.index("policy:") :]
    house = play((plain, "policy: {floor: 0.4}\n"))
    for round_ in range(5):
        send(house, 60, 60 * round_)
        house.later(HOUR)
    house.later(8 * DAY)
    house.learn()
    changed = read_workspace({**house.files, "campaigns/winback.yaml": CAMPAIGN})
    with house.deployment.store.reading() as ledger:
        tactic = tactics_of(changed, 2, (), {})["winback"]
        found = hindsight(ledger, house.deployment.live, tactic, UNTOUCHED, house.now)
    assert found is not None
    assert found.n_judged == 300
    assert found.reward_before == pytest.approx(0.34, abs=0.1)
    assert found.reward_after is not None
    # Two thirds of everybody buy after the message for them: the standard error of the estimate is below .05.
    assert found.reward_after.value == pytest.approx(0.65, abs=0.15)


def test_documents_applied_during_a_silence_forget_the_trials_made_in_it(play: Play) -> None:
    house = play()
    send(house, 120)
    house.later(HOUR)
    known = house.learn()
    with house.deployment.store.writing() as ledger:
        ledger.controls.put("winback", Controls(silent_since=house.now))
        ledger.revisions.bump(DOCUMENTS)
    house.learning(200)  # nobody hears of what they bought
    house.later(3 * HOUR)
    house.apply({**house.files, "campaigns/winback.yaml": CAMPAIGN.replace("floor: 0.02", "floor: 0.03")})
    joined = house.learn()
    assert joined.number == known.number + 1
    assert joined.strategy_version == known.strategy_version + 1
    for name in ("common", "arms"):  # a fit that begins from another one ends within its tolerance
        found, before = joined.belief.arrays[name], known.belief.arrays[name]
        np.testing.assert_allclose(found, before, rtol=0.01, atol=0.01)
