"""Off-policy evaluation of 1,000,000 rows x 10 variants x 20 features with 1,000 bootstraps: ours and obp 0.5.7's.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_evaluation.py > benchmarks/results/evaluation.txt``. Each
estimator runs in a process of its own, which reads the same columns, probabilities and predicted rewards from files:
obp's loads them, untimed, as its interface asks for whole arrays; ours reads them a chunk at a time, which is timed.
obp needs the environment that ``scripts/peers.sh`` makes; without it only ours is measured. Ends with status 1 if a
limit is missed.
"""

import json
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.domain.feedback import LoggedFeedback
from optimizer.evaluation.evaluating import Settings, evaluate

N_ROWS, N_ARMS, N_FEATURES = 1_000_000, 10, 20
CHUNK = 50_000
BOOTSTRAPS = 1_000
SWITCH_AT = 10.0
ROUNDS = 3
LEAST_FASTER, MOST_MEMORY = 5.0, 0.5
WRITE = "write"
ESTIMATORS = ("ips", "snips", "dm", "dr", "switch_dr")
PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
SCRIPT = Path(__file__).parent / "peers" / "ope_peers.py"

Floats = NDArray[np.float64]


def write_log(folder: Path) -> None:
    """A log of a softmax policy, another softmax policy to be judged, and a reward model that is somewhat off."""
    rng = np.random.Generator(np.random.PCG64(0))
    features = rng.normal(size=(N_ROWS, N_FEATURES))
    logging, target, effects = rng.normal(0, 0.2, (3, N_FEATURES, N_ARMS))

    def softmax(scores: Floats) -> Floats:
        exponentials = np.exp(scores)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))

    shares = softmax(features @ logging)
    arms = (rng.random(N_ROWS)[:, None] > shares.cumsum(axis=1)).sum(axis=1).clip(0, N_ARMS - 1)
    rates = 1 / (1 + np.exp(2 - features @ effects))
    rows = np.arange(N_ROWS)
    columns = {
        "features": features,
        "arms": arms,
        "propensities": shares[rows, arms],
        "rewards": (rng.random(N_ROWS) < rates[rows, arms]).astype(np.float64),
        "probabilities": softmax(features @ target),
        "predicted": 0.8 * rates + 0.03,
    }
    for name, column in columns.items():
        np.save(folder / f"{name}.npy", column)


class Column:
    """A column in a file, read a piece at a time: a memory map would count towards the memory of the process."""

    def __init__(self, path: Path) -> None:
        shaped = np.load(path, mmap_mode="r")
        self.path, self.offset, self.dtype = path, shaped.offset, shaped.dtype
        self.width = shaped.shape[1:]
        self.stride = self.dtype.itemsize * int(np.prod(self.width, dtype=np.int64))

    def rows(self, first: int, n: int) -> NDArray[Any]:
        count = n * self.stride // self.dtype.itemsize
        flat = np.fromfile(self.path, self.dtype, count, offset=self.offset + first * self.stride)
        return flat.reshape(-1, *self.width)


@dataclass
class Given:
    """Probabilities of a target policy, or predicted rewards, that were computed before; rows by their number."""

    column: Column

    def probabilities(self, feedback: LoggedFeedback) -> Floats:
        assert feedback.decided_at is not None
        return self.column.rows(int(feedback.decided_at[0]), len(feedback))

    def predicted(self, feedback: LoggedFeedback, first_row: int) -> Floats:
        return self.column.rows(first_row, len(feedback))


def chunks(folder: Path) -> Iterator[LoggedFeedback]:
    names = ("arms", "propensities", "rewards", "features")
    columns = {name: Column(folder / f"{name}.npy") for name in names}
    for first in range(0, N_ROWS, CHUNK):
        part: dict[str, Any] = {
            name: column.rows(first, min(CHUNK, N_ROWS - first)) for name, column in columns.items()
        }
        n = len(part["arms"])
        yield LoggedFeedback(
            variant_ids=tuple(f"v{arm}" for arm in range(N_ARMS)),
            segment_ids=("everyone",),
            segments=np.zeros(n, np.int64),
            feature_names=tuple(f"x{place}" for place in range(N_FEATURES)),
            decided_at=np.arange(first, first + n),  # the number of the row
            **part,
        )


def run_ours(folder: Path, estimators: tuple[str, ...]) -> None:
    """Print what one process of ours found and took."""
    settings = Settings(
        bootstraps=BOOTSTRAPS, estimators=estimators, intervals=("bootstrap",), switch_at=SWITCH_AT, seed=1
    )
    began = perf_counter()
    target, model = Given(Column(folder / "probabilities.npy")), Given(Column(folder / "predicted.npy"))
    asked = model if set(estimators) - {"ips", "snips"} else None
    done = evaluate(chunks(folder), {"target": target}, settings, asked)
    seconds = perf_counter() - began
    estimate = done.judgements["target"].estimates[estimators[0]]
    interval = estimate.intervals["bootstrap"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"value": estimate.value, "lower": interval[0], "upper": interval[1]}
    print(json.dumps({"seconds": seconds, "mib": peak, **found}))


def answers(command: list[str]) -> dict[str, float]:
    """What a process printed; nothing when it failed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        print(f"{command[1:]} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return {}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def row(name: str, found: list[dict[str, float]], more: str = "") -> None:
    seconds, mib = (median(one[key] for one in found) for key in ("seconds", "mib"))
    last = found[-1]
    interval = f"{last['value']:.5f} [{last['lower']:.5f}, {last['upper']:.5f}]"
    print(f"{name:<24}{seconds:>9.2f}{mib:>8.0f}  {interval:<30}{more}".rstrip())


def main() -> int:
    if len(sys.argv) > 1:
        folder, asked = Path(sys.argv[1]), sys.argv[2]
        if asked == WRITE:
            write_log(folder)
        else:
            run_ours(folder, tuple(asked.split(",")))
        return 0
    with_peers = PEERS.is_file()
    names = (*ESTIMATORS, ",".join(ESTIMATORS))
    ours: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    theirs: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # In a process of its own: the peak of whoever starts a process counts towards the peak of what is started.
        subprocess.run([sys.executable, __file__, str(folder), WRITE], check=True)
        for name in names:
            ours[name] = [answers([sys.executable, __file__, str(folder), name]) for _ in range(ROUNDS)]
            if with_peers and name in ESTIMATORS:
                theirs[name] = answers([str(PEERS), str(SCRIPT), str(folder), name, str(BOOTSTRAPS)])

    print(
        f"Python {platform.python_version()}, numpy {np.__version__}; {N_ROWS:,} rows, {N_ARMS} variants, {N_FEATURES}"
    )
    print(f"features, {BOOTSTRAPS:,} bootstraps, chunks of {CHUNK:,}; ours: median of {ROUNDS} processes")
    print(f"\n{'':<24}{'seconds':>9}{'MiB':>8}  {'95 % bootstrap interval':<30}")
    missed = False
    for name in ESTIMATORS:
        row(f"ours, {name}", ours[name])
        if theirs.get(name):
            other = theirs[name]
            faster = other["seconds"] / median(one["seconds"] for one in ours[name])
            memory = median(one["mib"] for one in ours[name]) / other["mib"]
            missed |= faster < LEAST_FASTER or memory > MOST_MEMORY
            row(f"obp, {name}", [other], f"ours is {faster:.1f} x faster (limit {LEAST_FASTER:g})")
            print(f"{'':<73}with {memory:.2f} of its memory (limit {MOST_MEMORY:g})")
    row("ours, all five at once", ours[names[-1]])
    if not with_peers:
        print("\nno peers: run scripts/peers.sh first")
    else:
        print(
            "\nobp's interval of SNIPW resamples the numerator alone and keeps the denominator; ours resamples the"
            "\nratio. obp resamples rows, ours 4,096 blocks of them."
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
