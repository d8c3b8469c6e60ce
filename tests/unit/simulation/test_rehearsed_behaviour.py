"""In a rehearsal, attributes follow from what its people did, exactly as they would in the service."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.simulation.small_worlds import SmallWorld, people

from optimizer.domain.decision import Attributes
from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.domain.micros import MICRO
from optimizer.domain.trials import Trials
from optimizer.engine.behaviour import Behaviour
from optimizer.services.outcomes.recording import OutcomeReport
from optimizer.simulation.doings import Doings, earlier_happenings
from optimizer.simulation.journal import Journal
from optimizer.simulation.rehearsing import Plan, rehearse
from optimizer.strategy.workspace import Workspace, read_workspace

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  country: {type: category, values: [US, GB]}
  since: {type: number, from: {event: purchase, measure: days_since}}
  bought: {type: number, from: {event: purchase, measure: count, within: P4D}}
  spent: {type: number, from: {event: purchase, measure: sum}}
  last: {type: number, from: {event: purchase, measure: last}}
  opens: {type: number, from: {event: opened, measure: count, within: P2D}}
  browsed: {type: category, values: [hats, shoes], from: {event: viewed, measure: last, property: kind}}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages:
  - {id: one, subject: One}
  - {id: two, subject: Two}
segments:
  - {id: lapsed, when: {since: {at_least: 3}, browsed: hats}}
  - {id: regular, when: {bought: {at_least: 2}, spent: {above: 5}, last: {above: 1}, opens: {at_least: 1}}}
policy: POLICY
"""
RATES = {"opened": np.array([[0.5, 0.4, 0.0]]), "purchase": np.array([[0.3, 0.4, 0.0]])}


def documents(policy: str = "{floor: 0.1}") -> Workspace:
    return read_workspace({"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN.replace("POLICY", policy)})


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Instant, int, Attributes]]:
    """What every contact of a rehearsal was decided with: instant, recipient and attributes."""
    found: list[tuple[Instant, int, Attributes]] = []
    attributes = Doings.attributes

    def written_down(self: Doings, recipients: NDArray[np.int64], now: Instant) -> list[Attributes]:
        known = attributes(self, recipients, now)
        found.extend((now, who, one) for who, one in zip(recipients.tolist(), known, strict=True))
        return known

    monkeypatch.setattr(Doings, "attributes", written_down)
    return found


def test_the_service_sees_the_same_of_the_same_events(
    met: list[tuple[Instant, int, Attributes]], sqlite_house: Any
) -> None:
    workspace, house = documents(), sqlite_house
    world = SmallWorld(RATES, people(12), 1.0, {"opened": HOUR, "purchase": 2 * DAY}, value=7 * MICRO)
    start = house.now
    rehearse(workspace.strategy, workspace.campaigns["winback"], world, Plan(start, start + 6 * DAY, 2 * HOUR), seed=5)
    assert len({tuple(sorted(attributes.items())) for _, _, attributes in met}) > 20

    house.apply(workspace.files)
    steps: dict[Instant, list[Any]] = defaultdict(list)
    for at, who, attributes in met:
        steps[at].append((who, attributes))
    for at, who, kind in sorted((at, who, kind) for who, kind, at in world.came):
        steps[at].append((who, kind))
    latest: dict[int, str] = {}
    checked = 0
    for at in sorted(steps):
        house.now = at
        for number, (who, what) in enumerate(steps[at]):
            if isinstance(what, str):
                value = 7 * MICRO
                house.record(OutcomeReport(f"{who}-{what}-{at}-{number}", what, at, latest[who], value=value))
                continue
            decision = house.decided(f"person-{who}", f"{at}-{number}").decision
            latest[who] = decision.decision_id
            assert decision.attributes == what
            checked += 1
    assert checked == len(met) > 100
    assert house.verify().clean


def test_derived_attributes_of_a_world_are_how_things_stood_at_its_beginning(
    met: list[tuple[Instant, int, Attributes]],
) -> None:
    workspace = documents()
    stated = {"country": "US", "since": 2.0, "bought": 3.0, "spent": 60.0, "last": 30.0, "browsed": "hats"}
    world = SmallWorld({kind: rates * 0 for kind, rates in RATES.items()}, people(5, stated), 1.0)
    plan = Plan(20_000 * DAY, 20_003 * DAY, HOUR)
    run = rehearse(workspace.strategy, workspace.campaigns["winback"], world, plan, seed=1)
    assert run.decisions == len(met)
    for now, _, found in met:
        days = (now - plan.start) // DAY
        assert found["since"] == 2 + days
        assert found["bought"] == (3 if days < 2 else 0) or now == plan.start + 2 * DAY
        assert (found["last"], found["browsed"], found["opens"]) == (30.0, "hats", 0)
        assert found["country"] == "US"


@pytest.mark.parametrize(
    "stated",
    [
        {"since": 90},
        {"since": 0},
        {"bought": 4},
        {"spent": 61.5},
        {"last": 3.25},
        {"opens": 2},
        {"browsed": "shoes"},
        {"since": 1, "bought": 2, "spent": 30.0},
    ],
)
def test_earlier_events_make_an_attribute_what_is_stated(stated: Attributes) -> None:
    behaviour = Behaviour.of(documents().strategy)
    assert behaviour is not None
    start = 20_000 * DAY
    happenings = list(earlier_happenings(behaviour, stated, start))
    assert behaviour.attributes(happenings, start, stated) == stated


def test_nothing_is_made_up_where_nothing_was_done() -> None:
    behaviour = Behaviour.of(documents().strategy)
    assert behaviour is not None
    assert list(earlier_happenings(behaviour, {"bought": 0, "spent": 0.0, "country": "US"}, 20_000 * DAY)) == []


def test_a_policy_that_looks_at_behaviour_learns_from_what_it_was_when_it_decided(
    met: list[tuple[Instant, int, Attributes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = documents("{model: contextual, attributes: [bought], refit: P1D, floor: 0.0}")
    learned: list[Trials] = []
    trials = Journal.trials

    def written_down(*arguments: Any, **rest: Any) -> Trials:
        learned.append(trials(*arguments, **rest))
        return learned[-1]

    monkeypatch.setattr(Journal, "trials", written_down)
    world = SmallWorld(RATES, people(10), 2.0, {"opened": HOUR, "purchase": DAY}, value=MICRO)
    plan = Plan(20_000 * DAY, 20_003 * DAY, 6 * HOUR)
    rehearse(workspace.strategy, workspace.campaigns["winback"], world, plan, seed=2)
    last = learned[-1]
    assert len(last.attributes) > 50
    by_instant = sorted((at, attributes["bought"]) for at, _, attributes in met)
    drawn = sorted(zip(last.decided_at.tolist(), last.attributes[:, 0].tolist(), strict=True))
    assert drawn == [pair for pair in by_instant if pair[0] <= last.decided_at.max()]
    assert len(set(last.attributes[:, 0].tolist())) > 2
