"""Names of events of others, and the outcomes they are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from optimizer.errors import DocumentError, InvalidRequest
from optimizer.strategy.documents import Strategy
from optimizer.strategy.events import Mapped, known_kinds, mapped
from optimizer.strategy.workspace import read_workspace

EVENTS = """
events:
  Order Completed: {outcome: purchase, value: revenue, currency: currency}
  Email Opened: opened
  purchase: {outcome: purchase, value: total}
  Ticket Rated: {outcome: rated, value: stars}
"""


@pytest.fixture
def read(files: Mapping[str, str]) -> Any:
    def made(text: str = EVENTS, *changes: tuple[str, str]) -> Strategy:
        strategy = files["strategy.yaml"]
        for old, new in changes:
            assert old in strategy
            strategy = strategy.replace(old, new)
        return read_workspace({**files, "strategy.yaml": strategy + text}).strategy

    return made


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("Order Completed", {"revenue": 19.9, "currency": "USD"}, Mapped("purchase", 19_900_000, "USD")),
        ("Order Completed", {"revenue": "19.90", "currency": "usd"}, Mapped("purchase", 19_900_000, "USD")),
        ("Order Completed", {"revenue": 19.9, "total": 5}, Mapped("purchase", 19_900_000)),
        ("Order Completed", {"currency": "USD"}, Mapped("purchase")),
        ("Order Completed", {"revenue": None, "currency": 5}, Mapped("purchase")),
        ("Email Opened", {"value": 3}, Mapped("opened")),
        ("Ticket Rated", {"stars": 4}, Mapped("rated", 4_000_000)),
        ("order completed", {}, None),
        ("Page Viewed", {"value": "nonsense"}, None),
    ],
)
def test_an_event_is_the_outcome_that_the_strategy_says(
    read: Any, name: str, properties: dict[str, Any], expected: Mapped | None
) -> None:
    assert mapped(read(), name, properties) == expected


def test_an_event_that_is_called_like_an_outcome_is_that_outcome_with_its_value(read: Any) -> None:
    assert mapped(read(), "clicked", {"value": 2, "currency": "USD"}) == Mapped("clicked", 2_000_000, "USD")
    assert mapped(read(), "unsubscribed", {}) == Mapped("unsubscribed")
    assert mapped(read(), "rated", {"value": 1}) == Mapped("rated", 1_000_000)
    assert mapped(read(""), "rated", {"value": 1}) is None


def test_a_mapping_comes_before_the_name_of_an_outcome(read: Any) -> None:
    assert mapped(read(), "purchase", {"value": 1, "total": 2}) == Mapped("purchase", 2_000_000)
    assert mapped(read(""), "purchase", {"value": 1, "total": 2}) == Mapped("purchase", 1_000_000)


@pytest.mark.parametrize("revenue", ["much", "", True, [1], {"amount": 1}, 1e10, "-1e10", "inf", 10**400, "$5"])
def test_a_value_that_is_no_amount_is_refused_where_it_stands(read: Any, revenue: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        mapped(read(), "Order Completed", {"revenue": revenue}, "/data")
    (finding,) = refused.value.findings
    assert finding.pointer == "/data/revenue"
    assert len(finding.found) < 100


@pytest.mark.parametrize("currency", ["dollars", "US", 5, "", [], "us1", "ÄBC"])
def test_a_currency_that_is_none_is_refused(read: Any, currency: Any) -> None:
    with pytest.raises(InvalidRequest, match="/properties/currency"):
        mapped(read(), "Order Completed", {"revenue": 1, "currency": currency})


def test_every_outcome_that_a_strategy_names_is_known(read: Any) -> None:
    strategy = read(
        EVENTS,
        ("attribution_window: P7D", "attribution_window: P7D\n    penalties: {grumbled: 1}"),
        ("approval:", 'hygiene: {honeypot: hidden, fastest: PT1S, largest_value: {visited: "5 USD"}}\napproval:'),
    )
    named = {"purchase", "grumbled", "hidden", "visited", "clicked", "rated", "opened", "bounced", "complained"}
    assert named <= known_kinds(strategy)
    assert "viewed" not in known_kinds(strategy)


def test_an_event_that_an_attribute_follows_from_is_known(read: Any) -> None:
    strategy = read(
        "",
        (
            "vip: {type: boolean}",
            "vip: {type: boolean}\n  looks: {type: number, from: {event: viewed, measure: count}}",
        ),
    )
    assert mapped(strategy, "viewed", {}) == Mapped("viewed")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "events: {A: purchased}",
            'events.A: found purchased; allowed one name for one outcome (did you mean "purchase"?)',
        ),
        (
            "events: {A: {outcome: rated, currency: c}}",
            "events.A.currency: found currency; allowed this key only with value",
        ),
        ("events: {A: {value: c}}", "events.A.outcome: found nothing"),
        ("events: {A: Not A Kind}", "events.A"),
        ('events: {"": opened}', "events"),
    ],
)
def test_mappings_that_cannot_be_meant_are_findings(read: Any, text: str, said: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read(text)
    assert said in str(refused.value)
