"""Assist: what may be offered, what was offered, and what came of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from optimizer.services.keys.api_keys import Scope

PATH = "/console/campaigns/winback/assist"


def hidden(page: str, name: str, within: str = "") -> str:
    found = re.search(rf'{within}.*?name="{name}" value="([^"]*)"', page, re.DOTALL)
    assert found, name
    return found[1]


def ranked(console: Any, name: str, **fields: str) -> tuple[str, str]:
    """A customer to whom something may be offered, and the page that says what."""
    for n in range(50):
        page = console.post(PATH, recipient=f"{name}-{n}", **fields).text
        if page.count("I offered this one") > 1:
            return f"{name}-{n}", page
    raise AssertionError("everyone is held out")


def test_what_may_be_offered_is_ranked_with_its_words_and_writes_nothing(site: Any, site_console: Any) -> None:
    before = site.counts()
    _, page = ranked(site_console, "ask")
    assert "3 of 3 variants may be offered." in page
    for words in ("We saved you 10%", "See what is new", "How are you"):
        assert words in page
    assert "Likely the best" in page
    assert site.counts() == before


def test_what_may_not_be_offered_says_why(site_console: Any) -> None:
    for n in range(200):
        page = site_console.post(PATH, recipient=f"held-{n}").text
        if "holdout" in page.split("<h2")[2]:
            assert "may be offered: the customer is in the" in page
            assert page.count("I offered this one") == 1
            return
    raise AssertionError("nobody is held out")


def test_attributes_that_a_customer_tells_decide_the_segment(site_console: Any) -> None:
    _, page = ranked(site_console, "told", **{"attribute.days": "120"})
    assert "Segment lapsed." in page
    assert 'name="attribute.days" inputmode="decimal" maxlength="200" autocomplete="off" value="120"' in page
    assert page.count('type="hidden" name="attribute.days" value="120"') == 3


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("attribute.days", "many", "/attributes/days"),
        ("attribute.days", "nan", "/attributes/days"),
        ("attribute.days", "-1", "/attributes/days"),
        ("attribute.country", "Atlantis", "/attributes/country"),
        ("recipient", "", "/recipient"),
        ("recipient", "two words", "/recipients/1"),
    ],
)
def test_what_is_typed_wrong_is_said_in_words_and_kept(site_console: Any, field: str, value: str, place: str) -> None:
    answer = site_console.post(PATH, **{"recipient": "typed", "back": PATH, field: value})
    page = site_console.text(answer.headers["location"])
    assert f"{place}: found" in page
    assert field == "recipient" or 'value="typed"' in page


def test_an_offer_is_recorded_once_apart_and_by_name_and_so_is_its_outcome(site: Any, site_console: Any) -> None:
    who, page = ranked(site_console, "offer")
    wish = {"recipient": who, "request_id": hidden(page, "request_id"), "variant": "hello", "back": PATH}
    answer = site_console.post(f"{PATH}/offered", **wish)
    url = answer.headers["location"]
    assert who not in url
    assert site_console.said(answer) == "hello is recorded as offered by test."
    assert site_console.post(f"{PATH}/offered", **wish).headers["location"] == url, "a second click is another offer"
    decision = site.client.get(f"/v1/decisions/{url.rpartition('/')[2]}").json()["decision"]
    assert (decision["group"], decision["actor"], decision["variant"]) == ("chosen_by_people", "test", "hello")

    offered = site_console.text(url)
    assert 'name="kind" value="purchase"' in offered
    report = {"kind": "purchase", "event_id": hidden(offered, "event_id"), "back": url}
    assert site_console.said(site_console.post(url, **report)) == "Purchase is recorded."
    assert "duplicate" in site_console.said(site_console.post(url, **report))
    assert len(site.client.get(f"/v1/decisions/{url.rpartition('/')[2]}").json()["outcomes"]) == 1
    overview = site_console.text(PATH)
    assert url in overview
    assert "too few to compare" in overview
    trials = site.house().trials()
    assert trials[1] == 0, "a choice of a person was learned from"


def test_an_offer_counts_as_shown_where_trials_begin_with_a_delivery(site: Any, site_console: Any) -> None:
    path = "/console/campaigns/newsletter/assist"
    for n in range(50):
        page = site_console.post(path, recipient=f"shown-{n}").text
        if page.count("I offered this one") > 1:
            break
    wish = {"recipient": f"shown-{n}", "request_id": hidden(page, "request_id"), "variant": "long:evening"}
    url = site_console.post(f"{path}/offered", **wish).headers["location"]
    found = site.client.get(f"/v1/decisions/{url.rpartition('/')[2]}").json()
    assert [one["kind"] for one in found["outcomes"]] == ["exposed"]
    assert found["exposed_at"] == found["decision"]["decided_at"]


def test_another_choice_under_the_same_request_is_refused(site_console: Any) -> None:
    who, page = ranked(site_console, "twice")
    wish = {"recipient": who, "request_id": hidden(page, "request_id"), "back": PATH}
    site_console.post(f"{PATH}/offered", variant="hello", **wish)
    said = site_console.said(site_console.post(f"{PATH}/offered", variant="ten-percent", **wish))
    assert "under which hello was decided" in said
    other = {**wish, "request_id": "another"}
    refused = site_console.said(site_console.post(f"{PATH}/offered", variant="pigeon", **other))
    assert "/variant: found 'pigeon'" in refused
    assert "/variant: found nothing" in site_console.said(site_console.post(f"{PATH}/offered", **other))


def test_what_was_paused_meanwhile_cannot_be_offered(site: Any, site_console: Any) -> None:
    who, page = ranked(site_console, "meanwhile")
    site.client.post("/v1/campaigns/winback/pause", json={"variant": "hello", "note": "a typo"})
    try:
        wish = {"recipient": who, "request_id": hidden(page, "request_id"), "variant": "hello", "back": PATH}
        assert "has paused it" in site_console.said(site_console.post(f"{PATH}/offered", **wish))
    finally:
        site.client.post("/v1/campaigns/winback/resume", json={"variant": "hello", "note": "mended"})


@pytest.mark.parametrize(("kind", "event_id"), [("pigeon", "a1"), ("", "a1"), ("purchase", ""), ("purchase", "a b")])
def test_only_declared_outcomes_of_an_offer_are_taken(site: Any, site_console: Any, kind: str, event_id: str) -> None:
    who, page = ranked(site_console, "declared")
    wish = {"recipient": who, "request_id": hidden(page, "request_id"), "variant": "hello", "back": PATH}
    url = site_console.post(f"{PATH}/offered", **wish).headers["location"]
    said = site_console.said(site_console.post(url, kind=kind, event_id=event_id, back=url))
    assert said.startswith("/kind: found")
    assert site.client.get(f"/v1/decisions/{url.rpartition('/')[2]}").json()["outcomes"] == []


def test_each_scope_opens_its_own_part(site: Any, open_console: Any) -> None:
    looker = open_console(site, scopes=[Scope.ANALYSE], name="looker")
    token = hidden(looker.text(PATH), "csrf")
    page = looker.client.post(PATH, data={"csrf": token, "recipient": "somebody"}).text
    assert "For <bdi>somebody</bdi>" in page
    assert "I offered this one" not in page
    wish = {"csrf": token, "recipient": "somebody", "request_id": "r", "variant": "hello"}
    assert looker.client.post(f"{PATH}/offered", data=wish).status_code == 403
    assert looker.client.post(f"{PATH}/offered/nobody", data={"csrf": token}).status_code == 403
    seller = open_console(site, scopes=[Scope.ANALYSE, Scope.DECIDE, Scope.REPORT_OUTCOMES], name="seller")
    seller_token = hidden(seller.text(PATH), "csrf")
    for n in range(50):
        data = {**wish, "csrf": seller_token, "recipient": f"sold-{n}"}
        answer = seller.client.post(f"{PATH}/offered", data=data)
        if "/offered/" in answer.headers["location"]:
            break
    url = answer.headers["location"]
    data = {"csrf": seller_token, "kind": "purchase", "event_id": "sale"}
    assert seller.client.post(url, data=data).headers["location"] == url
    assert seller.client.post(PATH, data={"csrf": "wrong", "recipient": "x"}).status_code == 403


def test_an_unknown_campaign_or_offer_is_not_there(site_console: Any) -> None:
    assert site_console.get("/console/campaigns/nowhere/assist").status_code == 404
    assert site_console.get(f"{PATH}/offered/nobody").status_code == 404
