"""`optimizer serve --workers 2`: every worker obeys what another was told, and each lesson is learned once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from threading import Event, Thread
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

pytestmark = pytest.mark.slow

LIMITED = (
    ("policy: {floor: 0.05}", "policy: {floor: 0.05, refresh: PT2S}\nbudget: {sends: {daily: 40}}"),
    ("holdout: {share: 0.1}", "holdout: {share: 0}"),
)


@pytest.fixture
def postgres_house(
    new_database: Callable[[str], str], deploy: Any, make_house: Any, files: Any, edited: Any
) -> tuple[Any, str]:
    """A house on PostgreSQL whose clock is the real one, with forty sends a day, and its URL."""
    from optimizer.deployment import now

    url = new_database("postgresql")
    house = make_house(deploy(url), now())
    east = 12 - datetime.now(UTC).hour  # where it is noon, so that the day does not end meanwhile
    files = edited(files, "strategy.yaml", ("Europe/London", f"Etc/GMT{-east:+d}"))
    house.apply(edited(files, "campaigns/winback.yaml", *LIMITED))
    return house, url


def decision(client: httpx.Client, recipient: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/decisions", json={"campaign": "winback", "recipient": recipient, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.postgres
def test_what_one_worker_is_told_the_very_next_decision_of_every_other_obeys(postgres_house: Any, served: Any) -> None:
    house, url = postgres_house
    serving = served(house, url)
    serving.start("--workers", "2")
    one, two = serving.client_of_each().values()
    for turn in range(6):
        teller, asked = (one, two) if turn % 2 else (two, one)
        assert decision(asked, f"before-{turn}")["variant"] is not None
        assert teller.post("/v1/campaigns/winback/pause", json={"note": "look"}).status_code == 200
        assert decision(asked, f"paused-{turn}")["reason"] == "campaign_paused"
        assert asked.post("/v1/campaigns/winback/resume", json={"note": "fine"}).status_code == 200
        assert decision(teller, f"resumed-{turn}")["variant"] is not None
        unsubscribed = {
            "event_id": f"bye-{turn}",
            "kind": "unsubscribed",
            "decision_id": decision(asked, f"person-{turn}")["decision_id"],
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        assert teller.post("/v1/outcomes", json=unsubscribed).status_code == 200
        assert decision(asked, f"person-{turn}", request_id="again")["reason"] == "recipient_suppressed"
    # 18 of 40 sends are used; the rest is shared by both, to the last one.
    reasons = Counter(decision((one, two)[n % 2], f"late-{n}")["reason"] for n in range(60))
    assert reasons["sends_exhausted"] == 60 - (40 - 18)
    assert one.post("/v1/campaigns/winback/stop", json={"note": "enough"}).status_code == 200
    assert decision(two, "last")["reason"] == "campaign_stopped"
    assert serving.stop() == 0
    assert house.verify().clean


@pytest.mark.postgres
def test_two_workers_learn_once_per_refresh_and_one_takes_over_when_the_other_dies(
    postgres_house: Any, served: Any, wait_until: Any
) -> None:
    house, url = postgres_house
    serving = served(house, url)
    serving.start("--workers", "2")

    def lease() -> Any:
        with house.deployment.store.reading() as ledger:
            return ledger.leases.all()["winback"]

    watched: list[tuple[str, int]] = []

    def three_more() -> bool:
        held = lease()
        if (held.holder, held.due_at) not in watched:
            watched.append((held.holder, held.due_at))
        return len(watched) >= 4

    wait_until(three_more, "three refreshes")
    holders = {holder for holder, _ in watched}
    assert len(holders) == 1, "nobody else interferes while the holder lives"
    gaps = [(after - before) / 1e6 for (_, before), (_, after) in pairwise(watched)]
    assert all(2.0 <= gap < 8.0 for gap in gaps), gaps  # a refresh is two seconds; a busy machine may be late for one
    (holder,) = holders
    os.kill(int(holder.split("-")[-2]), signal.SIGKILL)
    wait_until(lambda: lease().holder != holder, "another worker takes over", 30)
    # Every decision that was learned from was counted once: one chain of snapshots, and a ledger that adds up.
    assert serving.stop() == 0
    assert house.verify().clean


def ask_until(stop: Event, serving: Any, number: int, told: list[dict[str, Any]], lost: list[str]) -> None:
    turn = 0
    client = serving.client()
    while not stop.is_set():
        turn += 1
        try:
            asked = {"campaign": "newsletter", "recipient": f"{number}-{turn}", "request_id": "r"}
            answer = client.post("/v1/decisions", json=asked)
        except httpx.TransportError as error:
            lost.append(repr(error))
            client = serving.client()
            continue
        assert answer.status_code == 200, answer.text
        told.append(answer.json())


@pytest.mark.postgres
def test_a_worker_that_is_killed_is_replaced_and_nothing_that_was_acknowledged_is_lost(
    postgres_house: Any, served: Any, wait_until: Any
) -> None:
    house, url = postgres_house
    serving = served(house, url)
    serving.start("--workers", "2")
    told: list[list[dict[str, Any]]] = [[] for _ in range(8)]
    lost: list[str] = []
    stop = Event()
    threads = [Thread(target=ask_until, args=(stop, serving, n, told[n], lost), daemon=True) for n in range(8)]
    for thread in threads:
        thread.start()
    try:
        for number in (1, 2, 1):
            before = sum(map(len, told))
            wait_until(lambda before=before: sum(map(len, told)) > before + 100, "answers")
            killed = serving.workers()[number]
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda n=number, k=killed: serving.workers()[n] != k, "a new worker")
            for _ in range(20):  # the others go on, also for connections that come while one is missing
                assert serving.client(timeout=5).get("/livez").status_code == 200
            wait_until(lambda: len(serving.client_of_each()) == 2, "the new one serves too")
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)
    assert lost, "each kill cuts connections"
    assert serving.stop() == 0
    answers = {one["decision_id"]: one for some in told for one in some}
    with house.deployment.store.reading() as ledger:
        stored = ledger.decisions.by_id(list(answers))
    assert stored.keys() == answers.keys()
    assert house.verify(200).clean


def test_connections_are_spread_fairly_even_when_all_come_at_once(sqlite_house: Any, served: Any) -> None:
    serving = served(sqlite_house, str(sqlite_house.deployment.store.engine.url))
    serving.start("--workers", "2")
    shares = []
    for _ in range(3):
        clients = [serving.client() for _ in range(64)]
        threads = [Thread(target=client.get, args=("/livez",)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        shares.append(min(Counter(map(serving.served_by, clients)).values()))
        for client in clients:
            client.close()
    # Each has 32 on average, with a standard deviation of 4; a socket they shared gave one of them 3.
    assert max(shares) >= 20, shares


def test_signals_reach_every_worker_and_what_was_accepted_is_answered(sqlite_house: Any, served: Any) -> None:
    serving = served(sqlite_house, str(sqlite_house.deployment.store.engine.url))
    serving.start("--workers", "2")
    pids = list(serving.workers().values())
    recipients = [{"recipient": f"p{n}"} for n in range(4_000)]
    answers: list[httpx.Response] = []
    sent = [Event(), Event()]

    def ask(client: httpx.Client, number: int) -> None:
        def trace(event: str, _info: Any) -> None:
            if event == "http11.send_request_body.complete":
                sent[number].set()

        asked = {"campaign": "winback", "request_id": f"r{number}", "recipients": recipients}
        answers.append(client.post("/v1/decisions/batch", json=asked, extensions={"trace": trace}))

    clients = list(serving.client_of_each().values())
    threads = [Thread(target=ask, args=(client, number)) for number, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    assert all(one.wait(30) for one in sent)
    Event().wait(0.4)  # in which every worker begins to read
    assert serving.stop(signal.SIGINT) == 0
    for thread in threads:
        thread.join(30)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert all(len(answer.json()["decisions"]) == 4_000 for answer in answers)
    assert "stopped; everything that was acknowledged is in the ledger" in serving.log()
    assert "Traceback" not in serving.log()
    for pid in pids:
        assert not os.path.exists(f"/proc/{pid}")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(serving.url.rpartition(":")[2])), 5)
    assert sqlite_house.counts()["decisions"] == 8_000
    with sqlite_house.deployment.store.reading() as ledger:
        leases = ledger.leases.all().values()
    assert leases
    assert all(lease.until == lease.due_at for lease in leases), (
        "whoever stops as it should leaves its leases to others"
    )


def test_workers_end_with_their_parent(sqlite_house: Any, served: Any, wait_until: Any) -> None:
    serving = served(sqlite_house, str(sqlite_house.deployment.store.engine.url))
    serving.start("--workers", "2")
    pids = list(serving.workers().values())
    assert serving.process is not None
    serving.process.kill()
    serving.process.wait(10)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "the workers' end", 30)


def test_a_worker_whose_parent_ends_while_it_starts_stops_as_it_should(
    sqlite_house: Any, served: Any, wait_until: Any
) -> None:
    serving = served(sqlite_house, str(sqlite_house.deployment.store.engine.url))
    serving.start("--workers", "2")
    killed = serving.workers()[1]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: serving.workers()[1] != killed, "a new worker")
    assert serving.process is not None
    serving.process.kill()
    serving.process.wait(10)
    pids = list(serving.workers().values())
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "the workers' end", 30)
    assert "BrokenPipeError" not in serving.log()


def test_readiness_is_withdrawn_before_the_service_stops(sqlite_house: Any, served: Any, wait_until: Any) -> None:
    serving = served(sqlite_house, str(sqlite_house.deployment.store.engine.url))
    serving.start("--workers", "2", "--drain-delay", "8")
    clients = serving.client_of_each().values()
    assert [client.get("/readyz").status_code for client in clients] == [200, 200]
    assert serving.process is not None
    serving.process.send_signal(signal.SIGTERM)
    for client in clients:
        answer = wait_until(
            lambda c=client: (found := c.get("/readyz")).status_code == 503 and found, "readiness withdrawn", 6
        )
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"] == "the service is shutting down"
        assert client.get("/livez").status_code == 200
        assert decision(client, f"late-{id(client)}")["decision_id"]
    assert serving.process.wait(30) == 0


def test_workers_that_die_at_once_are_given_up_with_a_sentence(sqlite_house: Any, served: Any, wait_until: Any) -> None:
    url = str(sqlite_house.deployment.store.engine.url)
    serving = served(sqlite_house, url)
    serving.start("--workers", "2")
    with sqlite_house.deployment.store.engine.begin() as connection:  # a newer release's tables, say
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    for pid in serving.workers().values():
        os.kill(pid, signal.SIGKILL)
    assert serving.process is not None
    assert serving.process.wait(120) == 3
    assert "workers: found one that ended 5 times as soon as it was started" in serving.log()
    assert serving.log().count("worker ended") >= 5


def test_sqlite_with_several_workers_is_said_to_be_safe_but_not_faster(sqlite_house: Any, served: Any) -> None:
    serving = served(sqlite_house, str(sqlite_house.deployment.store.engine.url))
    serving.start("--workers", "2")
    clients = list(serving.client_of_each().values())
    for n in range(40):
        assert decision(clients[n % 2], f"p{n}", request_id="r")["decision_id"]
        again = [decision(client, f"p{n}", request_id="r") for client in clients]
        assert again[0] == again[1]
    assert serving.stop() == 0
    assert "2 workers on SQLite are safe but not faster" in serving.log()
    assert sqlite_house.counts()["decisions"] == 40
    assert sqlite_house.verify().clean


@pytest.mark.postgres
def test_three_services_that_start_at_once_on_an_empty_database_all_serve(
    new_database: Callable[..., str], tmp_path: Any
) -> None:
    environment = {
        **os.environ,
        "OPTIMIZER_DATABASE_URL": new_database("postgresql", empty=True),
        "OPTIMIZER_SECRET": "correct horse battery staple 0123456789",
    }
    command = [sys.executable, "-m", "optimizer", "serve", "--workers", "2", "--port", "0", "--json"]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path)
        for _ in range(3)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            assert httpx.get(f"{url}/readyz", timeout=10).status_code == 200
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(40) for process in processes]
        for process in processes:
            assert process.stdout is not None
            process.stdout.close()
    assert codes == [0, 0, 0]
