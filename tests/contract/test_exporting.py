"""The ledger as a history: what is exported is what happened, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.history.logs import assert_same

from optimizer.domain.feedback import LoggedFeedback, joined
from optimizer.domain.instants import DAY, HOUR
from optimizer.engine.assessment import assess
from optimizer.errors import InvalidRequest, NotFound
from optimizer.history.feedback import hashes
from optimizer.history.opening import open_history
from optimizer.services.exports import exporting, ledger_rows
from optimizer.services.exports.exporting import Exported, export_campaign, feedback_of
from optimizer.services.exports.ledger_rows import LeftOut

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D, penalties: {unsubscribed: 5}}
  - {id: visits, reward: {outcome: clicked, value: count}, attribution_window: P1D}
attributes:
  country: {type: category, values: [US, GB]}
  days: {type: number}
  vip: {type: boolean}
  income: {type: number, sensitive: true, why: credit}
  name: {type: text}
guardrail_metrics:
  - {outcome: complained, at_most: 0.5, confidence: 0.99, then: pause_variant}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two, cost: "0.25 USD per purchase"}
  - {id: three, subject: Three, cost: "0.10 USD"}
control: {message: one}
segments:
  - {id: americans, when: {country: US}}
everyone_else: include
holdout: {share: 0.2}
"""
FILES = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN}
WEEK = 7 * DAY


@pytest.fixture
def shop(deployment: Any, make_house: Callable[..., Any]) -> Any:
    """A small shop with ninety decisions, most of the learning group, some of them with outcomes."""
    house = make_house(deployment)
    house.apply(FILES)
    people = [{"country": "US", "days": 3.5, "vip": True, "income": 9.0, "name": "Ada"}, {"days": 8.0}, {}]
    house.decide(
        *(
            house.request(f"person-{n}", attributes=people[n % 3], excluded=("three",) if n % 4 == 0 else ())
            for n in range(90)
        )
    )
    learned = [d for d in decisions_of(house) if d.group == "learning"]
    house.later(3 * HOUR)
    house.record(
        *(house.report(d.decision_id, "purchase", HOUR, value=9_000_000) for d in learned[::3]),
        *(house.report(d.decision_id, "unsubscribed", 2 * HOUR) for d in learned[::5]),
        *(house.report(d.decision_id, "complained", 2 * HOUR) for d in learned[::7]),
    )
    house.later(WEEK + 1 - 3 * HOUR)
    return house


def decisions_of(house: Any) -> list[Any]:
    with house.deployment.store.reading() as ledger:
        return list(ledger.decisions.stream())


def logged(house: Any, left_out: LeftOut | None = None, **options: Any) -> LoggedFeedback:
    with house.deployment.store.reading() as ledger:
        found = feedback_of(ledger, house.deployment.live, "winback", house.now, left_out=left_out, **options)
        return joined(list(found))


def exported(house: Any, path: Path, **options: Any) -> Exported:
    with house.deployment.store.reading() as ledger:
        return export_campaign(ledger, house.deployment.live, "winback", path, house.now, **options)


def test_logged_feedback_says_what_the_ledger_says(shop: Any) -> None:
    learned = [d for d in decisions_of(shop) if d.group == "learning"]
    bought, left, complained = ({d.decision_id for d in learned[::n]} for n in (3, 5, 7))
    log = logged(shop)
    assert log.variant_ids == ("one", "two", "three")
    assert log.segment_ids == ("americans", "everyone-else")
    assert [log.variant_ids[arm] for arm in log.arms] == [d.variant_id for d in learned]
    assert [log.segment_ids[segment] for segment in log.segments] == [d.segment_id for d in learned]
    assert log.propensities.tolist() == [d.propensity for d in learned]
    assert log.propensity_source == "logged"
    assert log.rewards.tolist() == [float(d.decision_id in bought) - 5.0 * (d.decision_id in left) for d in learned]
    costs = {"one": 0.0, "three": 0.1}
    assert log.costs.tolist() == [  # type: ignore[union-attr]
        costs.get(d.variant_id, 0.25 * (d.decision_id in bought)) for d in learned
    ]
    assert log.decided_at.tolist() == [d.decided_at for d in learned]  # type: ignore[union-attr]
    assert log.eligible.tolist() == [  # type: ignore[union-attr]
        [name not in d.blocked for name in log.variant_ids] for d in learned
    ]
    assert not log.eligible.all()  # type: ignore[union-attr]
    assert {name: column.tolist() for name, column in log.outcomes.items()} == {
        "purchase": [float(d.decision_id in bought) for d in learned],
        "unsubscribed": [float(d.decision_id in left) for d in learned],
        "complained": [float(d.decision_id in complained) for d in learned],
    }
    assert len(set(log.recipients.tolist())) == len(learned)  # type: ignore[union-attr]


def test_attributes_become_features_but_no_sensitive_one_and_no_text(shop: Any) -> None:
    learned = [d for d in decisions_of(shop) if d.group == "learning"]
    log = logged(shop)
    assert log.feature_names == ("country=US", "country=GB", "days", "days missing", "vip", "vip missing")
    for row, decision in zip(log.features.tolist(), learned, strict=True):
        known = decision.attributes
        days, vip = known.get("days"), known.get("vip")
        assert row == [
            float(known.get("country") == "US"),
            0.0,
            days or 0.0,
            float(days is None),
            float(vip is True),
            float(vip is None),
        ]


@pytest.mark.parametrize("file", ["log.parquet", "log.dsjson", "log.dsjson.gz", "log.npz"])
def test_an_exported_ledger_reads_as_the_ledger_itself(shop: Any, tmp_path: Path, file: str) -> None:
    done = exported(shop, tmp_path / file)
    read = open_history(tmp_path / file)
    assert_same(read.feedback(), logged(shop))
    assert done.written == len(logged(shop))
    assert done.decisions == 90
    assert done.written + sum(done.left_out.values()) == 90
    assert read.unusable == {}
    assert [path.name for path in tmp_path.glob("*.*") if path.name.startswith((".export", ".log"))] == []
    ids = read.frame.collect()["decision_id"].to_list()
    assert ids == sorted(d.decision_id for d in decisions_of(shop) if d.group == "learning")


def test_recipients_leave_as_the_keyed_hashes_they_are(shop: Any, tmp_path: Path) -> None:
    exported(shop, tmp_path / "log.dsjson")
    text = (tmp_path / "log.dsjson").read_text()
    assert "person-" not in text
    assert "Ada" not in text
    assert "income" not in text
    keys = {json.loads(line)["optimizer"]["recipient"] for line in text.splitlines()}
    assert keys == {d.recipient_key for d in decisions_of(shop) if d.group == "learning"}
    frame = open_history(tmp_path / "log.dsjson").frame.collect()
    assert hashes(frame["recipient"]).tolist() == logged(shop).recipients.tolist()  # type: ignore[union-attr]


def test_chunks_and_pages_do_not_change_what_is_read(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = logged(shop)
    monkeypatch.setattr(ledger_rows, "PAGE", 7)
    assert_same(logged(shop, size=5), whole)
    some = logged(shop, most=20)
    assert 0 < len(some) <= 20
    assert_same(some, whole.taken(slice(len(some))))


def test_what_is_left_out_is_counted_by_reason(
    shop: Any, edited: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    young = shop.learning(4)
    (withdrawn, unseen) = shop.learning(2, deferred=True)
    shop.recorded(withdrawn.decision.decision_id, "withdrawn", after=WEEK + 1)
    counts = LeftOut()
    before = logged(shop)
    log = logged(shop, left_out=counts)
    n_holdout = sum(d.group != "learning" for d in decisions_of(shop))
    assert n_holdout > 0
    assert counts.reasons == {
        "not of the learning group: campaign_holdout": n_holdout,
        "outcomes may still come": 4,
        "withdrawn": 1,
        "not exposed": 1,
    }
    assert counts.decisions == len(log) + sum(counts.reasons.values()) == len(decisions_of(shop))
    shop.later(WEEK)  # one moment before the young ones are old enough
    assert_same(logged(shop), before)
    shop.later(1)
    assert len(logged(shop)) == len(before) + len(young)
    assert unseen.decision.decision_id not in open_frame(shop, tmp_path)["decision_id"].to_list()


def open_frame(house: Any, folder: Path, **options: Any) -> Any:
    exported(house, folder / "log.parquet", **options)
    return open_history(folder / "log.parquet").frame.collect()


def test_outcomes_heard_of_later_are_not_known_yet(shop: Any) -> None:
    before = logged(shop)
    then, shop.now = shop.now, shop.now + HOUR
    learned = [d for d in decisions_of(shop) if d.group == "learning"]
    shop.record(shop.report(learned[1].decision_id, "purchase", 3 * HOUR))
    assert logged(shop).rewards.tolist() != before.rewards.tolist()
    shop.now = then
    assert_same(logged(shop), before)


def test_arms_are_those_in_force(shop: Any, edited: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    before = logged(shop)
    shop.apply(
        edited(
            FILES,
            "campaigns/winback.yaml",
            ("{id: one, subject: One}", "{id: one, subject: Uno}"),
            ('  - {id: two, subject: Two, cost: "0.25 USD per purchase"}\n', "  - {id: four, subject: Four}\n"),
        )
    )
    counts = LeftOut()
    log = logged(shop, left_out=counts)
    assert log.variant_ids == ("one", "four", "three")
    assert set(log.arms.tolist()) == {2}
    assert counts.reasons["its words have changed since"] == (before.arms == 0).sum()
    assert counts.reasons["its variant is no more"] == (before.arms == 1).sum()
    assert not log.eligible[:, 1].any()  # type: ignore[union-attr]
    assert np.array_equal(log.rewards, before.rewards[before.arms == 2])
    everything = open_frame(shop, tmp_path, everything=True)
    names = set(everything["variant"])
    assert {"two", "three"} < names
    assert any(name.startswith("one@") for name in names)


def test_a_segment_or_objective_that_is_no_more_says_nothing(shop: Any, edited: Callable[..., dict[str, str]]) -> None:
    shop.apply(edited(FILES, "campaigns/winback.yaml", ("{id: americans,", "{id: yankees,")))
    counts = LeftOut()
    log = logged(shop, left_out=counts)
    assert log.segment_ids == ("yankees", "everyone-else")
    assert counts.reasons["its segment is no more"] > 0
    shop.apply(edited(FILES, "campaigns/winback.yaml", ("serves: buy", "serves: visits")))
    counts = LeftOut()
    with shop.deployment.store.reading() as ledger:
        assert list(feedback_of(ledger, shop.deployment.live, "winback", shop.now, left_out=counts)) == []
    assert counts.reasons["served another objective"] > 0


def test_all_decisions_tell_what_they_are(shop: Any, tmp_path: Path) -> None:
    shop.learning(3)
    (_, unseen) = shop.learning(2, deferred=True)
    frame = open_frame(shop, tmp_path, everything=True)
    decisions = {d.decision_id: d for d in decisions_of(shop)}
    sent = {key for key, d in decisions.items() if d.variant_id is not None}
    assert set(frame["decision_id"]) == sent
    for row in frame.iter_rows(named=True):
        decision = decisions[row["decision_id"]]
        assert row["attribute:group"] == decision.group.value
        assert row["attribute:matured"] == float(decision.decided_at + WEEK < shop.now)
        assert row["attribute:exposed"] == float(not decision.deferred)
        assert row["propensity"] == decision.propensity
    assert unseen.decision.decision_id in set(frame["decision_id"])
    done = exported(shop, tmp_path / "all.npz", everything=True)
    assert done.left_out == ({} if len(sent) == len(decisions) else {"nothing was sent": len(decisions) - len(sent)})
    assert_same(open_history(tmp_path / "all.npz").feedback(), open_history(tmp_path / "log.parquet").feedback())


def test_nothing_to_write_says_why_and_leaves_nothing(house: Any, tmp_path: Path) -> None:
    answers = house.learning(3)
    with pytest.raises(InvalidRequest) as caught:
        exported(house, tmp_path / "log.parquet")
    said = str(caught.value)
    assert said.startswith("winback: found nothing to write: ")
    assert f"{len(answers)} outcomes may still come" in said
    assert [path for path in tmp_path.iterdir() if "log" in path.name and "ledger" not in path.name] == []
    with pytest.raises(NotFound), house.deployment.store.reading() as ledger:
        export_campaign(ledger, house.deployment.live, "nobody", tmp_path / "log.parquet", house.now)


def test_progress_reaches_the_number_of_decisions(shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", 10)
    seen: list[int] = []
    exported(shop, tmp_path / "log.parquet", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 90
    assert len(seen) > 5
    assert_same(open_history(tmp_path / "log.parquet").feedback(), logged(shop))


@pytest.mark.parametrize("file", ["log.parquet", "log.dsjson", "log.npz"])
def test_amounts_leave_as_they_are_judged_without_what_machines_did(
    deployment: Any, make_house: Callable[..., Any], edited: Callable[..., dict[str, str]], tmp_path: Path, file: str
) -> None:
    house = make_house(deployment)
    amount = ("value: first}, attribution_window: P7D", 'value: amount, at_most: "100 USD"}, attribution_window: P7D')
    hygiene = ("approval: {required: false}\n", "approval: {required: false}\nhygiene: {honeypot: hidden_clicked}\n")
    hurdle = ("control: {message: one}\n", "control: {message: one}\npolicy: {model: hurdle}\n")
    house.apply(edited(edited(FILES, "strategy.yaml", amount, hygiene), "campaigns/winback.yaml", hurdle))
    ids = [answer.decision.decision_id for answer in house.learning(12)]
    house.later(DAY)
    spent = {id_: 19.99 + place for place, id_ in enumerate(ids[:6])}
    house.record(*(house.report(id_, "purchase", HOUR, value=round(spent[id_] * 1e6)) for id_ in ids[:6]))
    house.record(
        house.report(ids[0], "purchase", 2 * HOUR, value=300_000_000),  # more than counts
        house.report(ids[1], "purchase", 2 * HOUR, value=5_000_000, event_id="returned"),
        house.report(ids[2], "unsubscribed", 2 * HOUR),
        house.report(ids[3], "unsubscribed", 2 * HOUR, machine=True),
        house.report(ids[6], "purchase", 2 * HOUR, value=7_000_000, machine=True),
        house.report(ids[7], "unsubscribed", 2 * HOUR),
        house.report(ids[8], "hidden_clicked", 2 * HOUR),
    )
    house.later(HOUR)
    house.record(house.report(ids[1], reverses="returned", occurred_at=house.now))
    house.later(WEEK)
    expected = spent | {ids[0]: 100.0, ids[2]: spent[ids[2]] - 5.0, ids[7]: -5.0}
    exported(house, tmp_path / file)
    with house.deployment.store.reading() as ledger:
        decisions = [d for d in ledger.decisions.stream() if d.group == "learning"]
        rule, known = house.deployment.live.at(ledger).tactic("winback").reward_rule, ledger.outcomes.of(ids)
        judged = [assess(rule, d, known.get(d.decision_id, ())).reward / 1e6 for d in decisions]
    log = open_history(tmp_path / file).feedback()
    assert_same(log, logged(house))
    assert log.rewards.tolist() == pytest.approx([expected.get(d.decision_id, 0.0) for d in decisions])
    assert log.rewards.tolist() == judged
    purchases = [float(d.decision_id in spent) + float(d.decision_id == ids[0]) for d in decisions]
    assert log.outcomes["purchase"].tolist() == purchases
    assert sum(log.outcomes["unsubscribed"]) == 2
