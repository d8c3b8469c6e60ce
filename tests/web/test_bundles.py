"""What a client that decides by itself is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.made_apart import apart_of, made_by

from optimizer.domain.instants import isoformat
from optimizer.services.decisions.bundling import find_bundle


@pytest.fixture
def fresh(sqlite_house: Any, serve: Any) -> Iterator[Any]:
    """A server of its own, for tests that change what is in force."""
    with serve(sqlite_house.deployment) as service:
        yield service


def claims(service: Any, n: int = 3) -> dict[str, Any]:
    house = service.house()
    number = service.client.get("/v1/bundle/winback").json()["bundle"]
    with service.deployment.store.reading() as ledger:
        bundle = find_bundle(ledger, service.deployment.live, "winback")
    asked = [house.request(f"bundled-{i}", "r") for i in range(n)]
    house.now = bundle.basis.snapshot.created_at + 1_000_000 if bundle.basis else 0
    with service.deployment.store.reading() as ledger:
        issue = ledger.bundles.get("winback", number)
    assert issue is not None
    made = made_by(apart_of(house, bundle), asked, issue.issued_at)
    items = [
        {
            "person": one.person,
            "request_id": one.request_id,
            "decided_at": isoformat(one.decided_at),
            "decision_id": one.decision_id,
            "variant": one.variant_id,
            "segment": one.segment_id,
            "group": one.group,
            "propensity": one.propensity,
            "reason": one.reason,
        }
        for one in made
    ]
    return {"campaign": "winback", "bundle": number, "decisions": items}


def test_a_bundle_that_has_not_changed_is_not_sent_again(site: Any) -> None:
    first = site.client.get("/v1/bundle/winback")
    assert first.status_code == 200
    assert first.json()["local"] is True
    assert site.client.get("/v1/bundle/winback").content == first.content
    for condition in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        again = site.client.get("/v1/bundle/winback", headers={"If-None-Match": condition})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["x-optimizer-time"] >= first.headers["x-optimizer-time"]
    assert site.client.get("/v1/bundle/winback", headers={"If-None-Match": '"other"'}).status_code == 200
    assert first.headers["cache-control"] == "no-store"


def test_it_changes_with_every_control_snapshot_and_version(fresh: Any, files: Any, edited: Any) -> None:
    def changed() -> None:
        answer = fresh.client.get("/v1/bundle/winback")
        assert answer.status_code == 200
        assert answer.headers["etag"] not in seen
        seen.append(answer.headers["etag"])
        numbers.append(answer.json()["bundle"])

    seen: list[str] = []
    numbers: list[int] = []
    changed()
    for answer in fresh.house().learning(20):
        fresh.house().record(fresh.house().report(answer.decision.decision_id, event_id=answer.decision.decision_id))
    assert fresh.client.post("/v1/campaigns/winback/learn").status_code == 200
    changed()
    for path, body in (("pause", {}), ("resume", {}), ("pin", {"variant": "hello"}), ("unpin", {}), ("stop", {})):
        assert fresh.client.post(f"/v1/campaigns/winback/{path}", json={"note": "test", **body}).status_code == 200
        if path == "unpin":  # as it was before
            assert fresh.client.get("/v1/bundle/winback").json()["bundle"] == 6
            continue
        changed()
    house = fresh.house()
    house.now += 10
    house.apply(edited(files, "campaigns/winback.yaml", ("floor: 0.05", "floor: 0.1")))
    changed()
    assert numbers == sorted(set(numbers))


def test_a_campaign_that_only_the_service_decides_says_why_and_gives_nothing(
    fresh: Any, files: Any, edited: Any
) -> None:
    house = fresh.house()
    house.now += 10
    house.apply(edited(files, "strategy.yaml", ("holdout:", "contact_policy: [{at_most: 2, per: P7D}]\nholdout:")))
    found = fresh.client.get("/v1/bundle/winback").json()
    assert found == {
        "format": 2,
        "campaign": "winback",
        "local": False,
        "reason": "contact policy: only the ledger knows whom other campaigns have contacted",
    }


def test_an_unknown_campaign_and_an_unknown_bundle_are_not_found(site: Any) -> None:
    assert site.client.get("/v1/bundle/nothing").status_code == 404
    body = claims(site)
    answer = site.client.post("/v1/decisions/upload", json={**body, "bundle": 4_000})
    assert answer.status_code == 404
    assert "found 4000 of 'winback'" in answer.json()["detail"]


def test_what_was_decided_apart_is_durable_and_can_be_explained(site: Any) -> None:
    body = claims(site)
    answer = site.client.post("/v1/decisions/upload", json=body)
    assert [one["status"] for one in answer.json()["decisions"]] == ["accepted"] * 3
    again = site.client.post("/v1/decisions/upload", json=body)
    assert [one["status"] for one in again.json()["decisions"]] == ["duplicate"] * 3
    for one in body["decisions"]:
        explained = site.client.get(f"/v1/decisions/{one['decision_id']}/explain").json()
        assert explained["recomputed"] == {"same": True}
        assert explained["decision"]["decided_at"] == one["decided_at"]


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ({}, "/person"),
        (None, "/"),
        ("text", "/"),
        ({"person": "ann@example.com"}, "/person"),
        ({"decided_at": 1_790_000_000}, "/decided_at"),
        ({"decided_at": "2026-12-01T09:00:00"}, "/decided_at"),
        ({"propensity": 1.5}, "/propensity"),
        ({"group": "others"}, "/group"),
        ({"more": 1}, "/more"),
        ({"attributes": {"a": [1]}}, "/attributes/a"),
    ],
    ids=str,
)
def test_a_malformed_item_is_refused_and_the_others_are_not(site: Any, item: Any, place: str) -> None:
    body = claims(site)
    first = item if not isinstance(item, dict) or not item else {**body["decisions"][0], **item}
    answer = site.client.post("/v1/decisions/upload", json={**body, "decisions": [first, body["decisions"][1]]})
    assert answer.status_code == 200
    refused, accepted = answer.json()["decisions"]
    assert refused["status"] == "refused"
    assert place in refused["detail"]
    assert accepted["status"] in {"accepted", "duplicate"}


@pytest.mark.parametrize("body", [{}, {"campaign": "winback", "bundle": 0, "decisions": [{}]}, {"decisions": []}, []])
def test_a_malformed_upload_is_a_problem(site: Any, body: Any) -> None:
    answer = site.client.post("/v1/decisions/upload", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
