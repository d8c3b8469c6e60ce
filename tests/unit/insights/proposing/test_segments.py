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
    assert put_together(look(0.10, files=files), stays="everyone-else", leaves="low") is None


# Everyone else knows that the first is best; the first is best in low too, and that is not known yet.
ALIKE: dict[str, Any] = {"rates": [[0.101, 0.10, 0.08], [0.12, 0.10, 0.08]], "n": [[800], [4_000]], "days": 20}


def test_a_segment_without_an_answer_is_merged_into_one_whose_answer_does_there_too_and_never_for_sure() -> None:
    (one,) = merges(look(**ALIKE))
    assert (one.kind, one.subject, one.confidence) == (
        ProposalKind.MERGE_SEGMENTS,
        "everyone-else low",
        Confidence.LOW,
    )
    assert one.expected is None
    assert one.headline == "Make low a part of everyone-else: the answer of everyone-else does for it too."
    assert LOW not in carried_out(FILES, one)["campaigns/mail.yaml"]
    assert one.evidence[:2] == (
        "In everyone-else, first is the best with a probability of at least 95 %; low has no answer yet.",
        "In low, first is behind another variant by 0.559 points at most (95 % intervals, for one look); "
        "what matters to the campaign is 1.87 points.",
    )


def test_with_little_evidence_it_is_not_proposed() -> None:
    made = {n: len(list(merges(look(**{**ALIKE, "n": [[n], [4_000]]})))) for n in (800, 150, 60)}
    assert made == {800: 1, 150: 1, 60: 0}


@pytest.mark.parametrize(
    "rates",
    [
        [[0.10, 0.101, 0.08], [0.12, 0.10, 0.08]],  # another variant is ahead, if by less than what matters
        [[0.101, 0.10, 0.08], [0.102, 0.10, 0.08]],  # the answer is not sure
        [[0.10, 0.10, 0.10], [0.10, 0.10, 0.10]],  # no answer to take over: both would only lose evidence
        [[0.14, 0.10, 0.08], [0.14, 0.10, 0.08]],  # both have their answer: nothing is gained
    ],
)
def test_segments_that_may_differ_or_have_nothing_to_give_or_to_gain_stay(rates: list[list[float]]) -> None:
    assert not list(merges(look(**{**ALIKE, "rates": rates})))


def test_what_the_campaign_says_matters_is_the_margin() -> None:
    expects = "expects: {decisions_per_day: 5000, success_rate: 0.1, lift: 0.02}"
    files = changed(FILES, "campaigns/mail.yaml", ("channel: email", f"channel: email\n{expects}"))
    assert not list(merges(look(**ALIKE, files=files)))


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
    name = "days" if "days" in first else "band"
    for stays, leaves in (("high", "low"), ("low", "high")):
        edits = put_together(looked, stays=stays, leaves=leaves)
        assert edits is not None
        proposal = replace(next(iter(merges(look(**ALIKE)))), edits=edits)
        (left,) = read_workspace(carried_out(files, proposal)).campaigns["mail"].segments or ()
        assert (left.id, left.when[name].stated()) == (stays, condition)


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
    assert put_together(look(0.10, files=two_segments(first, second)), stays="high", leaves="low") is None


def test_recipients_of_a_segment_that_goes_must_not_fall_into_another() -> None:
    def into_everyone_else(files: dict[str, str], leaves: str) -> bool:
        return put_together(look(0.10, files=files), stays="everyone-else", leaves=leaves) is not None

    overlapping = two_segments("{band: a}", "{days: {below: 30}}")
    assert not into_everyone_else(overlapping, "low")
    assert into_everyone_else(overlapping, "high")
    assert into_everyone_else(two_segments("{band: a}", "{band: b, days: {below: 30}}"), "low")


def test_everyone_else_is_a_part_of_nothing() -> None:
    assert put_together(look(0.10), stays="low", leaves="everyone-else") is None


def test_the_documents_are_those_of_the_test() -> None:
    assert LOW in CAMPAIGN
    assert look(0.1).now % DAY == 0
