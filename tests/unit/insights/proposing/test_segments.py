"""Segments: split where their inside differs, merged where they are alike, with rules that say exactly that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.insights.proposing.made_up import CAMPAIGN, FILES, carried_out, changed, look

from optimizer.domain.instants import DAY
from optimizer.domain.proposals import Confidence, ProposalKind
from optimizer.insights.discovering.found import Amount, Found, FoundSegment
from optimizer.insights.discovering.rules import Condition, Rule
from optimizer.insights.proposing.merging import merges
from optimizer.insights.proposing.segment_edits import put_together
from optimizer.insights.proposing.splitting import splits
from optimizer.strategy.workspace import read_workspace

LOW = "  - id: low\n    when: {band: {in: [a, b]}}\n"


def found(value: float = 0.02, error: float = 0.004, condition: Condition | None = None) -> Found:
    honest = Amount(value, value - 1.96 * error, value + 1.96 * error, error)
    rule = Rule((condition or Condition("band", "is", "a"),))
    part = FoundSegment("band-a", rule, 2_000, 0.5, 9_000, "second", honest, {})
    return Found((part,), None, "first", honest, honest, None, 18_000, 4_000, ("band",), {})


def test_a_segment_whose_inside_differs_is_split() -> None:
    (one,) = splits(look(0.10, n=300, parts={"low": found()}))
    assert (one.kind, one.subject, one.confidence) == (ProposalKind.SPLIT_SEGMENT, "low", Confidence.HIGH)
    assert one.expected is not None
    assert one.expected.value == pytest.approx(900 * 0.02)
    after = read_workspace(carried_out(FILES, one)).campaigns["mail"]
    assert [segment.id for segment in after.segments or ()] == ["band-a", "low"]
    assert "  - id: band-a\n" in carried_out(FILES, one)["campaigns/mail.yaml"]
    assert (after.segments or ())[0].when["band"].is_ == "a"


def test_of_everyone_else_a_part_becomes_the_last_segment_and_keeps_the_others_rules() -> None:
    days = Condition("days", "below", 30.0)
    (one,) = splits(look(0.10, n=300, parts={"everyone-else": found(condition=days)}))
    after = read_workspace(carried_out(FILES, one)).campaigns["mail"]
    assert [segment.id for segment in after.segments or ()] == ["low", "band-a"]
    (inside,) = splits(look(0.10, n=300, parts={"low": found(condition=days)}))
    first = (read_workspace(carried_out(FILES, inside)).campaigns["mail"].segments or ())[0]
    assert (first.when["band"].in_, first.when["days"].below) == (("a", "b"), 30.0)


def test_how_sure_it_is_depends_on_how_often_somebody_looks() -> None:
    sure = {
        error: [one.confidence for one in splits(look(0.1, n=300, parts={"low": found(error=error)}))]
        for error in (0.004, 0.009, 0.012)
    }
    assert sure == {0.004: [Confidence.HIGH], 0.009: [Confidence.MEDIUM], 0.012: []}


def test_nothing_is_split_that_could_not_be_learned_any_more() -> None:
    assert not list(splits(look(0.10, n=10, parts={"low": found()})))


def test_segments_that_targetings_name_stay() -> None:
    only = "targetings:\n  - {id: morning}\n  - {id: evening, only_segments: [low]}\ncontrol: nothing"
    files = changed(FILES, "campaigns/mail.yaml", ("control: nothing", only))
    assert not list(splits(look(0.10, n=300, files=files, parts={"low": found()})))
    assert put_together(look(0.10, files=files), "low", "everyone-else") is None


ALIKE: dict[str, Any] = {"n": 40_000, "days": 40}


def test_segments_that_are_alike_are_merged_and_never_for_sure() -> None:
    (one,) = merges(look(0.10, **ALIKE))
    assert (one.kind, one.subject, one.confidence) == (
        ProposalKind.MERGE_SEGMENTS,
        "everyone-else low",
        Confidence.MEDIUM,
    )
    assert one.expected is None
    assert LOW not in carried_out(FILES, one)["campaigns/mail.yaml"]


def test_segments_that_differ_or_are_not_known_to_be_alike_stay() -> None:
    assert not list(merges(look([[0.10, 0.10, 0.10], [0.11, 0.09, 0.10]], **ALIKE)))
    assert not list(merges(look(0.10, n=40, days=20)))


def two_segments(first: str, second: str) -> dict[str, str]:
    declared = f"  - id: low\n    when: {first}\n  - id: high\n    when: {second}\n"
    return changed(FILES, "campaigns/mail.yaml", (LOW, declared))


@pytest.mark.parametrize(
    ("first", "second", "condition"),
    [
        ("{band: a}", "{band: {in: [b, c]}}", {"in": ("a", "b", "c")}),
        ("{days: {below: 30}}", "{days: {at_least: 30, below: 90}}", {"below": 90.0}),
        ("{days: {at_least: 90}, band: a}", "{days: {below: 90, at_least: 10}, band: a}", {"at_least": 10.0}),
    ],
)
def test_two_rules_become_one(first: str, second: str, condition: dict[str, object]) -> None:
    files = two_segments(first, second)
    looked = look(0.10, files=files)
    edits = put_together(looked, "high", "low")
    assert edits is not None
    proposal = replace(next(iter(merges(look(0.10, **ALIKE)))), edits=edits)
    (left,) = read_workspace(carried_out(files, proposal)).campaigns["mail"].segments or ()
    name = "days" if "days" in first else "band"
    assert (left.id, left.when[name].stated()) == ("high", condition)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{days: {at_least: 1, below: 30}}", "{days: {at_least: 60, below: 90}}"),  # others are in between
        ("{days: {below: 30}}", "{days: {at_least: 30}}"),  # everybody whose days are known: no condition says that
        ("{band: a}", "{days: {below: 30}}"),
        ("{band: a, days: {below: 30}}", "{band: b, days: {at_least: 30}}"),
    ],
)
def test_rules_that_have_no_union_stay_two(first: str, second: str) -> None:
    assert put_together(look(0.10, files=two_segments(first, second)), "low", "high") is None


def test_recipients_of_a_segment_that_goes_must_not_fall_into_another() -> None:
    overlapping = look(0.10, files=two_segments("{band: a}", "{days: {below: 30}}"))
    assert put_together(overlapping, "low", "everyone-else") is None
    assert put_together(overlapping, "high", "everyone-else") is not None
    apart = look(0.10, files=two_segments("{band: a}", "{band: b, days: {below: 30}}"))
    assert put_together(apart, "low", "everyone-else") is not None


def test_the_documents_are_those_of_the_test() -> None:
    assert LOW in CAMPAIGN
    assert look(0.1).now % DAY == 0
