"""Contextual bandits of Vowpal Wabbit, run inside .venv-peers by bench_contextual.py; prints JSON.

Usage: ``python contextual_peers.py WORLD.npz OPTIONS``. Each decision is predicted, drawn and learned from before the
next: the package has every outcome at once, while ours waits for a refresh.
"""

import json
import sys
from time import perf_counter

import numpy as np


def main() -> None:
    from vowpalwabbit import Workspace  # noqa: PLC0415 -- not installed where this is checked

    world = np.load(sys.argv[1])
    features, chances, luck, draws = (world[name] for name in ("features", "chances", "luck", "draws"))
    n_arms = chances.shape[1]
    learner = Workspace(f"--cb_explore_adf -q UA --quiet {sys.argv[2]}")
    arms = [f"|A a{arm}" for arm in range(n_arms)]
    reward, expected = 0, 0.0
    began = perf_counter()
    for row, p, chance, u in zip(features, chances, luck, draws, strict=True):
        shared = "shared |U " + " ".join(f"f{place}:{value:.6g}" for place, value in enumerate(row))
        shares = np.array(learner.predict([shared, *arms]))
        shares /= shares.sum()
        arm = min(int(np.searchsorted(np.cumsum(shares), u, side="right")), n_arms - 1)
        rewarded = bool(chance < p[arm])
        reward += rewarded
        expected += p[arm]
        learner.learn([shared, *arms[:arm], f"0:{-float(rewarded)}:{shares[arm]} {arms[arm]}", *arms[arm + 1 :]])
    seconds = perf_counter() - began
    learner.finish()
    print(json.dumps({"reward": reward, "expected": expected, "seconds": seconds}))


if __name__ == "__main__":
    main()
