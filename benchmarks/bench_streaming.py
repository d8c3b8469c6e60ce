"""A log larger than memory, streamed from Parquet through every estimator: rows a second, and peak memory.

Run: ``python benchmarks/bench_streaming.py 100_000_000 > benchmarks/results/streaming.txt``. The log goes to a folder
of its own in the system's place for temporary files, about 2 bytes a row, and is deleted at the end; another process
writes it, so that peak memory is that of reading and judging, libraries included. Ends with status 1 if that was more
than 1 GiB, or if an unbiased estimate is 5 standard errors or more from the target policy's true value.
"""

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl

from optimizer.evaluation.evaluating import Settings, evaluate
from optimizer.evaluation.reward_models import cell_means
from optimizer.evaluation.targets import SegmentShares
from optimizer.history.mapping import Mapping
from optimizer.history.opening import open_history

LIMIT_MIB = 1_024
CHUNK = 1 << 18  # rows
FILE = 5_000_000  # rows
UNBIASED = ("ips", "snips", "dr", "sndr")  # clipping and switching trade bias for variance; the direct method's error
# is that of a model held fixed

SEGMENTS = ("news", "sport", "food", "travel")
VARIANTS = tuple(f"mail-{number}" for number in range(10))

_RNG = np.random.Generator(np.random.PCG64(2026))
SIZES = np.array([0.4, 0.3, 0.2, 0.1])
RATES = _RNG.uniform(0.02, 0.10, (4, 10))
LOGGING = 0.2 / 10 + 0.8 * _RNG.dirichlet(np.ones(10), 4)
TARGET = 0.02 / 10 + 0.98 * _RNG.dirichlet(np.ones(10), 4)
TRUTH = float(SIZES @ (TARGET * RATES).sum(axis=1))


def write(folder: Path, n_rows: int) -> None:
    """The log in files of a few million rows, drawn one after the other."""
    for number, first in enumerate(range(0, n_rows, FILE)):
        rng = np.random.Generator(np.random.PCG64([2026, number]))
        n = min(FILE, n_rows - first)
        segments = rng.choice(len(SIZES), n, p=SIZES)
        arms = np.zeros(n, np.int64)
        for segment, shares in enumerate(LOGGING):
            here = segments == segment
            arms[here] = rng.choice(len(shares), int(here.sum()), p=shares)
        names = {"segment": (SEGMENTS, segments), "variant": (VARIANTS, arms)}
        table = {name: pl.Series(known).gather(pl.Series(places)) for name, (known, places) in names.items()}
        table["propensity"] = pl.Series(LOGGING[segments, arms])
        table["reward"] = pl.Series(rng.random(n) < RATES[segments, arms]).cast(pl.UInt8)
        pl.DataFrame(table).write_parquet(folder / f"{number:04}.parquet", row_group_size=1 << 18)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def judge(folder: Path, n_rows: int) -> bool:
    """Prints what was found; whether it is wrong, or took too much memory."""
    mapping = Mapping.model_validate(
        {
            "variant": "variant",
            "variants": VARIANTS,
            "segment": "segment",
            "segments": SEGMENTS,
            "reward": "reward",
            "propensity": "propensity",
        }
    )
    history = open_history(folder / "*.parquet", mapping)
    print(f"{'':<34}{'seconds':>9}{'million rows/s':>16}{'peak MiB':>10}")
    print(f"{'libraries':<34}{'':>9}{'':>16}{peak_mib():>10.0f}")

    def report(what: str, start: float) -> None:
        took = perf_counter() - start
        print(f"{what:<34}{took:>9.1f}{n_rows / took / 1e6:>16.2f}{peak_mib():>10.0f}", flush=True)

    start = perf_counter()
    assert sum(history.unusable.values()) == 0
    report("rows that cannot be used", start)
    start = perf_counter()
    model = cell_means(history.chunks(CHUNK))
    report("reward model, cross-fitted", start)
    start = perf_counter()
    found = evaluate(history.chunks(CHUNK), {"target": SegmentShares(TARGET)}, Settings(), model)
    report("7 estimators, 1,000 bootstraps", start)
    assert found.n == n_rows

    judgement = found.judgements["target"]
    print(f"\n{'estimate':<14}{'value':>11}{'error':>11}{'errors from the truth':>24}")
    wrong = False
    for name, estimate in judgement.estimates.items():
        z = (estimate.value - TRUTH) / estimate.standard_error
        wrong |= name in UNBIASED and abs(z) >= 5
        print(f"{name:<14}{estimate.value:>11.6f}{estimate.standard_error:>11.6f}{z:>24.2f}")
    print(f"\n{judgement.verdict.sentence}")
    print(f"\npeak memory {peak_mib():,.0f} MiB (limit {LIMIT_MIB:,})")
    return wrong or peak_mib() > LIMIT_MIB


def main() -> int:
    parser = argparse.ArgumentParser(description="Stream a log through evaluate.")
    parser.add_argument("rows", type=int, nargs="?", default=10_000_000)
    parser.add_argument("--write", type=Path, help="only write the log, into this folder")
    asked = parser.parse_args()
    if asked.write is not None:
        write(asked.write, asked.rows)
        return 0
    with tempfile.TemporaryDirectory() as name:
        subprocess.run([sys.executable, __file__, str(asked.rows), "--write", name], check=True)
        size = sum(file.stat().st_size for file in Path(name).iterdir()) / 1024**2
        versions = f"Python {platform.python_version()}, numpy {np.__version__}, polars {pl.__version__}"
        print(f"{versions}; {asked.rows:,} rows, 4 segments x 10 variants, {size:,.0f} MiB of Parquet\n")
        return int(judge(Path(name), asked.rows))


if __name__ == "__main__":
    sys.exit(main())
