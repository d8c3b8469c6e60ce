"""Keys that end, and keys that ask for too much, against a running service."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from optimizer.deployment import Deployment, now
from optimizer.domain.instants import HOUR
from optimizer.services.keys.api_keys import REFRESH_SECONDS, Scope
from optimizer.services.keys.key_care import revoke_keys
from optimizer.services.keys.rates import Rate

DECISION = {"campaign": "winback", "recipient": "ann", "request_id": "keys"}
SOON = REFRESH_SECONDS + 9.0  # of which a machine that has other things to do may take nine


def decide(client: httpx.Client, key: str) -> httpx.Response:
    return client.post("/v1/decisions", json=DECISION, headers={"Authorization": f"Bearer {key}"})


def batch(n: int) -> dict[str, Any]:
    return {"campaign": "winback", "request_id": "b", "recipients": [{"recipient": f"p{i}"} for i in range(n)]}


def outcomes(n: int) -> dict[str, Any]:
    event = {"decision_id": "nobody", "kind": "purchase", "occurred_at": "2026-01-01T00:00:00Z"}
    return {"outcomes": [{"event_id": f"e{i}", **event} for i in range(n)]}


def wait_until_refused(client: httpx.Client, key: str) -> None:
    until = time.monotonic() + 20
    while decide(client, key).status_code == 200:
        assert time.monotonic() < until, "the key still works"
    assert decide(client, key).status_code == 401


def test_a_revoked_key_opens_nothing_on_any_running_worker_within_the_promised_time(
    deployment: Deployment, deploy: Callable[..., Deployment], serve: Callable[..., Any], database_url: str
) -> None:
    other_worker = deploy(database_url)
    with serve(deployment) as one, serve(other_worker) as two:
        key = deployment.create_key("leaked", [Scope.DECIDE])
        for service in (one, two):
            assert decide(service.client, key).status_code == 200
        with other_worker.store.writing(alone=True) as ledger:
            revoke_keys(ledger, "leaked", ending=None, actor="tester", now=now())
        revoked_at = time.monotonic()
        for service in (one, two):
            wait_until_refused(service.client, key)
        assert time.monotonic() - revoked_at < SOON
        assert decide(one.client, one.key).status_code == 200, "other keys still work"


def test_a_key_stops_at_its_expiry_without_anyone_reading_anything(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = 0
    monkeypatch.setattr("optimizer.web.desk.now", lambda: now() + later)
    deployment = deploy(None)
    with serve(deployment) as service:
        key = deployment.create_key("brief", [Scope.DECIDE], expires_at=now() + HOUR)
        assert decide(service.client, key).status_code == 200
        later = HOUR
        refused = decide(service.client, key)
        assert refused.status_code == 401
        assert refused.json()["detail"] == "API key: found one this service does not know, or that has ended"
        assert decide(service.client, service.key).status_code == 200


def test_a_rotated_key_and_its_successor_both_work(site: Any) -> None:
    old = site.deployment.create_key("rotated", [Scope.DECIDE])
    new, _ = site.deployment.rotate_key("rotated", 3_600_000_000)
    assert [decide(site.client, key).status_code for key in (old, new)] == [200, 200]


def test_a_key_over_its_rate_is_told_how_many_seconds_to_wait_and_others_are_not_slowed(site: Any) -> None:
    slow = site.deployment.create_key("slow", [Scope.DECIDE, Scope.ANALYSE], rate=Rate(per_second=1, burst=2))
    headers = {"Authorization": f"Bearer {slow}"}
    assert site.client.post("/v1/decisions/batch", json=batch(60), headers=headers).status_code == 200
    before = site.counts()
    refused = decide(site.client, slow)
    assert refused.status_code == 429
    assert 30 <= int(refused.headers["retry-after"]) <= 59
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"] == (
        "rate: found more than 1 items a second of key slow; allowed 1 a second, 2 at once after a rest"
    )
    assert site.client.get("/v1/campaigns", headers=headers).status_code == 429, "every route counts"
    assert site.counts() == before
    assert decide(site.client, site.key).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "scope"),
    [("/v1/decisions/batch", batch(100), Scope.DECIDE), ("/v1/outcomes", outcomes(100), Scope.REPORT_OUTCOMES)],
)
def test_a_batch_larger_than_the_burst_is_served_and_paid_for_by_its_items(
    site: Any, path: str, body: dict[str, Any], scope: Scope
) -> None:
    key = site.deployment.create_key("many", [scope], rate=Rate(per_second=10, burst=5))
    headers = {"Authorization": f"Bearer {key}"}
    answer = site.client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    refused = site.client.post(path, json=body, headers=headers)
    assert refused.status_code == 429
    assert 2 <= int(refused.headers["retry-after"]) <= 10, "95 items of debt and the next one, ten a second"


def test_a_rate_that_is_not_set_is_that_of_the_settings(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = deploy(None)
    narrow = deployment.settings.model_copy(update={"rate_per_second": 1, "rate_burst": 1})
    monkeypatch.setattr(deployment, "settings", narrow)
    with serve(deployment) as service:
        assert service.client.post("/v1/decisions/batch", json=batch(60)).status_code == 200
        assert decide(service.client, service.key).status_code == 429


def test_an_address_with_too_many_wrong_keys_waits_and_known_keys_are_not_shut_out(
    deploy: Callable[..., Deployment], serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.services.keys.api_keys.WRONG_KEYS", Rate(per_second=1, burst=5))
    with serve(deploy(None)) as service:
        assert decide(service.client, service.key).status_code == 200
        wrong = [decide(service.client, f"opt_live_wrong{number}") for number in range(40)]
        codes = [answer.status_code for answer in wrong]
        assert codes[:5] == [401] * 5
        refused = [answer for answer in wrong if answer.status_code == 429]
        assert refused
        assert refused[-1].headers["retry-after"] == "1"
        assert "too many unknown ones from this address" in refused[-1].json()["detail"]
        while decide(service.client, "opt_live_wrong").status_code != 429:
            pass
        assert service.client.get("/v1/campaigns").status_code == 200, "a known key passes"
        assert decide(service.client, service.key).status_code == 200, "on the hot routes, too"
