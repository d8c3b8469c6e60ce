"""The demo's replay over HTTP, without segments and at floor 0, for several seeds: ``python run.py [SEED…]``.

Needs hillstrom.csv.gz in OPTIMIZER_DATA or ../shared/data. Writes result.json beside this file; the same seeds give the
same file.
"""

import json
import os
import sys
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

from optimizer.demo.history import find_file, read_history
from optimizer.demo.job import Choices, do_main_job
from optimizer.demo.results import counted_alike, segment_results

SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
RESULT = Path(__file__).parent / "result.json"


def main() -> None:
    """Run every seed and write the result."""
    data = os.environ.get("OPTIMIZER_DATA")
    file = find_file(Path(data) if data else None)
    if file is None:
        sys.exit("hillstrom.csv.gz: found nowhere; allowed in OPTIMIZER_DATA or ../shared/data")
    history = read_history(file)
    seeds = [int(seed) for seed in sys.argv[1:]] or SEEDS
    runs, rates, overall = [], [], None
    for seed in seeds:
        with TemporaryDirectory(prefix="optimizer-simulation-") as folder:
            done, verified = do_main_job(
                Path(folder), history.shuffled(seed), Choices(seed=seed, segments=False, floor=0.0)
            )
        overall = segment_results(done)[-1]
        rates.append(overall.rate)
        runs.append(
            {
                "seed": seed,
                "visit_rate": round(overall.rate, 6),
                "trials": overall.trials,
                "batches": done.n_batches,
                "final_allocation": {
                    one["variant"]: round(one["allocation"], 6) for one in done.report["segments"][0]["variants"]
                },
                "ledger_clean": bool(verified["ok"]) and counted_alike(done),
            }
        )
        print(
            f"seed {seed}: {overall.rate:.4f} of {overall.trials:,} trials, "
            f"{done.decisions_per_second:,.0f} decisions/s, {done.seconds:.0f} s, clean {runs[-1]['ledger_clean']}",
            flush=True,
        )
    assert overall is not None
    spread = stdev(rates) if len(rates) > 1 else 0.0
    result = {
        "what": "rejection replay of Hillstrom's 64,000 customers over HTTP: visits, 3 mails, no segments, floor 0",
        "mean_visit_rate": round(mean(rates), 6),
        "standard_error_over_seeds": round(spread / len(rates) ** 0.5, 6),
        "equal_split": round(overall.uniform, 6),
        "best_single_mail": round(overall.best[1], 6),
        "runs": runs,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"mean {result['mean_visit_rate']} (equal split {result['equal_split']}), written to {RESULT}")


if __name__ == "__main__":
    main()
