"""Regret of our policy and of five other packages, in the same worlds: standing still, and drifting.

Run: ``python benchmarks/bench_learning.py > benchmarks/results/learning.txt`` (half an hour on two idle cores; 0, 1 or
2 behind it picks one world).
The peers need the environment that ``scripts/peers.sh`` makes; without it only ours are measured. Ours refresh every
100 decisions, all seeds together, through the code that replays use; the peers learn after every decision, and the
slower ones run fewer seeds. Exact one-at-a-time Thompson sampling is the limit. Ends with status 1 where one is missed.
"""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML

from optimizer.domain.instants import HOUR
from optimizer.simulation.learner import Learner, Menus
from optimizer.strategy.policy_settings import PolicySettings, resolved_policy

Floats = NDArray[np.float64]
BATCH = 100
PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
SCRIPT = Path(__file__).parent / "peers" / "learning_peers.py"


@dataclass(frozen=True)
class World:
    """Rates ``[P, A]`` of the arms in each part, where each part ends ``[P]``, and who plays with how many seeds."""

    name: str
    rates: Floats
    ends: NDArray[np.int64]
    ours: Mapping[str, str]
    n_ours: int
    peers: Mapping[str, int]
    exact: tuple[float, float] | None = None


_STEADY = np.arange(2, 12)[None] / 100
# The best arm falls to the least, and another one rises, three times.
_DRIFT = np.array([np.roll(_STEADY[0], shift) for shift in (0, 3, 6, 1)])

WORLDS = (
    World(
        "stationary, 10 arms .02 to .11, 10,000 decisions",
        _STEADY,
        np.array([10_000]),
        {"": "optimizer", "prior: pooled": "optimizer, prior pooled"},
        1_000,
        {
            "MABWiser": 10,
            "river": 10,
            "bayesianbandits": 6,
            "pybandits": 6,
            "VW squarecb": 24,
            "VW squarecb, rate .01 steady": 24,
            "VW cover 8": 24,
            "VW bag 8": 24,
        },
        (113.3, 0.7),
    ),
    World(
        "stationary, 10 arms .02 to .11, 100,000 decisions",
        _STEADY,
        np.array([100_000]),
        {"": "optimizer", "prior: pooled": "optimizer, prior pooled"},
        200,
        {"VW squarecb": 6, "VW squarecb, rate .01 steady": 6, "VW cover 8": 4},
        (214.7, 1.7),
    ),
    World(
        "drift, the best of 10 arms changes three times in 40,000 decisions",
        _DRIFT,
        np.array([10_000, 20_000, 30_000, 40_000]),
        {
            "": "optimizer, forgets nothing",
            "half_life: PT50H": "optimizer, half-life 5,000",
            "half_life: PT50H, prior: pooled": "optimizer, half-life 5,000, pooled",
            "half_life: PT35H, prior: {successes: 2.0, failures: 40.0}": "optimizer, half-life 3,500, told",
        },
        200,
        {
            "MABWiser": 2,
            "river": 2,
            "bayesianbandits, forgets .9999": 2,
            "VW squarecb": 24,
            "VW squarecb, rate .01 steady": 8,
            "VW cover 8": 8,
            "VW bag 8": 8,
        },
    ),
)


def ours(world: World, settings: str, seeds: Sequence[int]) -> Floats:
    """Regret and reward of every seed, ``[N, 2]``; a batch of 100 decisions is an hour."""
    n_arms, n_batches = world.rates.shape[1], int(world.ends[-1]) // BATCH
    policy = resolved_policy(PolicySettings.model_validate(YAML().load(f"{{floor: 0.0, {settings}}}")))
    menus = Menus(np.zeros(1, np.int64), np.ones((1, n_arms), np.bool_), np.zeros(1, np.int64))
    opens = np.arange(n_batches) * HOUR
    learner = Learner(policy, menus, 1, penalties=(), opens=opens, n_lanes=len(seeds))
    chances = np.stack([np.random.Generator(np.random.PCG64([1, s])).random(int(world.ends[-1])) for s in seeds])
    draws = np.random.Generator(np.random.PCG64([2, seeds[0]]))
    lanes = np.repeat(np.arange(len(seeds)), BATCH)
    found = np.zeros((len(seeds), 2))
    for batch, now in enumerate(opens.tolist()):
        rates = world.rates[int(np.searchsorted(world.ends, batch * BATCH, side="right"))]
        shares = learner.allocation(now)[:, 0]
        places = np.cumsum(shares, axis=1)
        arms = (draws.random((len(seeds), BATCH, 1)) >= places[:, None, :]).sum(axis=2).clip(max=n_arms - 1)
        won = chances[:, batch * BATCH : (batch + 1) * BATCH] < rates[arms]
        cells = lanes * n_arms + arms.ravel()
        sums = [np.bincount(cells, weights, len(seeds) * n_arms) for weights in (np.ones(len(cells)), won.ravel())]
        learner.learn(np.array(sums, np.float64).reshape(2, len(seeds), 1, n_arms), now)
        found += np.column_stack([(rates.max() - rates[arms]).sum(axis=1), won.sum(axis=1)])
    return found


def peer(path: Path, name: str, seed: int) -> list[list[float]]:
    """Regret and reward of one run of a peer, in its own process; nothing when it fails."""
    command = [str(PEERS), str(SCRIPT), str(path), name, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800)
    if done.returncode != 0:
        print(f"{name} failed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return []
    return list(json.loads(done.stdout.splitlines()[-1]))


def measured(world: World) -> dict[str, Floats]:
    """Regret and reward of every run of every player, ``[N, 2]``."""
    found = {}
    for settings, name in world.ours.items():
        lots = [range(start, min(start + 200, world.n_ours)) for start in range(0, world.n_ours, 200)]
        found[name] = np.concatenate([ours(world, settings, lot) for lot in lots])
    if PEERS.is_file():
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
            path = Path(folder) / "world.npz"
            np.savez(path, rates=world.rates, ends=world.ends)
            for name, n_seeds in world.peers.items():
                runs = [run for runs in pool.map(partial(peer, path, name), range(n_seeds)) for run in runs]
                if runs:
                    found[name] = np.array(runs)
    return found


def shown(world: World, found: Mapping[str, Floats]) -> bool:
    """Print one world; whether ours is as good as it has to be."""
    print(f"\n{world.name}")
    print(f"{'':34}{'seeds':>6} {'regret':>18} {'reward':>20}")
    for name, runs in found.items():
        mean, error = runs.mean(axis=0), runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
        print(f"{name:34}{len(runs):>6} {mean[0]:>10.1f} ± {error[0]:<5.1f} {mean[1]:>12.1f} ± {error[1]:<5.1f}")
    first = found[next(iter(world.ours.values()))]
    good = True
    if world.exact is not None:
        ratio = float(first[:, 0].mean()) / world.exact[0]
        good = ratio <= 1.03
        print(f"exact one-at-a-time Thompson sampling: {world.exact[0]} ± {world.exact[1]}; ours is {ratio:.3f} of it")
    others = {name: runs for name, runs in found.items() if name not in world.ours.values()}
    for other, runs in others.items():
        behind = []
        for name in world.ours.values():
            # The same seeds: what each decision would have earned from each arm is the same for both.
            more = runs[:, 0] - found[name][: len(runs), 0]
            error = float(more.std(ddof=1)) / np.sqrt(len(more))
            print(f"  {other} misses {more.mean():+7.1f} ± {error:4.1f} more than {name}, by {len(more)} seeds")
            behind.append(float(more.mean()) < -error)
        good = good and not all(behind)
    return good


def main() -> int:
    print(f"Python {platform.python_version()}, numpy {np.__version__}")
    picked = [WORLDS[int(place)] for place in sys.argv[1:]] or WORLDS
    results = [shown(world, measured(world)) for world in picked]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
