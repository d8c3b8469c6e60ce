"""What pages show is worked out by processes beside the serving one: they may die, and leave with their parent."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

PAGES = (
    "",
    "/campaigns/winback",
    "/campaigns/winback/decisions",
    "/campaigns/winback/measurement",
    "/campaigns/winback/forecast",
    "/campaigns/winback/segments",
    "/campaigns/winback/assist",
    "/decisions",
    "/strategy",
    "/strategy/measurement",
    "/proposals",
    "/reviews",
    "/reviews/weekly",
    "/audit",
    "/recipients",
    "/quarantine",
)
pytestmark = pytest.mark.slow


def children(parent: int) -> list[int]:
    """Processes that a process has begun and that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def console(serving: Any) -> Iterator[httpx.Client]:
    """A browser that is signed in."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=f"{serving.url}/console", headers=headers, timeout=60) as client:
        assert client.post("/sign-in", data={"key": serving.key}).status_code == 303
        yield client


@pytest.fixture
def serving(house: Any, database_url: str, served: Callable[..., Any]) -> Any:
    """`optimizer serve` on each database, with something decided."""
    house.decide(*(house.request(f"person-{n}") for n in range(30)))
    one = served(house, database_url)
    one.start()
    return one


def whole(client: httpx.Client, path: str, wait_until: Callable[..., Any]) -> None:
    def is_there() -> bool:
        answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[-400:]}"
        return "data-pending" not in answer.text

    wait_until(is_there, f"{path} is worked out", 60)


def test_every_page_comes_from_aside_and_the_processes_end_as_they_should(
    serving: Any, wait_until: Callable[..., Any]
) -> None:
    assert serving.process is not None
    server = serving.process.pid
    before = set(children(server))
    with console(serving) as client:
        for path in PAGES:
            whole(client, path, wait_until)
        aside = set(children(server)) - before
        assert aside
        for process in aside:
            os.kill(process, signal.SIGKILL)
        wait_until(lambda: client.get("/strategy").status_code == 503 or client.get("").status_code == 200, "told")
        again: set[int] = set()

        def begun() -> bool:
            """Whether a page is there again that is not one kept from before, which needs nobody to work it out."""
            is_there = client.get("/campaigns/winback").status_code == 200
            again.update(set(children(server)) - before - aside)
            return is_there and bool(again)

        wait_until(begun, "others have begun", 60)
    assert serving.stop() == 0
    wait_until(lambda: not any(map(lives, again)), "they end with a service that stops", 20)


def test_processes_aside_outlive_no_service_that_is_killed(serving: Any, wait_until: Callable[..., Any]) -> None:
    assert serving.process is not None
    before = set(children(serving.process.pid))
    with console(serving) as client:
        whole(client, "", wait_until)
        aside = set(children(serving.process.pid)) - before
        assert aside
    os.kill(serving.process.pid, signal.SIGKILL)
    serving.process.wait(20)
    wait_until(lambda: not any(map(lives, aside)), "they have ended", 20)
