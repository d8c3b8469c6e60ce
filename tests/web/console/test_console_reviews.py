"""What waits to be looked at, and signing it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from optimizer.services.keys.api_keys import Scope

MORE = "review: {every: P14D, when_overdue: freeze}\ncapacity: {approvals_per_week: 2}\nholdout: {share: 0.05}"


@pytest.fixture
def asking(
    deploy: Any,
    new_database: Callable[[str], str],
    serve: Callable[..., Any],
    files: Mapping[str, str],
    edited: Callable[..., dict[str, str]],
) -> Iterator[Any]:
    """A service whose strategy asks for reviews and approvals."""
    changed = edited(files, "strategy.yaml", ("approval: {required: false}", "approval: {required: true}"))
    changed = edited(changed, "strategy.yaml", ("holdout: {share: 0.05}", MORE))
    with serve(deploy(new_database("sqlite")), changed) as service:
        yield service


def test_words_are_read_and_approved_and_reviews_signed_with_a_note(asking: Any, open_console: Any) -> None:
    console = open_console(asking)
    page = console.text("/console/reviews")
    assert "We saved you 10%" in page
    assert "more than the team said it can read" in page
    assert page.count('action="/console/campaigns/winback/approve"') == 3
    form = re.search(r'action="/console/campaigns/winback/review".*?name="seen" value="([^"]+)"', page, re.DOTALL)
    assert form
    said = console.said(console.post("/console/campaigns/winback/review", seen=form[1], back="/console/reviews"))
    assert said == "winback is reviewed."
    late = console.said(console.post("/console/campaigns/winback/review", seen=form[1], back="/console/reviews"))
    assert "found it changed since you looked" in late
    answer = console.post("/console/campaigns/winback/approve", message="hello", back="/console/reviews")
    assert console.said(answer) == "hello of winback may be sent."
    assert console.text("/console/reviews").count('action="/console/campaigns/winback/approve"') == 2
    assert "1 approved in the last 7 days" in console.text("/console/reviews")
    last = asking.client.get("/v1/audit?n=2").json()["entries"]
    assert [one["action"] for one in last] == ["approve", "review"]
    assert {one["note"] for one in last} == {"because"}


def test_the_page_of_a_campaign_that_was_only_put_in_force_does_not_say_that_somebody_reviewed_it(
    asking: Any, open_console: Any
) -> None:
    page = open_console(asking).text("/console/campaigns/winback")
    assert "Last looked at, or put in force, " in page
    assert "Last reviewed" not in page


def test_who_may_only_look_sees_what_waits_and_no_forms(asking: Any, open_console: Any) -> None:
    page = open_console(asking, scopes=[Scope.ANALYSE], name="analyst").text("/console/reviews")
    assert "We saved you 10%" in page
    assert "/approve" not in page
    assert "/review" not in page.replace("/reviews", "")


def test_a_strategy_that_asks_for_nothing_says_so(site_console: Any) -> None:
    page = site_console.text("/console/reviews")
    assert "The strategy asks for no reviews." in page
    assert "nothing waits for approval" in page
