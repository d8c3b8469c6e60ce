"""Doubly robust policy tree and causal-effect tree by econml, run inside an environment of its own; prints JSON.

Usage: ``python segment_peers.py FOLDER``, a folder that `simulations/segment_discovery/peer.py` wrote: for each log
``arms``, ``rewards``, ``features`` and ``rates`` (the truth), of even shares.
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from econml.policy import DRPolicyTree
from sklearn.linear_model import LogisticRegression, Ridge


def main() -> None:
    said: list[dict[str, Any]] = []
    for file in sorted(Path(sys.argv[1]).glob("*.npz")):
        log = np.load(file)
        began = perf_counter()
        tree = DRPolicyTree(
            model_regression=Ridge(),
            model_propensity=LogisticRegression(max_iter=500),
            max_depth=2,
            min_samples_leaf=200,
            honest=True,
            random_state=0,
        )
        tree.fit(log["rewards"], log["arms"], X=log["features"])
        chosen = tree.predict(log["features"]).astype(int)
        seconds = perf_counter() - began
        earned = log["rates"][np.arange(len(chosen)), chosen].mean() - log["rates"].mean(axis=0).max()
        said.append(
            {
                "log": file.stem,
                "seconds": round(seconds, 2),
                "gain": float(earned),
                "proposes": len(np.unique(chosen)) > 1,
            }
        )
    print(json.dumps(said))


if __name__ == "__main__":
    main()
