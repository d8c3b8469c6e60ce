"""The same logs for econml's honest doubly robust policy tree: ``python peer.py PYTHON``, one that has econml.

Writes peer.json beside this file: what each choice truly earns more than the best single variant, and how often each
proposes more than one variant.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from run import mean, true_gain
from worlds import PLANTED, World, world

from optimizer.insights.discovering.columns import Kind
from optimizer.insights.discovering.tree import found_segments

HERE = Path(__file__).parent
PEER = HERE.parents[1] / "benchmarks" / "peers" / "segment_peers.py"
SEEDS = range(50_000, 50_008)
ROWS = 10_000


def main() -> None:
    """Write the logs, let both search them, and write what came of it."""
    worlds = {f"{shape}.{seed}": world(seed, ROWS, shape) for shape in (None, *PLANTED) for seed in SEEDS}
    with TemporaryDirectory() as folder:
        for name, one in worlds.items():
            log = one.feedback
            np.savez(
                Path(folder) / f"{name}.npz",
                arms=log.arms,
                rewards=log.rewards,
                features=features(one),
                rates=one.rates,
            )
        asked = [sys.argv[1], str(PEER), folder]
        theirs = {one["log"]: one for one in json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)}
    ours = {}
    for name, one in worlds.items():
        began = perf_counter()
        found = found_segments(one.feedback, one.columns)
        ours[name] = {
            "seconds": perf_counter() - began,
            "proposes": bool(found.segments),
            "gain": true_gain(one, found) if found.segments else 0.0,
        }
    result = {
        str(shape): {
            whose: {
                "proposes": mean(of[f"{shape}.{seed}"]["proposes"] for seed in SEEDS),
                "true_gain": round(float(np.mean([of[f"{shape}.{seed}"]["gain"] for seed in SEEDS])), 4),
                "seconds": mean(of[f"{shape}.{seed}"]["seconds"] for seed in SEEDS),
            }
            for whose, of in (("ours", ours), ("econml", theirs))
        }
        for shape in (None, *PLANTED)
    }
    (HERE / "peer.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def features(one: World) -> np.ndarray:
    """Attributes as numbers, as the peer takes them: a column for each category."""
    parts = []
    for column in one.columns:
        if column.kind is Kind.CATEGORY:
            parts.append(np.eye(len(column.categories))[column.values.astype(int)])
        else:
            parts.append(column.values[:, None])
    return np.concatenate(parts, axis=1)


if __name__ == "__main__":
    main()
