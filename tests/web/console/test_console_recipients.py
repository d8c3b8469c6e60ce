"""Recipients: looked up, kept out, handed over and erased, and never named where anybody else reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from optimizer.services.keys.api_keys import Scope

PATH = "/console/recipients"


@pytest.fixture
def known(site: Any) -> Callable[[str], str]:
    """Makes somebody about whom something is kept."""

    def make(recipient: str) -> str:
        profile = {"attributes": {"days": 100, "vip": True}, "consent": {"email": True}, "time_zone": "Europe/London"}
        assert site.client.put(f"/v1/recipients/{recipient}", json=profile).status_code == 200
        body = {"campaign": "winback", "recipient": recipient, "request_id": "r1"}
        one = site.client.post("/v1/decisions", json=body).json()
        report = {"event_id": f"bought-{recipient}", "decision_id": one["decision_id"], "kind": "purchase"}
        site.client.post("/v1/outcomes", json={**report, "occurred_at": one["decided_at"]})
        return recipient

    return make


def last(site: Any, n: int = 1) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.client.get(f"/v1/audit?n={n}").json()["entries"]
    return found


def test_everything_about_somebody_is_on_one_page(site_console: Any, known: Callable[[str], str]) -> None:
    page = site_console.post(PATH, recipient=known("everything"), note="").text
    for part in ("days", "100", "Europe/London", "agreed to email", "purchase", "not on the suppression list"):
        assert part in page
    assert "vip" in page
    assert "Nothing is kept about them" in site_console.post(PATH, recipient="nobody-at-all").text


def test_looking_is_written_down_and_names_nobody(site: Any, site_console: Any, known: Callable[[str], str]) -> None:
    answer = site_console.post(PATH, recipient=known("looked-at"), note="she wrote to us")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    (entry,) = last(site)
    assert (entry["actor"], entry["action"], entry["note"]) == ("test", "look up", "she wrote to us")
    assert "looked-at" not in json.dumps(entry)
    assert "looked-at" not in site_console.text("/console/audit")


def test_somebody_is_kept_out_and_let_back_with_a_note(site: Any, site_console: Any) -> None:
    answer = site_console.post(f"{PATH}/suppress", recipient="keep-me-out", channel="", back=PATH)
    assert site_console.said(answer) == "Nothing is sent to them on any channel any more."
    assert len(site.client.get("/v1/suppressions/keep-me-out").json()["suppressions"]) == 1
    assert "kept out" in site_console.post(PATH, recipient="keep-me-out").text
    again = site_console.post(f"{PATH}/suppress", recipient="keep-me-out", channel="", back=PATH)
    assert site_console.said(again) == "They were kept out on any channel already."
    answer = site_console.post(f"{PATH}/unsuppress", recipient="keep-me-out", channel="", back=PATH)
    assert site_console.said(answer) == "They may be contacted on any channel again."
    assert site.client.get("/v1/suppressions/keep-me-out").json()["suppressions"] == []


@pytest.mark.parametrize("note", ["", "keep-me asked for it"])
def test_a_note_says_something_and_names_nobody(site: Any, site_console: Any, note: str) -> None:
    before = last(site)
    said = site_console.said(site_console.post(f"{PATH}/suppress", recipient="keep-me", note=note, back=PATH))
    assert said.startswith("/note: found ")
    assert last(site) == before
    assert site.client.get("/v1/suppressions/keep-me").json()["suppressions"] == []


def test_what_was_typed_is_there_again_after_a_refusal(site_console: Any) -> None:
    answer = site_console.post(f"{PATH}/suppress", recipient="typed-once", channel="pigeon", back=PATH)
    page = site_console.text(answer.headers["location"])
    assert "channel: found &#39;pigeon&#39;" in page
    assert 'value="typed-once"' in page
    assert "typed-once" not in answer.headers["location"]
    assert 'value="typed-once"' not in site_console.text(PATH), "it is there for ever"


def test_the_file_holds_what_the_api_would_give(site: Any, site_console: Any, known: Callable[[str], str]) -> None:
    answer = site_console.post(f"{PATH}/download", recipient=known("handed-over"))
    assert "attachment" in answer.headers["content-disposition"]
    assert "handed-over" not in answer.headers["content-disposition"]
    exported = site.client.get("/v1/recipients/handed-over/export").json()
    found = answer.json()
    assert {**found, "at": ""} == {**exported, "at": ""}
    assert last(site)[0]["action"] == "export recipient"


def test_erasing_takes_the_id_once_more_and_a_note(site: Any, site_console: Any, known: Callable[[str], str]) -> None:
    erase, who = f"{PATH}/erase", known("erase-me")
    wrong = site_console.said(site_console.post(erase, recipient=who, confirmation="erase-you", back=PATH))
    assert wrong.startswith("/confirmation: found another id")
    assert site.client.get(f"/v1/recipients/{who}").status_code == 200
    site_console.said(site_console.post(erase, recipient=who, confirmation=who, note="", back=PATH))
    assert site.client.get(f"/v1/recipients/{who}").status_code == 200
    said = site_console.said(site_console.post(erase, recipient=who, confirmation=who, note="a letter", back=PATH))
    assert said.startswith("Nothing is left of them: 1 decision is about nobody now.")
    assert site.client.get(f"/v1/recipients/{who}").status_code == 404
    (entry,) = last(site)
    assert (entry["action"], entry["note"]) == ("erase", "a letter")
    assert "Nothing is kept about them" in site_console.post(PATH, recipient=who).text


@pytest.mark.parametrize("recipient", ["", "two words", "a" * 200, "<script>"])
def test_what_is_no_recipient_is_refused_in_words(site: Any, site_console: Any, recipient: str) -> None:
    before = last(site)
    assert "recipient" in site_console.said(site_console.post(PATH, recipient=recipient, note=""))
    assert last(site) == before


def test_only_managers_look_anybody_up(site: Any, open_console: Any, site_console: Any) -> None:
    console = open_console(site, scopes=[Scope.ANALYSE], name="analyst")
    page = console.text(PATH)
    assert "Only a key that may manage" in page
    token = console.text("/console/decisions").split('name="csrf" value="')[1].split('"')[0]
    before = last(site)
    for url in (PATH, f"{PATH}/download", f"{PATH}/suppress", f"{PATH}/unsuppress", f"{PATH}/erase"):
        answer = console.client.post(url, data={"csrf": token, "recipient": "ann", "note": "because"})
        assert answer.status_code == 403, url
        stranger = site_console.client.post(url, data={"csrf": "wrong", "recipient": "ann", "note": "because"})
        assert stranger.status_code == 403, url
        assert console.get(url).status_code in {200, 405}
    assert last(site) == before
