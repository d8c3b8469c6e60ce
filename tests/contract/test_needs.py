"""What waits for somebody and the line of each campaign, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from optimizer.domain.controls import UNTOUCHED, Controls, Status
from optimizer.domain.instants import DAY, HOUR, SECOND, isoformat
from optimizer.domain.proposals import Confidence, Kept, Proposal, ProposalKind, ProposalState
from optimizer.errors import Conflict
from optimizer.insights.ranking_words import SHARE
from optimizer.services.documents.agreeing import check_seen, seen
from optimizer.services.learning.watching import WATCHER
from optimizer.services.oversight import steering
from optimizer.services.oversight.needs import SOON, Need, NeedKind, needs
from optimizer.services.reports.overviewing import CampaignLine, Lift, lifts, overview
from optimizer.services.reports.reporting import report
from optimizer.storage.audit import AuditEntry

NOON = 1_790_000_000 * SECOND  # from which every house starts
ROLLOUT = "rollout: [{share: 0.1, for: P3D}, {share: 0.5, requires: [approval]}, {share: 1.0}]\n"


def found(house: Any) -> list[Need]:
    with house.deployment.store.reading() as ledger:
        return list(needs(ledger, house.deployment.live, house.now).found)


def line(house: Any, campaign: str = "winback") -> CampaignLine:
    with house.deployment.store.reading() as ledger:
        lines = overview(ledger, house.deployment.live, house.now).campaigns
    return next(one for one in lines if one.campaign_id == campaign)


def set_controls(house: Any, campaign: str, controls: Controls) -> None:
    with house.deployment.store.writing(alone=True) as ledger:
        ledger.controls.put(campaign, controls)
        ledger.revisions.bump("documents")


def controls_of(house: Any, campaign: str) -> Controls:
    with house.deployment.store.reading() as ledger:
        known: Controls = ledger.controls.all()[campaign]
    return known


def kinds(house: Any) -> list[tuple[NeedKind, str | None]]:
    return [(need.kind, need.campaign_id) for need in found(house)]


def test_a_house_in_order_needs_nobody(house: Any) -> None:
    assert found(house) == []


def test_words_wait_since_the_version_that_brought_them(
    house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    strict = edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}"))
    house.later(DAY)
    house.apply(strict)
    house.later(DAY)
    house.apply(edited(strict, "campaigns/winback.yaml", ("See what is new", "See what is newer")))
    waiting = {need.subject: need for need in found(house) if need.campaign_id == "winback"}
    assert waiting.keys() == {"ten-percent", "new-arrivals", "hello"}
    assert waiting["hello"].since == NOON, "these words are in the documents since the first version"
    assert waiting["new-arrivals"].since == NOON + 2 * DAY
    assert waiting["hello"].sentence == "hello is not sent until somebody approves its words"
    in_two_targetings = next(need for need in found(house) if need.subject == "short")
    assert in_two_targetings.sentence.endswith(", in 2 targetings")
    house.approve("winback", "hello")
    assert "hello" not in {need.subject for need in found(house)}
    assert line(house).awaiting == 2


@pytest.mark.parametrize(("when_overdue", "urgent"), [("warn", False), ("freeze", True), ("stop", True)])
def test_a_review_is_asked_for_before_it_is_due(
    house: Any, files: Mapping[str, str], when_overdue: str, *, urgent: bool
) -> None:
    review = f"review: {{every: P14D, when_overdue: {when_overdue}}}\n"
    house.apply({**files, "strategy.yaml": files["strategy.yaml"] + review})
    house.later(14 * DAY - SOON - 1)
    assert found(house) == []
    house.later(1)
    first = found(house)[0]
    assert (first.kind, first.since, first.urgent) == (NeedKind.REVIEW, NOON + 14 * DAY, False)
    assert first.sentence == "its review is due soon"
    house.later(SOON)
    first = found(house)[0]
    assert first.urgent is urgent
    assert first.sentence.startswith("its review is overdue")
    with house.deployment.store.writing(alone=True) as ledger:
        steering.review(ledger, house.deployment.live, "winback", actor="ann", note="fine", now=house.now)
    assert "winback" not in {need.campaign_id for need in found(house)}


def test_an_alarm_waits_since_it_was_raised(house: Any) -> None:
    sentence = "unsubscribed 14 of 1,200"
    with house.deployment.store.writing(alone=True) as ledger:
        ledger.audit.append(AuditEntry(NOON + HOUR, "optimizer", "stop", "winback", sentence))
    set_controls(house, "winback", Controls(status=Status.STOPPED, alerted={"unsubscribed": sentence}))
    (need,) = found(house)
    assert (need.kind, need.since, need.urgent) == (NeedKind.ALARM, NOON + HOUR, True)
    assert need.sentence == f"{sentence}; the campaign is stopped"
    with house.deployment.store.writing(alone=True) as ledger:
        steering.acknowledge(ledger, house.deployment.live, "winback", actor="ann", note="seen", now=house.now)
    assert found(house) == []


def test_a_message_that_a_metric_has_paused_waits_until_somebody_has_looked(house: Any) -> None:
    with house.deployment.store.writing(alone=True) as ledger:
        steering.pause_variant(
            ledger, house.deployment.live, "winback", "hello", actor="ann", note="a typo", now=house.now
        )
    assert found(house) == []  # whoever paused it knows
    sentence = "unsubscribed 6.07 % of 1,200"
    paused = controls_of(house, "winback").paused
    with house.deployment.store.writing(alone=True) as ledger:
        ledger.audit.append(AuditEntry(NOON + HOUR, WATCHER, "pause", "winback/ten-percent", sentence))
    set_controls(house, "winback", Controls(paused={**paused, "ten-percent": sentence}))
    (need,) = found(house)
    assert (need.kind, need.subject, need.since) == (NeedKind.PAUSED_MESSAGE, "ten-percent", NOON + HOUR)
    assert need.sentence.startswith(f"ten-percent is paused: {sentence}; ")
    house.later(DAY)
    with house.deployment.store.writing(alone=True) as ledger:
        steering.review(ledger, house.deployment.live, "winback", actor="ann", note="rightly so", now=house.now)
    assert found(house) == []


def test_a_silent_pipeline_is_one_need_whether_or_not_its_alarm_was_answered(house: Any) -> None:
    set_controls(house, "winback", Controls(silent_since=NOON, alerted={"silence": "no outcome since noon"}))
    (need,) = found(house)
    assert (need.kind, need.since, need.sentence) == (NeedKind.SILENCE, NOON, "no outcome since noon")
    set_controls(house, "winback", Controls(silent_since=NOON))
    assert kinds(house) == [(NeedKind.SILENCE, "winback")]


def test_a_rollout_asks_for_a_yes_once_its_stage_is_over_and_to_be_released_when_held(
    house: Any, files: Mapping[str, str]
) -> None:
    house.apply({**files, "campaigns/winback.yaml": files["campaigns/winback.yaml"] + ROLLOUT})
    set_controls(house, "winback", Controls(stage_since=NOON, reviewed_at=NOON))
    house.later(2 * DAY)
    assert found(house) == []
    house.later(2 * DAY)
    (need,) = found(house)
    assert (need.kind, need.subject, need.since) == (NeedKind.NEXT_STAGE, "2", NOON + 3 * DAY)
    assert "stage 2 of 3 (50 % of recipients) waits for a yes" in need.sentence
    with house.deployment.store.writing(alone=True) as ledger:
        steering.advance(ledger, house.deployment.live, "winback", stage=2, actor="a", note="go", now=house.now)
    assert found(house) == []
    set_controls(house, "winback", Controls(stage_since=NOON, held=True))
    (need,) = found(house)
    assert (need.kind, need.urgent) == (NeedKind.HELD_ROLLOUT, True)


def test_open_proposals_and_the_quarantine_wait_too_oldest_first(house: Any) -> None:
    made = Proposal(
        ProposalKind.RETIRE_VARIANT,
        "winback",
        "hello",
        "Retire hello",
        ("it earns least",),
        None,
        "little",
        Confidence.LOW,
    )
    with house.deployment.store.writing(alone=True) as ledger:
        ledger.proposals.insert(Kept(1, made, NOON + HOUR, NOON + HOUR, 1, ProposalState.OPEN))
        ledger.proposals.insert(
            Kept(2, replace(made, subject="x"), NOON, NOON, 1, ProposalState.REJECTED, "ann", NOON, "no")
        )
    house.record(house.report("nobody"), house.report("nobody"))
    assert kinds(house) == [(NeedKind.QUARANTINE, None), (NeedKind.PROPOSAL, "winback")]
    quarantine, proposal = found(house)
    assert (quarantine.since, quarantine.subject) == (NOON, "2")
    assert quarantine.sentence == "2 reports could not be used and wait in quarantine"
    assert (proposal.subject, proposal.sentence, proposal.since) == ("1", "Retire hello", NOON + HOUR)


def test_a_campaign_that_has_ended_asks_for_nothing_more(
    house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    strict = edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}"))
    ending = edited(strict, "campaigns/winback.yaml", ("channel: email\n", "channel: email\nends: 2026-10-01\n"))
    house.apply(ending)
    house.later(60 * DAY)
    assert "winback" not in {need.campaign_id for need in found(house)}


# ---------------------------------------------------------------- the lines of the overview


def test_the_lift_of_a_line_is_that_of_the_report(house: Any) -> None:
    for n in range(300):
        answer = house.decided(f"r{n}")
        if n % 3 == 0:
            house.recorded(answer.decision.decision_id)
    house.later(8 * DAY)
    with house.deployment.store.reading() as ledger:
        shown: Lift = lifts(ledger, house.deployment.live, house.now)["winback"]
        reported = report(ledger, house.deployment.live, "winback", house.now).lift
    assert reported is not None
    assert shown.unit == SHARE
    assert shown.value == pytest.approx(reported.found.value)
    assert (shown.low, shown.high) == pytest.approx(reported.found.anytime_interval())
    assert 0 < shown.trials <= 300
    with house.deployment.store.reading() as ledger:
        empty = lifts(ledger, house.deployment.live, house.now)["members"]
    assert (empty.value, empty.low, empty.high, empty.trials) == (None, None, None, 0)


def test_a_line_shows_the_limit_with_least_left_and_what_the_plan_would_have_spent(
    house: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    assert line(house).spend is None
    budget = "starts: 2026-09-20\nends: 2026-10-20\nbudget: {total: 100 USD, daily: 50 USD, pacing: even}\n"
    costs = (
        '{id: ten-percent, subject: "We saved you 10%"',
        '{id: ten-percent, cost: 1 USD, subject: "We saved you 10%"',
    )
    documents = edited(files, "campaigns/winback.yaml", costs)
    house.apply({**documents, "campaigns/winback.yaml": documents["campaigns/winback.yaml"] + budget})
    while not (spend := line(house).spend) or not spend.used:
        house.learning(1)
    assert (spend.limit, spend.period) == (100_000_000, ""), "the one that is paced"
    assert spend.used == spend.reserved + spend.settled
    assert spend.planned is not None
    assert 0 < spend.planned < spend.limit
    assert not spend.shared


def test_a_line_says_that_messages_are_used_up_and_not_that_money_is(house: Any, files: Mapping[str, str]) -> None:
    budget = "budget: {total: 300 USD, sends: {daily: 2}}\n"
    house.apply({**files, "campaigns/winback.yaml": files["campaigns/winback.yaml"] + budget})
    assert line(house).sends_used_up is None
    sent = [house.decided(f"reader-{n}").variant for n in range(20)]
    assert sum(variant is not None for variant in sent) == 2
    found = line(house)
    day = isoformat(house.now)[:10]
    assert (found.state, found.sends_used_up) == ("budget_exhausted", (day, 2))
    assert found.spend is not None
    assert not found.spend.exhausted
    house.later(DAY)
    assert line(house).sends_used_up is None


def test_a_line_says_who_leads(house: Any) -> None:
    assert line(house).leader.startswith("no clear leader yet in any of 3 segments")
    for answer in house.learning(60, attributes={"days": 100}):
        if answer.decision.variant_id == "hello":
            house.recorded(answer.decision.decision_id)
    house.later(8 * DAY)
    house.learn()
    assert "hello leads in lapsed (" in line(house).leader


# ---------------------------------------------------------------- whether it stands as somebody saw it


def saw(house: Any, campaign: str = "winback") -> str:
    with house.deployment.store.reading() as ledger:
        return seen(ledger, house.deployment.live, campaign, house.now)


def check(house: Any, before: str) -> None:
    with house.deployment.store.writing(alone=True) as ledger:
        check_seen(ledger, house.deployment.live, "winback", before)


def test_what_only_the_watch_remembers_is_no_change(house: Any) -> None:
    before = saw(house)
    assert line(house).seen == before
    with house.deployment.store.reading() as ledger:
        controls = ledger.controls.all()["winback"]
    set_controls(house, "winback", replace(controls, lasting={"silence": NOON}))
    check(house, before)


def test_a_change_nobody_has_audited_is_still_one(house: Any) -> None:
    before = saw(house)
    set_controls(house, "winback", replace(UNTOUCHED, pinned="hello"))
    with pytest.raises(Conflict, match=r"changed since you looked \(in a way the audit trail does not name\)"):
        check(house, before)


def test_a_long_note_is_told_in_short(house: Any) -> None:
    before = saw(house)
    with house.deployment.store.writing(alone=True) as ledger:
        steering.pause(ledger, house.deployment.live, "winback", actor="ben", note="w" * 500, now=house.now)
    with pytest.raises(Conflict, match=r"ben at \d\d:\d\d BST: pause, “w{79}…”"):
        check(house, before)
