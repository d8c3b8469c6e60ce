"""The page of forecasts."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from optimizer.domain.instants import DAY, HOUR
from optimizer.services.decisions.deciding import DecisionRequest, decide
from optimizer.services.learning.refreshing import learn_campaign

URL = "/console/campaigns/winback/forecast"


def wait_for(console: Any, url: str) -> str:
    """The page, once its figures have been worked out."""
    until = time.monotonic() + 60
    while "being worked out" in (text := console.text(url)):
        assert time.monotonic() < until, "the figures were never worked out"
        time.sleep(0.05)
    return str(text)


@pytest.fixture(scope="module")
def lively(site: Any) -> Any:
    """Ten days of decisions up to now."""
    now = time.time_ns() // 1_000
    for day in range(10, 0, -1):
        with site.deployment.store.writing(alone=True) as ledger:
            wanted = [DecisionRequest("winback", f"{day}-{n}", "r1", {"days": 100}) for n in range(20)]
            decide(ledger, site.deployment.live, wanted, now - day * DAY)
            learn_campaign(ledger, site.deployment.live, "winback", now - day * DAY + HOUR)
    return site


def test_a_campaign_without_a_whole_day_has_no_forecast_and_says_why(site_console: Any) -> None:
    text = wait_for(site_console, "/console/campaigns/newsletter/forecast")
    assert "There is no forecast: no whole day of traffic is known yet" in text


def test_the_page_shows_fans_with_tables_answers_and_the_record(lively: Any, site_console: Any) -> None:
    text = wait_for(site_console, URL)
    assert text.count("<h1>") == 1
    assert "Forecast of winback" in text
    for part in (
        "When the best message is known",
        "Traffic",
        "Reward",
        "How such forecasts have held",
        "What is assumed",
    ):
        assert part in text
    figures = [
        json.loads(one) for one in re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    ]
    assert len(figures) == 2  # nothing costs anything: no spend
    names = {trace.get("name") for figure in figures for trace in figure["data"]}
    assert "expected (80 % and 95 % intervals)" in names
    assert text.count("80 % interval") >= 3
    assert len(re.findall(r"<tr><th scope=\"row\"><span class=\"number\">\d{1,2} [A-Z][a-z]{2} \d{4}<", text)) >= 2 * 28


def test_a_campaign_nobody_knows_is_not_found(site_console: Any) -> None:
    assert site_console.get("/console/campaigns/nobody/forecast").status_code == 404


def test_nobody_sees_it_who_is_not_signed_in(site: Any) -> None:
    with site.calling() as stranger:
        answer = stranger.get(URL, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in")


def test_machines_ask_for_the_same(lively: Any) -> None:
    answer = lively.client.get("/v1/campaigns/winback/forecast", params={"days": 3})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["days"]) == 3
    assert lively.client.get("/v1/campaigns/winback/forecast", params={"days": 0}).status_code == 422
    assert lively.client.get("/v1/campaigns/nobody/forecast").status_code == 404
