"""Behaviour becomes targeting, on both databases: what a decision sees is what was known of the events before it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.happenings import Happening
from optimizer.domain.instants import DAY, HOUR, MINUTE
from optimizer.domain.micros import MICRO
from optimizer.engine import behaviour as engine
from optimizer.engine.behaviour import Behaviour
from optimizer.errors import InvalidRequest
from optimizer.policy.draw import recipient_key
from optimizer.services.decisions.explaining import explain
from optimizer.services.decisions.ranking import rank
from optimizer.services.exports.archiving import export_ledger, import_ledger
from optimizer.services.recipients import behaviour as services
from optimizer.services.recipients.behaviour import fill_behaviour, happening_of, note
from optimizer.services.recipients.disclosing import disclose
from optimizer.services.recipients.erasing import erase
from optimizer.services.recipients.profiles import put_profile
from optimizer.services.recipients.retention import retain
from optimizer.storage.recipients import Profile
from optimizer.strategy.workspace import read_workspace

DERIVED = """\
  days_since_purchase: {type: number, minimum: 0, maximum: 365, from: {event: purchase, measure: days_since}}
  purchases: {type: number, from: {event: purchase, measure: count, within: P30D}}
  spent: {type: number, from: {event: purchase, measure: sum, within: P365D}}
  first_order: {type: number, from: {event: purchase, measure: first}}
  last_order: {type: number, from: {event: purchase, measure: last}}
  opens: {type: number, from: {event: opened, measure: count, within: P30D}}
  deliveries: {type: number, from: {event: delivered, measure: count}}
  browsed: {type: category, values: [shoes, hats], from: {event: viewed, measure: last, property: category}}
"""
# A campaign looks at every one of them, so that every decision has them all.
EVERY = """\
  - id: regular
    when: {purchases: {at_least: 2}}
  - id: unsure
    when: {days_since_purchase: {at_least: 400, below: 5}, spent: {above: 1e9}, first_order: 1, last_order: 1, opens: 1,
           deliveries: 1, browsed: shoes}
"""


@pytest.fixture(scope="module")
def documents(files: Mapping[str, str], edited: Any) -> dict[str, str]:
    """The sample documents, with attributes that follow from behaviour."""
    with_attributes = edited(files, "strategy.yaml", ("approval:", DERIVED + "approval:"))
    unsure = EVERY.replace("{at_least: 400, below: 5}", "{at_least: 4, below: 5}")
    return dict(edited(with_attributes, "campaigns/winback.yaml", ("segments:\n", "segments:\n" + unsure)))


@pytest.fixture
def shop(house: Any, documents: dict[str, str]) -> Any:
    house.apply(documents)
    return house


@pytest.fixture
def sqlite_shop(sqlite_house: Any, documents: dict[str, str]) -> Any:
    """For what does not depend on the database."""
    sqlite_house.apply(documents)
    return sqlite_house


def seen(shop: Any, recipient: str, request_id: str) -> dict[str, Any]:
    """The derived attributes that a decision made now saw, and stored."""
    attributes = shop.decided(recipient, request_id).decision.attributes
    return {name: value for name, value in attributes.items() if name in derived_of(shop).derived}


def derived_of(shop: Any) -> Behaviour:
    with shop.deployment.store.reading() as ledger:
        found = shop.deployment.live.at(ledger).behaviour
    assert found is not None
    return found


def key_of(shop: Any, recipient: str) -> str:
    return recipient_key(shop.deployment.live.secret, recipient)


def noted(shop: Any, *happenings: Happening) -> int:
    with shop.deployment.store.writing(alone=True) as ledger:
        return note(ledger, shop.deployment.live, happenings, shop.now)


def tracked(shop: Any, recipient: str, kind: str, event_id: str, **rest: Any) -> Happening:
    return Happening(key_of(shop, recipient), kind, rest.pop("at", shop.now), rest.pop("value", None), event_id, **rest)


def stored(shop: Any) -> list[Happening]:
    with shop.deployment.store.reading() as ledger:
        keys = [key_of(shop, name) for name in ("ann", "bob", "cid")]
        return [one for some in ledger.happenings.of(keys).values() for one in some]


NOTHING_YET = {"purchases": 0, "spent": 0, "opens": 0, "deliveries": 0}


def test_who_did_nothing_has_counts_and_sums_of_zero_and_nothing_else_is_known(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    assert seen(shop, "ann", "r1") == NOTHING_YET


def test_purchases_of_a_decision_are_behaviour_from_the_next_instant_on(shop: Any) -> None:
    bought = shop.decided("ann").decision.decision_id
    shop.later(HOUR)
    shop.record(
        shop.report(bought, occurred_at=shop.now - MINUTE, value=40 * MICRO),
        shop.report(bought, occurred_at=shop.now, value=20_500_000),
    )
    assert seen(shop, "ann", "at the same instant") == NOTHING_YET
    shop.later(1)
    assert seen(shop, "ann", "r2") == {
        "days_since_purchase": 0,
        "purchases": 2,
        "spent": 60.5,
        "first_order": 40.0,
        "last_order": 20.5,
        "opens": 0,
        "deliveries": 0,
    }
    assert shop.decided("ann", "r2").decision.segment_id == "regular"
    shop.later(30 * DAY)
    month_later = seen(shop, "ann", "r3")
    assert (month_later["days_since_purchase"], month_later["purchases"], month_later["spent"]) == (30, 0, 60.5)
    shop.later(336 * DAY)
    year_later = seen(shop, "ann", "r4")
    assert (year_later["days_since_purchase"], year_later["spent"], year_later["last_order"]) == (365, 0, 20.5)
    assert shop.verify().clean


def test_an_event_at_the_very_instant_of_a_decision_came_after_it(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    shop.later(DAY)
    noted(shop, tracked(shop, "ann", "viewed", "v1", at=shop.now + 1, properties={"category": "hats"}))
    shop.later(1)
    assert "browsed" not in seen(shop, "ann", "r1")
    shop.later(1)
    assert seen(shop, "ann", "r2")["browsed"] == "hats"


def test_a_refund_takes_a_purchase_back_in_either_order_from_when_it_is_known(shop: Any) -> None:
    id_ = shop.decided("ann").decision.decision_id
    shop.later()
    shop.record(shop.report(id_, "refund", event_id="refund-2", reverses="buy-2"))
    shop.record(shop.report(id_, event_id="buy-1", value=10 * MICRO), shop.report(id_, event_id="buy-2", value=MICRO))
    shop.later(1)
    assert seen(shop, "ann", "r2")["purchases"] == 1
    shop.record(shop.report(id_, "refund", event_id="refund-1", reverses="buy-1"))
    shop.later(1)
    assert seen(shop, "ann", "r3") == NOTHING_YET
    assert {one.kind for one in stored(shop)} == {"purchase", ""}


def test_a_reversal_of_what_no_attribute_follows_from_is_not_kept(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    id_ = shop.decided("ann").decision.decision_id
    shop.later()
    shop.record(shop.report(id_, "clicked", event_id="click"))
    shop.record(shop.report(id_, "mistake", reverses="click"))
    assert stored(shop) == []


def test_a_withdrawn_message_was_never_delivered_but_a_purchase_stays_one(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    id_ = shop.decided("ann").decision.decision_id
    shop.later()
    shop.record(shop.report(id_, "delivered"), shop.report(id_, "purchase"))
    shop.later(1)
    assert seen(shop, "ann", "r2")["deliveries"] == 1
    shop.record(shop.report(id_, "withdrawn"))
    shop.later(1)
    after = seen(shop, "ann", "r3")
    assert (after["deliveries"], after["purchases"]) == (0, 1)


def test_what_machines_did_is_no_behaviour(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    id_ = shop.decided("ann").decision.decision_id
    shop.later()
    shop.record(shop.report(id_, "opened", machine=True))
    noted(shop, tracked(shop, "ann", "opened", "o2", machine=True))
    shop.later(1)
    assert seen(shop, "ann", "r2")["opens"] == 0
    assert stored(shop) == []


def test_a_trap_that_is_sprung_later_tells_that_the_opens_before_it_were_a_machines(
    sqlite_house: Any, documents: dict[str, str], edited: Any
) -> None:
    house = sqlite_house
    hygiene = "hygiene: {fastest: PT2S, honeypot: hidden_clicked}\napproval:"
    house.apply(edited(documents, "strategy.yaml", ("approval:", hygiene)))
    (first, second) = (house.decided(name).decision for name in ("ann", "bob"))
    house.later(HOUR)
    for decision in (first, second):
        house.record(house.report(decision.decision_id, "delivered", occurred_at=house.now))
        house.record(
            house.report(decision.decision_id, "opened", occurred_at=house.now + 1_000_000),
            house.report(decision.decision_id, "opened", occurred_at=house.now + 3_000_000),
        )
    house.later(5_000_000)
    assert (seen(house, "ann", "r2")["opens"], seen(house, "bob", "r2")["opens"]) == (1, 1)
    house.record(house.report(first.decision_id, "hidden_clicked", occurred_at=house.now, machine=True))
    house.later(1)
    assert (seen(house, "ann", "r3")["opens"], seen(house, "bob", "r3")["opens"]) == (0, 1)


def test_only_what_attributes_follow_from_is_kept(shop: Any) -> None:
    id_ = shop.decided("ann").decision.decision_id
    shop.later()
    shop.record(shop.report(id_, "clicked"), shop.report(id_, "opened"))
    kept = noted(
        shop,
        tracked(shop, "ann", "page_read", "p1"),
        tracked(shop, "ann", "viewed", "v1", properties={"category": "hats", "title": "My diary"}),
        tracked(shop, "ann", "viewed", "v2", properties={"category": "coats"}),
        tracked(shop, "ann", "viewed", "v3", at=shop.now + HOUR, properties={"category": "hats"}),
    )
    assert kept == 2
    assert {one.event_id: dict(one.properties) for one in stored(shop) if one.kind == "viewed"} == {
        "v1": {"category": "hats"},
        "v2": {},
    }
    assert sorted(one.kind for one in stored(shop)) == ["opened", "viewed", "viewed"]


def test_an_event_is_kept_once_however_it_arrives(shop: Any) -> None:
    id_ = shop.decided("ann").decision.decision_id
    shop.later()
    event = tracked(shop, "ann", "purchase", "buy", value=5 * MICRO)
    assert noted(shop, event, event) == 1
    assert noted(shop, event._replace(occurred_at=event.occurred_at - DAY)) == 0
    shop.record(shop.report(id_, event_id="buy", value=5 * MICRO))
    shop.later(1)
    assert seen(shop, "ann", "r2")["spent"] == 5.0


def test_a_caller_cannot_say_what_follows_from_behaviour(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    (answer,) = shop.decide(shop.request("ann", attributes={"purchases": 7}))
    assert isinstance(answer, InvalidRequest)
    assert "purchase events" in str(answer)
    with pytest.raises(InvalidRequest, match="follows from viewed events"), shop.deployment.store.writing() as ledger:
        put_profile(ledger, shop.deployment.live, "ann", Profile({"browsed": "hats"}), shop.now)


def test_a_profile_from_before_an_attribute_followed_from_behaviour_is_not_believed(
    sqlite_house: Any, documents: dict[str, str], edited: Any
) -> None:
    house = sqlite_house
    said = edited(
        documents,
        "strategy.yaml",
        ("last_order: {type: number, from: {event: purchase, measure: last}}", "last_order: {type: number}"),
    )
    house.apply(said)
    with house.deployment.store.writing(alone=True) as ledger:
        put_profile(ledger, house.deployment.live, "ann", Profile({"last_order": 7, "country": "US"}), house.now)
    assert house.decided("ann", "r1").decision.attributes["last_order"] == 7
    house.apply(documents)
    later = house.decided("ann", "r2").decision.attributes
    assert "last_order" not in later
    assert later["country"] == "US"


def test_campaigns_that_look_at_no_derived_attribute_do_not_read_behaviour(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    noted(shop, tracked(shop, "ann", "purchase", "p1"))
    shop.later()
    assert shop.decided("ann", "r1", "newsletter").decision.attributes == {}


def test_a_ranking_sees_what_a_decision_would(sqlite_shop: Any) -> None:
    shop = sqlite_shop
    noted(shop, tracked(shop, "ann", "purchase", "p1"), tracked(shop, "ann", "purchase", "p2"))
    shop.later()
    with shop.deployment.store.reading() as ledger:
        ranked = rank(ledger, shop.deployment.live, shop.request("ann"), shop.now)
    assert ranked.ranking.segment_id == shop.decided("ann").decision.segment_id == "regular"


def test_a_decision_on_behaviour_is_explained_and_proven_after_the_behaviour_has_changed(shop: Any) -> None:
    noted(shop, tracked(shop, "ann", "purchase", "p1"), tracked(shop, "ann", "purchase", "p2"))
    shop.later()
    decision = shop.decided("ann").decision
    shop.later(60 * DAY)
    noted(shop, tracked(shop, "ann", "purchase", "p3", at=shop.now - 60 * DAY - HOUR))
    with shop.deployment.store.reading() as ledger:
        found = explain(ledger, shop.deployment.live, decision.decision_id)
    assert found.same
    assert decision.segment_id == "regular"
    assert shop.verify().clean


def test_outcomes_from_before_an_attribute_was_declared_are_made_up_for(house: Any, documents: dict[str, str]) -> None:
    first = house.decided("ann").decision.decision_id
    house.later()
    house.record(
        house.report(first, event_id="one", value=30 * MICRO),
        house.report(first, event_id="two", value=MICRO),
        house.report(first, "refund", reverses="two"),
        house.report(first, "opened", machine=True),
        house.report(first, "clicked", event_id="click"),
        house.report(first, "mistake", reverses="click"),
    )
    house.later(10 * DAY)
    assert house.counts()["behaviour"] == 0
    house.apply(documents)
    assert sorted(one.kind for one in stored(house)) == ["", "purchase", "purchase"]
    found = seen(house, "ann", "r2")
    assert (found["days_since_purchase"], found["purchases"], found["spent"]) == (10, 1, 30.0)


def test_what_no_attribute_follows_from_any_more_is_dropped_at_once(
    shop: Any, files: Mapping[str, str], documents: dict[str, str], edited: Any
) -> None:
    noted(shop, tracked(shop, "ann", "purchase", "p1"), tracked(shop, "ann", "opened", "o1"))
    opens = "  opens: {type: number, from: {event: opened, measure: count, within: P30D}}\n"
    fewer = edited(edited(documents, "strategy.yaml", (opens, "")), "campaigns/winback.yaml", ("opens: 1,", ""))
    shop.apply(fewer)
    assert [one.event_id for one in stored(shop)] == ["p1"]
    shop.apply(dict(files))
    assert stored(shop) == []


def test_a_longer_window_is_filled_from_the_ledger(house: Any, documents: dict[str, str], edited: Any) -> None:
    days = "    when: {days: {at_least: 90}}"
    short = edited(
        edited(
            documents,
            "strategy.yaml",
            (DERIVED, "  n: {type: number, from: {event: purchase, measure: count, within: P2D}}\n"),
        ),
        "campaigns/winback.yaml",
        (EVERY.replace("{at_least: 400, below: 5}", "{at_least: 4, below: 5}"), ""),
        (days, "    when: {n: {at_least: 90}}"),
    )
    house.apply(short)
    first = house.decided("ann").decision.decision_id
    house.later()
    house.record(house.report(first, value=MICRO))
    house.later(5 * DAY)
    forget(house)
    assert house.decided("ann", "r2").decision.attributes == {"n": 0}
    assert stored(house) == []
    house.apply(edited(short, "strategy.yaml", ("P2D", "P20D")))
    assert house.decided("ann", "r3").decision.attributes == {"n": 1}


def forget(house: Any) -> int:
    """A day's work on old records; how many events went."""
    ids = iter(f"{n:032x}" for n in range(10_000))
    done = 0
    while True:
        with house.deployment.store.writing(alone=True) as ledger:
            portion = retain(ledger, house.deployment.live, house.now, 2, random_id=lambda: next(ids))
        if not portion.looked:
            return done
        done += portion.happenings


def test_what_no_window_reaches_any_more_is_forgotten_within_a_day(
    house: Any, documents: dict[str, str], edited: Any
) -> None:
    bounded = DERIVED.replace("measure: days_since", "measure: days_since, within: P365D")
    bounded = bounded.replace("measure: first", "measure: first, within: P365D")
    bounded = bounded.replace("measure: last}", "measure: last, within: P365D}")
    bounded = bounded.replace("delivered, measure: count", "delivered, measure: count, within: P365D")
    bounded = bounded.replace("property: category", "property: category, within: P365D")
    house.apply(edited(documents, "strategy.yaml", (DERIVED, bounded)))
    noted(house, *(tracked(house, "ann", "purchase", f"p{n}", at=house.now - n * DAY) for n in range(5)))
    house.later(363 * DAY)
    assert forget(house) == 2
    assert sorted(one.event_id for one in stored(house)) == ["p0", "p1", "p2"]
    assert noted(house, tracked(house, "ann", "purchase", "p3", at=house.now - 366 * DAY)) == 0


def test_with_decisions_that_are_about_nobody_what_came_of_them_is_forgotten(
    house: Any, documents: dict[str, str], edited: Any
) -> None:
    kept = "data: {retention: {decisions: P400D}}\napproval:"
    house.apply(edited(documents, "strategy.yaml", ("approval:", kept)))
    id_ = house.decided("ann").decision.decision_id
    house.later(6 * DAY)
    house.record(house.report(id_, event_id="of a decision", occurred_at=house.now))
    noted(house, tracked(house, "ann", "purchase", "tracked"))
    house.later(395 * DAY)
    forget(house)
    assert [one.event_id for one in stored(house)] == ["tracked"]
    house.later(6 * DAY)
    assert forget(house) == 1
    assert stored(house) == []


def test_of_one_kind_only_the_newest_are_kept(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_EVENTS", 3)
    monkeypatch.setattr(services, "MOST_KEPT", 3)
    at = [5, 1, 4, 2, 3]
    for n in at:
        noted(shop, tracked(shop, "ann", "purchase", f"p{n}", at=shop.now - n * DAY, value=n * MICRO))
    noted(shop, tracked(shop, "bob", "purchase", "of bob", at=shop.now - 9 * DAY))
    assert sorted(one.event_id for one in stored(shop)) == ["of bob", "p1", "p2", "p3"]
    shop.later(1)
    found = seen(shop, "ann", "r1")
    assert (found["purchases"], found["spent"], found["first_order"]) == (3, 6.0, 3.0)


def test_an_erased_person_leaves_no_behaviour(shop: Any) -> None:
    id_ = shop.decided("ann").decision.decision_id
    shop.later()
    shop.record(shop.report(id_, event_id="of a decision"))
    noted(shop, tracked(shop, "ann", "purchase", "tracked"), tracked(shop, "bob", "purchase", "of bob"))
    ids = iter(f"{n:032x}" for n in range(100))
    with shop.deployment.store.writing(alone=True) as ledger:
        erase(
            ledger,
            shop.deployment.live,
            ["ann"],
            forget_suppressions=False,
            random_id=lambda: next(ids),
            actor="tester",
            now=shop.now,
        )
    assert [one.event_id for one in stored(shop)] == ["of bob"]
    assert shop.counts()["behaviour"] == 1
    shop.later()
    assert seen(shop, "ann", "r9") == NOTHING_YET


def test_a_person_is_told_what_is_kept_of_their_behaviour(shop: Any) -> None:
    noted(shop, tracked(shop, "ann", "viewed", "v1", properties={"category": "hats"}))
    with shop.deployment.store.reading() as ledger:
        found = disclose(ledger, shop.deployment.live, "ann", shop.now)
        nothing = disclose(ledger, shop.deployment.live, "bob", shop.now)
    assert [(one.event_id, dict(one.properties)) for one in found.behaviour] == [("v1", {"category": "hats"})]
    assert not found.is_empty
    assert nothing.is_empty


def test_behaviour_is_found_again_after_the_recipient_key_was_rotated(shop: Any) -> None:
    noted(shop, tracked(shop, "ann", "purchase", "p1", value=MICRO))
    shop.later()
    shop.deployment.rotate_recipient_key()
    assert stored(shop) == []  # under the old key
    assert seen(shop, "ann", "r1")["spent"] == 1.0


def test_a_ledger_takes_behaviour_with_it(
    shop: Any, tmp_path: Any, make_house: Any, deploy: Any, new_database: Any
) -> None:
    noted(shop, tracked(shop, "ann", "viewed", "v1", properties={"category": "hats"}))
    with shop.deployment.store.reading() as ledger:
        export_ledger(ledger, tmp_path / "moved.ledger", shop.now)
    elsewhere = make_house(deploy(new_database("sqlite")), shop.now + DAY)
    with elsewhere.deployment.store.writing(alone=True) as ledger:
        import_ledger(ledger, tmp_path / "moved.ledger")
    assert stored(elsewhere) == stored(shop)
    assert seen(elsewhere, "ann", "r1")["browsed"] == "hats"


# ---------------------------------------------------------------- live, from scratch, and as the pure function has it

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["decide", "outcome", "outcome", "track", "reverse", "repeat", "withdraw"]),
        st.integers(0, 2),  # recipient
        st.integers(0, 40),  # days, or what else a step needs
        st.integers(0, 3),  # hours that pass before it
        st.booleans(),
    ),
    max_size=40,
)
KINDS = ("purchase", "opened", "delivered", "clicked", "hidden_clicked")
NAMES = ("ann", "bob", "cid")


@pytest.mark.slow
@given(steps=STEPS)
def test_decisions_see_what_follows_from_the_ledger_of_then(
    steps: list[tuple[str, int, int, int, bool]], shops: Any
) -> None:
    follow(shops(), steps)


@pytest.mark.parametrize("most", [6, 1_000])
def test_two_hundred_steps_at_random_give_the_same_live_and_from_scratch(
    most: int, shops: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_EVENTS", most)
    monkeypatch.setattr(services, "MOST_KEPT", most + 2)
    shop = shops()
    chance = Random(7)
    kinds = ["decide", "outcome", "outcome", "outcome", "track", "reverse", "repeat", "withdraw"]
    made = follow(
        shop,
        [
            (
                chance.choice(kinds),
                chance.randrange(3),
                chance.randrange(40),
                chance.randrange(4),
                chance.random() < 0.3,
            )
            for _ in range(200)
        ],
    )
    if most == 1_000:  # else what is made up for has fewer of the old ones
        assert_filled_again(shop, made)


def follow(shop: Any, steps: list[tuple[str, int, int, int, bool]]) -> list[Any]:
    """The decisions made when all of this is done, after seeing that every one saw what it should have."""
    made: list[Any] = []
    reports: list[Any] = []
    heard: list[Happening] = []
    for number, (step, who, amount, hours, flag) in enumerate(steps):
        shop.later(hours * 10 * HOUR)
        name = NAMES[who]
        if step == "decide" or not made:
            made.append(shop.decided(name, f"r{number}").decision)
        elif step == "track":
            at = shop.now - amount * DAY + (2 * DAY if flag else 0)  # late, or not yet happened
            properties = {"category": ["shoes", "hats", "coats"][amount % 3]}
            one = tracked(shop, name, ("viewed", "purchase")[flag], f"t{number}", at=at, properties=properties)
            noted(shop, one)
            heard.append(one._replace(received_at=shop.now))
        elif step == "repeat" and reports:
            shop.record(reports[amount % len(reports)])
        else:
            decision = made[amount % len(made)]
            kind = "withdrawn" if step == "withdraw" else KINDS[amount % len(KINDS)]
            # Some events are undone before they are reported.
            undone = f"e{max(0, number - 4 + amount % 8)}" if step == "reverse" else None
            at = max(decision.decided_at, shop.now - amount * HOUR)
            report = shop.report(
                decision.decision_id,
                kind,
                event_id=f"e{number}",
                occurred_at=at,
                value=amount * MICRO if kind == "purchase" else None,
                machine=flag and kind != "purchase",
                reverses=undone,
            )
            reports.append(report)
            shop.record(report)
    shop.later()
    made += [shop.decided(name, "last").decision for name in NAMES]
    assert_all_agree(shop, made, heard)
    return made


def assert_all_agree(shop: Any, made: list[Any], heard: list[Happening]) -> None:
    """Every decision's stored attributes are those computed anew from all that the ledger knows in the end."""
    behaviour = derived_of(shop)
    with shop.deployment.store.reading() as ledger:
        decisions = ledger.decisions.by_id([decision.decision_id for decision in made])
        outcomes = ledger.outcomes.of(list(decisions))
    events = [happening_of(decisions[id_], one) for id_, some in outcomes.items() for one in some]
    everything = [one for one in (*heard, *events) if not too_early(one)]
    kept = [found for one in everything if (found := behaviour.kept(one)) is not None]
    for decision in made:
        assert decisions[decision.decision_id].attributes == decision.attributes
        mine = [one for one in kept if one.recipient_key == decision.recipient_key]
        again = behaviour.attributes(reversed(mine), decision.decided_at, behaviour.derived)
        assert again == decision.attributes
    assert shop.verify().clean


def assert_filled_again(shop: Any, made: list[Any]) -> None:
    """What the ledger's outcomes are made up for with is what was kept of them when they came."""
    behaviour, before = derived_of(shop), stored(shop)
    workspace = read_workspace(shop.files)
    with shop.deployment.store.writing(alone=True) as ledger:
        ledger.happenings.keep_only(())
        fill_behaviour(ledger, None, workspace, shop.now)
    after = stored(shop)
    assert {one.decision_id for one in after} == {one.decision_id for one in before} - {None}
    for decision in made:
        found = [
            behaviour.attributes(
                [one for one in some if one.decision_id and one.recipient_key == decision.recipient_key],
                decision.decided_at,
                behaviour.derived,
            )
            for some in (before, after)
        ]
        assert found[0] == found[1]


def too_early(happening: Happening) -> bool:
    """What is tracked before it has happened is not kept."""
    return happening.decision_id is None and happening.occurred_at > happening.received_at + 5 * MINUTE


@pytest.fixture
def shops(
    documents: dict[str, str],
    edited: Any,
    make_house: Any,
    deploy: Any,
    new_database: Any,
    database: str,
) -> Any:
    hygiene = "hygiene: {fastest: PT1H, honeypot: hidden_clicked}\napproval:"
    trapped = edited(documents, "strategy.yaml", ("approval:", hygiene))

    def shop() -> Any:
        """A new shop, with nothing in it yet."""
        built = make_house(deploy(new_database(database)))
        built.apply(trapped)
        built.files = trapped
        return built

    return shop


def test_documents_of_these_tests_are_right(documents: dict[str, str]) -> None:
    read_workspace(documents)
