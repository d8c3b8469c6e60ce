"""`optimizer serve --workers`: whichever worker is asked, the figures are those of all of them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest


@pytest.mark.slow
def test_a_scrape_of_any_worker_counts_the_requests_of_all(in_force: Path, command: list[str], run: Any) -> None:
    made = run("key", "create", "--name", "t", "--scope", "analyse", "-w", in_force, "--json")
    headers = {"X-API-Key": json.loads(made.out)["key"]}
    asked = 24
    options = ["--port", "0", "--workers", "2", "--log-format", "json", "--json", "-w", str(in_force)]
    with subprocess.Popen(
        [*command, "serve", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            for _ in range(asked):  # connections of their own, so that both workers get some
                assert httpx.get(f"{url}/v1/campaigns", headers=headers, timeout=10).status_code == 200
            until = time.monotonic() + 20
            counted = 0.0
            while counted != asked and time.monotonic() < until:
                text = httpx.get(f"{url}/metrics", headers=headers, timeout=10).text
                pattern = r'^optimizer_request_duration_seconds_count\{[^}]*route="/v1/campaigns"[^}]*\} (\S+)$'
                counted = sum(map(float, re.findall(pattern, text, re.MULTILINE)))
                time.sleep(0.1)  # others publish once a second
            assert counted == asked
            assert "optimizer_workers 2.0" in text
            assert {'worker="0"', 'worker="1"'} == set(re.findall(r'worker="\d+"', text))
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=40)
        finally:
            process.kill()
    assert process.returncode == 0
    started = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert [line["event"] for line in started][:2] == ["worker started", "worker started"]
