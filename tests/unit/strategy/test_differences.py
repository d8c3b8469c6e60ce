"""The walk knows no document in particular, so it is tried on documents of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, PlainValidator

from optimizer.strategy.fields import Document, HalfLife, NewId, Number, Span, Zone, between
from optimizer.strategy.versions.differences import NOTHING, differences, iso_duration, listed, written


@dataclass(frozen=True)
class Amount:
    units: int

    def __str__(self) -> str:
        return f"{self.units}.00 USD"


Money = Annotated[Amount, PlainValidator(lambda text: Amount(int(text)))]


class Rule(Document):
    at_most: int
    per: Annotated[Span, between("PT1M", "P30D")] | None = None
    for_: HalfLife = Field(default=None, alias="for")


class Shop(Document):
    id: NewId
    price: Money | None = None
    zone: Zone | None = None
    share: Number = 0.5


class Everything(Document):
    rules: tuple[Rule, ...] = ()
    shops: tuple[Shop, ...] | None = None
    doors: Mapping[str, Shop] = Field(default_factory=dict)
    words: Mapping[str, str] | None = None
    spans: Mapping[str, Span] | None = None
    tags: tuple[str, ...] | None = None
    nested: Rule = Rule(at_most=1)
    other: Rule | None = None


def walked(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    found = differences(Everything.model_validate(before), Everything.model_validate(after))
    return [(one.subject, one.kind, one.was, one.becomes) for one in found]


RULES = [{"at_most": n} for n in range(1, 6)]


def test_lists_without_ids_are_compared_by_position() -> None:
    changed = [RULES[0], {"at_most": 9, "per": "P7D"}, *RULES[2:]]
    assert walked({"rules": RULES}, {"rules": changed}) == [
        ("rule 2: at_most", "changed", "2", "9"),
        ("rule 2: per", "changed", "", "P7D"),
    ]


@pytest.mark.parametrize("place", range(5))
def test_an_item_taken_out_of_a_list_or_put_into_it_is_one_difference(place: int) -> None:
    fewer = RULES[:place] + RULES[place + 1 :]
    rule = (f"{{at_most: {place + 1}}}",)
    assert walked({"rules": RULES}, {"rules": fewer}) == [(f"rule {place + 1}", "removed", *rule, "")]
    assert walked({"rules": fewer}, {"rules": RULES}) == [(f"rule {place + 1}", "added", "", *rule)]


def test_lists_with_ids_are_compared_by_id() -> None:
    before = {"shops": [{"id": "a", "price": "1"}, {"id": "b"}]}
    after = {"shops": [{"id": "c", "price": "3"}, {"id": "b"}, {"id": "a", "price": "2"}]}
    assert walked(before, after) == [
        ("shop a: price", "changed", "1.00 USD", "2.00 USD"),
        ("shop c", "added", "", "{price: 3.00 USD}"),
        ("shops", "reordered", "[a, b]", "[c, b, a]"),
    ]


def test_mappings_are_compared_by_key() -> None:
    before = {"doors": {"front": {"id": "a"}, "back": {"id": "b"}}, "words": {"x": "y", "z": "several words"}}
    after = {"doors": {"back": {"id": "b", "zone": "Europe/Berlin"}}, "words": {"x": "other"}}
    assert walked(before, after) == [
        ("door front", "removed", "{}", ""),
        ("door back: zone", "changed", "", "Europe/Berlin"),
        ("word x", "changed", "y", "other"),
        ("word z", "removed", '"several words"', ""),
    ]
    assert walked({"spans": {"x": "P1D"}}, {"spans": {"x": "P2D"}}) == [("span x", "changed", "P1D", "P2D")]


def test_lists_that_appear_are_made_of_new_items() -> None:
    assert walked({}, {"shops": [{"id": "a"}]}) == [("shop a", "added", "", "{}")]
    assert walked({"shops": [{"id": "a"}]}, {}) == [("shop a", "removed", "{}", "")]
    assert walked({}, {"tags": ["x"]}) == [("tags", "changed", "", "[x]")]


def test_plain_values_are_a_set() -> None:
    assert walked({"tags": ["x", "y"]}, {"tags": ["y", "x"]}) == []
    assert walked({"tags": ["x", "y"]}, {"tags": ["y", "z"]}) == [("tags", "changed", "[x]", "[z]")]


def test_an_alias_is_the_key_people_write() -> None:
    assert walked({"nested": {"at_most": 1}}, {"nested": {"at_most": 1, "for": "P1D"}}) == [
        ("nested for", "changed", "", "P1D")
    ]


def test_never_is_not_the_same_as_nothing() -> None:
    assert walked({"nested": {"at_most": 1, "for": "never"}}, {"nested": {"at_most": 1}}) == [
        ("nested for", "changed", "never", "")
    ]


def test_a_document_that_appears_is_written_as_a_whole() -> None:
    assert walked({}, {"other": {"at_most": 3, "per": "PT12H"}}) == [
        ("other", "changed", "", "{at_most: 3, per: PT12H}")
    ]


def test_a_difference_knows_where_it_is() -> None:
    before, after = (Everything.model_validate({"shops": [{"id": "a", "share": share}]}) for share in (0.5, 1))
    (found,) = differences(before, after)
    assert (found.trail, found.owner, found.key) == (("shops", "a", "share"), Shop, "share")
    assert (found.before, found.after) == (0.5, 1.0)
    (gone,) = differences(before, Everything())
    assert gone.after is NOTHING


def test_a_key_can_be_left_out_of_the_comparison() -> None:
    one, other = Shop(id="a", share=0.1), Shop(id="b", share=0.1)
    assert [*differences(one, other, apart_from=frozenset({"id"}))] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (90.0, "90"),
        (0.05, "0.05"),
        (1e-7, "1e-07"),
        ("US", "US"),
        ("08:00-11:00", "08:00-11:00"),
        ('say "hi"', '"say \\"hi\\""'),
        ("two\nlines", '"two\\nlines"'),
        ("", '""'),
        (datetime(2026, 12, 1, 9, tzinfo=UTC), "2026-12-01T09:00:00Z"),
        (None, "never"),
        (("a", "b c"), '[a, "b c"]'),
    ],
)
def test_values_are_written_as_in_a_document(value: object, text: str) -> None:
    assert written(value) == text


def test_words_are_always_quoted() -> None:
    assert written("Hello", "subject") == '"Hello"'


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "PT0S"),
        (1_000_000, "PT1S"),
        (5_400_000_000, "PT1H30M"),
        (604_800_000_000, "P7D"),
        (90_061_000_000, "P1DT1H1M1S"),
    ],
)
def test_durations_are_iso_8601(microseconds: int, text: str) -> None:
    assert iso_duration(microseconds) == text


def test_long_lists_of_names_are_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefghij")) == "a, b, c, d, e, f, g, h, and 2 more"


@given(before=st.text(max_size=200), after=st.text(max_size=200))
def test_texts_that_differ_look_different(before: str, after: str) -> None:
    found = walked({"words": {"x": before}}, {"words": {"x": after}})
    assert len(found) == (before != after)
    assert all(was != becomes for _, _, was, becomes in found)
