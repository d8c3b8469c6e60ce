import json
import logging
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

PERSON = {"days_since_purchase": 120, "country": "US"}


@contextmanager
def serving(command: list[str], folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*command, "serve", "--port", "0", "-w", str(folder), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = Thread(target=_end_after, args=(process, 40), daemon=True)
    watchdog.start()
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def _end_after(process: subprocess.Popen[str], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_tells_its_address_and_ends_quietly_on_a_signal(
    workspace: Path, command: list[str], number: signal.Signals
) -> None:
    with serving(command, workspace) as (process, line):
        assert line.startswith("serving http://127.0.0.1:")
        assert "(docs at /docs)" in line
        url = line.split()[1]
        assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200
        assert httpx.get(f"{url}/docs", timeout=30).status_code == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "optimizer apply" in errors
    assert "optimizer key create" in errors
    assert "Traceback" not in errors
    assert "GET /readyz" not in errors


@pytest.mark.slow
def test_sigterm_lets_what_was_accepted_finish(in_force: Path, command: list[str], run: Any) -> None:
    made = run("key", "create", "--name", "t", "--scope", "decide", "-w", in_force, "--json")
    headers = {"Authorization": f"Bearer {json.loads(made.out)['key']}"}
    recipients = [{"recipient": f"p{n}", "attributes": PERSON} for n in range(8_000)]
    answers: list[httpx.Response] = []
    with serving(command, in_force, "--json") as (process, line):
        url = json.loads(line)["url"]
        sent = Event()

        def trace(event: str, _info: Any) -> None:
            if event == "http11.send_request_body.complete":
                sent.set()

        def ask() -> None:
            asked = {"campaign": "winback", "request_id": "r", "recipients": recipients}
            with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
                answers.append(client.post("/v1/decisions/batch", json=asked, extensions={"trace": trace}))

        asking = Thread(target=ask, daemon=True)
        asking.start()
        assert sent.wait(30)
        for _ in range(3):  # whoever asked before these has been heard by the time they are answered
            httpx.get(f"{url}/livez", timeout=30)
        process.send_signal(signal.SIGTERM)
        asking.join(30)
        process.communicate(timeout=30)
    assert process.returncode == 0
    (answered,) = answers
    assert answered.status_code == 200
    assert len(answered.json()["decisions"]) == 8_000
    verified = json.loads(run("ledger", "verify", "-w", in_force, "--json").out)
    assert (verified["ok"], verified["decisions"]) == (True, 8_000)


def test_a_log_in_json_has_nothing_but_objects(workspace: Path, command: list[str]) -> None:
    with serving(command, workspace, "--log-format", "json") as (process, _):
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    events = [json.loads(line)["event"] for line in errors.splitlines()]
    assert any("optimizer key create" in event for event in events)
    assert events[-1].startswith("stopped")


def test_a_port_that_is_taken_is_one_clear_message(workspace: Path, run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("serve", "-w", workspace, "--port", str(taken.getsockname()[1]))
    assert refused.code == 3
    assert "Address already in use" in refused.err


def refuse(password: str) -> None:
    raise ValueError(len(password))


def test_logs_are_one_line_each_without_local_variables(capfd: pytest.CaptureFixture[str]) -> None:
    import structlog

    from optimizer.cli.logs import write_logs

    root = logging.getLogger()
    before = root.handlers, root.level
    try:
        write_logs()
        try:
            refuse("".join(["hunter", "2"]))
        except ValueError:
            structlog.get_logger("optimizer").exception("defect", route="/v1")
            logging.getLogger("uvicorn.error").exception("lifespan")
    finally:
        root.handlers, root.level = before
        structlog.reset_defaults()
    first, second = capfd.readouterr().err.strip().splitlines()
    for line, event in ((first, "defect"), (second, "lifespan")):
        assert f"event={event}" in line
        assert "ValueError: 7" in line
        assert "hunter2" not in line
