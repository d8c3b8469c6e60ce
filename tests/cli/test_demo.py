import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from optimizer.demo.service import put_in_force, service, write_workspace
from optimizer.errors import Unavailable


def test_the_main_job_works_end_to_end(tmp_path: Path, command: list[str], run: Any) -> None:
    kept = tmp_path / "kept"
    arguments = ["demo", "--customers", "3000", "--seed", "5", "--batch", "500", "--json", "--keep", str(kept)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["decisions"] == 3_000
    assert 850 < document["accepted"] < 1_150  # a third of them, give or take 5 standard errors
    assert document["service_counted_the_same"] is True
    assert document["ledger"]["ok"] is True
    assert document["ledger"]["decisions"] == 3_000
    assert {one["segment"] for one in document["segments"]} == {
        "bought-both",
        "bought-mens",
        "bought-womens",
        "everyone",
    }
    assert re.search(r"history: .*(GENERATED|real) customers", done.stderr)
    shown = run("report", "-w", kept)
    assert "segment bought-womens" in shown.out


def test_choices_are_made_in_the_documents(tmp_path: Path) -> None:
    from optimizer.deployment import load_workspace

    write_workspace(tmp_path, objective="purchase", segments=False, floor=0.0, seed=1)
    campaign = load_workspace(tmp_path).campaigns["next-mail"]
    assert (campaign.serves, campaign.segments, campaign.policy.floor) == ("purchases", None, 0.0)
    assert campaign.everyone_else == "include"


@pytest.mark.slow
def test_the_service_ends_when_driving_it_fails(tmp_path: Path) -> None:
    write_workspace(tmp_path, objective="visit", segments=True, floor=None, seed=1)
    key = put_in_force(tmp_path)
    urls = []

    def drive() -> None:
        with service(tmp_path, key) as client:
            urls.append(client.base_url)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(urls[0])


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / ".optimizer").mkdir()
    with pytest.raises(Unavailable, match=r"found no strategy\.yaml"), service(tmp_path, "no key"):
        pass


@pytest.mark.slow
def test_sigterm_ends_the_demo_and_its_service(tmp_path: Path, command: list[str]) -> None:
    arguments = ["demo", "--seed", "1", "--keep", str(tmp_path / "kept")]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            url = next(line.split()[1] for line in process.stderr if line.startswith("driving"))
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_keeping_never_overwrites(workspace: Path, run: Any) -> None:
    refused = run("demo", "--keep", workspace)
    assert refused.code == 2
    assert "--keep" in refused.err
