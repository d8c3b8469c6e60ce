"""Histories larger than memory: a process that walks through one, and how much memory it took."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROWS = 5_000_000
PART = 500_000
MOST_GROWTH = 200  # MiB; all rows together take some 400
WALK = """\
import sys
from pathlib import Path
from optimizer.history.mapping import Mapping
from optimizer.history.opening import open_history
from optimizer.history.writing import write_history

def peak():  # MiB; since this process began, unlike ru_maxrss, which a fork inherits
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024

mapping = Mapping.model_validate({
    "variant": "mail", "reward": "visit", "propensity": "p", "segment": "where", "recipient": "who",
    "attributes": ["age", "channel"], "time": {"column": "at", "unit": "s"},
})
for _ in open_history(sys.argv[2], mapping).chunks(100_000):  # a small one first: libraries take memory of their own
    pass
write_history(open_history(sys.argv[2], mapping), Path(sys.argv[3]))
before = peak()
rows, reward = 0, 0.0
for chunk in open_history(sys.argv[1], mapping).chunks(100_000):
    rows, reward = rows + len(chunk), reward + chunk.rewards.sum()
write_history(open_history(sys.argv[1], mapping), Path(sys.argv[3]))
print(rows, reward, peak() - before)
"""


def part(rng: np.random.Generator, n: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "mail": rng.choice(["a", "b", "c", "d"], n),
            "visit": rng.integers(0, 2, n),
            "p": rng.uniform(0.1, 1.0, n),
            "where": rng.choice(["north", "south"], n),
            "who": rng.integers(0, 10**9, n),
            "age": rng.uniform(18.0, 90.0, n),
            "channel": rng.choice(["web", "phone"], n),
            "at": rng.integers(1_600_000_000, 1_700_000_000, n),
        }
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of its memory from /proc")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_five_million_rows_stream_in_flat_memory(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    rewards = 0
    parts = []
    with (tmp_path / "log.csv").open("wb") as file:
        for number in range(ROWS // PART):
            frame = part(rng, PART)
            rewards += int(frame["visit"].sum())
            if kind == "csv":
                frame.write_csv(file, include_header=number == 0)
            else:
                parts.append(tmp_path / f"part-{number}.parquet")
                frame.write_parquet(parts[-1])
    if kind == "parquet":
        pl.scan_parquet(parts).sink_parquet(tmp_path / "log.parquet")
    small = tmp_path / f"small.{kind}"
    getattr(part(rng, 150_000), f"write_{kind}")(small)
    files = (tmp_path / f"log.{kind}", small, tmp_path / "written.parquet")
    command = [sys.executable, "-c", WALK, *map(str, files)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    rows, reward, growth = map(float, shown.stdout.split())
    assert (rows, reward) == (ROWS, rewards)
    assert growth < MOST_GROWTH
    assert pl.scan_parquet(files[-1]).select(pl.len()).collect().item() == ROWS
