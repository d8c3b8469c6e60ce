"""Rejection replay of 1,000,000 logged rows, 10 arms, a refresh every 1,000: events a second, ours and four peers'.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_replay.py > benchmarks/results/replay.txt``; one process each.
The peers need the environment that ``scripts/peers.sh`` makes; without it only ours is measured. Slow peers replay
fewer rows: they take the same time for each. Ends with status 1 if a limit is missed.
"""

import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from optimizer.domain.feedback import LoggedFeedback
from optimizer.simulation.replay import replay
from optimizer.simulation.replay_log import Course, batches_of_rows, replay_log
from optimizer.strategy.policy_settings import resolved_policy

N_ROWS, N_ARMS, BATCH = 1_000_000, 10, 1_000
PERMUTATIONS = 20  # go together; hundreds are usual
ROUNDS = 3
PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
SCRIPT = Path(__file__).parent / "peers" / "replay_peers.py"

# Name, what it is, rows, and by how much we should be faster.
OTHERS: tuple[tuple[str, str, int, float | None], ...] = (
    ("contextualbandits", "contextualbandits, its LinTS", N_ROWS, 10.0),
    ("contextualbandits_bare", "contextualbandits, a bare policy", N_ROWS, None),
    ("obp", "obp 0.5.7, BernoulliTS", 30_000, 100.0),
    ("mabwiser", "MABWiser's simulator", 30_000, 100.0),
    ("river", "river's evaluate_offline", 30_000, 100.0),
)


def history() -> LoggedFeedback:
    """An equal split among arms whose rates go from 3 % to 6 %."""
    rng = np.random.Generator(np.random.PCG64(0))
    arms = rng.integers(0, N_ARMS, N_ROWS)
    rewards = (rng.random(N_ROWS) < np.linspace(0.03, 0.06, N_ARMS)[arms]).astype(np.float64)
    nobody = np.zeros(N_ROWS, np.int64)
    return LoggedFeedback(tuple("abcdefghij"), ("everyone",), arms, nobody, np.full(N_ROWS, 1 / N_ARMS), rewards)


def ours(feedback: LoggedFeedback, n_permutations: int) -> float:
    """Events a second, from the columns of the log to the result."""
    began = perf_counter()
    log = replay_log(feedback, Course(batches_of_rows(N_ROWS, BATCH)))
    replay(log, resolved_policy(), 1, range(n_permutations))
    return N_ROWS * n_permutations / (perf_counter() - began)


def peer(path: Path, name: str, n_rows: int) -> float:
    """Events a second of a peer, in its own environment; nan when it fails."""
    command = [str(PEERS), str(SCRIPT), str(path), name, str(n_rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        print(f"{name} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return float("nan")
    answer = json.loads(done.stdout.splitlines()[-1])
    return float(answer["rows"] / answer["seconds"])


def main() -> int:
    feedback = history()
    with_peers = PEERS.is_file()
    speeds: dict[str, list[float]] = {name: [] for name in ("one", "many", *(name for name, *_ in OTHERS))}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.npz"
        np.savez(path, arms=feedback.arms, rewards=feedback.rewards, n_arms=N_ARMS)
        for _ in range(ROUNDS):  # in turn, so that whatever else the machine does falls on all of them
            speeds["one"].append(ours(feedback, 1))
            speeds["many"].append(ours(feedback, PERMUTATIONS))
            for name, _, n_rows, _ in OTHERS if with_peers else ():
                speeds[name].append(peer(path, name, n_rows))

    print(
        f"Python {platform.python_version()}, numpy {np.__version__}; {N_ROWS:,} rows, {N_ARMS} arms, a refresh every"
    )
    print(f"{BATCH:,} rows; events a second, median (least) of {ROUNDS} rounds")
    print(f"\n{'':<36}{'rows':>12}{'median':>12}{'least':>12}{'ours is x':>11}{'limit':>7}")
    rate = median(speeds["many"])
    for name, what, rows in (
        ("one", "ours, one permutation", N_ROWS),
        ("many", f"ours, {PERMUTATIONS} permutations", PERMUTATIONS * N_ROWS),
    ):
        print(f"{what:<36}{rows:>12,}{median(speeds[name]):>12,.0f}{min(speeds[name]):>12,.0f}")
    if not with_peers:
        print("\nno peers: run scripts/peers.sh first")
        return 0
    missed = False
    for name, what, rows, limit in OTHERS:
        theirs = median(speeds[name])
        ratio = rate / theirs
        missed |= limit is not None and ratio < limit
        print(f"{what:<36}{rows:>12,}{theirs:>12,.0f}{min(speeds[name]):>12,.0f}{ratio:>11.1f}{limit or '':>7}")
    print(
        "\nThe bare policy is not the package's: it has two arrays and draws from Beta posteriors a batch at a time, to"
        "\nshow what the loop around it can do. MABWiser's simulator learns from every row and imputes what it cannot"
        "\nknow: it is no replay, and is here for its speed. obp's replay needs a name mended before it runs (see the"
        "\nscript)."
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
