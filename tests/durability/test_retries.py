"""Fifty clients that ask for, or report, the same thing at once: one decision, one outcome, one answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import Any

import httpx
import pytest

CLIENTS = 50


def all_at_once(service: Any, call: Callable[[httpx.Client], httpx.Response]) -> list[httpx.Response]:
    """What each of fifty clients, each with a connection of its own, was answered."""
    barrier = Barrier(CLIENTS, timeout=30)
    answers: list[httpx.Response] = []

    def run() -> None:
        with httpx.Client(base_url=service.url, headers={"X-API-Key": service.key}, timeout=30) as client:
            client.get("/livez")
            barrier.wait()
            answers.append(call(client))

    threads = [Thread(target=run, daemon=True) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == CLIENTS
    return answers


@pytest.mark.slow
def test_fifty_clients_with_one_request_id_get_one_identical_decision(service: Any) -> None:
    body = {"campaign": "winback", "recipient": "ann", "request_id": "same"}
    answers = all_at_once(service, lambda client: client.post("/v1/decisions", json=body))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert service.counts()["decisions"] == 1
    assert service.house().verify().clean


@pytest.mark.slow
def test_fifty_clients_with_one_batch_get_identical_answers(service: Any) -> None:
    body = {"campaign": "winback", "request_id": "blast", "recipients": [{"recipient": f"p{n}"} for n in range(20)]}
    answers = all_at_once(service, lambda client: client.post("/v1/decisions/batch", json=body))
    assert len({answer.content for answer in answers}) == 1
    assert service.counts()["decisions"] == 20
    assert service.house().verify().clean


@pytest.mark.slow
def test_fifty_reports_of_one_outcome_count_once(service: Any) -> None:
    decision = service.client.post(
        "/v1/decisions", json={"campaign": "winback", "recipient": "ann", "request_id": "r"}
    ).json()
    event = {
        "event_id": "same",
        "decision_id": decision["decision_id"],
        "kind": "purchase",
        "value": "19.90",
        "currency": "USD",
        "occurred_at": datetime.now(UTC).isoformat(),
    }
    answers = all_at_once(service, lambda client: client.post("/v1/outcomes", json=event))
    statuses = Counter(answer.json()["outcomes"][0]["status"] for answer in answers)
    assert statuses == {"accepted": 1, "duplicate": CLIENTS - 1}
    detail = service.client.get(f"/v1/decisions/{decision['decision_id']}").json()
    assert (detail["reward"], len(detail["outcomes"])) == (1.0, 1)
    assert service.counts()["outcomes"] == 1
    assert service.house().verify().clean


@pytest.mark.slow
def test_fifty_exposures_of_one_decision_are_one(service: Any) -> None:
    decision = service.client.post(
        "/v1/decisions",
        json={"campaign": "winback", "recipient": "ann", "request_id": "r", "defer_exposure": True},
    ).json()
    answers = all_at_once(service, lambda client: client.post(f"/v1/decisions/{decision['decision_id']}/expose"))
    statuses = Counter(answer.json()["status"] for answer in answers)
    assert statuses == {"accepted": 1, "duplicate": CLIENTS - 1}
    assert service.house().verify().clean
