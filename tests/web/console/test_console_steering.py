"""What people decide from a page: with a note, under the name of their key, about what they saw."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from optimizer.services.keys.api_keys import Scope

ROLLOUT = "rollout: [{share: 0.1, for: P1D}, {share: 1.0}]\n"
NOTE = 'legal said: <script>alert(1)</script> "><img onerror=x> {{7*7}} \u202eabc'


@pytest.fixture(scope="module")
def shop(site: Any, edited: Callable[..., dict[str, str]], files: Any) -> Any:
    """A server whose winback has a rollout, and whose words need approval."""
    documents = {**files, "campaigns/winback.yaml": files["campaigns/winback.yaml"] + ROLLOUT}
    apply(site, edited(documents, "strategy.yaml", ("{required: false}", "{required: true}")), "all there is")
    return site


def apply(shop: Any, documents: dict[str, str], note: str) -> None:
    house = shop.house()
    house.now = time.time_ns() // 1_000
    house.apply(documents, note)


@pytest.fixture
def console(shop: Any, open_console: Callable[..., Any]) -> Any:
    return open_console(shop, scopes=[Scope.MANAGE], name="ann")


def seen(console: Any, campaign: str = "winback") -> str:
    """What a form on the overview says its viewer saw of a campaign."""
    page = console.text("/console")
    forms = re.findall(r'<form method="post" action="/console/campaigns/([^/]+)/.*?</form>', page, re.DOTALL)
    assert campaign in forms, page
    found = re.search(rf'action="/console/campaigns/{campaign}/.*?name="seen" value="([^"]+)"', page, re.DOTALL)
    assert found
    return found[1]


def trail(shop: Any, n: int = 1) -> list[Any]:
    found: list[Any] = shop.client.get("/v1/audit", params={"n": n}).json()["entries"]
    return found


def controls(shop: Any, campaign: str = "winback") -> Any:
    return shop.client.get(f"/v1/campaigns/{campaign}/controls").json()


WISHES: list[tuple[str, dict[str, str], str, dict[str, Any]]] = [
    ("approve", {"message": "hello"}, "hello of winback may be sent.", {}),
    ("pause", {}, "winback is paused: nothing is sent.", {"status": "paused"}),
    ("resume", {}, "winback is running.", {"status": "running"}),
    ("pause", {"variant": "hello"}, "winback/hello is paused.", {"paused": {"hello": "ann: because"}}),
    ("resume", {"variant": "hello"}, "winback/hello may be chosen.", {"paused": {}}),
    ("pin", {"variant": "hello"}, "winback/hello is pinned: everyone but the holdouts gets it", {"pinned": "hello"}),
    ("unpin", {}, "winback chooses for itself again.", {"pinned": None}),
    ("advance", {"stage": "2"}, "stage 2 of 2 (100 % of recipients) begins", {}),
    ("stop", {}, "winback is stopped: nothing is sent.", {"status": "stopped"}),
    ("resume", {}, "winback is running.", {"status": "running"}),
]


def test_every_wish_is_done_said_and_audited_under_the_name_of_the_key(shop: Any, console: Any) -> None:
    for wish, fields, said, after in WISHES:
        answer = console.post(f"/console/campaigns/winback/{wish}", back="/console/reviews?x=1", **fields)
        assert answer.headers["location"] == "/console/reviews?x=1", "back to the page of the form"
        answer.headers["location"] = "/console"
        assert console.said(answer).startswith(said)
        assert after.items() <= controls(shop).items()
        entry = trail(shop)[0]
        assert (entry["actor"], entry["note"], entry["action"]) == ("ann", "because", wish)


def test_a_review_is_signed_from_the_page(shop: Any, console: Any) -> None:
    assert console.said(console.post("/console/campaigns/winback/review")) == "winback is reviewed."
    assert trail(shop)[0]["action"] == "review"


def test_learning_now_needs_no_note(shop: Any, console: Any) -> None:
    said = console.said(console.post("/console/campaigns/winback/learn", note=""))
    assert said == "winback has learned from everything that has come in."


@pytest.mark.parametrize(
    ("wish", "fields", "said"),
    [
        ("stop", {"note": " "}, "/note: found nothing; allowed a sentence that says why"),
        ("stop", {"note": "a\x00b"}, "/note: found the character U+0000"),
        ("approve", {"message": "hello", "note": ""}, "/note: found nothing"),
        ("approve", {}, "/message: found nothing; allowed the id of a message"),
        ("approve", {"message": "helo"}, "message: found 'helo' in campaign winback"),
        ("pin", {}, "/variant: found nothing; allowed the id of a variant"),
        ("pin", {"variant": "helo"}, "variant: found 'helo' in campaign winback"),
        ("advance", {"stage": "x"}, "/stage: found 'x'; allowed a whole number"),
        ("advance", {"stage": "7"}, "stage: found 7; allowed the next one"),
    ],
)
def test_what_is_refused_is_said_on_the_page_and_leaves_nothing(
    shop: Any, console: Any, wish: str, fields: dict[str, str], said: str
) -> None:
    before = shop.counts()["audit"]
    answer = console.post(f"/console/campaigns/winback/{wish}", **fields)
    found = console.said(answer)
    assert said in found
    assert shop.counts()["audit"] == before


def test_an_unknown_campaign_is_said_to_be_one(console: Any) -> None:
    assert "campaign: found 'nobody'; allowed" in console.said(console.post("/console/campaigns/nobody/pause"))


def test_what_was_written_is_there_again_after_a_refusal_and_shows_as_text(shop: Any, console: Any) -> None:
    shop.house().approve("winback", "hello")
    before = seen(console)
    console.post("/console/campaigns/winback/pin", variant="hello", note="a first look")
    answer = console.post("/console/campaigns/winback/approve", message="new-arrivals", note=NOTE, seen=before)
    page = console.text(answer.headers["location"])
    console.post("/console/campaigns/winback/unpin")
    (kept,) = re.findall(r"<details class=\"action\" open>.*?<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert unescape(kept) == NOTE
    assert "<script>alert" not in page
    assert "<img" not in page.partition("</header>")[2]
    assert "49" not in kept
    assert "open>" not in console.text("/console"), "once"


# ---------------------------------------------------------------- two people at once


def test_who_looked_before_somebody_else_changed_it_is_told_what_and_who_and_nothing_is_done(
    shop: Any, console: Any, open_console: Callable[..., Any]
) -> None:
    before = seen(console)
    ben = open_console(shop, scopes=[Scope.MANAGE], name="ben")
    ben.post("/console/campaigns/winback/pause", note="the landing page is down")
    entries = shop.counts()["audit"]
    answer = console.post("/console/campaigns/winback/approve", message="ten-percent", seen=before)
    said = console.said(answer)
    assert "campaign winback: found it changed since you looked (ben at " in said
    assert "pause, “the landing page is down”); nothing was done: look again" in said
    assert shop.counts()["audit"] == entries
    after = console.post("/console/campaigns/winback/resume", seen=seen(console))
    assert console.said(after) == "winback is running."


def test_a_version_applied_meanwhile_is_a_change_too(shop: Any, console: Any, edited: Callable[..., Any]) -> None:
    before = seen(console)
    with shop.deployment.store.reading() as ledger:
        latest = ledger.versions.latest()
    assert latest is not None
    apply(shop, edited(latest.files, "campaigns/winback.yaml", ("See what is new", "See what is newer")), "new words")
    said = console.said(console.post("/console/campaigns/winback/approve", message="hello", seen=before))
    assert "tester at " in said
    assert f"apply version {latest.version + 1}, “new words”" in said


def test_another_campaigns_changes_are_none_of_this_one(shop: Any, console: Any) -> None:
    before = seen(console)
    console.post("/console/campaigns/newsletter/pause")
    answer = console.post("/console/campaigns/winback/review", seen=before)
    assert console.said(answer) == "winback is reviewed."
    console.post("/console/campaigns/newsletter/resume")


@pytest.mark.parametrize("wish", ["pause", "stop"])
def test_to_send_nothing_any_more_is_possible_whatever_has_changed(shop: Any, console: Any, wish: str) -> None:
    answer = console.post(f"/console/campaigns/winback/{wish}", seen="1.0000000000000000")
    assert "nothing is sent" in console.said(answer)
    console.post("/console/campaigns/winback/resume")


def test_what_nobody_has_seen_is_refused(shop: Any, console: Any) -> None:
    for wrong in ("x", "1", ".", "-1.ab", "9" * 50):
        assert "found it changed" in console.said(console.post("/console/campaigns/winback/review", seen=wrong))


# ---------------------------------------------------------------- scopes


def test_who_may_only_look_sees_no_action_and_can_take_none(shop: Any, open_console: Callable[..., Any]) -> None:
    looker = open_console(shop, scopes=[Scope.ANALYSE], name="eve")
    page = looker.text("/console")
    assert 'action="/console/campaigns/' not in page
    assert "may look" in page
    before = shop.counts()["audit"]
    for wish, fields, _said, _after in WISHES:
        answer = looker.post(f"/console/campaigns/winback/{wish}", **fields)
        assert answer.status_code == 403, wish
        assert "found scope analyse, which may look; allowed manage" in answer.text
    assert shop.counts()["audit"] == before
