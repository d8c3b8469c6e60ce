"""Attributes that follow from behaviour: what cannot be declared so is refused where it stands."""

from __future__ import annotations

import pytest

from optimizer.errors import DocumentError
from optimizer.strategy.audience import CategoryAttribute, NumberAttribute
from optimizer.strategy.workspace import Workspace, read_workspace

STRATEGY = """\
strategy: shop
currency: USD
time_zone: UTC
objectives:
  - {id: buy, reward: {outcome: purchase, value: first}, attribution_window: P7D}
attributes:
  derived: %s
approval: {required: false}
"""
CAMPAIGN = "campaign: winback\nserves: buy\nchannel: email\nmessages:\n  - {id: one, subject: One}\n"


def declared(attribute: str, more: str = "") -> Workspace:
    return read_workspace({"strategy.yaml": STRATEGY % attribute + more, "campaigns/winback.yaml": CAMPAIGN})


@pytest.mark.parametrize("measure", ["days_since", "count", "sum", "first", "last"])
def test_a_number_may_follow_by_every_measure(measure: str) -> None:
    attribute = declared(f"{{type: number, from: {{event: purchase, measure: {measure}, within: P30D}}}}")
    found = attribute.strategy.attributes["derived"]
    assert isinstance(found, NumberAttribute)
    assert found.from_ is not None
    assert (found.from_.event, found.from_.measure, found.from_.property) == ("purchase", measure, None)


@pytest.mark.parametrize("measure", ["sum", "first", "last"])
def test_a_number_may_be_of_a_property(measure: str) -> None:
    declared(f"{{type: number, from: {{event: viewed, measure: {measure}, property: price}}}}")


@pytest.mark.parametrize("measure", ["first", "last"])
def test_a_category_may_be_a_property_of_the_first_or_last_event(measure: str) -> None:
    source = f"{{event: viewed, measure: {measure}, property: category}}"
    found = declared(f"{{type: category, values: [hats, shoes], from: {source}}}").strategy.attributes["derived"]
    assert isinstance(found, CategoryAttribute)
    assert found.from_ is not None


@pytest.mark.parametrize(
    ("attribute", "sentence"),
    [
        ("number, from: {event: purchase, measure: average}", "7:60: attributes.derived.from.measure: found average"),
        ("number, from: purchase", "attributes.derived.from: found purchase; allowed keys and values"),
        ("number, from: {event: purchase, measure: count, window: P3D}", "found window; allowed one of: event,"),
        ("number, from: {event: purchase, measure: count, within: P1Y}", "P365D for a year"),
        ("number, from: {event: purchase, measure: count, within: PT1M}", "a duration from PT1H to P3660D"),
        ("number, from: {event: withdrawn, measure: count}", "found withdrawn; allowed something that happened"),
        ("number, from: {event: purchases, measure: count}", '(did you mean "purchase"?)'),
        ("number, from: {event: viewed, measure: count, property: price}", "no such key with count, which looks at no"),
        ("number, from: {event: viewed, measure: days_since, property: price}", "no such key with days_since"),
        ("category, values: [a], from: {event: viewed, measure: sum}", "found sum; allowed one of: first, last, as"),
        ("category, values: [a], from: {event: viewed, measure: last}", "the property that has its values"),
        ("boolean, from: {event: viewed, measure: count}", "attributes.derived.from: found from; allowed one of: type"),
        ("number, fresh_for: P3D, from: {event: viewed, measure: count}", "nobody says it"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(attribute: str, sentence: str) -> None:
    with pytest.raises(DocumentError) as refused:
        declared(f"{{type: {attribute}}}")
    assert sentence in str(refused.value)


def test_decisions_are_kept_as_long_as_an_attribute_looks_back() -> None:
    attribute = "{type: number, from: {event: purchase, measure: count, within: P300D}}"
    declared(attribute, "data: {retention: {decisions: P300D}}\n")
    with pytest.raises(DocumentError, match=r"found P299D; allowed P300D or longer, for the attribute on line 7"):
        declared(attribute, "data: {retention: {decisions: P299D}}\n")
