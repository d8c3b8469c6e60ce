"""The real service for the demo: its workspace, its process, and the verification of its ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx
from ruamel.yaml import YAML

from optimizer.demo.replay import CAMPAIGN
from optimizer.deployment import STATE_FOLDER, Deployment, load_workspace, now
from optimizer.errors import Unavailable
from optimizer.services.documents.applying import apply_workspace, approve
from optimizer.services.keys.api_keys import Scope
from optimizer.settings import Settings

OBJECTIVES = {"visit": "visits", "purchase": "purchases"}
START_SECONDS = 30
DRAIN_SECONDS = 30
LAST_WORDS_SECONDS = 5
VERIFY_SECONDS = 120


def write_workspace(folder: Path, *, objective: str, segments: bool, floor: float | None, seed: int) -> None:
    """Write the example workspace with these choices made in its documents.

    The secret comes from the seed, so that the same seed repeats every draw. Never do this outside a demo.
    """
    source = files("optimizer.demo") / "workspace"
    (folder / "campaigns").mkdir(parents=True, exist_ok=True)
    (folder / "strategy.yaml").write_text((source / "strategy.yaml").read_text("utf-8"), "utf-8")
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 1_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    campaign = yaml.load((source / "campaigns" / f"{CAMPAIGN}.yaml").read_text("utf-8"))
    campaign["serves"] = OBJECTIVES[objective]
    if floor is not None:
        campaign["policy"]["floor"] = floor
    if not segments:
        del campaign["segments"]
        campaign["everyone_else"] = "include"
    with (folder / "campaigns" / f"{CAMPAIGN}.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(campaign, file)
    state = folder / STATE_FOLDER
    state.mkdir(mode=0o700)
    secret = os.open(state / "secret", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(secret, "w") as file:
        file.write(sha256(f"optimizer demo {seed}".encode()).hexdigest())


def put_in_force(folder: Path) -> str:
    """Apply the workspace, approve its messages and make a key.

    Returns:
        The key, with every scope.
    """
    deployment = Deployment(folder, Settings(database_url=None, secret=None, actor="demo"))
    try:
        workspace = load_workspace(folder)
        with deployment.store.writing(alone=True) as ledger:
            apply_workspace(ledger, workspace, actor="demo", note="the demo begins", now=now())
        with deployment.store.writing(alone=True) as ledger:
            for message in workspace.campaigns[CAMPAIGN].messages:
                approve(ledger, deployment.live, CAMPAIGN, message.id, actor="demo", note="for the demo", now=now())
        return deployment.create_key("demo", list(Scope))
    finally:
        deployment.close()


@contextmanager
def service(folder: Path, key: str) -> Iterator[httpx.Client]:
    """`optimizer serve` on a free port as a process of its own, and a client of it; drained and ended afterwards.

    Raises:
        Unavailable: it does not start, or does not end by itself.
    """
    log = folder / STATE_FOLDER / "serve.log"
    with log.open("wb") as errors:
        # A session of its own: Ctrl-C reaches us, and we end it; it does not end under our hands.
        process = subprocess.Popen(
            [sys.executable, "-m", "optimizer", "serve", "--port", "0", "--workspace", str(folder), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            start_new_session=True,
        )
    try:
        url = _address(process)
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            _wait_until_ready(client, process)
            yield client
        _drain(process)
    except (httpx.TransportError, Unavailable) as error:
        _end(process)
        raise Unavailable(f"{error}; the service's log: {_tail(log)}") from error
    finally:
        _end(process)


def verify(folder: Path) -> dict[str, Any]:
    """What `optimizer ledger verify` says of the ledger."""
    command = [sys.executable, "-m", "optimizer", "ledger", "verify", "--workspace", str(folder), "--json"]
    try:
        done = subprocess.run(
            command, env=_environment(), capture_output=True, text=True, check=False, timeout=VERIFY_SECONDS
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise Unavailable(f"`optimizer ledger verify` gave no answer: {error}") from error
    return found


def _environment() -> dict[str, str]:
    """Ours, without anything that would point the demo at another ledger."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OPTIMIZER_")}


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    lines: Queue[bytes] = Queue()
    Thread(target=lambda stdout: lines.put(stdout.readline()), args=(process.stdout,), daemon=True).start()
    try:
        url: str = json.loads(lines.get(timeout=START_SECONDS))["url"]
    except (Empty, ValueError):
        with suppress(subprocess.TimeoutExpired):
            process.wait(LAST_WORDS_SECONDS)
        raise Unavailable("it did not start") from None
    return url


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = monotonic() + START_SECONDS
    while monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        sleep(0.05)
    raise Unavailable("it did not become ready")


def _drain(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"it did not end within {DRAIN_SECONDS} seconds") from None
    if code != 0:
        raise Unavailable(f"it ended with {code}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    return " | ".join(lines[-3:]) or "it said nothing"
