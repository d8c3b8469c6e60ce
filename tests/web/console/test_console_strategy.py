"""The strategy in words, its versions and its documents, as pages."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml


def test_the_strategy_is_said_in_words_with_who_serves_what(site_console: Any) -> None:
    page = site_console.text("/console/strategy")
    assert "Strategy acme" in page
    assert "the first purchase within 7 days of the decision" in page
    assert page.index("clicks") < page.index('href="/console/campaigns/newsletter"')
    assert "5 % of all recipients are held out of every campaign" in page
    assert "nobody serves it" not in page
    assert "every rule holds" in page


def test_what_does_not_hold_stands_above_the_rules(site: Any, site_console: Any) -> None:
    wish = {"variant": "hello", "note": "a typo"}
    site.client.post("/v1/campaigns/winback/pause", json=wish)
    try:
        page = site_console.text("/console/strategy")
        assert "hello is paused: test: a typo" in page
        assert page.index("hello is paused") < page.index("The rules, in words")
    finally:
        site.client.post("/v1/campaigns/winback/resume", json=wish)


def test_objectives_that_nobody_serves_are_marked(
    deployment: Any, serve: Callable[..., Any], files: Mapping[str, str], open_console: Any
) -> None:
    alone = {path: text for path, text in files.items() if path != "campaigns/members.yaml"}
    with serve(deployment, alone) as service:
        assert open_console(service).text("/console/strategy").count("nobody serves it") == 1


def test_a_version_shows_its_documents_and_gives_them_back_as_they_were_written(
    site_console: Any, files: Mapping[str, str]
) -> None:
    page = site_console.text("/console/strategy/versions/1")
    assert "campaigns/winback.yaml" in page
    answer = site_console.get("/console/strategy/versions/1/documents.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == dict(files)
    one = site_console.get("/console/strategy/versions/1/file?path=strategy.yaml")
    assert one.text == files["strategy.yaml"]
    assert yaml.safe_load(one.text)["strategy"] == "acme"
    assert "attachment" in one.headers["content-disposition"]


def test_a_version_says_what_it_changed_in_words_and_line_by_line(
    site: Any, site_console: Any, files: Mapping[str, str], edited: Callable[..., dict[str, str]]
) -> None:
    site.house().apply(edited(files, "campaigns/winback.yaml", ("We saved you 10%", "Ten percent off")), note="kinder")
    page = site_console.text("/console/strategy/versions/2")
    assert "“kinder”" in page
    assert "<ins>+" in page
    assert "Ten percent off" in page[page.index("<ins>") : page.index("</ins>")]
    assert "against version 1" in page
    assert "Both mean the same." in site_console.text("/console/strategy/versions/2?against=2")
    assert "<ins>" not in site_console.text("/console/strategy/versions/1?against=0")
    assert 'href="/console/strategy/versions/2"' in site_console.text("/console/strategy")


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/console/strategy/versions/99", 404),
        ("/console/strategy/versions/1?against=98", 404),
        ("/console/strategy/versions/0", 422),
        ("/console/strategy/versions/one", 422),
        ("/console/strategy/versions/1/file?path=../secret", 404),
        ("/console/strategy/versions/99/documents.zip", 404),
    ],
)
def test_what_was_never_applied_is_not_there(site_console: Any, url: str, status: int) -> None:
    assert site_console.get(url).status_code == status
