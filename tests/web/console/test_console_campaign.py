"""The page of a campaign: the why on top, every figure with a table, actions with a note, and no text that runs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from optimizer.domain.controls import UNTOUCHED
from optimizer.domain.instants import DAY, HOUR
from optimizer.engine.watching import answered_alarm
from optimizer.insights.measures.alikeness import NOT_LOOKED_AT
from optimizer.services.keys.api_keys import Scope
from optimizer.services.live import DOCUMENTS
from optimizer.services.proposing.keeping import keep, made

EVIL = """<script>alert(1)</script> "><img src=x onerror=alert(1)> {{7*7}} \u202eevil"""
PAGE = "/console/campaigns/winback"
APPROVED = ("approval: {required: false}\n", "approval: {required: true}\n")


def text_of(page: str) -> str:
    """What somebody reads on a page."""
    return " ".join(unescape(re.sub(r"<script.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


def with_traffic(house: Any, now: int, people: int = 40) -> None:
    """Two days of decisions and purchases that end now."""
    for day in (2, 1):
        house.now = now - day * DAY
        answers = house.decide(*[house.request(f"{day}-{n}", attributes={"country": "US"}) for n in range(people)])
        sent = [one.decision.decision_id for one in answers if one.decision.variant_id]
        house.now += HOUR
        house.record(*[house.report(one, occurred_at=house.now) for one in sent[::3]])
    house.now = now
    house.learn()


@pytest.fixture
def busy(
    sqlite_house: Any, files: Mapping[str, str], serve: Callable[..., Any], open_console: Callable[..., Any]
) -> Any:
    """A browser before a campaign with some traffic."""
    with serve(sqlite_house.deployment, files) as service:
        with_traffic(service.house(), time.time_ns() // 1_000)
        yield open_console(service)


def test_the_why_and_the_sentence_stand_on_top_and_every_part_follows(busy: Any) -> None:
    page = busy.text(PAGE)
    said = text_of(page)
    assert said.index("buy") < said.index("Who leads where") < said.index("Allocation") < said.index("Reward")
    assert (
        said.index("From decision to reward") < said.index("Spend") < said.index("Words") < said.index("What happened")
    )
    assert "the learning group" in said.lower() or "too early to say" in said
    assert "american" in said
    assert "We saved you 10%" in said
    assert "As of " in said
    assert len(re.findall(r"<h1[ >]", page)) == 1


def test_every_figure_has_a_table_and_json_a_script_cannot_leave(busy: Any) -> None:
    page = busy.whole(PAGE)
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert len(figures) == 3, "allocation, means and ridges"
    for figure in figures:
        assert re.search(r"<table>.*?<caption>.*?<th scope=\"col\"", figure, re.DOTALL)
        (written,) = re.findall(r'<script type="application/json">(.*?)</script>', figure, re.DOTALL)
        assert json.loads(written)["data"]
        assert "<" not in written


def test_bars_share_an_axis_and_say_their_interval_to_those_who_do_not_see_them(busy: Any) -> None:
    page = busy.text(PAGE)
    labels = re.findall(r'<svg class="interval"[^>]*aria-label="([^"]+)"', page)
    assert labels
    assert all(re.fullmatch(r".+ in .+: 95 % interval [\d.]+ % to [\d.]+ %", label) for label in labels)


def test_segments_can_be_sorted_and_a_strange_order_is_that_of_the_documents(busy: Any) -> None:
    def order(url: str) -> list[str]:
        return re.findall(r'scope="rowgroup"[^>]*><div[^>]*><bdi>([^<]+)', busy.text(url))

    assert order(PAGE) == order(f"{PAGE}?sort=nonsense") == ["lapsed", "american", "everyone-else"]
    assert order(f"{PAGE}?sort=trials")[0] == "american"
    assert 'aria-current="true">where the choice differs' in busy.text(f"{PAGE}?sort=differs")
    assert busy.get(f"{PAGE}?sort={'x' * 50}").status_code == 422


def test_of_hundreds_of_rows_the_likeliest_of_each_segment_stand_there_and_all_are_one_click_away(
    busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(url: str) -> int:
        board = busy.text(url).split('<table class="leaderboard">')[1].split("</table>")[0]
        return len(re.findall(r'<th scope="row">', board))

    every = rows(PAGE)
    assert "rows=all" not in busy.text(PAGE)
    monkeypatch.setattr("optimizer.services.reports.leaderboards.MOST_ROWS", every - 1)
    monkeypatch.setattr("optimizer.services.reports.leaderboards.MOST_NAMED", 1)
    assert 3 <= rows(PAGE) <= 6, "one of each segment, and control"
    link = re.search(r'more, less likely the best. <a href="([^"#]+)', busy.text(f"{PAGE}?sort=trials"))
    assert link
    assert rows(unescape(link[1])) == every
    assert "sort=trials" in link[1]


def test_of_many_variants_the_picture_and_its_table_name_the_same_and_put_the_others_together(
    busy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.figures.allocation._MOST_DRAWN", 2)
    monkeypatch.setattr("optimizer.figures.allocation.MOST_NAMED", 1)
    page = busy.whole(PAGE)
    figure = next(one for one in re.findall(r"<figure.*?</figure>", page, re.DOTALL) if "others (1)" in one)
    (written,) = re.findall(r'<script type="application/json">(.*?)</script>', figure, re.DOTALL)
    bands = [trace for trace in json.loads(written)["data"] if trace.get("stackgroup")]
    head = next(one for one in re.findall(r"<thead>(.*?)</thead>", figure, re.DOTALL) if "others (1)" in one)
    columns = [unescape(name) for name in re.findall(r'<th scope="col" class="number">(.*?)</th>', head)]
    assert columns == [*(trace["name"] for trace in bands), "exploring"]
    assert len(columns) == 4
    assert "hello" in columns, "control"
    assert "the others are one area" in text_of(page)


def test_a_metric_that_was_answered_for_and_counts_anew_is_not_drawn_and_the_page_says_so(
    sqlite_house: Any, files: Mapping[str, str], serve: Callable[..., Any], open_console: Callable[..., Any]
) -> None:
    watched = "guardrail_metrics:\n" + "".join(
        f"  - {{outcome: {outcome}, at_most: 0.01, then: {then}}}\n"
        for outcome, then in (("unsubscribed", "alert"), ("complained", "stop_campaign"))
    )
    documents = {**files, "strategy.yaml": files["strategy.yaml"] + watched}
    with serve(sqlite_house.deployment, documents) as service:
        now = time.time_ns() // 1_000
        with_traffic(service.house(), now)
        with service.deployment.store.writing(alone=True) as ledger:
            answered = {answered_alarm("unsubscribed"): now}
            ledger.controls.put("winback", replace(UNTOUCHED, watched_since=answered))
            ledger.revisions.bump(DOCUMENTS)
        said = text_of(open_console(service).whole(PAGE))
    assert re.search(r"Not drawn: unsubscribed, answered for and counted anew since \d+ \w+ \d+ ?; nothing was", said)
    assert "Not drawn: complained" not in said


def test_pages_say_it_where_nobody_has_looked_yet_how_alike_trials_are(
    sqlite_house: Any, files: Mapping[str, str], serve: Callable[..., Any], open_console: Callable[..., Any]
) -> None:
    with serve(sqlite_house.deployment, files) as service:
        house, live = service.house(), service.deployment.live
        with_traffic(house, time.time_ns() // 1_000, people=400)
        console = open_console(service)
        assert NOT_LOOKED_AT in text_of(console.text(PAGE))
        assert ", every trial taken for another recipient's; " in text_of(console.whole("/console"))
        with service.deployment.store.writing(alone=True) as ledger:
            keep(ledger, live, made(ledger, live, "winback", house.now), house.now)
        console.post(f"{PAGE}/pause")  # whoever changes something sees everything anew
        assert NOT_LOOKED_AT not in text_of(console.text(PAGE))


def test_a_campaign_without_decisions_says_what_to_do_next(site_console: Any) -> None:
    said = text_of(site_console.text(PAGE))
    assert "Nothing was decided yet. Ask for decisions with POST /v1/decisions" in said
    assert "No trials yet." in said
    assert "The strategy watches no rate. List unwanted outcomes under guardrail_metrics" in said
    assert "No limit on money or messages." in said
    assert "<figure" not in site_console.text(PAGE)


def test_a_campaign_that_is_not_there_has_a_page_that_says_so(site_console: Any) -> None:
    answer = site_console.get("/console/campaigns/nobody")
    assert answer.status_code == 404
    assert "winback" in answer.text


def test_from_the_page_people_pause_pin_and_review_with_a_note(site_console: Any) -> None:
    def form(verb: str) -> dict[str, str]:
        page = site_console.text(PAGE)
        found = re.search(rf"<form method=\"post\" action=\"{PAGE}/{verb}\">(.*?)</form>", page, re.DOTALL)
        assert found, verb
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[1]))

    assert "found it changed" not in site_console.said(site_console.post(f"{PAGE}/pause", **form("pause")))
    page = text_of(site_console.text(PAGE))
    assert "paused" in page[: page.index("Who leads where")]
    assert "test because" in page[page.index("What happened") :], "who and why"
    site_console.said(site_console.post(f"{PAGE}/resume", **form("resume")))
    site_console.said(site_console.post(f"{PAGE}/pin", variant="ten-percent", **form("pin")))
    assert "ten-percent is pinned" in text_of(site_console.text(PAGE))
    site_console.said(site_console.post(f"{PAGE}/unpin", **form("unpin")))
    site_console.said(site_console.post(f"{PAGE}/review", **form("review")))
    assert "ten-percent is pinned" not in text_of(site_console.text(PAGE))


def test_words_nobody_has_approved_are_asked_for_and_approved_from_the_page(
    deployment: Any, serve: Callable[..., Any], files: Mapping[str, str], edited: Any, open_console: Any
) -> None:
    with serve(deployment, edited(files, "strategy.yaml", APPROVED)) as service:
        console = open_console(service)
        page = console.text(PAGE)
        assert text_of(page).count("awaits approval") == 3
        assert f'action="{PAGE}/approve"' in page
        assert 'href="#words-hello"' in page
        assert 'id="words-hello"' in page
        console.said(console.post(f"{PAGE}/approve", message="hello", note="reads well"))
        said = text_of(console.text(PAGE))
        assert said.count("awaits approval") == 2
        assert "approve hello by test" in said
        assert "reads well" in said


def test_who_may_only_look_sees_no_forms(site: Any, open_console: Callable[..., Any]) -> None:
    page = open_console(site, scopes=[Scope.ANALYSE], name="looker").text(PAGE)
    assert f'action="{PAGE}' not in page
    assert "A key with the scope manage can pause" in page


def test_hostile_texts_show_as_text_wherever_they_are_stored(
    sqlite_house: Any, files: Mapping[str, str], edited: Any, serve: Callable[..., Any], open_console: Any
) -> None:
    evil = EVIL.replace('"', '\\"').replace("\u202e", "\\u202e")
    documents = edited(
        files,
        "campaigns/winback.yaml",
        ("serves: buy\n", f'serves: buy\nwhy: "{evil}"\njourney_stage: "{evil}"\n'),
        ('body: "Hi there"}', f'body: "{evil}", notes: "{evil}", fields: {{button: "{evil}"}}}}'),
        ("subject: See what is new", f'subject: "{evil}"'),
        (
            "control: {message: hello}",
            f'targetings: [{{id: soon, notes: "{evil}"}}]\ncontrol: {{message: hello, targeting: soon}}',
        ),
    )
    documents = edited(documents, "strategy.yaml", ("  - id: buy\n", f'  - id: buy\n    why: "{evil}"\n'))
    with serve(sqlite_house.deployment, documents) as service:
        console = open_console(service)
        console.post(f"{PAGE}/pause", note=EVIL, variant="hello:soon")
        console.post(f"{PAGE}/pause", note=EVIL)
        console.post(f"{PAGE}/pin", variant="ten-percent:soon", note=EVIL)
        page = console.text(PAGE)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "{{7*7}}" in page or "7*7" in page
    escaped = page.count("&lt;script&gt;alert(1)")
    assert escaped >= 12, f"{escaped} places"
    shown = re.sub(r'="[^"]*"', "", page)
    for found in re.finditer(r"&lt;script&gt;alert\(1\)", shown):
        before = shown[: found.start()]
        assert before.rfind("<bdi>") > before.rfind("</bdi>"), before[-200:]
