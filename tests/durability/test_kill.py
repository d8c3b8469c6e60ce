"""Acknowledged means durable: a server that is killed or told to stop under load loses nothing it has answered."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import Any

import httpx
import pytest

from optimizer.services.keys.api_keys import Scope

CLIENTS = 16
LOAD_SECONDS = 3.0
ENOUGH = 100  # acknowledged decisions; a busy machine gets longer for them
PATIENCE_SECONDS = 40.0
SEEDED = 1_000  # decisions of before, so that there are enough to recompute


@dataclass
class Acknowledged:
    """What clients were told, and what went wrong otherwise than by the end of the server."""

    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)


def client_work(url: str, key: str, number: int, told: Acknowledged, stop: Event) -> None:
    """Ask and report until told to stop or until the server is gone."""
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30) as client:
        turn = 0
        while not stop.is_set():
            turn += 1
            name = f"{number}-{turn}"
            try:
                answer = client.post(
                    "/v1/decisions",
                    json={"campaign": "winback", "recipient": f"person-{name}", "request_id": name},
                )
                if answer.status_code != 200:
                    told.refusals.append(answer.text)
                    continue
                decision = answer.json()
                with told.lock:
                    told.decisions[name] = decision
                event = {
                    "event_id": f"event-{name}",
                    "decision_id": decision["decision_id"],
                    "kind": "purchase" if turn % 3 else "withdrawn",
                    "occurred_at": datetime.now(UTC).isoformat(),
                }
                answer = client.post("/v1/outcomes", json=event)
                if answer.status_code != 200:
                    told.refusals.append(answer.text)
                    continue
                with told.lock:
                    told.outcomes[event["event_id"]] = decision["decision_id"]
                    assert answer.json()["outcomes"][0]["status"] == "accepted", answer.text
            except httpx.TransportError:
                return


def loaded(server: Any, key: str, ending: Callable[[], object], seconds: float = LOAD_SECONDS) -> Acknowledged:
    """Load a server with clients, end it meanwhile, and give what the clients were told."""
    told, stop = Acknowledged(), Event()
    threads = [
        Thread(target=client_work, args=(server.url, key, number, told, stop), daemon=True) for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        began = time.monotonic()
        while time.monotonic() - began < (seconds if len(told.decisions) >= ENOUGH else PATIENCE_SECONDS):
            time.sleep(0.05)
        ending()
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)
    assert not any(thread.is_alive() for thread in threads)
    return told


def everything_is_there(told: Acknowledged, house: Any, url: str, key: str) -> None:
    """Every acknowledged answer is in the ledger as it was given, and again over HTTP, and the ledger adds up."""
    assert len(told.decisions) >= ENOUGH
    ids = {decision["decision_id"] for decision in told.decisions.values()}
    with house.deployment.store.reading() as ledger:
        stored = ledger.decisions.by_id(list(ids))
        outcomes = ledger.outcomes.of(list(ids))
    assert stored.keys() == ids
    for decision in told.decisions.values():
        row = stored[decision["decision_id"]]
        assert (row.variant_id, row.propensity, row.snapshot_id) == (
            decision["variant"],
            decision["propensity"],
            decision["snapshot"],
        )
    recorded = {outcome.event_id for some in outcomes.values() for outcome in some}
    assert told.outcomes.keys() <= recorded
    verification = house.verify(1_000)
    assert verification.clean, verification
    assert verification.recomputed == 1_000
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=30) as client:
        for name, decision in list(told.decisions.items())[-40:]:
            again = client.post(
                "/v1/decisions",
                json={"campaign": "winback", "recipient": f"person-{name}", "request_id": name},
            )
            assert again.json() == decision
            assert client.get(f"/v1/decisions/{decision['decision_id']}").json()["decision"] == decision


@pytest.mark.slow
def test_a_server_that_is_killed_under_load_has_lost_nothing_it_acknowledged(house: Any, server_process: Any) -> None:
    key = house.deployment.create_key("load", list(Scope))
    house.decide(*[house.request(f"seed-{n}", "seed") for n in range(SEEDED)])
    server_process.start()
    told = loaded(server_process, key, lambda: server_process.signal(signal.SIGKILL))
    assert not told.refusals
    server_process.start()
    everything_is_there(told, house, server_process.url, key)
    assert server_process.signal(signal.SIGTERM) in {0, -signal.SIGTERM}


@pytest.mark.slow
def test_a_server_that_is_told_to_stop_answers_what_it_accepted(house: Any, server_process: Any) -> None:
    key = house.deployment.create_key("load", list(Scope))
    house.decide(*[house.request(f"seed-{n}", "seed") for n in range(SEEDED)])
    server_process.start()
    codes: list[int] = []
    told = loaded(server_process, key, lambda: codes.append(server_process.signal(signal.SIGTERM)), 1.5)
    assert codes[0] in {0, -signal.SIGTERM}
    assert all("shutting down" in refusal for refusal in told.refusals)
    with house.deployment.store.reading() as ledger:
        written = {d.request_id: d.decision_id for d in ledger.decisions.stream() if d.request_id != "seed"}
    # What was accepted was answered: a drained server leaves no decision that nobody heard of.
    assert written == {name: decision["decision_id"] for name, decision in told.decisions.items()}
    assert house.counts()["outcomes"] == len(told.outcomes)
    assert "Traceback" not in server_process.log()
    server_process.start()
    everything_is_there(told, house, server_process.url, key)
