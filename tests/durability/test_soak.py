"""The soak, for less than a minute: the same driver, faults and checks as in the half hour of the benchmark."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.slow
@pytest.mark.postgres
def test_under_mixed_load_killed_workers_and_a_crashed_database_lose_nothing_acknowledged() -> None:
    options = ["--minutes", "0.6", "--pace", "80", "--kill-every", "8", "--crash-every", "18"]
    done = subprocess.run(
        [sys.executable, str(SOAK), *options], capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    assert "nothing acknowledged was lost and every promise held" in done.stdout
    kills, crashes = map(int, re.search(r"(\d+) workers killed, (\d+) crashes", done.stdout).groups())
    assert kills >= 3
    assert crashes >= 1
    # A soak in which nothing came to its limit would prove nothing.
    for what in ("outcome duplicate", "repeated, same answer", "asked while paused", "nothing promised"):
        assert re.search(rf"[1-9][\d,]* +{what}", done.stdout), f"{what!r} never happened:\n{done.stdout}"
    assert re.search(r"contacts: at most 3 of 3 within", done.stdout)
