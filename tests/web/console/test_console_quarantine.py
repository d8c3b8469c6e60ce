"""What waits in quarantine, by its cause, and judging it again."""

from __future__ import annotations

from typing import Any

import pytest

from optimizer.services.keys.api_keys import Scope

PATH = "/console/quarantine"
AT = "2026-09-21T12:00:00Z"


def stray(site: Any, event_id: str, **rest: Any) -> None:
    report = {"event_id": event_id, "kind": "purchase", "occurred_at": AT, "decision_id": "nobody", **rest}
    assert site.client.post("/v1/outcomes", json=report).status_code == 200


def waiting(site: Any) -> set[str]:
    return {one["report"]["event_id"] for one in site.client.get("/v1/quarantine").json()["reports"]}


def decided(site: Any, recipient: str) -> dict[str, Any]:
    body = {"campaign": "winback", "recipient": recipient, "request_id": "r1"}
    found: dict[str, Any] = site.client.post("/v1/decisions", json=body).json()
    return found


def early(site: Any, event_id: str, recipient: str) -> None:
    """A report that says it happened before its decision."""
    stray(site, event_id, decision_id=decided(site, recipient)["decision_id"], occurred_at="2020-01-01T00:00:00Z")


def test_an_empty_quarantine_says_what_it_is_for(site_console: Any) -> None:
    page = site_console.text(PATH)
    assert "Nothing waits in quarantine." in page
    assert "/retry" not in page


def test_reports_stand_under_their_cause_with_what_helps(service: Any, console: Any) -> None:
    for n in range(7):
        stray(service, f"stray-{n}")
    early(service, "early-1", "ann")
    page = console.text(PATH)
    assert "8 reports wait" in page
    assert page.index("They name a decision this service never made.") < page.index("They say they happened before")
    assert page.count('name="event_id"') == 5 + 1
    assert "Ask whoever reports them for the decision_id" in page


def test_a_report_of_the_ends_of_the_calendar_hides_no_other(service: Any, console: Any) -> None:
    stray(service, "of-the-year-1", occurred_at="0001-01-01T00:00:00Z")
    stray(service, "of-the-year-9999", occurred_at="9999-12-31T23:59:59Z")
    page = console.text(PATH)
    assert "of-the-year-1" in page
    assert "of-the-year-9999" in page


def test_one_those_of_a_cause_or_all_are_judged_again(site: Any, site_console: Any) -> None:
    stray(site, "one")
    stray(site, "two")
    early(site, "three", "bob")

    def again(**which: str) -> str:
        said: str = site_console.said(site_console.post(f"{PATH}/retry", **which))
        return said

    assert again(event_id="one") == "1 report judged again: 1 still without a decision."
    assert again(cause="impossible-time") == "1 report judged again: 1 still not usable."
    assert again(all="yes") == "3 reports judged again: 2 still without a decision, 1 still not usable."
    assert again(cause="no-such-cause") == "Nothing waits that could be judged again."
    assert again(event_id="nothing-of-ours").startswith("event_id: found nothing-of-ours; allowed an event that waits")
    assert "/event_id: found none of them" in again()
    assert "/event_id: found none of them" in again(all="yes", cause="other")


def test_what_can_be_used_by_now_is_recorded_and_leaves(site: Any, site_console: Any) -> None:
    made = decided(site, "comes-later")
    with site.deployment.store.writing(alone=True) as ledger:
        report = {"event_id": "waited", "kind": "purchase", "decision_id": made["decision_id"]}
        fields = ("recipient", "campaign_id", "value", "currency", "reverses", "recipient_key")
        from datetime import datetime

        from optimizer.domain.instants import instant

        at = instant(datetime.fromisoformat(made["decided_at"]))
        kept = {**report, **dict.fromkeys(fields), "occurred_at": at, "machine": False}
        ledger.quarantine.keep("waited", "decision_id: found it too early; allowed a decision", kept, at)
    assert (
        site_console.said(site_console.post(f"{PATH}/retry", event_id="waited")) == "1 report judged again: 1 recorded."
    )
    assert "waited" not in waiting(site)


def test_only_managers_judge_again(site: Any, open_console: Any, site_console: Any) -> None:
    stray(site, "seen")
    console = open_console(site, scopes=[Scope.ANALYSE], name="analyst")
    page = console.text(PATH)
    assert "seen" in page
    assert "/retry" not in page
    token = console.text("/console/decisions").split('name="csrf" value="')[1].split('"')[0]
    assert console.client.post(f"{PATH}/retry", data={"csrf": token, "all": "yes"}).status_code == 403
    assert site_console.client.post(f"{PATH}/retry", data={"csrf": "wrong", "all": "yes"}).status_code == 403
    assert site_console.get(f"{PATH}/retry").status_code == 405


@pytest.mark.slow
def test_ten_thousand_reports_are_one_page_and_one_click(service: Any, console: Any) -> None:
    reports = [
        {"event_id": f"stray-{n}", "kind": "purchase", "occurred_at": AT, "decision_id": f"nobody-{n}"}
        for n in range(10_000)
    ]
    assert service.client.post("/v1/outcomes", json={"outcomes": reports}).status_code == 200
    page = console.text(PATH)
    assert "10,000 reports wait" in page
    assert len(page) < 100_000
    said = console.said(console.post(f"{PATH}/retry", all="yes"))
    assert said == "10,000 reports judged again: 10,000 still without a decision."
