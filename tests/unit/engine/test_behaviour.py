"""What follows from a recipient's events: exact at every edge, in any order, and only from what people did."""

from __future__ import annotations

import re
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.domain.happenings import Happening
from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.domain.micros import MICRO
from optimizer.engine import behaviour as engine
from optimizer.engine.behaviour import Behaviour
from optimizer.engine.tactic import compile_tactic
from optimizer.strategy.workspace import Workspace, read_workspace

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
hygiene: {honeypot: trap}
attributes:
  country: {type: category, values: [US, GB]}
  since: {type: number, minimum: 1, maximum: 365, from: {event: purchase, measure: days_since}}
  recently: {type: number, from: {event: purchase, measure: days_since, within: P30D}}
  bought: {type: number, maximum: 3, from: {event: purchase, measure: count, within: P30D}}
  spent: {type: number, from: {event: purchase, measure: sum}}
  first: {type: number, from: {event: purchase, measure: first}}
  last: {type: number, minimum: 2, from: {event: purchase, measure: last}}
  pages: {type: number, from: {event: viewed, measure: sum, property: pages}}
  latest_pages: {type: number, from: {event: viewed, measure: last, property: pages}}
  browsed: {type: category, values: [hats, shoes], from: {event: viewed, measure: last, property: category}}
  began_with: {type: category, values: [hats, shoes], from: {event: viewed, measure: first, property: category}}
  opens: {type: number, from: {event: opened, measure: count}}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages:
  - {id: one, subject: "{{browsed|Something}} for you"}
  - {id: two, subject: "Something", body: "You came {{country|here}}", fields: {x: "{{pages|0}}"}}
segments:
  - {id: lapsed, when: {since: {at_least: 90}, country: US}}
"""
NOW: Instant = 20_000 * DAY


def shop(*changes: tuple[str, str]) -> Workspace:
    text = STRATEGY
    for old, new in changes:
        text = text.replace(old, new)
    return read_workspace({"strategy.yaml": text, "campaigns/winback.yaml": CAMPAIGN})


@cache
def behaviour(*changes: tuple[str, str]) -> Behaviour:
    found = Behaviour.of(shop(*changes).strategy)
    assert found is not None
    return found


def event(kind: str, ago: int, value: float | None = None, **rest: Any) -> Happening:
    """Something that happened, and was heard of, this long before NOW."""
    micros = None if value is None else int(value * MICRO)
    event_id = rest.pop("event_id", f"{kind}-{ago}")
    return Happening("ann", kind, NOW - ago, micros, event_id, rest.pop("received_at", NOW - ago), **rest)


def known(*happenings: Happening, at: Instant = NOW) -> dict[str, Any]:
    one = behaviour()
    return dict(one.attributes(happenings, at, one.derived))


def test_a_strategy_without_derived_attributes_has_no_behaviour() -> None:
    said = re.sub(r", from: \{.*?\}", "", STRATEGY)
    assert Behaviour.of(shop((STRATEGY, said)).strategy) is None


def test_days_are_whole_days_that_have_passed() -> None:
    assert known(event("purchase", 5 * DAY))["since"] == 5
    assert known(event("purchase", 5 * DAY - 1))["since"] == 4
    assert known(event("purchase", 5 * DAY), event("purchase", 2 * DAY))["since"] == 2


def test_a_window_begins_with_its_first_instant_and_ends_before_the_decision() -> None:
    assert known(event("purchase", 30 * DAY))["bought"] == 1
    assert known(event("purchase", 30 * DAY + 1))["bought"] == 0
    assert "recently" not in known(event("purchase", 30 * DAY + 1))
    assert known(event("purchase", 0, received_at=NOW - 1))["bought"] == 0
    assert known(event("purchase", 1))["bought"] == 1


def test_an_event_counts_from_when_it_was_heard_of() -> None:
    late = event("purchase", 9 * DAY, received_at=NOW - DAY)
    assert known(late, at=NOW - DAY)["bought"] == 0
    assert known(late, at=NOW - DAY + 1)["bought"] == 1


def test_what_lies_beyond_a_bound_counts_as_the_bound() -> None:
    assert known(event("purchase", HOUR, 1.5))["since"] == 1
    assert known(event("purchase", HOUR, 1.5))["last"] == 2
    assert known(event("purchase", 900 * DAY))["since"] == 365
    assert known(*(event("purchase", n) for n in range(1, 9)))["bought"] == 3


def test_first_and_last_are_of_events_that_have_a_value() -> None:
    bought = (event("purchase", 5 * DAY), event("purchase", 4 * DAY, 40), event("purchase", 3 * DAY, 30))
    found = known(*bought, event("purchase", DAY))
    assert (found["first"], found["last"], found["spent"], found["since"]) == (40.0, 30.0, 70.0, 1)
    assert not {"first", "last"} & known(event("purchase", DAY)).keys()


def test_properties_are_summed_and_told_as_they_are() -> None:
    found = known(
        event("viewed", 4 * DAY, properties={"pages": 3, "category": "coats"}),
        event("viewed", 3 * DAY, properties={"category": "shoes", "pages": 0.5}),
        event("viewed", 2 * DAY, properties={"category": "hats"}),
        event("viewed", DAY),
    )
    assert (found["pages"], found["latest_pages"]) == (3.5, 0.5)
    assert (found["began_with"], found["browsed"]) == ("shoes", "hats")


def test_sums_of_fractions_do_not_depend_on_the_order() -> None:
    happenings = [event("viewed", n + 1, properties={"pages": 0.1 * n}) for n in range(50)]
    sums = set()
    for seed in range(20):
        Random(seed).shuffle(happenings)
        sums.add(known(*happenings)["pages"])
    assert len(sums) == 1


def test_only_the_newest_of_a_kind_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_EVENTS", 2)
    found = known(*(event("purchase", n * DAY, n) for n in (3, 1, 2)), event("opened", 9 * DAY))
    assert (found["spent"], found["opens"]) == (3.0, 1)


def test_a_trap_makes_opens_of_its_decision_a_machines_and_no_others() -> None:
    of = {"decision_id": "d1", "decided_at": NOW - DAY}
    opened = (event("opened", 60, **of), event("opened", 50, decision_id="d2", decided_at=NOW - DAY))
    assert known(*opened)["opens"] == 2
    sprung = event("trap", 10, **of)
    assert known(*opened, sprung)["opens"] == 1
    undone = event("", 5, event_id="undone", reverses=sprung.event_id)
    assert known(*opened, sprung, undone)["opens"] == 2


def test_kinds_are_kept_only_as_far_as_something_needs_them() -> None:
    assert behaviour().kinds == {"purchase", "viewed", "opened", "trap"}
    assert behaviour(("honeypot: trap", "honeypot: trap, fastest: PT2S")).kinds >= {"exposed", "delivered"}
    assert behaviour(("hygiene: {honeypot: trap}\n", "")).kinds == {"purchase", "viewed", "opened"}
    delivered = behaviour(("event: opened", "event: delivered"), ("hygiene: {honeypot: trap}\n", ""))
    assert delivered.kinds == {"purchase", "viewed", "delivered", "withdrawn", "bounced"}


def test_it_looks_as_far_back_as_the_longest_window() -> None:
    assert behaviour().reach is None
    bounded = re.sub(r"(from: \{[^}]*?)(, within: P30D)?\}", r"\1, within: P9D}", STRATEGY)
    found = behaviour((STRATEGY, bounded))
    assert found.reach == 9 * DAY + HOUR
    heard = event("purchase", 0)
    assert found.kept(heard._replace(occurred_at=NOW - 9 * DAY - HOUR)) is not None
    assert found.kept(heard._replace(occurred_at=NOW - 9 * DAY - HOUR - 1)) is None


def test_a_campaign_uses_what_its_rules_its_policy_and_its_words_name() -> None:
    workspace = shop()
    tactic = compile_tactic(workspace.strategy, workspace.campaigns["winback"], 1, ())
    assert behaviour().used_by(tactic) == ("since", "pages", "browsed")


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(["purchase", "opened", "viewed", "trap", ""]),
        st.integers(-2, 40).map(lambda days: days * DAY),
        st.none() | st.integers(0, 100),
        event_id=st.integers(0, 60).map(str),
        received_at=st.integers(0, 40).map(lambda days: NOW - days * DAY),
        decision_id=st.sampled_from([None, "d1", "d2"]),
        decided_at=st.just(NOW - 41 * DAY),
        reverses=st.none() | st.integers(0, 60).map(str),
    ),
    max_size=30,
    unique_by=lambda one: one.event_id,
)


@given(happenings=EVENTS, at=st.integers(0, 41).map(lambda days: NOW - days * DAY), data=st.data())
def test_neither_order_nor_what_comes_later_changes_what_was_known(
    happenings: list[Happening], at: Instant, data: st.DataObject
) -> None:
    happenings = [one._replace(decided_at=None) if one.decision_id is None else one for one in happenings]
    before = known(*happenings, at=at)
    assert known(*data.draw(st.permutations(happenings)), at=at) == before
    later = [one._replace(event_id=f"later-{one.event_id}", received_at=at) for one in happenings]
    assert known(*happenings, *later, at=at) == before
