"""The weekly review of a ledger: what it tells, what stays the same, and what a signature under it proves."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from optimizer.domain.controls import Controls
from optimizer.domain.instants import DAY, HOUR
from optimizer.errors import Conflict, InvalidRequest
from optimizer.insights.weekly.markdown import markdown
from optimizer.services.decisions.deciding import Answer
from optimizer.services.learning.watching import WATCHER
from optimizer.services.oversight import steering
from optimizer.services.reports.weekly import Shown, Signed, shown_review, sign_weekly_review, text_of
from optimizer.storage.audit import AuditEntry

WEEK = "2026-W39"  # the house begins on its Monday
HOSTILE = "<script>alert(1)</script> [x](https://evil.example) | `a`"


def shown(house: Any, week: str | None = WEEK) -> Shown:
    with house.deployment.store.reading() as ledger:
        return shown_review(ledger, house.deployment.live, week, house.now)


def signed(house: Any, found: Shown, note: str = "read it", **changes: Any) -> Signed:
    week = changes.pop("week", found.review.week.label)
    with house.deployment.store.writing(alone=True) as ledger:
        text = replace(text_of(found), **changes)
        return sign_weekly_review(ledger, house.deployment.live, week, text, actor="ann", note=note, now=house.now)


def decisions(house: Any, day: int, n: int = 30) -> list[str]:
    answers = house.decide(*[house.request(f"{day}-{i}", attributes={"days": 100}) for i in range(n)])
    return [one.decision.decision_id for one in answers if isinstance(one, Answer) and one.decision.variant_id]


def a_week(house: Any) -> list[str]:
    """Decisions on two days, a pause and a resumption between, and everything over at its end."""
    made = decisions(house, 0)
    house.later(HOUR)
    house.learn()
    with house.deployment.store.writing(alone=True) as ledger:
        for use_case in (steering.pause, steering.resume):
            use_case(ledger, house.deployment.live, "winback", actor="ann", note=HOSTILE, now=house.now)
    house.later(DAY)
    made += decisions(house, 1)
    house.learn()
    house.later(7 * DAY)
    return made


def test_a_week_is_told_signed_and_proven(house: Any) -> None:
    made = a_week(house)
    found = shown(house, None)
    assert found.review.week.label == WEEK
    assert found.review.is_over
    assert [event.action for event in found.review.people] == ["apply", "pause", "resume"]
    (winback,) = [one for one in found.review.campaigns if one.campaign_id == "winback"]
    assert (winback.decisions, winback.decisions_before, winback.sends) == (60, 0, len(made))
    assert found.digest == sha256(markdown(found.document).encode()).hexdigest()

    done = signed(house, found)
    assert set(done.campaigns) == {"winback", "newsletter", "members"}
    with house.deployment.store.reading() as ledger:
        entries = [link.entry for link in ledger.audit.latest(4)]
        controls = ledger.controls.all()
    assert {campaign_id: one.reviewed_at for campaign_id, one in controls.items()} == dict.fromkeys(
        done.campaigns, house.now
    )
    assert (entries[0].actor, entries[0].action, entries[0].subject) == ("ann", "sign weekly review", f"week {WEEK}")
    assert entries[0].note == "read it"
    assert found.digest in entries[0].after
    assert found.review.settled in entries[0].after
    assert {entry.action for entry in entries[1:]} == {"review"}
    assert {entry.note for entry in entries[1:]} == {f"weekly review {WEEK}: read it"}

    again = shown(house)
    assert again.review.settled == found.review.settled
    assert [one.digest for one in again.review.signatures] == [found.digest]
    assert "Signed by ann on 29 Sep 2026" in markdown(again.document)


def test_what_was_paused_at_the_end_of_the_week_does_not_lead(sqlite_house: Any) -> None:
    house = sqlite_house
    a_week(house)
    house.now -= 7 * DAY - HOUR  # back to the evening of its second day

    def leads_now() -> str:
        (found,) = [one for one in shown(house).review.campaigns if one.campaign_id == "winback"]
        return next(one.leader for one in found.segments if one.segment_id == "lapsed")

    leader = leads_now()
    for use_case, leads in ((steering.pause_variant, False), (steering.resume_variant, True)):
        house.later(HOUR)
        with house.deployment.store.writing(alone=True) as ledger:
            use_case(ledger, house.deployment.live, "winback", leader, actor="ann", note="tired of it", now=house.now)
        house.later(HOUR)
        assert (leads_now() == leader) is leads


def test_late_outcomes_and_later_changes_leave_the_settled_part_as_it_was(sqlite_house: Any, files: Any) -> None:
    house = sqlite_house
    began = house.now
    made = a_week(house)
    house.later(7 * DAY)  # by the end of the second week, outcomes of the first were due
    before = shown(house, "2026-W40")
    told = house.record(*[house.report(one, occurred_at=began + DAY + 2 * HOUR) for one in made[:20]])
    assert {one.status.value for one in told} == {"accepted"}
    house.learn()
    house.apply({**files, "strategy.yaml": files["strategy.yaml"].replace("share: 0.05", "share: 0.06")})
    decisions(house, 9)
    house.later(3 * DAY)
    after = shown(house, "2026-W40")
    lifts = [
        one.review.campaigns[[c.campaign_id for c in one.review.campaigns].index("winback")].lift
        for one in (before, after)
    ]
    assert lifts[0] != lifts[1]  # reported late
    assert after.review.settled == before.review.settled
    assert (after.review.version, after.review.people) == (1, before.review.people)
    assert after.digest != before.digest


def test_a_running_week_has_figures_but_cannot_be_signed(sqlite_house: Any) -> None:
    decisions(sqlite_house, 0)
    sqlite_house.later(HOUR)
    found = shown(sqlite_house)
    assert not found.review.is_over
    with pytest.raises(Conflict, match="allowed one of a week that is over"):
        signed(sqlite_house, found)
    with pytest.raises(InvalidRequest, match="a week that has begun: 2026-W39 or one before"):
        shown(sqlite_house, "2026-W40")


def test_nobody_signs_what_was_not_shown(sqlite_house: Any) -> None:
    sqlite_house.later(7 * DAY)
    found = shown(sqlite_house)
    for changes in (
        {"digest": "0" * 64},
        {"settled": "0" * 64},
        {"as_of": found.review.as_of + 1},
        {"seal": "0" * 64},
        {"seal": "\u00e9"},
        {"week": "2026-W38"},
    ):
        with pytest.raises(InvalidRequest, match="/seal: found one that does not fit"):
            signed(sqlite_house, found, **changes)
    with pytest.raises(InvalidRequest, match="/note"):
        signed(sqlite_house, found, note=" ")
    assert shown(sqlite_house).review.signatures == ()


def test_what_people_wrote_stays_text_in_every_form(sqlite_house: Any) -> None:
    a_week(sqlite_house)
    found = shown(sqlite_house)
    text = markdown(found.document)
    assert "](https" not in text.replace("\\]", "")
    assert "<script" not in text.replace("\\<", "")


def test_a_week_before_the_first_documents_has_no_campaigns(sqlite_house: Any) -> None:
    found = shown(sqlite_house, "2026-W30")
    assert (found.review.version, found.review.campaigns, found.review.people) == (0, (), ())


def test_what_waits_for_people_is_asked(sqlite_house: Any, files: Any, edited: Any) -> None:
    house = sqlite_house
    asks = ("approval: {required: false}\n", "approval: {required: true}\nreview: {every: P7D, when_overdue: warn}\n")
    house.apply(edited(files, "strategy.yaml", asks))
    house.later(9 * DAY)
    found = {(one.kind, one.campaign_id) for one in shown(house).review.asks}
    assert {("approval", "winback"), ("review", "winback"), ("review", "members")} <= found


def test_a_message_that_a_metric_has_paused_is_asked_about(sqlite_house: Any) -> None:
    house = sqlite_house
    with house.deployment.store.writing(alone=True) as ledger:
        ledger.audit.append(AuditEntry(house.now, WATCHER, "pause", "winback/hello", "unsubscribed 6.07 % of 1,200"))
        ledger.controls.put("winback", Controls(paused={"hello": "unsubscribed 6.07 % of 1,200"}))
        ledger.revisions.bump("documents")
    house.later(9 * DAY)
    (asked,) = [one for one in shown(house).review.asks if one.kind == "paused message"]
    assert asked.campaign_id == "winback"
    assert asked.sentence.startswith("hello is paused: unsubscribed 6.07 % of 1,200; ")
