"""The contextual policy: time of a decision, a batch and a fit; then reward beside Vowpal Wabbit.

Run: ``OPENBLAS_NUM_THREADS=1 python benchmarks/bench_contextual.py > benchmarks/results/contextual.txt``. The peer
needs the environment that ``scripts/peers.sh`` makes; without it only ours is measured. Ends with status 1 if a limit
is missed.
"""

import json
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from optimizer.domain.trials import Trials
from optimizer.policy.allocation import allocation
from optimizer.policy.contextual import ContextualPosterior
from optimizer.policy.contextual_training import contextual_posterior
from optimizer.policy.draw import draw
from optimizer.policy.features import Described, Features

N_FEATURES, N_ARMS, T, REFRESH = 20, 10, 20_000, 500
SEEDS = 4
ONE_LIMIT, BATCH_LIMIT = 300e-6, 100e-6  # seconds a decision
PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
SCRIPT = Path(__file__).parent / "peers" / "contextual_peers.py"
# The best settings of each algorithm among learning rates of .02, .1, .5, 1 and 2 and a few of its own, on two of these
# worlds; the default rate is .5.
PEER_OPTIONS = (
    "--squarecb -l 0.5",
    "--squarecb -l 1",
    "--squarecb -l 2",
    "--cover 5 -l 0.5 --epsilon 0 --nounif",
    "--bag 5 -l 0.5",
)
Floats = NDArray[np.float64]
FEATURES = Features(tuple(Described(f"f{place}", "number") for place in range(N_FEATURES)))


def world(seed: int, n: int) -> dict[str, Floats]:
    """Features, the arms' chances of a reward, and the luck of rewards and draws, the same for every learner."""
    rng = np.random.Generator(np.random.PCG64([seed, 5]))
    features = rng.normal(size=(n, N_FEATURES))
    common = 0.3 * rng.normal(size=N_FEATURES)
    coefficients = common + 0.3 * rng.normal(size=(N_ARMS, N_FEATURES))
    chances = expit(features @ coefficients.T - 2.0 + 0.3 * rng.normal(size=N_ARMS))
    return {"features": features, "chances": chances, "luck": rng.random(n), "draws": rng.random(n)}


def trials_of(features: Floats, arms: NDArray[np.int64], rewarded: NDArray[np.bool_]) -> Trials:
    nobody = np.zeros(len(arms), np.int64)
    return Trials(features, nobody, arms, rewarded, nobody, np.ones(len(arms)), (1, N_ARMS))


def shares_of(posterior: ContextualPosterior, features: Floats, floor: float) -> Floats:
    arrays = posterior.belief.arrays
    rows = FEATURES.rows(features, arrays["location"], arrays["scale"])
    everything = np.ones((len(rows), N_ARMS), np.bool_)
    return allocation(posterior.shares(rows, everything), everything, floor, 1.0)


def ours(seed: int, floor: float) -> float:
    """Expected reward of a run."""
    made = world(seed, T)
    features, chances = made["features"], made["chances"]
    arms, rewarded, before = np.zeros(T, np.int64), np.zeros(T, np.bool_), None
    for start in range(0, T, REFRESH):
        here = slice(start, start + REFRESH)
        seen = trials_of(features[:start], arms[:start], rewarded[:start])
        posterior = contextual_posterior(seen, FEATURES, start, None, before=before, seed=(seed, start))
        before = posterior.belief
        shares = shares_of(posterior, features[here], floor)
        arms[here] = draw(shares, made["draws"][here])
        rewarded[here] = made["luck"][here] < chances[here][np.arange(len(shares)), arms[here]]
    return float(chances[np.arange(T), arms].sum())


def peer(path: Path, options: str) -> float:
    """Expected reward of a run of a peer."""
    command = [str(PEERS), str(SCRIPT), str(path), options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1_200)
    return float(json.loads(done.stdout.splitlines()[-1])["expected"])


def least(function: Any, rounds: int = 300) -> tuple[float, float]:
    """Median and least seconds of a call."""
    times = []
    for _ in range(rounds):
        began = perf_counter()
        function()
        times.append(perf_counter() - began)
    return float(np.median(times)), min(times)


def speeds() -> bool:
    """Time of a decision alone, in a batch, and of fits; whether within the limits."""
    made = world(0, 200_000)
    rng = np.random.Generator(np.random.PCG64(1))
    arms = rng.integers(0, N_ARMS, 200_000)
    rewarded = made["luck"] < made["chances"][np.arange(200_000), arms]
    few = trials_of(made["features"][:T], arms[:T], rewarded[:T])
    posterior = contextual_posterior(few, FEATURES, 0, None)
    one = {f"f{place}": float(value) for place, value in enumerate(made["features"][0])}
    everything = np.ones((1, N_ARMS), np.bool_)

    def decide() -> None:
        shares = allocation(posterior.shares(posterior.rows([one]), everything), everything, 0.02, 1.0)
        draw(shares, np.array([0.5]))

    alone, alone_at_best = least(decide)
    batch, _ = least(lambda: shares_of(posterior, made["features"][:2_000], 0.02), 10)
    print(f"{N_FEATURES} features, {N_ARMS} arms, ensemble of {posterior.ensemble.shape[1] // N_ARMS}")
    print(f"one decision       {alone * 1e6:9.0f} microseconds (least {alone_at_best * 1e6:.0f})")
    print(f"batch of 2,000     {batch / 2_000 * 1e6:9.1f} microseconds each, {2_000 / batch:,.0f} a second")
    many = trials_of(made["features"], arms, rewarded)
    for trials in (few, many):
        began = perf_counter()
        fit = contextual_posterior(trials, FEATURES, 0, None)
        cold = perf_counter() - began
        began = perf_counter()
        contextual_posterior(trials, FEATURES, 0, None, before=fit.belief)
        print(f"fit of {len(trials):>7,} trials  {cold:.2f} s cold, {perf_counter() - began:.2f} s warm")
    return alone_at_best <= ONE_LIMIT and batch / 2_000 <= BATCH_LIMIT


def said(name: str, rewards: Floats) -> str:
    return f"{name:44}{rewards.mean():9.1f} ± {rewards.std(ddof=1) / np.sqrt(len(rewards)):.1f}"


def main() -> int:
    print(f"Python {platform.python_version()}, numpy {np.__version__}")
    within = speeds()
    print(f"\nExpected reward of {T:,} decisions, {SEEDS} worlds, mean ± standard error\n")
    mine = np.array([ours(seed, 0.0) for seed in range(SEEDS)])
    floored = np.array([ours(seed, 0.02) for seed in range(SEEDS)])
    ideal = np.array([world(seed, T)["chances"].max(axis=1).sum() for seed in range(SEEDS)])
    print(said("the best arm for each recipient", ideal))
    print(said(f"contextual, a fit every {REFRESH}", mine))
    print(said(f"contextual, a fit every {REFRESH}, floor 0.02", floored), flush=True)
    if not PEERS.is_file():
        return int(not within)
    found: dict[str, Floats] = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        paths = [Path(folder) / f"{seed}.npz" for seed in range(SEEDS)]
        for seed, path in enumerate(paths):
            np.savez(path, **world(seed, T))  # type: ignore[arg-type]
        for option in PEER_OPTIONS:
            found[option] = np.array(list(pool.map(lambda path, option=option: peer(path, option), paths)))
            print(said(f"Vowpal Wabbit {option}", found[option]), flush=True)
    best = max(found, key=lambda option: float(found[option].mean()))
    more = mine - found[best]
    error = more.std(ddof=1) / np.sqrt(SEEDS)
    print(f"\nours over the best of these, {best}, world by world: {more.mean():+.1f} ± {error:.1f}")
    print("The peer learns from each outcome before the next decision; ours hears of them at its refresh.")
    return int(not (within and more.mean() >= -error))


if __name__ == "__main__":
    sys.exit(main())
