"""The page of found segments: worked out behind, honest when there is nothing, and everything it shows is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.insights.discovering.logs import HOSTILE, planted

from optimizer.insights.discovering.clusters import NO_CLUSTERS, found_clusters
from optimizer.insights.discovering.discovered import Discovered
from optimizer.insights.discovering.tree import found_segments
from optimizer.web.console import segments

PATH = "/console/campaigns/winback/segments"


def searched(**names: Any) -> Discovered:
    feedback, columns = planted(**names)
    found, clusters = found_segments(feedback, columns), found_clusters(feedback, columns)
    return Discovered("winback", "share of trials", found, clusters, 20_000, False, feedback.variant_ids)


@pytest.fixture
def showing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Puts a search in place of the ledger's."""

    def put(found: Discovered) -> None:
        def use_case(*_: Any) -> Discovered:
            return found

        monkeypatch.setattr(segments, "discovered_for_a_page", use_case)

    return put


def finished(console: Any) -> str:
    """The page once the search is done."""
    for _ in range(200):
        answer = console.get(PATH)
        if "under way" not in answer.text:
            return answer.text
    raise AssertionError("the search does not end")


def test_found_segments_are_shown_with_sizes_intervals_and_the_yaml_to_paste(site_console: Any, showing: Any) -> None:
    showing(searched())
    page = finished(site_console)
    assert "country is US" in page
    assert "1 segment for which another variant is best than one" in page
    assert "- id: country-us" in page
    assert "everyone_else: include" in page
    assert 'class="interval"' in page
    assert 'type="application/json"' in page
    assert page.count("<h1") == 1


def test_nothing_found_is_said_honestly(site_console: Any, showing: Any) -> None:
    feedback, columns = planted()
    nothing = found_segments(feedback, columns[1:])
    showing(Discovered("winback", "rewards", nothing, NO_CLUSTERS, 20_000, False, feedback.variant_ids))
    page = finished(site_console)
    assert "Nothing found that would survive a second look" in page
    assert "everyone_else" not in page
    assert "Recipients are in no groups" in page


def test_hostile_names_come_out_as_text(site_console: Any, showing: Any) -> None:
    names = (f'"><img onerror=x>{HOSTILE}', "days", "vip")
    showing(searched(names=names, values=(HOSTILE, "CA", "GB"), variants=(HOSTILE, "two")))
    page = finished(site_console)
    assert "<script>alert" not in page
    assert "<img onerror" not in page
    assert "{{7*7}}" in page
    assert "&lt;script&gt;alert" in page


def test_a_campaign_without_decisions_says_so_and_one_that_is_not_there_is_not_found(site_console: Any) -> None:
    assert site_console.get("/console/campaigns/unheard-of/segments").status_code == 404


def test_the_page_is_for_those_who_are_signed_in(site: Any) -> None:
    import httpx

    answer = httpx.get(site.url + PATH)
    assert answer.status_code == 303
    assert re.search("/console/sign-in", answer.headers["location"])
