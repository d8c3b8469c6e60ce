"""Segments found in a ledger: from what was drawn and matured, as far as people may know, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.errors import InvalidRequest, NotFound
from optimizer.insights.discovering.discovered import Bounds
from optimizer.services.proposing import discovering
from optimizer.services.proposing.discovering import discovered, discovered_for_a_page

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  country: {type: category, values: [US, GB]}
  days: {type: number}
  income: {type: category, values: [high, low], sensitive: true}
  postcode: {type: category, values: [north, south], reveals: income}
  name: {type: text}
approval: {required: false}
"""
CAMPAIGN = """\
campaign: winback
serves: buy
channel: email
messages: [{id: one, subject: One}, {id: two, subject: Two}]
control: {message: one}
policy: {floor: 0.3}
"""
FILES = {"strategy.yaml": STRATEGY, "campaigns/winback.yaml": CAMPAIGN}
PEOPLE = 700


@pytest.fixture
def shop(deployment: Any, make_house: Callable[..., Any]) -> Any:
    """Americans buy after the second message, all others after the first; postcode and income say the same."""
    house = make_house(deployment)
    house.apply(FILES)
    for start in range(0, PEOPLE, 100):
        house.decide(*(house.request(f"p-{n}", attributes=person(n)) for n in range(start, start + 100)))
    with house.deployment.store.reading() as ledger:
        made = list(ledger.decisions.stream())
    house.later(HOUR)
    bought = [d for d in made if (d.variant_id == "two") == (d.attributes.get("country") == "US")]
    house.record(*(house.report(d.decision_id, "purchase", HOUR) for d in bought))
    house.later(8 * DAY)
    return house


def person(n: int) -> dict[str, object]:
    home = n % 2 == 0
    secret = {"income": "high" if home else "low", "postcode": "north" if home else "south", "name": f"Ada {n}"}
    return {"country": "US" if home else "GB", "days": float(n % 50), **secret}


def looked(house: Any, **options: Any) -> Any:
    options.setdefault("bounds", Bounds(min_size=100))
    with house.deployment.store.reading() as ledger:
        return discovered(ledger, house.deployment.live, "winback", house.now, **options)


def test_a_segment_of_the_ledger_is_found_and_nothing_is_written(shop: Any) -> None:
    before = shop.counts()
    seen: list[tuple[int, int]] = []
    searched = looked(shop, progress=lambda done, of: seen.append((done, of)))
    (segment,) = searched.found.segments
    (condition,) = segment.rule.conditions
    assert condition.attribute == "country"
    assert searched.unit == "share of trials"
    assert not searched.is_sample
    assert searched.found.decisions == PEOPLE
    assert seen[-1][0] == seen[-1][1]
    assert shop.counts() == before


def test_sensitive_attributes_and_what_reveals_them_are_not_read(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    views = []
    rows_of = discovering.rows_of

    def watched(ledger: Any, live: Any, view: Any, *rest: Any) -> Any:
        views.append(view)
        return rows_of(ledger, live, view, *rest)

    monkeypatch.setattr(discovering, "rows_of", watched)
    found = looked(shop).found
    assert set(views[0].attributes) == {"country", "days"}
    assert set(found.looked_at) <= {"country", "days"}
    assert found.left_out["income"] == "sensitive"
    assert found.left_out["postcode"] == "gives away income, which is sensitive"
    for secret in ("'high'", "income", "north", "Ada"):
        assert secret not in str(found.segments)


def test_no_more_decisions_are_looked_at_than_the_bound(shop: Any) -> None:
    searched = looked(shop, most=300)
    assert searched.is_sample
    assert searched.found.decisions <= 300


def test_what_cannot_be_looked_at_is_said(shop: Any, make_house: Any) -> None:
    with pytest.raises(NotFound, match="segment: found nowhere; allowed"):
        looked(shop, segment_id="nowhere")
    with pytest.raises(NotFound, match="campaign"), shop.deployment.store.reading() as ledger:
        discovered_for_a_page(ledger, shop.deployment.live, "unheard-of", shop.now)
    with pytest.raises(InvalidRequest, match="--min-size: found 3; allowed 50 or more"):
        looked(shop, bounds=Bounds(min_size=3))


def test_a_campaign_whose_outcomes_may_still_come_says_so(deployment: Any, make_house: Callable[..., Any]) -> None:
    house = make_house(deployment)
    house.apply(FILES)
    house.decide(*(house.request(f"p-{n}", attributes=person(n)) for n in range(20)))
    with pytest.raises(InvalidRequest, match="20 outcomes may still come; allowed decisions that were drawn"):
        looked(house)


def test_a_segment_can_be_looked_into(shop: Any) -> None:
    searched = looked(shop, segment_id="everyone-else")
    assert searched.found.decisions == PEOPLE
    assert json.dumps(searched.source) == '"winback"'
