"""What makers of proposals look at is what the ledger says, on both databases, and little of it is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.conftest import FILES, House, changed

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import DAY, bucket
from optimizer.domain.reasons import HOLDOUTS, Group
from optimizer.errors import NotFound
from optimizer.insights.proposing.all import proposals
from optimizer.insights.proposing.looked import Looked
from optimizer.services.decisions.deciding import Answer
from optimizer.services.live import DOCUMENTS
from optimizer.services.oversight.steering import acknowledge
from optimizer.services.proposing import looking
from optimizer.services.proposing.looking import looked_at

STRATEGY = (
    "approval: {required: false}",
    "approval: {required: false}\ncontact_policy:\n  - {at_most: 6, per: P7D}\n"
    "guardrail_metrics:\n  - {outcome: unsubscribed, at_most: 0.01, then: alert}",
)
WATCHED = changed(FILES, "strategy.yaml", STRATEGY)
LIMITED = changed(WATCHED, "campaigns/members.yaml", ("serves: opens", "serves: buy"))
LIMITED = changed(
    LIMITED,
    "campaigns/winback.yaml",
    ("holdout: {share: 0.1}", "holdout: {share: 0.1}\nbudget:\n  sends: {total: 500}"),
)


def looked(house: House, campaign: str = "winback") -> Looked:
    with house.deployment.store.reading() as ledger:
        return looked_at(ledger, house.deployment.live, campaign, house.now)


def some_days(house: House, files: Mapping[str, str] = LIMITED, campaign: str = "winback") -> None:
    """Four days, thirty decisions each, after some of which somebody buys; one unsubscribes."""
    house.apply(files)
    profiles: list[dict[str, Any]] = [{"days": 100}, {"country": "US"}, {"vip": True}]
    for day in range(4):
        requests = [house.request(f"r{n % 20}", f"{day}-{n}", campaign, attributes=profiles[n % 3]) for n in range(30)]
        made = [one for one in house.decide(*requests) if isinstance(one, Answer)]
        sent = [one.decision.decision_id for one in made if one.decision.variant_id is not None]
        reports = [house.report(decision_id, occurred_at=house.now + 1) for decision_id in sent[::4]]
        if day == 2:
            reports.append(house.report(sent[0], "unsubscribed", occurred_at=house.now + 1))
        house.record(*reports)
        house.now += DAY
    house.learn(campaign)


def test_what_somebody_has_answered_for_counts_no_more(house: House) -> None:
    some_days(house)
    alarmed = replace(UNTOUCHED, alerted={"unsubscribed": "too many"})
    with house.deployment.store.writing() as ledger:
        ledger.controls.put("winback", alarmed)
        ledger.revisions.bump(DOCUMENTS)
    with house.deployment.store.writing() as ledger:
        acknowledge(ledger, house.deployment.live, "winback", actor="ann", note="a wrong link, mended", now=house.now)
    (watched,) = looked(house).watched
    assert (watched.events, watched.exposures) == (0, 0)


def test_sums_by_day_are_those_of_the_statistics(house: House) -> None:
    some_days(house)
    found = looked(house)
    expected: dict[tuple[str, str, str, int], np.ndarray] = defaultdict(lambda: np.zeros(2))
    for cell, sums in house.statistics().items():
        if cell.metric == "reward:buy" and cell.group in {Group.LEARNING, *HOLDOUTS}:
            side = "learning" if cell.group == Group.LEARNING else "control"
            variant = cell.variant_id if side == "learning" else ""
            expected[side, cell.segment_id, variant, bucket(cell.bucket, DAY)] += sums[:2]
    names, arms = found.tactic.rules.segment_ids, found.tactic.variant_ids
    seen = {}
    for segment, day in np.ndindex(len(names), len(found.days)):
        for arm, variant in enumerate(arms):
            seen["learning", names[segment], variant, int(found.days[day])] = [
                found.learning.trials[segment, arm, day],
                found.learning.positives[segment, arm, day],
            ]
        seen["control", names[segment], "", int(found.days[day])] = [
            found.on_control.trials[segment, 0, day],
            found.on_control.positives[segment, 0, day],
        ]
    assert len(found.days) == 4
    assert {place: list(sums) for place, sums in expected.items()} == {
        place: sums for place, sums in seen.items() if sums[0]
    }
    assert np.array_equal(found.learning.rewards, found.learning.positives)


def test_what_people_and_the_policy_say_comes_along(house: House) -> None:
    some_days(house)
    found = looked(house)
    (watched,) = found.watched
    sent = sum(
        sums[0]
        for cell, sums in house.statistics().items()
        if cell.metric == "reward:buy" and cell.variant_id != "nothing"
    )
    assert (watched.rule.outcome, watched.events, watched.exposures) == ("unsubscribed", 1, sent)
    (purse,) = found.purses
    assert (purse.scope, purse.allowance.sends, purse.exhausted) == ("campaign:winback", 500, False)
    assert purse.used.sends > 0
    assert found.table is not None
    assert found.now == house.now
    assert found.settled.tolist() == [False] * 4  # seven days are awaited
    assert found.design >= 1.0
    (sibling,) = found.siblings
    assert sibling.campaign.campaign == "members"
    assert np.isnan(sibling.lift.value)  # it has sent nothing
    assert looked(house, "newsletter").siblings == ()
    with pytest.raises(NotFound):
        looked(house, "nobody")
    assert proposals(looked(house, "members")) == ()


def test_contacts_are_counted_where_a_cap_could_be_lower_and_control_is_nothing(house: House) -> None:
    some_days(house, campaign="members")
    house.now += 8 * DAY
    found = looked(house, "members").by_contact
    assert found is not None
    assert found.trials.shape[:2] == (2, 1)
    assert found.trials[0].sum() == looked(house, "members").learning.trials.sum() > 0
    assert found.trials[0, 0, 0] >= found.trials[0, 0, 1] > 0
    assert looked(house).by_contact is None  # its control is a message


def test_words_that_have_changed_begin_anew(house: House) -> None:
    some_days(house)
    before = looked(house).learning.trials.sum(axis=(0, 2))
    house.apply(changed(LIMITED, "campaigns/winback.yaml", ("How are you", "How do you do")))
    after = looked(house).learning.trials.sum(axis=(0, 2))
    assert before[2] > 0.0
    assert after.tolist() == [*before[:2].tolist(), 0.0]


def test_only_segments_with_enough_trials_are_searched(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    some_days(house)
    house.now += 8 * DAY
    assert looked(house).parts == {}
    trials = looked(house).learning.trials.sum(axis=(1, 2))
    monkeypatch.setattr(looking, "FEWEST_SEARCHED", float(trials.max()))
    (name,) = looked(house).parts
    assert name == looked(house).tactic.rules.segment_ids[int(trials.argmax())]


def test_the_database_adds_up_and_gives_few_rows(house: House) -> None:
    some_days(house)
    with house.deployment.store.reading() as ledger:
        metric = ["reward:buy"]
        rows = ledger.daily_sums.of_campaign("winback", metric)
        by_hour = sum(cell.metric == "reward:buy" for cell, _ in ledger.statistics.of_campaign("winback"))
        later = ledger.daily_sums.of_campaign("winback", metric, bucket(house.now - 2 * DAY, DAY))
    assert len(rows) <= by_hour
    assert {cell.bucket % DAY for cell, _ in rows} == {0}
    assert 0 < len(later) < len(rows)
    assert all(isinstance(each, int) for _, sums in rows for each in sums)
