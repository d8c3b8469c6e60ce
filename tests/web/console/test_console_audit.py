"""Who changed what, as a page, and whether the trail is as it was written."""

from __future__ import annotations

import re
from typing import Any

import pytest


def note(site: Any, text: str, campaign: str = "winback") -> None:
    assert site.client.post(f"/v1/campaigns/{campaign}/review", json={"note": text}).status_code == 200


def test_the_trail_is_shown_newest_first_and_is_unbroken(site: Any, site_console: Any) -> None:
    note(site, "first look")
    note(site, "second look")
    page = site_console.text("/console/audit")
    assert page.index("second look") < page.index("first look")
    entries = site.client.get("/v1/audit?n=1").json()["entries"][0]
    assert f"unbroken to entry {entries['number']}" in page
    assert entries["hash"] in page


def test_pages_and_filters_leave_what_they_ask_for(site: Any, site_console: Any) -> None:
    for n in range(55):
        note(site, f"look number {n}", "members")
    url: str | None = "/console/audit?campaign=members&action=review"
    found: list[str] = []
    while url is not None:
        page = site_console.text(url)
        found += re.findall(r"look number (\d+)<", page)
        assert "first look" not in page
        following = re.search(r'<a rel="next" href="([^"]+)"', page)
        url = following[1].replace("&amp;", "&") if following else None
    assert found == [str(n) for n in reversed(range(55))]
    assert "no entry like that" in site_console.text("/console/audit?actor=nobody")
    assert "look number" not in site_console.text("/console/audit?campaign=newsletter")


def test_a_changed_entry_is_found_by_its_number(service: Any, console: Any) -> None:
    note(service, "an honest reason")
    with service.deployment.store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit SET note = 'another' WHERE number = 2")
    page = console.text("/console/audit")
    assert "broken at entry 2" in page
    assert "unbroken" not in page


@pytest.mark.parametrize("query", ["before=0", "before=x", "before=99999999999", f"actor={'a' * 2000}"])
def test_wrong_questions_get_a_page(site_console: Any, query: str) -> None:
    answer = site_console.get(f"/console/audit?{query}")
    assert answer.status_code == 422
    assert "<h1" in answer.text


def test_a_long_change_can_be_read_in_full(site: Any, site_console: Any) -> None:
    page = site_console.text("/console/audit?action=apply")
    full = site.client.get("/v1/audit?n=200").json()["entries"][-1]["after"]
    assert len(full) > 160
    assert full.split("; ")[-1].split(" (")[0] in page
