"""The page of the weekly review, and a signature under it."""

from __future__ import annotations

import re
import time
from hashlib import sha256
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from optimizer.domain.instants import DAY
from optimizer.insights.weekly.weeks import week_before, week_of
from optimizer.services.documents.applying import apply_workspace
from optimizer.services.keys.api_keys import Scope
from optimizer.services.oversight import steering
from optimizer.strategy.workspace import read_workspace

URL = "/console/reviews/weekly"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}\u202egnirts'


def wait_for(console: Any, url: str) -> str:
    until = time.monotonic() + 60
    while "being worked out" in (text := console.text(url)):
        assert time.monotonic() < until, "the review was never worked out"
        time.sleep(0.05)
    return str(text)


@pytest.fixture(scope="module")
def told(site: Any, files: Any) -> Any:
    """Documents in force for three weeks, and something that people wrote in the middle of them."""
    now, zone = time.time_ns() // 1_000, ZoneInfo("Europe/London")
    last = week_before(week_of(now, zone), zone)  # the one that the page shows
    with site.deployment.store.writing(alone=True) as ledger:
        changed = {**files, "strategy.yaml": files["strategy.yaml"].replace("share: 0.05", "share: 0.06")}
        apply_workspace(
            ledger, read_workspace(changed), actor="ann", note=HOSTILE.replace("\u202e", ""), now=now - 21 * DAY
        )
    for use_case in (steering.pause, steering.resume):
        with site.deployment.store.writing(alone=True) as ledger:
            note = HOSTILE.replace("\u202e", "")
            use_case(ledger, site.deployment.live, "winback", actor='<b>"ann"</b>', note=note, now=last.begins + DAY)
    return site


def fields(text: str) -> dict[str, str]:
    form = text[text.index(f'action="{URL}/sign"') :]
    return dict(re.findall(r'<input type="hidden" name="(week|as_of|settled|digest|seal)" value="([^"]*)">', form))


def test_what_people_wrote_is_text_on_the_page_and_in_its_files(told: Any, site_console: Any) -> None:
    text = wait_for(site_console, URL)
    assert text.count("<h1>") == 1
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    for harm in ("<script>alert", "<img src=x", '<b>"ann"', ">49<"):
        assert harm not in text
    page = site_console.get(f"{URL}/file.html")
    assert page.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "<img" not in page.text


def test_what_is_signed_is_the_text_on_the_page(told: Any, open_console: Any) -> None:
    console = open_console(told, scopes=[Scope.ANALYSE, Scope.MANAGE], name="bob")
    text = wait_for(console, URL)
    shown = re.search(r"<pre>(.*?)</pre>", text, re.DOTALL)
    assert shown
    said = fields(text)
    assert sha256(unescape(shown[1]).encode()).hexdigest() == said["digest"]
    answer = console.post(f"{URL}/sign", **said, note="fine")
    assert console.said(answer).startswith(f"The review of {said['week']} is signed: ")
    with told.deployment.store.reading() as ledger:
        entry = ledger.audit.latest(1)[0].entry
    assert (entry.actor, entry.action, entry.note) == ("bob", "sign weekly review", "fine")
    assert said["digest"] in entry.after
    assert "Signed by <bdi>bob</bdi>" in wait_for(console, f"{URL}?week={said['week']}")


def test_nothing_is_signed_that_was_not_shown_without_a_note_or_by_somebody_who_may_only_look(
    told: Any, open_console: Any
) -> None:
    console = open_console(told)
    looks = open_console(told, scopes=[Scope.ANALYSE], name="eve")
    said = fields(wait_for(console, URL))
    before = audited(told)
    refused = console.said(console.post(f"{URL}/sign", **{**said, "digest": "0" * 64}))
    assert "/seal" in refused
    assert "/note" in console.said(console.post(f"{URL}/sign", **said, note=" "))
    assert "/as_of" in console.said(console.post(f"{URL}/sign", **{**said, "as_of": "soon"}))
    assert console.client.post(f"{URL}/sign", data={**said, "note": "x", "csrf": "wrong"}).status_code == 403
    assert f'action="{URL}/sign"' not in wait_for(looks, URL)
    assert looks.post(f"{URL}/sign", **said).status_code == 403
    assert audited(told) == before


def test_a_week_can_be_picked_and_one_that_runs_cannot_be_signed(told: Any, site_console: Any) -> None:
    text = site_console.text(URL)
    running = re.findall(r'<option value="(\d{4}-W\d\d)"', text)[0]
    page = wait_for(site_console, f"{URL}?week={running}")
    assert "The week is not over" in page
    assert f'action="{URL}/sign"' not in page
    assert "No campaign was in force." in wait_for(site_console, f"{URL}?week=2020-W01")


@pytest.mark.parametrize("week", ["2026-W60", "<script>", "2026"])
def test_what_is_no_week_is_said_so(site_console: Any, week: str) -> None:
    answer = site_console.get(URL, params={"week": week})
    assert answer.status_code == 422
    assert "<script>" not in answer.text


def audited(site: Any) -> int:
    with site.deployment.store.reading() as ledger:
        return int(ledger.audit.latest(1)[0].number)
