"""The console's pages of proposals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from optimizer.deployment import now
from optimizer.domain.proposals import Confidence, Edit, Effect, Kept, Proposal, ProposalKind
from optimizer.services.keys.api_keys import Scope
from optimizer.services.proposing.deciding import reject
from optimizer.services.proposing.keeping import Made, keep

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)> {{7*7}} \u202egnp.exe'
RETIRE = Proposal(
    kind=ProposalKind.RETIRE_VARIANT,
    campaign_id="winback",
    subject="new-arrivals",
    headline="Retire new-arrivals: the others do better.",
    evidence=("It earns 1.2 points a trial less.", "As of noon."),
    expected=Effect(1.5, 0.5, 2.5, "rewards", "day"),
    risk="It may have been good for something.",
    confidence=Confidence.HIGH,
    edits=(Edit("winback", ("messages", "new-arrivals", "retired"), "set", value=True),),
)
FLOOR = replace(
    RETIRE,
    subject="floor",
    headline="Lower the floor.",
    expected=None,
    confidence=Confidence.LOW,
    edits=(Edit("winback", ("policy", "floor"), "set", 0.02),),
)
WORDS = replace(
    RETIRE,
    kind=ProposalKind.WRITE_MESSAGE,
    subject=HOSTILE,
    headline=f"Write {HOSTILE}",
    evidence=(HOSTILE,),
    risk=HOSTILE,
    expected=Effect(0.01, -0.01, 0.03, "share of trials", "trial"),
    edits=(Edit("winback", ("messages",), "append", {"id": "draft", "subject": HOSTILE.replace("\u202e", "")}),),
)
BACK = replace(
    RETIRE, kind=ProposalKind.ROLL_BACK_STAGE, subject="stage 1", headline="Back.", edits=(), steering="roll_back"
)


def made(shop: Any, *proposals: Proposal) -> list[Kept]:
    deployment = shop.deployment
    with deployment.store.writing(alone=True) as ledger:
        version = deployment.live.at(ledger).version
        return keep(ledger, deployment.live, Made("winback", now(), version, 48_211, proposals), now())


@pytest.fixture
def shop(sqlite_house: Any, serve: Callable[..., Any], files: Any) -> Iterator[Any]:
    """A server on SQLite; what depends on the database is tested with the use cases."""
    with serve(sqlite_house.deployment, files) as running:
        yield running


@pytest.fixture
def console(shop: Any, open_console: Callable[..., Any]) -> Any:
    """A signed-in browser of the shop."""
    return open_console(shop)


def seen(console: Any, number: int = 1) -> str:
    found = re.search(r'name="seen" value="([0-9a-f]{16})"', console.text(f"/console/proposals/{number}"))
    assert found, "no form to accept it"
    return found[1]


def words(html: str) -> str:
    """What a page says, without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_without_proposals_the_page_says_so_and_when_there_will_be_some(site_console: Any) -> None:
    said = words(site_console.text("/console/proposals"))
    assert "Nothing is proposed now." in said
    assert "once a day" in said


def test_a_proposal_is_read_accepted_and_found_below(shop: Any, console: Any) -> None:
    made(shop, RETIRE, FLOOR)
    listed = words(console.text("/console/proposals"))
    assert "+1.5 rewards a day (95 % interval: +0.5 to +2.5)" in listed
    assert listed.index("Lower the floor.") < listed.index("Decided and withdrawn")
    page = console.text("/console/proposals/1")
    said = words(page)
    assert "It counts 48,211 trials" in said
    assert "message new-arrivals: retired" in said
    assert '<ins dir="ltr">+  - {id: new-arrivals, subject: See what is new, retired: true}</ins>' in page
    assert '<del dir="ltr">-  - {id: new-arrivals, subject: See what is new}</del>' in page
    assert 'class="interval"' in page
    answer = console.post("/console/proposals/1/accept", seen=seen(console), note="as we hoped")
    assert answer.headers["location"] == "/console/proposals/1"
    assert console.said(answer) == "Version 2 is in force."
    after = console.text("/console/proposals/1")
    assert 'it became <a href="/console/strategy/versions/2">version 2</a>' in after
    assert "as we hoped" in after
    assert 'action="/console/proposals/1/accept"' not in after
    listed = words(console.text("/console/proposals"))
    assert listed.index("Decided and withdrawn") < listed.index("Retire new-arrivals")


def test_a_proposal_is_rejected_with_a_reason_that_the_list_shows(shop: Any, console: Any) -> None:
    made(shop, RETIRE)
    said = console.said(console.post("/console/proposals/1/reject", note="the brand team <b>wants</b> it"))
    assert said == "Proposal 1 is rejected: it is not made again for the same evidence."
    assert "the brand team &lt;b&gt;wants&lt;/b&gt; it" in console.text("/console/proposals")


def test_whoever_is_second_is_told_who_was_first(shop: Any, console: Any) -> None:
    made(shop, RETIRE)
    looked_at = seen(console)
    with shop.deployment.store.writing(alone=True) as ledger:
        reject(ledger, 1, actor="bob", note="no", now=now())
    answer = console.post("/console/proposals/1/accept", seen=looked_at, note="my long reason")
    assert "proposal 1: found it rejected by bob" in console.said(answer)


def test_whoever_looked_at_older_figures_is_asked_to_look_again_and_keeps_what_was_written(
    shop: Any, console: Any
) -> None:
    made(shop, RETIRE)
    looked_at = seen(console)
    made(shop, replace(RETIRE, evidence=("It earns a little less.",)))
    answer = console.post(
        "/console/proposals/1/accept", seen=looked_at, note="my long reason", back="/console/proposals/1"
    )
    page = console.text(answer.headers["location"])
    assert "found other figures than those you have looked at" in words(page)
    assert "my long reason</textarea>" in page
    assert console.said(console.post("/console/proposals/1/accept", seen=seen(console))) == "Version 2 is in force."


def test_a_form_without_what_was_looked_at_accepts_nothing(shop: Any, console: Any) -> None:
    made(shop, RETIRE)
    assert "found other figures" in console.said(console.post("/console/proposals/1/accept"))


def test_a_change_that_does_not_fit_any_more_can_only_be_rejected(
    shop: Any, console: Any, files: Any, edited: Callable[..., Any]
) -> None:
    made(shop, FLOOR)
    shop.house().apply(edited(files, "campaigns/winback.yaml", ("floor: 0.05", "floor: 0.02")))
    page = console.text("/console/proposals/1")
    assert "does not fit the documents in force any more" in words(page)
    assert 'action="/console/proposals/1/accept"' not in page
    assert 'action="/console/proposals/1/reject"' in page


def test_a_step_of_the_rollout_changes_no_document(shop: Any, console: Any) -> None:
    made(shop, BACK)
    page = console.text("/console/proposals/1")
    assert "No document changes." in words(page)
    assert 'class="diff"' not in page
    assert "rollout: found none" in console.said(console.post("/console/proposals/1/accept", seen=seen(console)))


def test_whoever_may_only_look_finds_nothing_to_press(shop: Any, open_console: Callable[..., Any]) -> None:
    made(shop, RETIRE)
    looking = open_console(shop, scopes=[Scope.ANALYSE])
    page = looking.text("/console/proposals/1")
    assert "<textarea" not in page
    assert "Your key may look" in words(page)
    assert looking.post("/console/proposals/1/accept").status_code == 403


def test_what_others_have_written_shows_as_text(shop: Any, console: Any) -> None:
    made(shop, WORDS, RETIRE)
    with shop.deployment.store.writing(alone=True) as ledger:
        reject(ledger, 2, actor=HOSTILE, note=HOSTILE.replace("\u202e", ""), now=now())
    for path in ("/console/proposals", "/console/proposals/1", "/console/proposals/2"):
        page = console.text(path)
        assert "<script>alert" not in page
        assert "<img" not in page.partition("<main")[2]
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "{{7*7}}" in page
    assert page.count("\u202e") == len(re.findall("<bdi>[^<]*\u202e", page)), "a mark that turns the line is let loose"


@pytest.mark.parametrize("path", ["/console/proposals/99", "/console/proposals/0", "/console/proposals/x"])
def test_a_proposal_that_is_not_there_is_a_page_of_the_console(site_console: Any, path: str) -> None:
    answer = site_console.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"].startswith("text/html")


def test_a_long_history_comes_in_pages(shop: Any, console: Any) -> None:
    some = [replace(FLOOR, subject=f"floor {n}", headline=f"Number {n}.") for n in range(60)]
    made(shop, *some)
    made(shop)  # all of them are withdrawn
    first = console.text("/console/proposals?campaign=winback")
    assert (first.count("Number "), "Newer" in first) == (25, False)
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older
    second = console.text(unescape(older[1]))
    assert "Number 34." in second
    assert "Number 35." not in second
    assert "campaign=winback" in unescape(older[1])
    assert 'rel="prev"' in second
    assert "Nothing is proposed now." not in second
    assert "by itself" in first
