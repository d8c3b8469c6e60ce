"""What campaigns and the strategy earn, as pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import pytest

from optimizer.services.keys.api_keys import Scope

CAMPAIGN, STRATEGY = "/console/campaigns/members/measurement", "/console/strategy/measurement"
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} \u202e'
YAML = '"<script>alert(1)</script>\\"><img src=x onerror=alert(1)> {{7*7}} \\u202e"'


def worked_out(console: Any, url: str) -> str:
    """A page once its figures are there; the one before says how to look again."""
    until = monotonic() + 60
    while "is being worked out" in (page := console.text(url)):
        assert "Look again" in page
        assert monotonic() < until
    return page


def test_a_campaign_without_trials_says_what_is_missing(site_console: Any) -> None:
    page = worked_out(site_console, CAMPAIGN)
    for words in (
        "Measurement of members",
        "peeking is safe",
        "Nothing has been tried yet",
        "Lift against the holdout",
        "A trial has matured once",
        "nothing can be said in money",
        "Nothing can be compared contact by contact yet",
        "Nothing has been sent yet",
        "As of ",
    ):
        assert words in page, words


def test_messages_of_which_nothing_was_heard_are_not_taken_for_none(site: Any, site_console: Any) -> None:
    for n in range(5):
        asked = {"campaign": "winback", "recipient": f"r{n}", "request_id": f"q{n}"}
        assert site.client.post("/v1/decisions", json=asked).status_code == 200
    page = worked_out(site_console, "/console/campaigns/winback/measurement")
    assert "messages so far" in page
    assert "Nothing has been heard of them yet" in page
    assert "Nothing has been sent yet" not in page


def test_the_strategy_page_has_every_objective(site_console: Any) -> None:
    page = worked_out(site_console, STRATEGY)
    for words in ("What the strategy earns", "buy", "clicks", "opens", "strategy-wide holdout", "peeking is safe"):
        assert words in page, words


@pytest.mark.parametrize("url", [CAMPAIGN, STRATEGY])
def test_whoever_may_look_needs_no_more_than_analyse(site: Any, open_console: Callable[..., Any], url: str) -> None:
    assert open_console(site, scopes=[Scope.ANALYSE], name=f"looks-{url[-12:]}").get(url).status_code == 200


def test_an_unknown_campaign_is_a_page_of_the_consoles_own(site_console: Any) -> None:
    answer = site_console.get("/console/campaigns/nowhere/measurement")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_hostile_words_are_words(
    deployment: Any, serve: Callable[..., Any], files: Mapping[str, str], open_console: Any
) -> None:
    strategy = files["strategy.yaml"].replace("  - id: opens\n", f"  - id: opens\n    why: {YAML}\n")
    with serve(deployment, {**files, "strategy.yaml": strategy}) as service:
        console = open_console(service)
        for url in (CAMPAIGN, STRATEGY):
            page = worked_out(console, url)
            assert "<script>alert" not in page
            assert "<img src=x" not in page
            assert "{{7*7}}" in page
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
