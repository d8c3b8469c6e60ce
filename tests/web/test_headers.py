"""What a browser is told about every answer, and the page about the API."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from optimizer.web.headers import SECURITY_HEADERS
from optimizer.web.limits import MOST_BODY_BYTES
from optimizer.web.reference import METHODS, page

DECISION = {"campaign": "winback", "recipient": "ann", "request_id": "headers"}


def lacking(answer: Any) -> list[str]:
    """Names of the headers that are missing, doubled or different."""
    wanted = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
    return [name for name, value in wanted.items() if answer.headers.get_list(name) != [value]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/decisions", DECISION, 200),
        ("POST", "/v1/decisions/batch", {"campaign": "winback", "recipients": [{"recipient": "a"}]}, 200),
        ("POST", "/v1/outcomes", {"outcomes": [{}]}, 200),
        ("GET", "/v1/campaigns", None, 200),
        ("GET", "/livez", None, 200),
        ("GET", "/readyz", None, 200),
        ("GET", "/openapi.json", None, 200),
        ("GET", "/v1/decisions/nobody", None, 404),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/v1/decisions", None, 405),
        ("POST", "/v1/decisions", {}, 422),
    ],
)
def test_every_answer_says_what_may_be_done_with_it(site: Any, method: str, path: str, body: Any, status: int) -> None:
    answer = site.client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    assert lacking(answer) == []


def test_refusals_and_defects_say_it_too(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with site.calling() as anyone:
        refused = anyone.post("/v1/decisions", json=DECISION)
    assert (refused.status_code, lacking(refused)) == (401, [])
    large = site.client.post("/v1/decisions", content=b" " * (MOST_BODY_BYTES + 1))
    assert (large.status_code, lacking(large)) == (413, [])

    def broken(*_arguments: Any) -> Any:
        raise ZeroDivisionError("on purpose")

    monkeypatch.setattr("optimizer.web.routes.campaigns.summarise", broken)
    failed = site.client.get("/v1/campaigns")
    assert (failed.status_code, lacking(failed)) == (500, [])


def test_the_page_about_the_api_loads_nothing_and_runs_nothing(site: Any) -> None:
    with site.calling() as anyone:
        answer = anyone.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert not re.search(r"<script|\son\w+=|javascript:|<link|<img|<iframe|@import|url\(", answer.text)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", answer.text)
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert not re.search(r"\sstyle=", answer.text), "the policy forbids them"


def test_the_page_shows_every_route_and_every_schema_and_no_link_leads_nowhere(site: Any) -> None:
    document = site.client.get("/openapi.json").json()
    text = site.client.get("/docs").text
    for path, operations in document["paths"].items():
        for method in set(METHODS) & operations.keys():
            assert f"<h2><code>{method.upper()} {path}</code></h2>" in text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    anchors = re.findall(r'\sid="([^"]+)"', text)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(anchors)


def test_what_documents_say_cannot_become_markup_on_the_page() -> None:
    evil = "<script>alert(1)</script> `<b>` & {{ 7 * 7 }}"
    document = {
        "info": {"title": evil, "version": evil, "description": evil},
        "paths": {
            "/<x>": {
                "get": {
                    "operationId": '"><script>',
                    "description": evil,
                    "parameters": [
                        {"name": evil, "in": evil, "description": evil, "schema": {"enum": [evil], "pattern": evil}}
                    ],
                    "responses": {evil: {"description": evil, "content": {"a": {"schema": {"$ref": f"#/x/{evil}"}}}}},
                }
            }
        },
        "components": {
            "schemas": {
                evil: {"description": evil, "properties": {evil: {"type": evil, "pattern": evil}}, "example": evil}
            }
        },
    }
    html = page(document)
    assert "<script" not in html
    assert "<b>" not in html
    assert "49" not in html
    assert html.count("&lt;script&gt;") > 10
