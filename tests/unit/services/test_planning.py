from collections.abc import Mapping
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR, Instant
from optimizer.errors import DocumentError
from optimizer.insights.learning_time import trials_to_best
from optimizer.services.documents.planning import Plan, plan
from optimizer.services.forecasts.outlooks import ENOUGH_TRIALS, Assumptions, SegmentOutlook
from optimizer.strategy.workspace import read_workspace

WINBACK = "campaigns/winback.yaml"
NONE = Assumptions()


def planned(house: Any, files: Mapping[str, str], assumptions: Assumptions = NONE) -> Plan:
    with house.deployment.store.reading() as ledger:
        return plan(ledger, house.deployment.live, read_workspace(files), house.now, assumptions)


def outlook(made: Plan, campaign: str = "winback") -> dict[str, SegmentOutlook]:
    return {row.segment_id: row for row in made.outlook if row.campaign_id == campaign}


def test_documents_in_force_change_nothing(house: Any, files: Mapping[str, str]) -> None:
    made = planned(house, files)
    assert (made.live_version, made.is_new_version, made.changes, made.touched) == (1, False, (), ())
    assert (made.awaiting, made.lapsing, made.warnings) == ((), (), ())


def test_planning_writes_nothing(house: Any, files: Mapping[str, str], edited: Any) -> None:
    house.learning(3)
    before = house.counts()
    made = planned(house, edited(files, WINBACK, ("How are you", "Hello")))
    assert made.changes
    assert house.counts() == before
    assert house.decided("someone").decision.strategy_version == 1


def test_everything_is_new_where_nothing_is_live(deployment: Any, make_house: Any, files: Mapping[str, str]) -> None:
    made = planned(make_house(deployment), files)
    assert (made.live_version, made.is_new_version) == (0, True)
    assert {change.kind for change in made.changes} == {"added"}
    assert set(made.touched) == {"members", "newsletter", "winback"}
    assert {row.unknown for row in made.outlook} == {"the success rate and the traffic are not known"}


def test_another_spelling_is_a_new_version_that_changes_nothing(
    house: Any, files: Mapping[str, str], edited: Any
) -> None:
    made = planned(house, edited(files, WINBACK, ("policy: {floor: 0.05}", "policy: {floor: 0.05, cap: 1}")))
    assert (made.is_new_version, made.changes) == (True, ())


def test_what_waits_for_approval_and_what_loses_it(house: Any, files: Mapping[str, str], edited: Any) -> None:
    strict = edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}"))
    house.apply(strict)
    for message in ("ten-percent", "hello"):
        house.approve("winback", message)
    made = planned(house, edited(strict, WINBACK, ("How are you", "Hello"), ("See what is new", "News")))
    waiting = {variant for campaign, variant in made.awaiting if campaign == "winback"}
    assert waiting == {"hello", "new-arrivals"}
    assert made.lapsing == (("winback", "hello"),)
    # Words that were approved once stay so: taking the edit back needs nobody.
    assert ("winback", "hello") not in planned(house, strict).awaiting


# ---------------------------------------------------------------- audience and learning time


@pytest.fixture
def busy(house: Any) -> Any:
    """Ten days of traffic, each day 4 lapsed and 6 other recipients; and some of another campaign."""
    for day in range(10):
        for number in range(10):
            days = 100.0 if number < 4 else 10.0
            house.decided(f"{day}-{number}", attributes={"days": days, "country": "US" if number == 9 else "GB"})
        house.decided(f"{day}", campaign="newsletter", attributes={"days": 100.0})
        house.later(DAY)
    return house


def test_traffic_is_that_since_the_first_decision(busy: Any, files: Mapping[str, str]) -> None:
    rows = outlook(planned(busy, files))
    noon_is_not_a_full_hour = busy.now - 10 * DAY
    span = busy.now - (noon_is_not_a_full_hour - noon_is_not_a_full_hour % HOUR)
    assert rows["lapsed"].decisions_per_day == pytest.approx(40 * DAY / span)
    assert rows["everyone-else"].decisions_per_day == pytest.approx(50 * DAY / span)
    assert [rows[s].share for s in ("lapsed", "american", "everyone-else")] == pytest.approx([0.4, 0.1, 0.5])
    assert rows["lapsed"].unknown == "the success rate is not known"
    assert rows["lapsed"].assumed == ()


def test_recent_recipients_are_sorted_into_the_new_segments(busy: Any, files: Mapping[str, str], edited: Any) -> None:
    rows = outlook(planned(busy, edited(files, WINBACK, ("days: {at_least: 90}", "days: {at_least: 5}"))))
    assert [rows[s].share for s in ("lapsed", "american", "everyone-else")] == [1.0, 0.0, 0.0]


def test_recipients_outside_the_audience_are_in_no_segment(busy: Any, files: Mapping[str, str], edited: Any) -> None:
    rows = outlook(planned(busy, edited(files, WINBACK, ("everyone_else: include", "everyone_else: exclude"))))
    assert {name: row.share for name, row in rows.items()} == pytest.approx({"lapsed": 0.4, "american": 0.1})


def test_old_traffic_is_not_counted(busy: Any, files: Mapping[str, str]) -> None:
    busy.later(40 * DAY)
    row = outlook(planned(busy, files))["lapsed"]
    assert (row.share, row.decisions_per_day) == (None, None)


def test_an_attribute_that_was_never_stored_says_nothing_of_segments(
    busy: Any, files: Mapping[str, str], edited: Any
) -> None:
    after = edited(files, "strategy.yaml", ("  vip: {type: boolean}", "  vip: {type: boolean}\n  new: {type: boolean}"))
    after = edited(after, WINBACK, ("when: {country: US}", "when: {new: true}"))
    row = outlook(planned(busy, after))["lapsed"]
    assert row.share == pytest.approx(1 / 3)
    assert row.assumed == ("segments of the same size",)


def test_assumptions_are_stated_and_fill_in_only_what_is_not_known(busy: Any, files: Mapping[str, str]) -> None:
    made = planned(busy, files, Assumptions(decisions_per_day=4_000, rate=0.1))
    known, new = outlook(made)["lapsed"], outlook(made, "members")["vips"]
    assert known.assumed == ("10 % succeed",)
    assert known.decisions_per_day is not None
    assert known.decisions_per_day < 5
    assert new.assumed == ("4000 decisions a day", "10 % succeed")
    assert new.n_variants == 2
    needed = trials_to_best(2, 0.1)
    assert needed is not None
    assert new.trials_per_variant == needed
    # 2 variants; 5 % held out by the strategy, 30 % of the others by the campaign; the window is one day.
    assert new.days == pytest.approx(needed * 2 / (4_000 * 0.95 * 0.7) + 1)


def test_recipients_the_rollout_does_not_reach_teach_nothing(house: Any, files: Mapping[str, str], edited: Any) -> None:
    rollout = "rollout: [{share: 0.1, for: P3D}, {share: 1.0}]"
    piloted = edited(files, "campaigns/members.yaml", ("control: nothing", f"control: nothing\n{rollout}"))
    assumed = Assumptions(decisions_per_day=4_000, rate=0.1)
    row = outlook(planned(house, piloted, assumed), "members")["vips"]
    needed = trials_to_best(2, 0.1)
    assert needed is not None
    assert row.days == pytest.approx(needed * 2 / (4_000 * 0.95 * 0.7 * 0.1) + 1)


def test_segments_without_history_are_taken_to_be_of_the_same_size(house: Any, files: Mapping[str, str]) -> None:
    rows = outlook(planned(house, files, Assumptions(decisions_per_day=300)))
    assert {row.share for row in rows.values()} == {1 / 3}
    assert rows["lapsed"].assumed == ("300 decisions a day", "segments of the same size")


@pytest.fixture
def measured(house: Any) -> Any:
    """Enough trials in segment everyone-else, one in four successful; some in lapsed; all windows over."""
    for number, answer in enumerate(house.learning(ENOUGH_TRIALS)):
        if number % 4 == 0:
            house.recorded(answer.decision.decision_id)
    for answer in house.learning(4, attributes={"days": 100.0}):
        house.recorded(answer.decision.decision_id)
    house.later(8 * DAY)
    return house


def test_rates_are_measured_and_small_segments_borrow_their_campaigns(measured: Any, files: Mapping[str, str]) -> None:
    rows = outlook(planned(measured, files, Assumptions(rate=0.5)))
    assert rows["everyone-else"].rate == pytest.approx(0.25)
    assert rows["lapsed"].rate == pytest.approx(29 / 104)
    assert rows["lapsed"].assumed == ()
    assert rows["everyone-else"].days is not None


def test_trials_that_may_yet_succeed_are_not_counted(house: Any, files: Mapping[str, str], noon: Instant) -> None:
    for answer in house.learning(ENOUGH_TRIALS):
        house.recorded(answer.decision.decision_id)
    house.now = noon + 7 * DAY - HOUR
    assert outlook(planned(house, files))["everyone-else"].rate is None
    house.now = noon + 7 * DAY + HOUR
    assert outlook(planned(house, files))["everyone-else"].rate == 1.0


def test_another_objective_has_no_rate_yet(measured: Any, files: Mapping[str, str], edited: Any) -> None:
    rows = outlook(planned(measured, edited(files, WINBACK, ("serves: buy", "serves: clicks"))))
    assert {row.rate for row in rows.values()} == {None}


# ---------------------------------------------------------------- what campaigns expect


def expecting(edited: Any, files: Mapping[str, str], expects: str) -> Mapping[str, str]:
    return edited(files, WINBACK, ("policy: {floor: 0.05}", f"policy: {{floor: 0.05}}\nexpects: {expects}"))


def test_what_a_campaign_expects_stands_in_for_what_the_ledger_does_not_know(
    house: Any, files: Mapping[str, str], edited: Any
) -> None:
    after = expecting(
        edited, files, "{decisions_per_day: 20000, success_rate: 0.1, lift: 0.5, segments: {lapsed: 0.6}}"
    )
    rows = outlook(planned(house, after))
    assert {name: row.share for name, row in rows.items()} == pytest.approx(
        {"lapsed": 0.6, "american": 0.2, "everyone-else": 0.2}
    )
    assert rows["lapsed"].assumed == ("20000 decisions a day", "segments as expected", "10 % succeed")
    assert rows["lapsed"].trials_per_variant == trials_to_best(rows["lapsed"].n_variants, 0.1, 0.5)
    # What the command line says is meant for now, and wins.
    assert outlook(planned(house, after, Assumptions(decisions_per_day=500)))["lapsed"].decisions_per_day == 300


def test_expectations_touch_nothing_that_is_served(house: Any, files: Mapping[str, str], edited: Any) -> None:
    made = planned(house, expecting(edited, files, "{decisions_per_day: 20000, success_rate: 0.1}"))
    assert [change.sentence for change in made.changes] == [
        "campaign winback: expects is set to {decisions_per_day: 20000, success_rate: 0.1}"
    ]
    assert made.touched == ()


def test_an_audience_too_small_to_learn_from_is_not_put_in_force(
    house: Any, files: Mapping[str, str], edited: Any
) -> None:
    before = house.counts()
    with pytest.raises(DocumentError, match=r"winback\.yaml:\d+:1: expects: found an answer after .* days at best"):
        house.apply(expecting(edited, files, "{decisions_per_day: 3, success_rate: 0.1}"))
    assert house.counts() == before


@pytest.mark.parametrize(
    ("expects", "said"),
    [
        ("{decisions_per_day: 9, success_rate: 0.1, segments: {lapse: 0.2}}", "expects.segments.lapse: found"),
        ("{decisions_per_day: 9, success_rate: 0.1, segments: {lapsed: 0.8, american: 0.3}}", "sum to at most 1"),
        ("{decisions_per_day: 0, success_rate: 0.1}", "expects.decisions_per_day: found 0"),
        ("{success_rate: 0.1}", "decisions of the whole campaign a day"),
    ],
)
def test_mistakes_in_expectations_are_found(files: Mapping[str, str], edited: Any, expects: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said):
        read_workspace(expecting(edited, files, expects))
