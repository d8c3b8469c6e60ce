"""Retention: what is old enough is about nobody, in portions, by whichever worker, and every sum stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optimizer.deployment import random_id
from optimizer.domain.instants import DAY
from optimizer.services.recipients.disclosing import disclose
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.recipients.retention import Retained, retain
from optimizer.storage.recipients import Profile

RULES = "data: {retention: {decisions: P30D, profiles: P60D, quarantine: P10D}}\n"


@pytest.fixture
def old(sqlite_house: Any, files: Any, edited: Callable[..., Any]) -> Any:
    """A house with rules about retention, 31 days after 40 decisions and one report in quarantine."""
    return aged(sqlite_house, edited(files, "strategy.yaml", ("approval:", f"{RULES}approval:")))


def aged(house: Any, documents: Any) -> Any:
    house.apply(documents)
    for n in range(20):
        house.decided(f"p{n}", attributes={"days": n * 10})
        one = house.decided(f"p{n}", campaign="newsletter").decision
        house.recorded(one.decision_id, "clicked")
    house.recorded("nobody-knows-this", "clicked")
    house.later(31 * DAY)
    return house


def retained(house: Any, most: int = 1_000, **rest: Any) -> Retained:
    with house.deployment.store.writing() as ledger:
        return retain(ledger, house.deployment.live, house.now, most, random_id=random_id, **rest)


def put(house: Any, recipient: str, **consent: bool) -> None:
    with house.deployment.store.writing() as ledger:
        put_profile(ledger, house.deployment.live, recipient, Profile({"country": "GB"}, consent), house.now)


def about_somebody(house: Any) -> int:
    with house.deployment.store.reading() as ledger:
        return sum(not decision.is_anonymous for decision in ledger.decisions.stream())


def test_old_decisions_are_about_nobody_and_count_as_before(house: Any, files: Any, edited: Callable[..., Any]) -> None:
    aged(house, edited(files, "strategy.yaml", ("approval:", f"{RULES}approval:")))
    statistics, rows = (house.statistics("winback"), house.statistics("newsletter")), house.counts()
    house.decided("new", "n1")
    done = retained(house)
    assert (done.decisions, done.quarantined, done.profiles) == (40, 1, 0)
    assert about_somebody(house) == 1
    assert house.statistics("newsletter") == statistics[1]
    assert house.counts()["outcomes"] == rows["outcomes"]
    found = house.verify()
    assert found.clean
    assert (found.recomputed, found.anonymous) == (1, 40)


def test_portions_are_no_larger_than_asked_for_and_end(old: Any) -> None:
    portions = []
    while (done := retained(old, most=7)).looked:
        assert done.looked <= 7
        portions.append(done)
    assert sum(one.decisions for one in portions) == 40
    assert sum(one.quarantined for one in portions) == 1
    assert len(portions) == 6
    assert about_somebody(old) == 0


def test_the_work_of_a_day_is_done_once_and_begins_again_tomorrow(old: Any) -> None:
    old.later(-2 * DAY)
    assert retained(old).decisions == 0
    old.later(DAY // 2 - 1 - (old.now % DAY) + DAY)  # tomorrow
    old.later(2 * DAY)
    assert retained(old).decisions == 40
    assert retained(old).looked == 0
    old.decided("late", "l1")
    old.later(31 * DAY)
    assert retained(old).decisions == 1


def test_decisions_that_came_in_from_elsewhere_are_found_by_starting_over(old: Any) -> None:
    assert retained(old).decisions == 40
    past = old.now
    old.now -= 40 * DAY
    old.decided("imported", "i1")
    old.now = past + DAY
    assert retained(old).decisions == 0
    assert retained(old, start_over=True).decisions == 1


def test_profiles_go_that_nobody_wrote_or_used_and_a_no_stays(old: Any) -> None:
    for name in ("written", "used", "gone"):
        put(old, name, email=True)
    put(old, "refused", email=False, push=True)
    old.later(61 * DAY)
    put(old, "written", email=True)
    old.decided("used", "u1")
    done = [retained(old, most=2)]
    while done[-1].looked:
        done.append(retained(old, most=2))
    assert sum(one.profiles for one in done) == 2
    with old.deployment.store.reading() as ledger:
        found = {name: disclose(ledger, old.deployment.live, name, old.now) for name in ("written", "used", "gone")}
        refused = disclose(ledger, old.deployment.live, "refused", old.now)
    assert [found[name].profile is None for name in ("written", "used", "gone")] == [False, False, True]
    assert found["gone"].is_empty
    assert (refused.profile, refused.consents) == (None, [])
    assert [(one.channel, one.source) for one in refused.suppressions] == [("email", "consent refused")]
    assert old.decided("refused", "r1").decision.reason == "recipient_suppressed"


def test_the_sealed_ids_of_whoever_never_had_a_profile_go_as_well(
    sqlite_house: Any, files: Any, edited: Callable[..., Any]
) -> None:
    house, held_out = sqlite_house, "holdout: {share: 0.1}\n"
    attribute = "attributes:\n  opens: {type: number, from: {event: opened, measure: count, within: P20D}}\n"
    documents = edited(files, "strategy.yaml", ("attributes:\n", attribute), ("approval:", f"{RULES}approval:"))
    house.apply(edited(documents, "campaigns/winback.yaml", (held_out, f"{held_out}announce_segments: true\n")))
    decisions = [house.decided(f"p{n}").decision for n in range(5)]
    for n, decision in enumerate(decisions):
        house.record(house.report(decision.decision_id, "opened", recipient=f"p{n}"))
    put(house, "p4")
    house.later(19 * DAY)
    retained(house)
    assert house.counts()["memberships"] == 5
    house.later(30 * DAY)
    put(house, "p4")
    house.decided("p3", "again")
    house.later(12 * DAY)
    done = [retained(house, most=2)]
    while done[-1].looked:
        assert done[-1].looked <= 2
        done.append(retained(house, most=2))
    assert sum(one.profiles for one in done) == 0
    assert house.counts()["memberships"] == 2  # of whom something is known still: a profile, and a new decision


def test_without_rules_nothing_goes(sqlite_house: Any, files: Any) -> None:
    aged(sqlite_house, files)
    assert retained(sqlite_house).looked == 0
    assert about_somebody(sqlite_house) == 40


def test_a_ledger_without_documents_is_left_alone(deploy: Any, new_database: Any, make_house: Any) -> None:
    assert retained(make_house(deploy(new_database("sqlite")))) == Retained()
