"""Every route of the console, also those that others add: nobody sees or changes anything without a session."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from optimizer.services.keys.api_keys import Scope
from optimizer.web.console.routes import router

OPEN = {"/console/static/{name}", "/console/sign-in"}  # what anybody may ask for
OWN_TOKEN = {"/console/sign-out"}  # it ends a session, whosoever
ROUTES = sorted(
    (method, route.path)
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
    if route.path not in OPEN
)
PLACES = {"campaign_id": "winback", "version": "1", "number": "1"}


def url_of(path: str) -> str:
    return re.sub(r"{(\w+)[^}]*}", lambda found: PLACES.get(found[1], "nobody"), path)


def test_the_list_is_not_empty() -> None:
    assert ("GET", "/console") in ROUTES
    assert ("POST", "/console/campaigns/{campaign_id}/stop") in ROUTES


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[" ".join(route) for route in ROUTES])
def test_nobody_gets_in_without_a_session(site: Any, method: str, path: str) -> None:
    before = site.counts()["audit"]
    with httpx.Client(base_url=site.url, timeout=30, headers={"Authorization": f"Bearer {site.key}"}) as client:
        answer = client.request(method, url_of(path), data={"note": "x"} if method == "POST" else None)
    assert answer.status_code == 303, "a key in a header is for machines, and opens no page"
    assert answer.headers["location"].startswith("/console/sign-in")
    assert site.counts()["audit"] == before


@pytest.mark.parametrize("path", sorted({path for method, path in ROUTES if method == "POST"} - OWN_TOKEN))
def test_no_form_works_without_the_token_or_from_elsewhere(site: Any, site_console: Any, path: str) -> None:
    before = site.counts()
    csrf = site_console.csrf
    answer = site_console.client.post(url_of(path), data={"note": "x", "csrf": "wrong"})
    assert answer.status_code == 403
    cross = site_console.client.post(
        url_of(path), data={"note": "x", "csrf": csrf}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert cross.status_code == 403
    assert site.counts() == {**before, "leases": site.counts()["leases"]}


@pytest.mark.parametrize("path", sorted({path for method, path in ROUTES if method == "GET"}))
def test_every_page_carries_the_policy_and_is_kept_by_nobody(site_console: Any, path: str) -> None:
    answer = site_console.get(url_of(path))
    assert answer.status_code in {200, 303, 404, 422}, answer.text
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert len(re.findall(r"<h1[ >]", answer.text)) == 1
    assert not re.search(r"\son\w+=\"|javascript:|<style|<script(?![^>]*(?:src=|application/json))", answer.text)


@pytest.mark.parametrize("scope", [Scope.ANALYSE])
def test_who_may_only_look_finds_no_form_that_changes_a_campaign(site: Any, open_console: Any, scope: Scope) -> None:
    looker = open_console(site, scopes=[scope], name="eve")
    for method, path in ROUTES:
        if method == "GET":
            page = looker.get(url_of(path)).text
            wishes = set(re.findall(r'method="post" action="/console/campaigns/winback/(\w+)"', page))
            assert wishes <= {"assist", "segments"}, path
