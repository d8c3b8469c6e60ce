"""The client that decides by itself: only what it may, only while it is up to date, and nothing of it is lost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from optimizer.client import Client, InvalidCall, LocalClient, Retries, Source
from optimizer.client.local import _is_safe
from optimizer.storage.recipients import Profile

QUICK: dict[str, Any] = {"retries": Retries(2, 0.01)}  # a service that has gone refuses at once, a busy one takes time
DECIDES_AND_DIES = """
import os, sys
from optimizer.client import LocalClient
client = LocalClient(["winback"], sys.argv[1], sys.argv[2], spool=sys.argv[3])
assert client.reasons() == {"winback": None}
for n in range(25):
    with client.exposure("winback", f"dying-{n}", request_id="r") as decision:
        assert decision.source == "local"
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def served(sqlite_house: Any, serve: Any) -> Iterator[Any]:
    """A server of its own."""
    with serve(sqlite_house.deployment) as service:
        yield service


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.01)


def test_a_local_decision_is_the_service_s_and_is_uploaded_with_what_followed(site: Any, tmp_path: Path) -> None:
    with LocalClient(["winback"], site.url, site.key, spool=tmp_path) as client, Client(site.url, site.key) as plain:
        assert client.reasons() == {"winback": None}
        for n in range(40):
            here = client.decide("winback", f"ann-{n}", attributes={"days": 3 * n}, request_id="r")
            assert here.source is Source.LOCAL
            client.report(here, "purchase")
            if n % 2:  # before or after the upload
                there = plain.decide("winback", f"ann-{n}", attributes={"days": 3 * n}, request_id="r")
                for name in set(here.__struct_fields__) - {"source", "decided_at", "expires_at"}:
                    assert getattr(here, name) == getattr(there, name), name
        assert client.flush(20)
        assert set(client.delivery.delivered) <= {"accepted", "duplicate"}
        found = site.client.get(f"/v1/decisions/{here.decision_id}").json()
        assert [one["kind"] for one in found["outcomes"]] == ["purchase"]
        batch = client.decide_many("winback", [f"many-{n}" for n in range(30)], chunk=7)
        assert {one.source for one in batch.decisions} == {Source.LOCAL}
        assert client.decide_many("winback", [f"many-{n}" for n in range(30)], request_id=batch.request_id).is_complete
    assert site.house().verify().clean
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_a_request_is_said_as_the_service_says_it(site: Any) -> None:
    wrong = [
        {"attributes": {"days": "many"}},
        {"attributes": {"shoe": 1, "vip": 1}},
        {"request_id": "not an id"},
        {"exclude": ["a b"]},
    ]
    with LocalClient(["winback"], site.url, site.key) as client, Client(site.url, site.key) as plain:
        client.reasons()
        for asked in wrong:
            said = []
            for one in (client, plain):
                with pytest.raises(InvalidCall) as raised:
                    one.decide("winback", "ann", **asked)  # type: ignore[arg-type]
                said.append([finding.pointer.removesuffix("/0") for finding in raised.value.findings])
            assert said[0] == said[1]
        problem, good = client.decide_many("winback", ["a person", "ann"]).decisions
        assert "/recipient: found 'a person'" in problem.detail  # type: ignore[union-attr]
        assert good.source is Source.LOCAL  # type: ignore[union-attr]


def test_a_pause_and_an_unsubscription_get_here_with_the_next_bundle(served: Any) -> None:
    with LocalClient(["winback"], served.url, served.key, every=0.05) as client:
        assert client.reasons() == {"winback": None}
        gone = client.decide("winback", "leaving", request_id="first")
        assert gone.variant is not None
        client.report(gone, "unsubscribed")
        assert client.flush(20)
        until(lambda: client.decide("winback", "leaving").reason == "recipient_suppressed")
        assert served.client.post("/v1/campaigns/winback/pause", json={"note": "enough"}).status_code == 200
        until(lambda: client.decide("winback", "ann").reason == "campaign_paused")
        assert client.decide("winback", "ann").source is Source.LOCAL
        assert client.flush(20)
        assert set(client.delivery.delivered) == {"accepted"}, client.delivery


@pytest.mark.slow
def test_what_is_too_old_decides_nothing_and_the_fallback_is_given(sqlite_house: Any, serve: Any) -> None:
    with serve(sqlite_house.deployment) as service:
        client = LocalClient(
            ["winback"], service.url, service.key, most_age=3.0, every=0.1, fallbacks={"winback": "hello"}, **QUICK
        )
        assert client.reasons() == {"winback": None}
        assert client.decide("winback", "ann").source is Source.LOCAL
    until(lambda: client.decide("winback", "ann").source is Source.FALLBACK)
    assert "allowed 3 s" in str(client.reasons()["winback"])
    assert client.decide("winback", "ann").variant == "hello"
    client.close(0.1)


def test_where_profiles_are_stored_only_what_says_enough_is_decided_here(served: Any) -> None:
    with served.deployment.store.writing() as ledger:
        ledger.recipients.put("0" * 32, Profile({"country": "US"}), 1)
    with LocalClient(["winback"], served.url, served.key) as client:
        client.reasons()
        assert client.decide("winback", "ann", attributes={"days": 1}).source is Source.SERVICE
        assert client.decide("winback", "ann", attributes={"days": 1, "country": None}).source is Source.SERVICE
        assert client.decide("winback", "ann", attributes={"days": 1, "country": "US"}).source is Source.LOCAL


def test_a_key_without_the_scope_and_a_campaign_that_is_not_there_leave_it_to_the_service(site: Any) -> None:
    key = site.deployment.create_key("plain", ["decide", "report_outcomes"])
    with LocalClient(["winback", "nothing"], site.url, key) as client:
        assert "allowed evaluate_locally" in str(client.reasons()["winback"])
        assert client.decide("winback", "ann").source is Source.SERVICE
        assert client.decide_many("winback", ["ann", "bob"]).is_complete
    with LocalClient(["winback"], site.url, site.key) as client:
        assert client.decide("newsletter", "ann").source is Source.SERVICE


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_its_decisions_and_exposures_to_the_next(site: Any, tmp_path: Path) -> None:
    died = subprocess.run(
        [sys.executable, "-c", DECIDES_AND_DIES, site.url, site.key, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert died.returncode == -9, died.stderr
    with Client(site.url, site.key, spool=tmp_path) as later:
        assert later.flush(20)
        assert set(later.delivery.delivered) <= {"accepted", "duplicate"}, later.delivery
    for n in range(25):
        (found,) = site.house().decide(site.house().request(f"dying-{n}", "r"))
        detail = site.client.get(f"/v1/decisions/{found.decision.decision_id}").json()
        assert (detail["exposed_at"] is not None) == (found.decision.variant_id is not None)
        assert found.decision.deferred


def test_what_cannot_be_kept_is_decided_by_the_service(site: Any) -> None:
    with LocalClient(["winback"], site.url, site.key, most_waiting_bytes=10) as client:
        client.reasons()
        assert client.decide("winback", "ann").source is Source.SERVICE
        assert client.decide_many("winback", ["ann"]).decisions[0].source is Source.SERVICE  # type: ignore[union-attr]


def test_the_secret_travels_over_tls_or_not_at_all() -> None:
    with pytest.raises(InvalidCall, match="allowed https://, or plain_http=True"):
        LocalClient(["winback"], "http://optimizer.example.com", "opt_live_x")
    safe = {"https://optimizer.example.com", "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"}
    others = {"http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com"}
    assert {url for url in safe | others if _is_safe(url)} == safe
