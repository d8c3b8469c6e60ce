"""Off-policy evaluation by obp, run inside .venv-peers by bench_evaluation.py; prints JSON.

Usage: ``python ope_peers.py FOLDER NAME BOOTSTRAPS``. Loading is not timed; peak memory is that of the whole process.
"""

import json
import resource
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from obp.ope import (
    DirectMethod,
    DoublyRobust,
    InverseProbabilityWeighting,
    SelfNormalizedInverseProbabilityWeighting,
    SwitchDoublyRobust,
)

SWITCH_AT = 10.0
ESTIMATORS: dict[str, Any] = {
    "ips": InverseProbabilityWeighting(),
    "snips": SelfNormalizedInverseProbabilityWeighting(),
    "dm": DirectMethod(),
    "dr": DoublyRobust(),
    "switch_dr": SwitchDoublyRobust(lambda_=SWITCH_AT),
}


def main() -> None:
    folder, name, bootstraps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    columns = ["arms", "propensities", "rewards", "probabilities"] + ["predicted"] * (name not in ("ips", "snips"))
    log = {column: np.load(folder / f"{column}.npy") for column in columns}
    inputs = {
        "reward": log["rewards"],
        "action": log["arms"],
        "pscore": log["propensities"],
        "action_dist": log["probabilities"][:, :, None],
        "position": np.zeros(len(log["arms"]), int),
    }
    if "predicted" in log:
        inputs["estimated_rewards_by_reg_model"] = log["predicted"][:, :, None]
    began = perf_counter()
    value = ESTIMATORS[name].estimate_policy_value(**inputs)
    interval = ESTIMATORS[name].estimate_interval(n_bootstrap_samples=bootstraps, random_state=1, **inputs)
    seconds = perf_counter() - began
    lower, upper = (bound for key, bound in interval.items() if "CI" in key)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "mib": peak, "value": value, "lower": lower, "upper": upper}))


if __name__ == "__main__":
    main()
