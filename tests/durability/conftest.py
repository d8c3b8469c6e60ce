"""`optimizer serve` as a process with workers of its own, which a test may kill, and what is known of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE_SECONDS = 60.0


def until(found: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """What `found` gives, once it is true."""
    end = time.monotonic() + seconds
    while True:
        result = found()
        if result:
            return result
        assert time.monotonic() < end, f"{what}: not within {seconds} seconds"
        time.sleep(0.02)


@dataclass
class Serving:
    """``optimizer serve`` on a free port.

    Attributes:
        folder: the workspace.
        environment: which ledger, and the secret.
        key: an API key with every scope.
    """

    folder: Path
    environment: Mapping[str, str]
    key: str = ""
    url: str = ""
    process: subprocess.Popen[str] | None = None
    clients: list[httpx.Client] = field(default_factory=list)

    def start(self, *options: str) -> None:
        with self.log_file.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "optimizer", "serve", "--port", "0", "-w", str(self.folder), *options],
                env={**os.environ, **self.environment, "COLUMNS": "200"},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving http://"), f"{line}\n{self.log()}"
        self.url = line.split()[1]

    @property
    def log_file(self) -> Path:
        return self.folder / "serve.log"

    def log(self) -> str:
        return self.log_file.read_text()

    def workers(self) -> dict[int, int]:
        """The process that is each worker now, or was last."""
        started = re.findall(r'event="worker started" worker=(\d+) process=(\d+)', self.log())
        return {int(worker): int(process) for worker, process in started}

    def client(self, timeout: float = 30.0) -> httpx.Client:
        """A client with one connection of its own, which one worker serves."""
        made = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=timeout,
            limits=httpx.Limits(max_connections=1),
        )
        self.clients.append(made)
        return made

    def client_of_each(self) -> dict[int, httpx.Client]:
        """One client for every worker, by the worker's process."""
        found: dict[int, httpx.Client] = {}

        def another() -> bool:
            client = self.client()
            process = self.served_by(client)
            if process in found:
                client.close()
            found.setdefault(process, client)
            return len(found) == len(self.workers())

        until(another, "a connection to every worker")
        return found

    def served_by(self, client: httpx.Client) -> int:
        """The process that holds the other end of a client's connection."""
        with client.stream("GET", "/livez") as answer:
            ours = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
            answer.read()
        theirs = int(self.url.rpartition(":")[2])
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            (
                _,
                local,
                remote,
                state,
                *_,
            ) = line.split()[:4]
            if (int(local[-4:], 16), int(remote[-4:], 16), state) == (theirs, ours, "01"):
                inode = line.split()[9]
        for process in self.workers().values():
            with suppress(FileNotFoundError):
                for descriptor in Path(f"/proc/{process}/fd").iterdir():
                    with suppress(FileNotFoundError):
                        if os.readlink(descriptor) == f"socket:[{inode}]":
                            return process
        raise AssertionError("nobody holds the other end")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        for worker in self.workers().values():  # of a parent that was killed
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def served(workspace: Callable[..., Path]) -> Iterator[Callable[..., Serving]]:
    """Makes ``optimizer serve`` of a house, not started yet: ``served(house, url)``."""
    made: list[Serving] = []

    def make(house: Any, url: str) -> Serving:
        from optimizer.services.keys.api_keys import Scope

        secret = house.deployment.settings.secret.get_secret_value()
        environment = {"OPTIMIZER_DATABASE_URL": url, "OPTIMIZER_SECRET": secret}
        one = Serving(workspace(), environment, house.deployment.create_key("test", list(Scope)))
        made.append(one)
        return one

    try:
        yield make
    finally:
        for one in made:
            one.close()


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """Waits for something to be true: ``wait_until(found, what, seconds)``."""
    return until
