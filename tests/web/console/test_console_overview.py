"""The first page: every campaign, what needs people, and nothing that a text could break."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import httpx
import pytest

from optimizer.insights.measures.alikeness import Alikeness
from optimizer.services.oversight.needs import Need, NeedKind, Needs
from optimizer.services.reports.overviewing import Lift
from optimizer.web.console.assets import OWN, asset_url, plotly_url
from optimizer.web.headers import TEXT_HEADERS

EVIL = """<script>alert(1)</script> "><img src=x onerror=alert(1)> {{7*7}} \u202eevil"""


def text_of(page: str) -> str:
    """What somebody reads on a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_every_campaign_is_there_with_what_it_serves_how_it_stands_and_who_leads(site_console: Any) -> None:
    page = text_of(site_console.whole("/console"))
    for campaign, objective in (("winback", "buy"), ("newsletter", "clicks"), ("members", "opens")):
        assert re.search(rf"{campaign} .*?Serves {objective} .*?live", page), page
    assert "nothing to compare yet" in page
    assert "no clear leader yet" in page
    assert "no limit on money" in page
    assert "Needs you" in page
    assert "Nothing needs you now." in page
    assert "Times are those of Europe/London" in page


def test_a_page_has_one_heading_landmarks_and_a_way_past_the_navigation(site_console: Any) -> None:
    page = site_console.text("/console")
    assert len(re.findall(r"<h1[ >]", page)) == 1
    for landmark in ("<header", "<nav", "<main", "<footer"):
        assert landmark in page
    assert re.search(r'<a class="skip" href="#content">', page)
    assert re.search(r'<a href="/console" aria-current="page">Overview</a>', page)
    assert '<html lang="en">' in page


def test_nothing_on_a_page_runs_or_comes_from_elsewhere(site_console: Any) -> None:
    answer = site_console.get("/console")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "form-action 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.replace("style-src-attr 'unsafe-inline'", "")
    for name in ("cache-control", "x-content-type-options"):
        assert answer.headers.get_list(name) == [TEXT_HEADERS[name]]
    assert answer.headers["referrer-policy"] == "same-origin", "so that a form says where it comes from"
    page = answer.text
    assert all(attributes for attributes in re.findall(r"<script([^>]*)>", page))
    assert all("src=" in one for one in re.findall(r"<script([^>]*)>", page))
    assert not re.search(r"\son\w+=|javascript:|<style|\sstyle=", page)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", page)


def test_what_needs_people_is_listed_with_one_form_each(
    serve: Callable[..., Any], sqlite_house: Any, edited: Any, files: Any, open_console: Callable[..., Any]
) -> None:
    documents = edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}"))
    with serve(sqlite_house.deployment, documents) as service:
        sqlite_house.record(sqlite_house.report("nobody"))
        console = open_console(service)
        page = console.text("/console")
        read = text_of(page)
        assert "ten-percent is not sent until somebody approves its words" in read
        assert "one report could not be used and wait" in read
        assert "awaiting approval" in read
        forms = re.findall(r'action="/console/campaigns/winback/approve">(.*?)</form>', page, re.DOTALL)
        assert len(forms) == 3
        for form in forms:
            assert {"csrf", "back", "seen", "message", "note"} <= set(re.findall(r'name="(\w+)"', form))
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', forms[0]))
        answer = console.client.post("/console/campaigns/winback/approve", data={**fields, "note": "read it"})
        assert console.said(answer) == f"{fields['message']} of winback may be sent."
        left = re.findall(r'action="/console/campaigns/winback/approve">', console.text("/console"))
        assert len(left) == 2, "what was worked out before is not shown any more"


def test_of_much_that_waits_the_oldest_and_the_urgent_stand_open_and_the_rest_is_one_click_away(
    site_console: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waiting(n: int) -> Callable[..., Needs]:
        found = [Need(NeedKind.REVIEW, f"c{i}", f"c{i}", i, f"thing {i} waits", urgent=i == 19) for i in range(n)]
        return lambda *_: Needs(tuple(found))

    def shown() -> tuple[list[str], list[str]]:
        page = site_console.text("/console")
        before, _, after = page[: page.index('id="campaigns"')].partition('<details class="behind more"')
        return re.findall(r"thing (\d+) waits", before), re.findall(r"thing (\d+) waits", after)

    monkeypatch.setattr("optimizer.web.console.overview.needs", waiting(20))
    assert shown() == ([*"0123456", "19"], [str(i) for i in range(7, 19)])
    page = site_console.text("/console")
    assert 'more">\n<summary>12 more</summary>' in page
    answer = site_console.post("/console/campaigns/c9/review", note=" ", back="/console", seen="")
    assert "found" in site_console.said(answer)
    site_console.post("/console/campaigns/c9/review", note=" ", back="/console", seen="")
    assert 'more" open>' in site_console.text("/console"), "what was refused is not hidden"
    monkeypatch.setattr("optimizer.web.console.overview.needs", waiting(9))
    assert shown() == ([*"012345678"], []), "nobody opens a list to find one line in it"


def test_a_lift_without_an_interval_has_no_dash_before_it_that_reads_as_a_minus(
    site_console: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lift = Lift("USD", 0.4574, None, None, 2_059, Alikeness())
    monkeypatch.setattr("optimizer.web.console.overview.lifts", lambda *_: {"winback": lift})
    cells = re.findall(r'<td role="cell" class="lift"[^>]*>(.*?)</td>', site_console.whole("/console"), re.DOTALL)
    said = [text_of(one) for one in cells if "+0.4574" in one]
    assert said == ["+0.4574 USD too few yet for an interval; 2,059 trials"]


def test_hostile_texts_of_documents_show_as_text(
    serve: Callable[..., Any], sqlite_house: Any, edited: Any, files: Any, open_console: Callable[..., Any]
) -> None:
    evil = EVIL.replace('"', '\\"').replace("\u202e", "\\u202e")
    documents = edited(files, "campaigns/winback.yaml", ("serves: buy\n", f'serves: buy\nwhy: "{evil}"\n'))
    documents = edited(documents, "strategy.yaml", ("  - id: buy\n", f'  - id: buy\n    why: "{evil}"\n'))
    with serve(sqlite_house.deployment, documents) as service:
        sqlite_house.now = 1_790_000_000_000_000
        console = open_console(service)
        console.post("/console/campaigns/winback/pause", note=EVIL)
        page = console.text("/console")
    assert page.count("&lt;script&gt;alert(1)") >= 2
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "{{7*7}}" in page
    assert page.count("<bdi>&lt;script") >= 2, "what turns the direction of writing ends where the text does"


def test_before_any_documents_the_page_says_what_to_do(deploy: Callable[..., Any], new_database: Any) -> None:
    from optimizer.services.live import Live
    from optimizer.services.oversight.needs import needs
    from optimizer.services.reports.overviewing import lifts, overview

    deployment = deploy(new_database("sqlite"))
    live: Live = deployment.live
    with deployment.store.reading() as ledger:
        assert overview(ledger, live, 0).campaigns == ()
        assert needs(ledger, live, 0).found == ()
        assert lifts(ledger, live, 0) == {}


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("path", ["/console/nowhere", "/console/campaigns/winback/nowhere"])
def test_what_is_not_there_has_a_page_of_its_own(site_console: Any, path: str) -> None:
    answer = site_console.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is no such page" in answer.text
    assert 'aria-label="Console"' in answer.text, "whoever is signed in finds the way from it"
    assert answer.headers["cache-control"] == "no-store"


def test_other_addresses_answer_problems_as_before(site: Any, site_console: Any) -> None:
    assert site_console.get("/consoles").headers["content-type"] == "application/problem+json"
    assert site.client.get("/v1/campaigns/nobody").headers["content-type"] == "application/problem+json"


def test_a_key_that_asks_too_fast_gets_a_page_that_says_so(
    serve: Callable[..., Any], sqlite_house: Any, open_console: Callable[..., Any]
) -> None:
    from optimizer.services.keys.api_keys import Scope
    from optimizer.services.keys.rates import Rate

    with serve(sqlite_house.deployment) as service:
        key = service.deployment.create_key("hasty", [Scope.ANALYSE], rate=Rate(1, 2))
        console = open_console(service, key)
        answers = (console.get("/console") for _ in range(100))  # a slow machine gains a token a second
        refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert "rate: found more than 1 items a second of key hasty" in refused.text


def test_a_defect_is_a_page_that_says_nothing_of_it(site_console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> Any:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr("optimizer.web.console.overview.overview", broken)
    answer = site_console.get("/console")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.text
    assert "inside" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    assert answer.headers["x-request-id"] in answer.text


# ---------------------------------------------------------------- files


def test_files_are_kept_for_ever_and_need_no_key(site: Any) -> None:
    with httpx.Client(base_url=site.url) as anyone:
        for file in OWN:
            answer = anyone.get(asset_url(file))
            assert answer.status_code == 200
            assert answer.headers["content-encoding"] == "gzip"
            assert "immutable" in answer.headers["cache-control"]
            assert anyone.get(asset_url(file), headers={"Accept-Encoding": "identity"}).text == answer.text
        plotly = anyone.get(plotly_url())
        assert plotly.status_code == 200
        assert "plotly.js v" in plotly.text[:200]
        assert int(plotly.headers["content-length"]) < 2_000_000
        for wrong in ("console.css", "console-000000000000.css", "..%2fshell.py", "plotly-0.0.0.min.js"):
            assert anyone.get(f"/console/static/{wrong}").status_code == 404


def test_what_a_page_names_is_there(site_console: Any) -> None:
    page = site_console.text("/console")
    named = set(re.findall(r'(?:href|src|data-plotly)="(/console/static/[^"]+)"', page))
    assert len(named) == 4
    for name in named:
        assert site_console.get(name).status_code == 200
