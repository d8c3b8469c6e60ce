"""Reports compare day by day, say what is not known yet, and keep apart what people chose."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from optimizer.domain.controls import Controls
from optimizer.domain.instants import DAY, HOUR, isoformat
from optimizer.services.live import DOCUMENTS
from optimizer.services.reports.reporting import CampaignReport, VariantReport, report
from optimizer.web.shapes.report_answers import ReportOut, report_json

ONE_SEGMENT = (
    "segments:\n  - id: lapsed\n    when: {days: {at_least: 90}}\n  - id: american\n    when: {country: US}\n",
    "",
)
GOOD, BAD = 1.0, 0.1


def reported(house: Any) -> CampaignReport:
    with house.deployment.store.reading() as ledger:
        return report(ledger, house.deployment.live, "winback", house.now)


def variant(found: CampaignReport, name: str) -> VariantReport:
    (segment,) = found.segments
    return next(one for one in segment.variants if one.variant_id == name)


def one_day(house: Any, day: int, odds: dict[str, float], *contacts: tuple[int, tuple[str, ...]]) -> None:
    """Decisions of one day for so many recipients with these variants excluded, and purchases within it."""
    chance = random.Random(day)
    wanted = [excluded for n, excluded in contacts for _ in range(n)]
    answers = house.decide(*[house.request(f"{day}-{i}", excluded=one) for i, one in enumerate(wanted)])
    at = house.now + HOUR
    bought = [
        house.report(answer.decision.decision_id, occurred_at=at)
        for answer in answers
        if answer.decision.variant_id and chance.random() < odds[answer.decision.variant_id]
    ]
    house.later(DAY)
    house.record(*bought)


@pytest.fixture
def simpson(sqlite_house: Any, files: Any, edited: Any) -> Any:
    """Most of `ten-percent` was sent on a good day, most of `hello`, the control, on a bad one."""
    house = sqlite_house
    house.apply(edited(files, "campaigns/winback.yaml", ONE_SEGMENT))
    for day in range(4):
        only, season = ("hello" if day < 2 else "ten-percent"), (GOOD if day < 2 else BAD)
        odds = {"ten-percent": 0.5 * season, "hello": 0.9 * season, "new-arrivals": 0.0}
        one_day(house, day, odds, (150, ("new-arrivals", only)), (100, ("new-arrivals",)))
    return house


def test_a_difference_that_raw_means_show_the_wrong_way_round_is_said_in_words(simpson: Any) -> None:
    found = reported(simpson)
    compared = variant(found, "ten-percent").difference
    assert compared is not None
    assert compared.against == "hello"
    assert compared.found.raw > 0.05
    assert compared.found.interval()[1] < 0.0
    (note,) = [note for note in found.segments[0].notes if note.startswith("ten-percent: ")]
    assert " points above hello, day by day " in note
    assert note.endswith("It had its trials on better days; trust the difference by day.")


def test_control_itself_is_compared_with_nothing_and_a_variant_without_trials_neither(simpson: Any) -> None:
    found = reported(simpson)
    assert variant(found, "hello").difference is None
    assert variant(found, "new-arrivals").difference is None


def test_the_report_for_machines_has_the_shape_it_says(simpson: Any) -> None:
    said = report_json(reported(simpson))
    ReportOut.model_validate(said)
    difference = said["segments"][0]["variants"][0]["difference"]
    assert difference["misleads"] is True
    assert difference["low"] < difference["difference"] < difference["high"] < 0.0


def test_a_report_before_anything_happened_has_no_numbers_it_does_not_know(sqlite_house: Any) -> None:
    said = report_json(reported(sqlite_house))
    ReportOut.model_validate(said)
    for segment in said["segments"]:
        assert (segment["lift"], segment["notes"]) == (None, ())
        for one in segment["variants"]:
            assert (one["difference"], one["at_maturity"], one["matured"]["trials"]) == (None, None, 0)


def test_where_each_outcome_counts_a_report_says_what_is_learned(sqlite_house: Any, files: Any, edited: Any) -> None:
    assert reported(sqlite_house).caution == ""
    each = ("{outcome: purchase, value: first}", "{outcome: purchase, value: count}")
    sqlite_house.apply(edited(files, "strategy.yaml", each))
    assert "whether a trial earns anything, not by how often" in reported(sqlite_house).caution


def test_trials_mature_when_their_window_is_over(sqlite_house: Any) -> None:
    house = sqlite_house
    decisions = [answer.decision for answer in house.learning(20, attributes={"days": 3})]
    bought = decisions[:4]
    for decision in bought:
        house.recorded(decision.decision_id, after=HOUR, occurred_at=decision.decided_at)
    early = reported(house)
    assert sum(one.matured.trials for one in early.segments[2].variants) == 0
    house.later(8 * DAY)
    late = reported(house)
    assert sum(one.matured.trials for one in late.segments[2].variants) == 20
    assert sum(one.matured.positives for one in late.segments[2].variants) == 4
    for one in late.segments[2].variants:
        if one.at_maturity is not None:
            assert one.at_maturity.value == pytest.approx(one.rate.rate)
            assert one.at_maturity.low <= one.at_maturity.value <= one.at_maturity.high


def test_late_rewards_are_expected_to_come(sqlite_house: Any) -> None:
    house = sqlite_house
    for _ in range(6):
        decisions = [answer.decision for answer in house.learning(40, attributes={"days": 3})]
        at = house.now
        house.later(3 * DAY)
        house.record(*[house.report(d.decision_id, occurred_at=at + 2 * DAY) for d in decisions[:16]])
    house.learning(120, attributes={"days": 3})
    house.later(HOUR)
    segment = reported(house).segments[2]
    raw = sum(one.rate.positives for one in segment.variants) / sum(one.rate.trials for one in segment.variants)
    trials = [one.rate.trials for one in segment.variants]
    expected = sum(
        n * one.at_maturity.value for n, one in zip(trials, segment.variants, strict=True) if one.at_maturity
    ) / sum(trials)
    assert raw == pytest.approx(96 / 360)
    assert expected == pytest.approx(0.4, abs=0.05)


def test_what_people_chose_stands_on_a_line_of_its_own(sqlite_house: Any) -> None:
    house = sqlite_house
    house.learning(10, attributes={"days": 3})
    before = reported(house).segments[2]
    chosen = []
    for n in range(20):
        (answer,) = house.decide(house.request(f"call-{n}", chosen="ten-percent", actor="a", attributes={"days": 3}))
        if not isinstance(answer, Exception):
            chosen.append(answer.decision)
    for decision in chosen:
        house.recorded(decision.decision_id)
    after = reported(house).segments[2]
    assert (after.chosen_by_people.trials, after.chosen_by_people.positives) == (len(chosen), len(chosen))
    assert len(chosen) >= 10
    assert [one.rate for one in after.variants] == [one.rate for one in before.variants]
    assert after.learning == before.learning


def test_where_control_is_nothing_each_variant_is_compared_with_the_others(
    sqlite_house: Any, files: Any, edited: Any
) -> None:
    house = sqlite_house
    nothing = ("control: {message: hello}", "control: nothing")
    house.apply(edited(files, "campaigns/winback.yaml", ONE_SEGMENT, nothing))
    one_day(house, 1, {"ten-percent": 0.5, "hello": 0.1, "new-arrivals": 0.1}, (120, ()))
    found = reported(house)
    compared = [variant(found, name).difference for name in ("ten-percent", "hello", "new-arrivals")]
    assert {one.against for one in compared if one is not None} == {"the others"}
    assert compared[0] is not None
    assert compared[0].found.value > 0.2
    assert found.lift is not None
    assert found.lift.found.value == pytest.approx(found.lift.found.raw)  # one day: one stratum


def test_what_amounts_are_expected_to_come_to_is_money(sqlite_house: Any, files: Any, edited: Any) -> None:
    house = sqlite_house
    amounts = ("{outcome: purchase, value: first}", "{outcome: purchase, value: amount}")
    hurdle = ("policy: {floor", "policy: {model: hurdle, floor")
    house.apply(
        edited(edited(files, "strategy.yaml", amounts), "campaigns/winback.yaml", ONE_SEGMENT, hurdle), note="money"
    )
    for _ in range(6):
        decisions = [answer.decision for answer in house.learning(40)]
        at = house.now
        house.later(3 * DAY)
        house.record(*[house.report(d.decision_id, occurred_at=at + 2 * DAY, value=20_000_000) for d in decisions[:16]])
    house.learning(120)
    house.later(HOUR)
    found = reported(house)
    ReportOut.model_validate(report_json(found))
    assert (found.unit, found.maturity_unit) == ("USD", "USD")
    (segment,) = found.segments
    trials = [one.rate.trials for one in segment.variants]
    pairs = [(n, one.at_maturity) for n, one in zip(trials, segment.variants, strict=True) if one.at_maturity]
    assert sum(n * one.value for n, one in pairs) / sum(trials) == pytest.approx(0.4 * 20, abs=1.0)
    for _, one in pairs:
        assert 1.0 < one.low <= one.value <= one.high < 20.0
    assert segment.learning.mean_reward == pytest.approx(20 * 96 / 360)


def test_a_report_of_amounts_before_anything_was_earned_is_finite(sqlite_house: Any, files: Any, edited: Any) -> None:
    amounts = ("{outcome: purchase, value: first}", "{outcome: purchase, value: amount}")
    hurdle = ("policy: {floor", "policy: {model: hurdle, floor")
    strategy = edited(files, "strategy.yaml", amounts)
    sqlite_house.apply(edited(strategy, "campaigns/winback.yaml", ONE_SEGMENT, hurdle))
    sqlite_house.learning(20)
    sqlite_house.later(HOUR)
    said = report_json(reported(sqlite_house))
    ReportOut.model_validate(said)
    json.dumps(said, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "model"), [("first", "beta_bernoulli"), ("first", "hierarchical"), ("amount", "hurdle")]
)
def test_a_report_of_an_objective_with_penalties_expects_rewards_too(
    sqlite_house: Any, files: Any, edited: Any, value: str, model: str
) -> None:
    house = sqlite_house
    penalised = (
        "{outcome: purchase, value: first}\n",
        f"{{outcome: purchase, value: {value}}}\n    penalties: {{unsubscribed: 2}}\n",
    )
    chosen = ("policy: {floor", f"policy: {{model: {model}, floor")
    house.apply(
        edited(edited(files, "strategy.yaml", penalised), "campaigns/winback.yaml", ONE_SEGMENT, chosen), note="costs"
    )
    decisions = [answer.decision for answer in house.learning(60)]
    house.later(HOUR)
    house.record(*[house.report(d.decision_id, value=20_000_000) for d in decisions[:30]])
    house.record(*[house.report(d.decision_id, kind="unsubscribed") for d in decisions[20:25]])
    found = reported(house)
    ReportOut.model_validate(report_json(found))
    (segment,) = found.segments
    assert all(one.at_maturity.low <= one.at_maturity.high for one in segment.variants if one.at_maturity)
    assert segment.learning.mean_reward == pytest.approx((30 * (20 if value == "amount" else 1) - 5 * 2) / 60)


def test_a_campaign_that_learns_nothing_says_so_first(sqlite_house: Any, files: Any, edited: Any) -> None:
    house = sqlite_house
    review = "approval: {required: false}\nreview: {every: P14D, when_overdue: freeze}\n"
    house.apply(edited(files, "strategy.yaml", ("approval: {required: false}\n", review)))
    told = report_json(reported(house))["campaign"]
    assert (told["learning"], told["frozen_since"], told["alarms"]) == ("learning", None, {})
    due = house.now + 14 * DAY
    house.later(15 * DAY)
    told = report_json(reported(house))["campaign"]
    assert (told["learning"], told["frozen_since"]) == ("frozen_review", isoformat(due))
    controls = Controls(alerted={"silence": "no outcome"}, silent_since=house.now - DAY, reviewed_at=house.now)
    with house.deployment.store.writing() as ledger:
        ledger.controls.put("winback", controls)
        ledger.revisions.bump(DOCUMENTS)
    told = report_json(reported(house))["campaign"]
    assert (told["learning"], told["frozen_since"]) == ("frozen_silence", isoformat(house.now - DAY))
    assert told["alarms"] == {"silence": "no outcome"}
