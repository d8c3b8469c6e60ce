"""Attributes that are free text: for placeholders, never for segment rules."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import Finding, RequestFinding
from optimizer.strategy.attributes import check_attributes
from optimizer.strategy.audience import TextAttribute
from optimizer.strategy.workspace import Workspace

NEWSLETTER = "  newsletter: {type: boolean, why: They asked for it}"
WITH_NAME = (NEWSLETTER, f"{NEWSLETTER}\n  name: {{type: text, max_length: 5}}")
DECLARED = {"name": TextAttribute(type="text", max_length=5)}


def test_a_text_is_declared_with_its_longest_length(read: Callable[..., Workspace]) -> None:
    declared = read(strategy=(WITH_NAME,)).strategy.attributes["name"]
    assert declared == DECLARED["name"]
    assert TextAttribute(type="text").max_length == 200


@pytest.mark.parametrize(
    ("length", "allowed"), [("0", "1 or more"), ("1001", "1,000 or less|1000 or less"), ("a", "number")]
)
def test_lengths_are_bounded(findings_of: Callable[..., list[Finding]], length: str, allowed: str) -> None:
    change = (NEWSLETTER, f"{NEWSLETTER}\n  name: {{type: text, max_length: {length}}}")
    (finding,) = findings_of(strategy=(change,))
    assert (finding.key, finding.found) == ("attributes.name.max_length", length)
    assert any(words in finding.allowed for words in allowed.split("|"))


def test_a_segment_rule_does_not_look_at_text(findings_of: Callable[..., list[Finding]]) -> None:
    for condition in ("{is: Anna}", "Anna", "{in: [Anna]}", "5"):
        found = findings_of(strategy=(WITH_NAME,), campaign=(("newsletter: true", f"name: {condition}"),))
        assert [(f.line, f.key, f.found) for f in found] == [(23, "segments[0].when.name", "name")]
        assert found[0].allowed == (
            "an attribute that is no text, which only fills placeholders, one of: country, days, newsletter"
        )


def test_what_may_be_in_rules_instead_of_a_sensitive_attribute_is_no_text(
    findings_of: Callable[..., list[Finding]],
) -> None:
    (found,) = findings_of(strategy=(WITH_NAME,), campaign=(("newsletter: true", 'age: "25+"'),))
    assert found.allowed == "an attribute that is not sensitive, one of: country, days, newsletter"


@pytest.mark.parametrize("value", ["A", "Anna!", "José", "李明", "a\u200cb", "<b>"])
def test_a_line_within_its_length_is_fine(value: str) -> None:
    assert check_attributes(DECLARED, {"name": value}) == []


@pytest.mark.parametrize(
    "value", ["", "  ", "Annika", "a\nb", "a\rb", "a\0b", "a\x85b", "a\u2028b", "\ud800", 5, True, ["A"], {}]
)
def test_what_is_no_line_or_too_long_is_refused(value: object) -> None:
    (finding,) = check_attributes(DECLARED, {"name": value})
    assert finding == RequestFinding("/attributes/name", finding.found, "one line of 1 to 5 characters")


@given(st.text())
def test_accepted_texts_can_be_stored_and_stay_on_their_line(value: str) -> None:
    if not check_attributes(DECLARED, {"name": value}):
        assert len(value.splitlines()) == 1 or "\x1c" not in value
        assert value.encode()
