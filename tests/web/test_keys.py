"""Who may call what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from optimizer.services.keys.api_keys import Scope

DECISION = {"campaign": "winback", "recipient": "ann", "request_id": "keys"}


def basic(key: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{key}:{password}".encode()).decode()


STYLES: dict[str, Callable[[str], dict[str, str]]] = {
    "bearer": lambda key: {"Authorization": f"Bearer {key}"},
    "bearer in small letters": lambda key: {"authorization": f"bearer {key}"},
    "x-api-key": lambda key: {"X-API-Key": key},
    "basic": lambda key: {"Authorization": basic(key)},
    "basic with a password": lambda key: {"Authorization": basic(key, "x")},
}

# Every route that needs a key: method, path, body, scopes that open it.
WHY = {"note": "because"}
# Where a provider's signature is the credential; what is unsigned is refused there, see `test_webhooks`.
PROVIDERS = ("sendgrid", "ses", "mailgun", "postmark", "resend", "standard")
SIGNED = {("POST", f"/v1/webhooks/{name}") for name in PROVIDERS}
ROUTES: list[tuple[str, str, Any, set[Scope]]] = [
    ("GET", "/metrics", None, {Scope.ANALYSE}),
    ("POST", "/v1/decisions", DECISION, {Scope.DECIDE}),
    ("POST", "/v1/decisions/batch", {"campaign": "winback", "recipients": [{"recipient": "a"}]}, {Scope.DECIDE}),
    ("POST", "/v1/decisions/rank", DECISION, {Scope.DECIDE}),
    ("POST", "/v1/decisions/chosen", {**DECISION, "request_id": "call", "variant": "hello"}, {Scope.DECIDE}),
    ("POST", "/v1/decisions/nobody/expose", None, {Scope.DECIDE, Scope.REPORT_OUTCOMES}),
    ("GET", "/v1/decisions/nobody", None, {Scope.DECIDE, Scope.ANALYSE}),
    ("GET", "/v1/decisions/nobody/explain", None, {Scope.ANALYSE}),
    ("GET", "/v1/decide/winback?recipient=keys", None, {Scope.DECIDE}),
    ("POST", "/v1/outcomes", {"outcomes": [{}]}, {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/events", [{"specversion": "1.0"}], {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/batch", {"batch": []}, {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/track", {"event": "none"}, {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/identify", {"userId": "keys"}, {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/page", {}, {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/screen", {}, {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/group", {}, {Scope.REPORT_OUTCOMES}),
    ("POST", "/v1/alias", {}, {Scope.REPORT_OUTCOMES}),
    ("PUT", "/v1/recipients/keys", {"attributes": {}}, {Scope.REPORT_OUTCOMES, Scope.MANAGE}),
    ("GET", "/v1/recipients/keys", None, {Scope.MANAGE, Scope.ANALYSE}),
    ("GET", "/v1/recipients/keys/export", None, {Scope.MANAGE}),
    ("DELETE", "/v1/recipients/keys", None, {Scope.MANAGE}),
    ("POST", "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "keys"}}, {Scope.DECIDE}),
    ("POST", "/ofrep/v1/evaluate/flags/winback", {"context": {"targetingKey": "keys"}}, {Scope.DECIDE}),
    ("GET", "/v1/campaigns", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/campaigns/winback", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/campaigns/winback/allocation", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/campaigns/winback/report", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/campaigns/winback/measurement", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/measurement", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/campaigns/winback/forecast", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/learn", None, {Scope.MANAGE}),
    ("GET", "/v1/export/campaigns", None, {Scope.ANALYSE}),
    ("GET", "/v1/export/allocation/winback", None, {Scope.ANALYSE}),
    ("GET", "/v1/export/variants/winback", None, {Scope.ANALYSE}),
    ("GET", "/v1/export/groups/winback", None, {Scope.ANALYSE}),
    ("GET", "/v1/export/decisions", None, {Scope.ANALYSE}),
    ("GET", "/v1/export/outcomes", None, {Scope.ANALYSE}),
    ("GET", "/v1/export/trials/winback", None, {Scope.ANALYSE}),
    ("GET", "/v1/campaigns/winback/controls", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/pause", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/stop", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/resume", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/pin", {**WHY, "variant": "hello"}, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/unpin", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/release", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/acknowledge", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/review", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/advance", WHY, {Scope.MANAGE}),
    ("POST", "/v1/campaigns/winback/roll-back", WHY, {Scope.MANAGE}),
    ("GET", "/v1/proposals", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/proposals/1", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("POST", "/v1/proposals/1/accept", WHY, {Scope.MANAGE}),
    ("POST", "/v1/proposals/1/reject", WHY, {Scope.MANAGE}),
    ("GET", "/v1/bundle/winback", None, {Scope.EVALUATE_LOCALLY}),
    (
        "POST",
        "/v1/decisions/upload",
        {"campaign": "winback", "bundle": 1, "decisions": [{}]},
        {Scope.EVALUATE_LOCALLY},
    ),
    ("GET", "/v1/audit", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("GET", "/v1/quarantine", None, {Scope.MANAGE}),
    ("POST", "/v1/quarantine/retry", {"all": True}, {Scope.MANAGE}),
    ("GET", "/v1/notices", None, {Scope.MANAGE}),
    ("POST", "/v1/notices/retry", {"all": True}, {Scope.MANAGE}),
    ("GET", "/v1/suppressions/keys", None, {Scope.ANALYSE, Scope.MANAGE}),
    ("PUT", "/v1/suppressions/keys", WHY, {Scope.MANAGE}),
    ("DELETE", "/v1/suppressions/keys", WHY, {Scope.MANAGE}),
]


@pytest.mark.parametrize("style", STYLES)
def test_a_key_is_taken_in_any_of_three_headers(site: Any, style: str) -> None:
    with site.calling(**STYLES[style](site.key)) as client:
        assert client.post("/v1/decisions", json=DECISION).status_code == 200


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("fault", ["wrong", "malformed", "empty", "long", "accents"])
def test_any_other_key_is_refused_with_a_problem_that_does_not_repeat_it(site: Any, style: str, fault: str) -> None:
    wrong = {
        "wrong": site.deployment.create_key("other", []).replace("opt_live_", "opt_live_0"),
        "malformed": "not-a-key-at-all",
        "empty": "",
        "long": "opt_live_" + "a" * 5_000,
        "accents": "clé",
    }[fault]
    if not wrong and style.startswith("bearer"):
        pytest.skip("no client sends a header that ends in a space")
    headers = {name: value.encode("utf-8") for name, value in STYLES[style](wrong).items()}
    before = site.counts()
    with site.calling() as client:
        answer = client.post("/v1/decisions", json=DECISION, headers=headers)
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"]
    assert answer.json()["status"] == 401
    assert not wrong or wrong not in answer.text
    assert site.counts() == before


@pytest.mark.parametrize("header", ["Basic !!!", "Basic", "Bearer", "Digest abc", "Basic " + "é", "Basic Og=="])
def test_a_header_that_makes_no_sense_is_refused(site: Any, header: str) -> None:
    with site.calling() as client:
        answer = client.post("/v1/decisions", json=DECISION, headers={"Authorization": header.encode()})
    assert answer.status_code == 401, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "body", "scopes"), ROUTES, ids=[f"{method} {path}" for method, path, _, _ in ROUTES]
)
def test_a_route_needs_a_key_and_one_of_its_scopes(
    site: Any, method: str, path: str, body: Any, scopes: set[Scope]
) -> None:
    with site.calling() as client:
        assert client.request(method, path, json=body).status_code == 401
        for scope in Scope:
            key = site.deployment.create_key(scope.value, [scope])
            answer = client.request(method, path, json=body, headers={"X-API-Key": key})
            if scope in scopes:
                assert answer.status_code in {200, 404, 409}, answer.text
            else:
                assert answer.status_code == 403, answer.text
                assert answer.headers["content-type"] == "application/problem+json"
                assert f"found scopes {scope.value}" in answer.json()["detail"]
                assert all(other.value in answer.json()["detail"] for other in scopes)


def test_every_route_of_the_api_is_in_the_list_above(site: Any) -> None:
    document = site.client.get("/openapi.json").json()
    described = {
        (
            method.upper(),
            path.replace("{decision_id}", "nobody")
            .replace("{recipient}", "keys")
            .replace("{key}", "winback")
            .replace("{number}", "1")
            .replace("{campaign_id}", "winback"),
        )
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith(("/v1/", "/ofrep/")) or path == "/metrics"
    }
    assert described == {(method, path.partition("?")[0]) for method, path, _, _ in ROUTES} | SIGNED


def test_a_key_made_while_the_server_runs_works_at_once(site: Any) -> None:
    key = site.deployment.create_key("new", [Scope.DECIDE])
    with site.calling(**{"X-API-Key": key}) as client:
        assert client.post("/v1/decisions", json=DECISION).status_code == 200


def test_a_bad_key_is_told_before_a_bad_body(site: Any) -> None:
    with site.calling() as client:
        assert client.post("/v1/decisions", content=b"{").status_code in {400, 401}
        assert client.post("/v1/decisions", json={}).status_code == 401
