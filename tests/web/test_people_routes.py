"""Recipients over HTTP: profiles with the words of consents, everything that is kept, and leaving nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from optimizer.domain.instants import DAY

PROFILE = {
    "attributes": {"country": "GB"},
    "consent": {"email": True},
    "consent_texts": {"tcf": "CPXx  \n\tRf", "e": "é"},
}


def ask(site: Any, recipient: str, request_id: str) -> Any:
    body = {"campaign": "newsletter", "recipient": recipient, "request_id": request_id}
    return site.client.post("/v1/decisions", json=body).json()


def test_the_words_of_a_consent_come_back_to_the_letter_with_the_time_they_came(site: Any) -> None:
    first = site.client.put("/v1/recipients/ann", json=PROFILE)
    assert first.status_code == 200
    texts = first.json()["consent_texts"]
    assert {name: one["text"] for name, one in texts.items()} == PROFILE["consent_texts"]
    again = site.client.put("/v1/recipients/ann", json={"attributes": {}, "consent": {"email": False}})
    assert again.json()["consent_texts"] == texts
    assert site.client.get("/v1/recipients/ann").json() == again.json()
    other = site.client.put("/v1/recipients/ann", json={"attributes": {}, "consent_texts": {"tcf": "other"}}).json()
    assert set(other["consent_texts"]) == {"tcf"}
    assert other["consent_texts"]["tcf"]["given_at"] > texts["tcf"]["given_at"]
    history = site.client.get("/v1/recipients/ann/export").json()["consents"]
    assert [(one["name"], one["agreed"], one["text"]) for one in history] == [
        ("e", None, "é"),
        ("email", True, None),
        ("tcf", None, "CPXx  \n\tRf"),
        ("email", False, None),
        ("e", None, None),
        ("email", None, None),
        ("tcf", None, "other"),
    ]


@pytest.mark.parametrize(
    "texts", [{"tcf": ""}, {"tcf": "x" * 10_001}, {"Not An Id": "x"}, {"tcf": 5}, [], {"tcf": None}]
)
def test_words_that_cannot_be_kept_are_refused(site: Any, texts: Any) -> None:
    answer = site.client.put("/v1/recipients/bea", json={"attributes": {}, "consent_texts": texts})
    assert answer.status_code == 422
    assert "consent_texts" in answer.text
    assert site.client.get("/v1/recipients/bea").status_code == 404


def test_everything_is_exported_and_then_nothing_is_left(site: Any) -> None:
    site.client.put("/v1/recipients/carl", json=PROFILE)
    decision = ask(site, "carl", "c1")
    outcome = {"event_id": "e-1", "kind": "clicked", "decision_id": decision["decision_id"]}
    site.client.post("/v1/outcomes", json={**outcome, "occurred_at": decision["decided_at"]})
    site.client.post(
        "/v1/outcomes", json={**outcome, "event_id": "e-2", "value": "12.50", "occurred_at": "2001-01-01T00:00:00Z"}
    )
    kept = site.client.get("/v1/recipients/carl/export").json()
    (exported,) = kept["decisions"]
    assert (exported["decision_id"], exported["request_id"]) == (decision["decision_id"], "c1")
    assert exported["message"] == decision["message"]
    assert exported["attributes"] == {"country": "GB"}
    assert [one["event_id"] for one in exported["outcomes"]] == ["e-1"]
    (waits,) = kept["quarantine"]
    assert (waits["report"]["event_id"], waits["report"]["kind"], waits["report"]["value"]) == ("e-2", "clicked", 12.5)
    assert waits["report"]["occurred_at"] == "2001-01-01T00:00:00.000000Z"

    site.client.put("/v1/suppressions/carl", json={"note": "asked us"})
    gone = site.client.delete("/v1/recipients/carl")
    assert gone.status_code == 200
    assert gone.json() | {"scrubbed": True} == {
        "profiles": 1,
        "decisions": 1,
        "quarantined": 1,
        "tombstones": 1,
        "scrubbed": True,
    }
    left = site.client.get("/v1/recipients/carl/export").json()
    assert [left[name] for name in ("profile", "consents", "decisions", "quarantine")] == [None, [], [], []]
    assert [one["source"] for one in left["suppressions"]] == ["erased after a no"]
    assert site.client.get("/v1/recipients/carl").status_code == 404
    assert site.client.get(f"/v1/decisions/{decision['decision_id']}").status_code == 404
    assert ask(site, "carl", "c2")["reason"] == "recipient_suppressed"
    site.client.delete("/v1/recipients/carl", params={"forget_suppression": True})
    assert ask(site, "carl", "c3")["variant"] is not None


def test_whoever_is_unknown_can_be_exported_and_erased_as_well(site: Any) -> None:
    assert site.client.get("/v1/recipients/nobody/export").json()["decisions"] == []
    assert site.client.delete("/v1/recipients/nobody").json()["decisions"] == 0


def test_what_a_reader_kept_in_the_files_is_taken_out_when_the_reader_is_gone(
    deploy: Any, new_database: Any, make_house: Any, serve: Any, files: Any
) -> None:
    deployment = deploy(new_database("sqlite"))
    make_house(deployment).apply(files)
    log = Path(f"{deployment.store.engine.url.database}-wal")
    with serve(deployment, files) as service:
        texts = {"tcf": "what-dora-agreed-to"}
        service.client.put("/v1/recipients/dora", json={"attributes": {}, "consent_texts": texts})
        with deployment.store.reading() as ledger:
            ledger.decisions.count()
            assert service.client.delete("/v1/recipients/dora").json()["scrubbed"] is False
            assert b"what-dora-agreed-to" in log.read_bytes()
        until = time.monotonic() + 20
        while b"what-dora-agreed-to" in log.read_bytes():
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_serving_process_lets_go_of_what_is_old_enough(
    deploy: Any, new_database: Any, make_house: Any, serve: Any, files: Any, edited: Any, noon: int
) -> None:
    deployment = deploy(new_database("sqlite"))
    rules = "data: {retention: {decisions: P30D}}\napproval:"
    documents = edited(files, "strategy.yaml", ("approval:", rules))
    house = make_house(deployment, time.time_ns() // 1_000 - 31 * DAY)
    house.apply(documents)
    decision = house.decided("old", "o1").decision
    with serve(deployment, documents) as service:
        until = time.monotonic() + 20
        while service.client.get(f"/v1/decisions/{decision.decision_id}").status_code == 200:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert service.client.get("/v1/recipients/old/export").json()["decisions"] == []
    assert house.verify().clean


@pytest.mark.parametrize("escaped", ["%2F", "%2f"])
def test_an_id_may_hold_slashes(site: Any, escaped: str) -> None:
    """Base64 has some; a path with one that is not escaped is another path."""
    for n, rest in enumerate(("ab/cd+ef==", "/", "/them/export", "//v1/recipients/")):
        recipient = escaped[-1] + rest  # each run has people of its own
        path = "/v1/recipients/" + recipient.replace("/", escaped).replace("+", "%2B")
        suppression = path.replace("recipients", "suppressions", 1)
        made = ask(site, recipient, f"slash-{n}{escaped[1:]}")
        assert site.client.put(path, json={"attributes": {"country": "GB"}}).json()["attributes"] == {"country": "GB"}
        assert site.client.put(suppression, json={"note": "asked us"}).status_code == 200
        assert len(site.client.get(suppression).json()["suppressions"]) == 1
        found = site.client.get(path + "/export").json()
        assert [one["decision_id"] for one in found["decisions"]] == [made["decision_id"]]
        assert site.client.delete(path).status_code == 200
        assert site.client.get(path).status_code == 404
        assert site.client.get(path + "/export").json()["decisions"] == []


def test_a_slash_is_escaped_nowhere_else_and_nothing_else_is_left_escaped(site: Any) -> None:
    assert site.client.get("/v1/campaigns/winback%2Freport").status_code == 200  # as every server has it
    assert site.client.put("/v1/recipients/ann%40example.com", json={"attributes": {}}).status_code == 200
    for wrong in ("a%252Gb", "a%20b", "a%2F%00"):
        assert site.client.get(f"/v1/recipients/{wrong}").status_code == 422
    assert site.client.get("/v1/recipients/ab/cd").status_code == 404
