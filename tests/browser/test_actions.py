"""What people do from the pages, as they do it: open a form, write why, press the button, read what is so now."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import OWN_WORDS, Shop, Window

from optimizer.deployment import now
from optimizer.domain.controls import Status
from optimizer.domain.instants import DAY, HOUR
from optimizer.domain.proposals import ProposalState
from optimizer.domain.reasons import Group
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.outcomes.recording import OutcomeReport, record_outcomes

pytestmark = pytest.mark.slow

WINBACK = "/console/campaigns/winback"
STEER = "section[aria-labelledby=steer]"
NEEDS = "section[aria-labelledby=attention]"
ROLLOUT = "section[aria-labelledby=rollout]"


def did(shop: Shop, action: str, subject: str = "winback", actor: str = "ann", note: str = OWN_WORDS) -> None:
    """The last entry of the audit trail says that somebody did this, and why."""
    entry = shop.last_entry
    assert (entry.actor, entry.action, entry.subject, entry.note) == (actor, action, subject, note)


def decided(shop: Shop, recipient: str, campaign_id: str = "winback") -> str | None:
    """The variant that a decision of now gives somebody."""
    with shop.deployment.store.writing(alone=True) as ledger:
        asked = DecisionRequest(campaign_id, recipient, f"{recipient}-{now()}", LAPSED)
        (answer,) = decide(ledger, shop.deployment.live, [asked], now())
    assert not isinstance(answer, Exception), answer
    return None if answer.variant is None else answer.variant.variant_id


LAPSED: dict[str, Any] = {"country": "US", "days_since_purchase": 200.0, "lifetime_value": 100.0}


@pytest.fixture(autouse=True)
def well(own_shop: Shop) -> None:
    """Whatever the test before has left."""
    own_shop.put("winback", status=Status.RUNNING, paused={}, pinned=None)


# ---------------------------------------------------------------- a campaign


def test_a_campaign_is_paused_resumed_stopped_and_resumed(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    for verb, action, status, said in (
        ("Pause", "pause", Status.PAUSED, "winback is paused"),
        ("Resume", "resume", Status.RUNNING, "winback is running"),
        ("Stop", "stop", Status.STOPPED, "winback is stopped: nothing is sent"),
        ("Resume", "resume", Status.RUNNING, "winback is running"),
    ):
        assert said in ann.act(verb, within=STEER)
        assert not ann.refused
        assert own_shop.controls("winback").status is status
        did(own_shop, action)
        if status is not Status.RUNNING:
            assert decided(own_shop, f"somebody-{action}") is None
    ann.is_still()
    assert ann.complaints == []


def test_a_variant_is_paused_and_resumed(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    assert "winback/ten-percent" in ann.act("Pause", within="#words-ten-percent")
    assert set(own_shop.controls("winback").paused) == {"ten-percent"}
    did(own_shop, "pause", "winback/ten-percent")
    assert "ten-percent is paused" in ann.page.locator(NEEDS).inner_text()
    assert "winback/ten-percent may be chosen" in ann.act("Resume", within="#words-ten-percent")
    assert own_shop.controls("winback").paused == {}
    did(own_shop, "resume", "winback/ten-percent")


def test_a_variant_is_pinned_for_everyone_and_let_go_again(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    assert "winback/last-chance is pinned" in ann.act("Pin one", within=STEER, variant="last-chance")
    assert own_shop.controls("winback").pinned == "last-chance"
    did(own_shop, "pin")
    assert own_shop.last_entry.after == "pinned last-chance"
    given = {decided(own_shop, f"pinned-{n}") for n in range(40)}
    assert "last-chance" in given
    assert given <= {"last-chance", "new-arrivals", None}, "somebody got what is neither pinned nor control"
    assert "winback chooses for itself again" in ann.act("Unpin", within=STEER)
    assert own_shop.controls("winback").pinned is None
    assert own_shop.last_entry.action == "unpin"


def test_words_are_approved_where_they_are_read(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    ann.go("/console/reviews")
    waiting = ann.page.locator("section[aria-labelledby=words] li", has_text="gift-guide")
    assert "Gifts that fit in a letterbox" in waiting.inner_text(), "nobody approves what they have not read"
    said = ann.act("Approve these words", within="section[aria-labelledby=words]")
    assert "gift-guide of winback may be sent" in said
    entry = own_shop.last_entry
    assert (entry.actor, entry.action, entry.note) == ("ann", "approve", OWN_WORDS)
    assert entry.subject.startswith("winback/gift-guide (")
    ann.go(WINBACK)
    assert "approved" in ann.page.locator("#words-gift-guide .marks").inner_text()


def test_a_rollout_is_advanced_released_and_rolled_back(own_shop: Shop, window: Callable[..., Window]) -> None:
    own_shop.put("review-please", stage=1, stage_since=now() - DAY, stage_approved=None)
    ann = window(own_shop)
    ann.go("/console/campaigns/review-please")
    assert "Stage 2 of 3" in ann.page.locator(ROLLOUT).inner_text()
    assert "stage 3 of 3" in ann.act("Approve stage 3", within=ROLLOUT)
    assert own_shop.controls("review-please").stage_approved == 2
    assert own_shop.last_entry.action == "advance"
    own_shop.put("review-please", held=True, alerted={"unsubscribed": "unsubscribed 14 of 1,200"})
    ann.go("/console/campaigns/review-please")
    assert "held" in ann.page.locator(ROLLOUT).inner_text()
    assert "the rollout of review-please goes on" in ann.act("Release", within=ROLLOUT).lower()
    assert not own_shop.controls("review-please").held
    did(own_shop, "release", "review-please")
    ann.act("Roll back to stage 1", within=ROLLOUT)
    assert not ann.refused
    assert own_shop.controls("review-please").stage == 0
    assert own_shop.last_entry.actor == "ann"
    assert "Stage 1 of 3" in ann.page.locator(ROLLOUT).inner_text()


def test_a_review_is_signed_and_an_alarm_answered(own_shop: Shop, window: Callable[..., Window]) -> None:
    own_shop.put("newsletter", alerted={"unsubscribed": "unsubscribed 14 of 1,200"})
    ann = window(own_shop)
    ann.go("/console/campaigns/newsletter")
    assert "unsubscribed 14 of 1,200" in ann.page.locator(NEEDS).inner_text()
    assert "the alarm of newsletter is answered" in ann.act("Answer the alarms", within=NEEDS).lower()
    assert own_shop.controls("newsletter").alerted == {}
    did(own_shop, "acknowledge", "newsletter")
    before = now()
    assert "newsletter is reviewed" in ann.act("Reviewed", within=STEER)
    reviewed = own_shop.controls("newsletter").reviewed_at
    assert reviewed is not None
    assert reviewed >= before
    did(own_shop, "review", "newsletter")


def test_what_needs_somebody_is_done_on_the_overview(own_shop: Shop, window: Callable[..., Window]) -> None:
    own_shop.put("newsletter", alerted={"complained": "complained 9 of 1,200"})
    ann = window(own_shop)
    ann.go("/console")
    need = ann.page.locator(".needs > li", has_text="complained 9 of 1,200")
    need.locator("summary").click()
    need.get_by_label("Why?").fill(OWN_WORDS)
    assert "newsletter" in ann.send(need.get_by_role("button"))
    assert ann.page.url.endswith("/console"), "back to where they were"
    did(own_shop, "acknowledge", "newsletter")
    expect(ann.page.locator(".needs > li", has_text="complained 9 of 1,200")).to_have_count(0)


def test_without_a_note_nothing_is_sent_and_with_an_empty_one_the_choice_is_kept(
    own_shop: Shop, window: Callable[..., Window]
) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    before = own_shop.length
    form = ann.form("Pin one", STEER)
    form.locator("select").select_option("we-miss-you")
    form.get_by_role("button").click()
    assert form.get_by_label("Why?").evaluate("field => !field.validity.valid && document.activeElement === field")
    form.get_by_label("Why?").fill("   ")
    assert "/note: found" in ann.send(form.get_by_role("button"))
    assert ann.refused
    assert own_shop.length == before
    kept = ann.form("Pin one", STEER)
    assert kept.locator("select").input_value() == "we-miss-you", "what was chosen is there again"
    assert kept.get_by_label("Why?").is_visible(), "and the form is open"


# ---------------------------------------------------------------- proposals and reviews


def test_a_proposal_is_accepted_and_another_one_rejected(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    ann.go("/console/proposals")
    ann.page.get_by_role("link", name="Retire we-miss-you: the others do better.").first.click()
    ann.page.wait_for_url(re.compile(r"/console/proposals/\d+$"))
    number = int(ann.page.url.rpartition("/")[2])
    assert "retired: true" in ann.page.locator("pre.diff ins").inner_text()
    said = ann.act("Accept")
    assert "is in force" in said
    assert not ann.refused
    entry = own_shop.last_entry
    assert (entry.actor, entry.action, entry.note) == ("ann", "accept proposal", OWN_WORDS)
    with own_shop.deployment.store.reading() as ledger:
        kept = ledger.proposals.get(number)
        assert kept is not None
        assert (kept.state, kept.decided_by) == (ProposalState.ACCEPTED, "ann")
        workspace = own_shop.deployment.live.at(ledger).workspace
    assert workspace is not None
    assert [one.id for one in workspace.campaigns["winback"].messages if one.retired] == ["we-miss-you"]
    assert "retired" in ann.main.inner_text()

    other = 3 - number
    ann.go(f"/console/proposals/{other}")
    assert "rejected" in ann.act("Reject", note="the brand team wants it")
    with own_shop.deployment.store.reading() as ledger:
        kept = ledger.proposals.get(other)
        assert kept is not None
        assert (kept.state, kept.note) == (ProposalState.REJECTED, "the brand team wants it")
    assert own_shop.last_entry.action == "reject proposal"
    assert "the brand team wants it" in ann.main.inner_text()


def test_a_weekly_review_is_read_and_signed(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    ann.go("/console/reviews")
    ann.page.get_by_role("link", name="The week in one page").click()
    expect(ann.page.locator("h1")).to_contain_text("Weekly review")
    ann.go("/console/reviews/weekly")  # until it is worked out
    said = ann.act("Sign the review", within="section[aria-labelledby=sign]")
    assert re.match(r"The review of \d{4}-W\d\d is signed: .*winback.* reviewed", said)
    entry = own_shop.last_entry
    assert (entry.actor, entry.action, entry.note) == ("ann", "sign weekly review", OWN_WORDS)
    ann.go("/console/reviews/weekly")
    assert "Signed by ann" in ann.main.inner_text()


# ---------------------------------------------------------------- people


def test_somebody_is_looked_up_kept_out_let_back_and_erased(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    who = "customer-7"
    decided(own_shop, who)  # so that something is known of them

    def look_up() -> None:
        ann.go("/console/recipients")
        ann.page.get_by_label(re.compile("^Recipient")).fill(who)
        ann.page.get_by_label(re.compile("^Why")).fill("they asked")
        with ann.page.expect_navigation():
            ann.page.get_by_role("button", name="Look up").click()
        expect(ann.page.locator("h2").first).to_contain_text(f"What is kept about {who}")
        assert who not in ann.page.url
        assert (own_shop.last_entry.action, own_shop.last_entry.note) == ("look up", "they asked")
        assert who not in str(own_shop.last_entry)

    look_up()
    assert "Nothing is sent to them on any channel any more" in ann.act("Keep them out")
    did(own_shop, "suppress", "1 recipient")
    assert decided(own_shop, who) is None
    look_up()
    assert "kept out on every channel" in ann.main.inner_text()
    assert "They may be contacted on any channel again" in ann.act("Let them be contacted again")
    did(own_shop, "unsuppress", "1 recipient")

    look_up()
    form = ann.form("Erase them")
    form.get_by_label("Type their id once more").fill("customer-8")
    form.get_by_label("Why?").fill(OWN_WORDS)
    before = own_shop.length
    assert "/confirmation: found another id" in ann.send(form.get_by_role("button"))
    assert ann.refused
    assert OWN_WORDS in ann.main.inner_text(), "what was written is there to be used again"
    assert own_shop.length == before
    look_up()
    form = ann.form("Erase them")
    form.get_by_label("Type their id once more").fill(who)
    form.get_by_label("Why?").fill(OWN_WORDS)
    assert "Nothing is left of them" in ann.send(form.get_by_role("button"))
    did(own_shop, "erase", "1 recipient")
    look_up()
    assert "Nothing is kept about them" in ann.main.inner_text()


def test_a_note_that_names_the_recipient_is_refused(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    ann.go("/console/recipients")
    ann.page.get_by_label(re.compile("^Recipient")).fill("customer-9")
    ann.page.get_by_role("button", name="Look up").click()
    ann.page.locator("h2").first.wait_for()
    before = own_shop.length
    assert "/note" in ann.act("Keep them out", note="customer-9 wrote to us")
    assert ann.refused
    assert own_shop.length == before


def test_what_waits_in_quarantine_is_judged_again(own_shop: Shop, window: Callable[..., Window]) -> None:
    at = now()
    with own_shop.deployment.store.writing(alone=True) as ledger:
        record_outcomes(ledger, own_shop.deployment.live, [OutcomeReport("lost-1", "opened", at, "f" * 32)], at)
    ann = window(own_shop)
    ann.go("/console/quarantine")
    with ann.page.expect_navigation():
        ann.page.get_by_role("button", name="Judge lost-1 again").click()
    assert "1 report judged again: 1 still without a decision" in ann.said
    said = ann.act("Judge all again", note=None)
    assert re.search(r"\d+ reports? judged again: \d+ still", said)
    with own_shop.deployment.store.reading() as ledger:
        assert "lost-1" in ledger.quarantine.event_ids(), "nothing gets lost"


def test_an_offer_and_what_came_of_it_are_recorded_by_name(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop)
    for n in range(30):  # some are held out, or have had enough
        ann.go(f"{WINBACK}/assist")
        ann.page.get_by_label(re.compile("^Customer")).fill(f"caller-{n}")
        ann.page.get_by_text("What they tell you now").click()
        for name, value in LAPSED.items():
            field = ann.page.locator(f'[name="attribute.{name}"]')
            if field.count() and name != "country":
                field.fill(str(value))
        with ann.page.expect_navigation():
            ann.page.get_by_role("button", name="Show what may be offered").click()
        offers = ann.page.get_by_role("button", name=re.compile("^I offered"))
        if offers.count() > 1:  # who is held out may be offered control alone, as a decision like any other
            break
    name = offers.first.get_attribute("aria-label")
    assert name is not None
    variant = name.removeprefix("I offered ")
    assert f"{variant} is recorded as offered by ann" in ann.send(offers.first)
    decision_id = ann.page.url.rpartition("/")[2]
    with own_shop.deployment.store.reading() as ledger:
        decision = ledger.decisions.by_id([decision_id])[decision_id]
    assert (decision.actor, decision.variant_id, str(decision.group)) == ("ann", variant, "chosen_by_people")
    assert now() - decision.decided_at < HOUR
    assert "Purchase is recorded" in ann.send(ann.page.get_by_role("button", name="Purchase"))
    with own_shop.deployment.store.reading() as ledger:
        kinds = [one.kind for one in ledger.outcomes.of([decision_id])[decision_id]]
    assert "purchase" in kinds
    ann.go(f"{WINBACK}/assist")
    assert variant in ann.page.locator("section[aria-labelledby=offered]").inner_text()


def test_an_offer_to_somebody_who_is_held_out_is_said_to_be_none(own_shop: Shop, window: Callable[..., Window]) -> None:
    held = next(name for n in range(500) if decided(own_shop, name := f"held-{n}") == "new-arrivals" and out(own_shop))
    ann = window(own_shop)
    ann.go(f"{WINBACK}/assist")
    ann.page.get_by_label(re.compile("^Customer")).fill(held)
    ann.page.get_by_text("What they tell you now").click()
    ann.page.locator('[name="attribute.days_since_purchase"]').fill("200")
    ann.page.locator('[name="attribute.lifetime_value"]').fill("100")
    with ann.page.expect_navigation():
        ann.page.get_by_role("button", name="Show what may be offered").click()
    said = ann.send(ann.page.get_by_role("button", name="I offered new-arrivals"))
    assert "They are held out: new-arrivals is recorded as what all get who are" in said
    assert ann.page.url.endswith("/assist")
    ann.is_still()
    assert ann.complaints == []


def out(shop: Shop) -> bool:
    """Whether the newest decision is about somebody who is held out of the campaign."""
    with shop.deployment.store.reading() as ledger:
        (newest,) = ledger.decisions.newest("winback", now() - HOUR, 1)
    return newest.group is Group.CAMPAIGN_HOLDOUT


# ---------------------------------------------------------------- without a mouse, without script


def test_a_wish_is_opened_written_and_sent_with_the_keyboard_alone(
    own_shop: Shop, window: Callable[..., Window]
) -> None:
    ann = window(own_shop)
    ann.go(WINBACK)
    summary = ann.page.locator(STEER).locator("summary", has_text="Reviewed")
    keys = ann.page.keyboard
    for _ in range(200):
        keys.press("Tab")
        if summary.evaluate("one => document.activeElement === one"):
            break
    seen = summary.evaluate("one => getComputedStyle(one).outlineStyle + getComputedStyle(one).outlineWidth")
    assert not seen.startswith("none")
    assert not seen.endswith("0px"), "nobody sees where they are"
    keys.press("Enter")
    keys.press("Tab")
    keys.type("looked at it, all fine")
    keys.press("Tab")
    with ann.page.expect_navigation():
        keys.press("Enter")
    assert "winback is reviewed" in ann.said
    did(own_shop, "review", note="looked at it, all fine")


def test_without_script_everything_can_still_be_done(own_shop: Shop, window: Callable[..., Window]) -> None:
    ann = window(own_shop, script=False)
    ann.go(WINBACK)
    assert "winback is reviewed" in ann.act("Reviewed", within=STEER)
    did(own_shop, "review")
